// The events of a body: where each starts and ends in its bytes, so that numbers, escapes and the order of members stay what was sent.
//
// The scan is faster than JSON.parse, which tests take as the oracle of the grammar.
import { isUtf8 } from 'node:buffer';
import { type Refusal, type RefusalCode, refusal } from '../errors.ts';
import { pointerAt } from './pointer.ts';
import { CLOSE_ARRAY, COMMA, LF, OPEN_ARRAY, SPACE, Scanner } from './scanner.ts';

export interface ScanLimits {
  /** Levels of arrays and objects in one event. */
  readonly depth: number;
  /** Events in one body: an event of two bytes costs an envelope of 250. */
  readonly events: number;
}

const SCAN_LIMITS: ScanLimits = { depth: 64, events: 10_000 };

/** `value`: one event, whatever it is. `array`: the elements of a top-level array, or else one event. `lines`: an event a line (NDJSON), blank lines skipped. */
export type Framing = 'value' | 'array' | 'lines';

export interface Scanned {
  readonly kind: 'scanned';
  /** Start and end of each event, in bytes: event i is at 2i and 2i+1. */
  readonly spans: readonly number[];
  /** Events to refuse, by index. Empty almost always. */
  readonly faults: ReadonlyMap<number, Refusal>;
}

function malformed(scanner: Scanner, start: number): Refusal {
  const { syntaxAt, syntax } = scanner;
  return refusal(
    'json-malformed',
    pointerAt(scanner.buf, start, syntaxAt),
    `${syntax} at byte ${syntaxAt - start + 1}`,
  );
}

/** What the scanner noted about the value that started here beside the grammar; and makes it ready for the next. */
function noted(scanner: Scanner, start: number): Refusal | null {
  const { deepAt, loneAt } = scanner;
  if (deepAt < 0 && loneAt < 0) return null;
  scanner.deepAt = -1;
  scanner.loneAt = -1;
  if (deepAt >= 0) return refusal('json-too-deep', pointerAt(scanner.buf, start, deepAt), scanner.depthLimit);
  return refusal('surrogate-lone', pointerAt(scanner.buf, start, loneAt), `see byte ${loneAt - start + 1}`);
}

function scanLines(scanner: Scanner, events: number): Scanned | Refusal {
  const { buf } = scanner;
  const spans: number[] = [];
  const faults = new Map<number, Refusal>();
  for (let line = 0; line < buf.length;) {
    const found = buf.indexOf(LF, line);
    const end = found < 0 ? buf.length : found;
    const start = scanner.space(line, end);
    line = end + 1;
    if (start === end) continue;
    const index = spans.length / 2;
    if (index === events) return refusal('batch-too-many', '', events);
    let stop = scanner.value(start, end);
    const rest = stop < 0 ? end : scanner.space(stop, end);
    if (rest < end) stop = scanner.fail(rest, 'the end of the line was expected');
    const fault = stop < 0 ? malformed(scanner, start) : noted(scanner, start);
    if (stop < 0) noted(scanner, start);
    if (fault !== null) faults.set(index, fault);
    spans.push(start, stop < 0 ? end : stop);
  }
  return { kind: 'scanned', spans, faults };
}

function scanArray(scanner: Scanner, open: number, events: number): Scanned | Refusal {
  const { buf } = scanner;
  const spans: number[] = [];
  const faults = new Map<number, Refusal>();
  let i = scanner.space(open + 1, buf.length);
  let more = buf[i] !== CLOSE_ARRAY;
  while (more) {
    const start = i;
    if (spans.length === 2 * events) return refusal('batch-too-many', '', events);
    i = scanner.value(start, buf.length);
    if (i < 0) return malformed(scanner, open);
    const fault = noted(scanner, start);
    if (fault !== null) faults.set(spans.length / 2, fault);
    spans.push(start, i);
    i = scanner.space(i, buf.length);
    more = buf[i] === COMMA;
    if (more) i = scanner.space(i + 1, buf.length);
    else if (buf[i] !== CLOSE_ARRAY) {
      scanner.fail(i, 'a comma or ] was expected');
      return malformed(scanner, open);
    }
  }
  return ended(scanner, i + 1, open) ?? { kind: 'scanned', spans, faults };
}

/** A refusal where anything but white space follows the document. */
function ended(scanner: Scanner, at: number, start: number): Refusal | null {
  const rest = scanner.space(at, scanner.buf.length);
  if (rest === scanner.buf.length) return null;
  scanner.fail(rest, 'the end was expected');
  return malformed(scanner, start);
}

/** One value and nothing after it. */
function scanValue(scanner: Scanner, start: number): Scanned | Refusal {
  const end = scanner.value(start, scanner.buf.length);
  if (end < 0) return malformed(scanner, start);
  const fault = noted(scanner, start);
  return (
    ended(scanner, end, start) ?? {
      kind: 'scanned',
      spans: [start, end],
      faults: new Map(fault === null ? [] : [[0, fault]]),
    }
  );
}

function scanFramed(body: Buffer, framing: Framing, limits: ScanLimits): Scanned | Refusal {
  const scanner = new Scanner(body, limits.depth);
  if (framing === 'lines') return scanLines(scanner, limits.events);
  const start = scanner.space(0, body.length);
  return framing === 'array' && body[start] === OPEN_ARRAY
    ? scanArray(scanner, start, limits.events)
    : scanValue(scanner, start);
}

/**
 * The events of a body. A refusal concerns all of it (the framing does not parse: nothing can be taken); `faults` are refusals of single
 * events, with pointers relative to the event. The body is the caller's own: line breaks between tokens become blanks in it.
 */
export function scanEvents(body: Buffer, framing: Framing, limits: ScanLimits = SCAN_LIMITS): Scanned | Refusal {
  if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) return refusal('bom-present');
  const scanned = scanFramed(body, framing, limits);
  if (scanned.kind === 'refused') {
    // Bytes in another encoding break the grammar too, and the encoding is what the sender must mend.
    return scanned.code === 'json-malformed' && !isUtf8(body) ? refusal('utf8-invalid') : emptyBody(scanned, body);
  }
  if (scanned.spans.length === 0) return refusal(framing === 'lines' ? 'body-empty' : 'batch-empty');
  return isUtf8(body) ? scanned : withUtf8Faults(scanned, body);
}

function emptyBody(refused: Refusal, body: Buffer): Refusal {
  return body.every((byte) => SPACE[byte] === 1) ? refusal('body-empty') : refused;
}

/** Structure is ASCII, so bad bytes lie inside events: only those are refused. */
function withUtf8Faults(scanned: Scanned, body: Buffer): Scanned {
  const code: RefusalCode = 'utf8-invalid';
  const faults = new Map(scanned.faults);
  for (let i = 0; i < scanned.spans.length; i += 2)
    if (!isUtf8(body.subarray(scanned.spans[i], scanned.spans[i + 1]))) faults.set(i / 2, refusal(code));
  return { ...scanned, faults };
}
