// The JSON mode of the forward protocol: messages as JSON, one behind the other, answered in JSON. Records are spliced in as they came. Pure.
//   ["tag", time, {record}, {option}]   or   ["tag", [[time, {record}], …], {option}]
import type { RefusalCode } from '#core/errors.ts';
import type { NamedType } from '#core/event.ts';
import { scanEvents } from '#core/json/scan.ts';
import type { EventWriter } from '../event-writer.ts';
import type { MessageLimits } from './message.ts';
import { BAD, MORE, TOO_LONG } from './msgpack.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;

/** Finds the end of one JSON array or object by its brackets, and goes on where it stopped; blanks before it belong to it. */
export class JsonWalk {
  at = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  begin(at: number): void {
    this.at = at;
    this.#depth = 0;
    this.#inString = false;
    this.#escaped = false;
  }

  shift(by: number): void {
    this.at -= by;
  }

  get needed(): number {
    return this.at + 1;
  }

  /** Behind the value, or MORE, BAD, TOO_LONG. */
  end(buf: Buffer, end: number, limit: number): number {
    for (; this.at < end; this.at++) {
      if (this.at >= limit) return TOO_LONG;
      const byte = buf[this.at] as number; // below end
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
      } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) this.#depth++;
      else if (byte === 0x5d || byte === 0x7d) {
        if (this.#depth === 0) return BAD;
        if (--this.#depth === 0) return ++this.at;
      } else if (this.#depth === 0) {
        if (byte > 0x20) return BAD;
      } else if (byte === QUOTE) this.#inString = true;
    }
    return MORE;
  }
}

/** Events of the message are written; answers the chunk to acknowledge, as the JSON that came, or null. */
export function readJsonMessage(
  body: Buffer,
  writer: EventWriter,
  limits: MessageLimits,
  refuse: (code: RefusalCode, events: number) => void,
): Buffer | null {
  const scanned = scanEvents(body, 'array');
  const [tagAt, tagEnd, secondAt, secondEnd, ...rest] = scanned.kind === 'refused' ? [] : scanned.spans;
  const tag = textOf(body, tagAt, tagEnd);
  if (tag === null || secondAt === undefined || secondEnd === undefined) {
    refuse(scanned.kind === 'refused' ? scanned.code : 'message-malformed', 1);
    return null;
  }
  const isForward = body[secondAt] === OPEN_ARRAY;
  const optionSpan = isForward ? rest.slice(0, 2) : rest.slice(2, 4);
  const { chunk, signal } = optionOf(body, optionSpan);
  const named = writer.namer(tag);
  if (named.kind === 'refused' || signal !== 0) {
    refuse(named.kind === 'refused' ? named.code : 'signal-unsupported', 1);
    return chunk;
  }
  if (!isForward) {
    const [recordAt, recordEnd] = rest;
    // Element 2 of the message.
    const fault = scanned.kind === 'scanned' ? scanned.faults.get(2)?.code : undefined;
    const wrong = fault ?? writeRecord(body, [secondAt, secondEnd, recordAt, recordEnd], named, writer, limits);
    if (wrong !== null) refuse(wrong, 1);
    return chunk;
  }
  const entries = scanEvents(body.subarray(secondAt, secondEnd), 'array');
  if (entries.kind === 'refused') {
    if (entries.code !== 'batch-empty') refuse(entries.code, 1);
    return chunk;
  }
  for (let i = 0; i < entries.spans.length; i += 2) {
    const entry = body.subarray(secondAt + (entries.spans[i] ?? 0), secondAt + (entries.spans[i + 1] ?? 0));
    const inner = scanEvents(entry, 'array');
    const wrong =
      entries.faults.get(i / 2)?.code ??
      (inner.kind === 'refused'
        ? inner.code
        : (inner.faults.get(1)?.code ?? writeRecord(entry, inner.spans, named, writer, limits)));
    if (wrong !== null) refuse(wrong, 1);
  }
  return chunk;
}

/** `spans`: start and end of the time, then of the record. Null, or why it is refused. */
function writeRecord(
  body: Buffer,
  spans: readonly (number | undefined)[],
  named: NamedType,
  writer: EventWriter,
  { maxEvent }: MessageLimits,
): RefusalCode | null {
  const [timeAt, timeEnd, at, end] = spans;
  if (at === undefined || end === undefined || body[at] !== OPEN_OBJECT) return 'record-not-object';
  if (end - at > maxEvent) return 'event-too-large';
  const [seconds, nanos] = timeOf(Number(body.toString('latin1', timeAt, timeEnd)), writer.receivedAt);
  return writer.data(named, seconds, nanos, body, at, end)?.code ?? null;
}

/** As in msgpack: seconds, above 1e11 milliseconds; what cannot be a time is the arrival. */
function timeOf(time: number, receivedAt: number): readonly [seconds: number, nanos: number] {
  const inSeconds = time > 1e11 ? time / 1000 : time;
  const isTime = inSeconds > 0 && inSeconds < 253_402_300_800;
  const seconds = Math.floor(isTime ? inSeconds : receivedAt / 1000);
  const micros = isTime ? Math.floor((inSeconds - seconds) * 1e6 + 0.5) : (receivedAt % 1000) * 1000;
  return [seconds, Math.min(micros, 999_999) * 1000];
}

function textOf(body: Buffer, at: number | undefined, end: number | undefined): string | null {
  if (at === undefined || end === undefined || body[at] !== QUOTE) return null;
  return String(JSON.parse(body.toString('utf8', at, end)));
}

function optionOf(body: Buffer, [at, end]: readonly (number | undefined)[]): { chunk: Buffer | null; signal: number } {
  if (at === undefined || body[at] !== OPEN_OBJECT) return { chunk: null, signal: 0 };
  const option = JSON.parse(body.toString('utf8', at, end)) as Readonly<Record<string, unknown>>;
  const { chunk, fluent_signal: signal } = option;
  return {
    chunk: typeof chunk === 'string' ? Buffer.from(JSON.stringify(chunk)) : null,
    signal: typeof signal === 'number' ? signal : 0,
  };
}
