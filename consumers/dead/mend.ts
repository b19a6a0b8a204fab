// An event that was mended by hand, as the line that is delivered instead of the letter's own. Pure.
// Source, id and type stay: by the first two its target knows a repeat, by the last its sink takes it.
import { parseEventLine } from '#core/event-line.ts';
import { readEvent, type TypeNamer } from '#core/event.ts';
import { scanMembers } from '#core/json/members.ts';
import { scanEvents } from '#core/json/scan.ts';

export type Mended =
  | { readonly kind: 'mended'; readonly line: Buffer }
  | { readonly kind: 'unfit'; readonly message: string };

const OPEN_OBJECT = 0x7b;
const CLOSE = '}';
const LF = 0x0a;
const ATTRIBUTES = ['id', 'source', 'type', 'time', 'receivedat', 'host', 'site'] as const;

/** The type must stay, and what Bee rejected may have one that no agent takes: `purchase@2` is a rule's second version. */
const asNamed: TypeNamer = (type) => ({ kind: 'named', type, tag: null });

/**
 * `line`: the letter's event, with or without its line feed. `json`: the whole event (an object with `specversion`, as `waggle dead show
 * ID --body` prints it) or only its data. Checked as the agent checks what it is sent. What is answered has no line feed.
 */
export function mendEvent(line: Buffer, json: Buffer): Mended {
  const old = parseEventLine(line);
  if (old === null) return unfit('the letter holds no event, so there is nothing to mend');
  const bytes = Buffer.from(json); // a copy: the scan replaces line breaks
  const scanned = scanEvents(bytes, 'value');
  const fault = scanned.kind === 'refused' ? scanned : scanned.faults.get(0);
  if (fault !== undefined || scanned.kind === 'refused') return unfit(fault?.message ?? '');
  const value = bytes.subarray(scanned.spans[0], scanned.spans[1]);
  const isEvent = value[0] === OPEN_OBJECT && scanMembers(value, 0, value.length).names.includes('specversion');
  if (!isEvent) return { kind: 'mended', line: withData(line, old.data, value) };
  const read = readEvent(value, 0, value.length, asNamed);
  if (read.kind === 'refused') return unfit(`${read.pointer === '' ? '' : `${read.pointer}: `}${read.message}`);
  const event = parseEventLine(value);
  if (event === null)
    return unfit(`an event has ${ATTRIBUTES.join(', ')}; begin with what waggle dead show ID --body prints`);
  const changed = (['id', 'source', 'type'] as const).filter((name) => event[name] !== old[name]);
  if (changed.length > 0) return unfit(`${changed.join(' and ')} must stay, or its target cannot tell a repeat`);
  return { kind: 'mended', line: value };
}

function withData(line: Buffer, old: readonly [number, number] | null, value: Buffer): Buffer {
  if (old !== null) return Buffer.concat([line.subarray(0, old[0]), value, line.subarray(old[1], endOf(line))]);
  const close = line.lastIndexOf(CLOSE);
  return Buffer.concat([line.subarray(0, close), Buffer.from(',"data":'), value, Buffer.from(CLOSE)]);
}

const endOf = (line: Buffer): number => (line.at(-1) === LF ? line.length - 1 : line.length);

const unfit = (message: string): Mended => ({ kind: 'unfit', message });
