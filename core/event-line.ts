// One event as one line of NDJSON: how it is written, and how sinks read it back.
//
// line = {"specversion":"1.0","type":T,"receivedat":R,"time":T,"id":I,"source":S, kept members, "host":H,"site":S[,"tag":N]
//        [,"datacontenttype":"application/json"][,"data":…] } LF
// The order is ours and fixed, so that a sink which knows the type (a batch has one) finds receivedat and time at fixed offsets.
// receivedat is always 24 characters (YYYY-MM-DDTHH:MM:SS.sssZ); nothing before `id` ever holds an escape. Data are the sender's bytes.
import { ByteWriter } from './bytes.ts';
import type { NamedType, SentEvent } from './event.ts';
import { decodeString, scanMembers } from './json/members.ts';
import { scanEvents } from './json/scan.ts';
import { eventHour, parseTime, timeFromBytes } from './time.ts';
import { UUID_LENGTH, type UuidGenerator } from './uuid.ts';

/** What stands before the type, between it and the arrival, and between that and the time. */
export const START = '{"specversion":"1.0","type":"';
export const RECEIVED = '","receivedat":"';
export const TIME = '","time":"';
const RECEIVED_LENGTH = 24;
const QUOTE = 0x22;
const LF = 0x0a;
const COMMA = 0x2c;
const START_BYTES = Buffer.from(START);
const RECEIVED_BYTES = Buffer.from(RECEIVED);
const TIME_BYTES = Buffer.from(TIME);
const CLOSE = Buffer.from('}\n');

/** Where and when an agent took events; made once for a request. */
export interface Arrival {
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
  readonly host: string;
  readonly site: string;
  /** Of events that name none: `/<site>/<host>/<input>`. */
  readonly source: string;
}

/** All of a line but its id and its data; made once for a request and a type. Its time may change from event to event. */
export class DataEnvelope {
  /** Valid up to `headLength`. */
  readonly head: Buffer;
  headLength = 0;
  readonly tail: Buffer;
  readonly #timeAt: number;
  #seconds = Number.NaN;
  #nanos = Number.NaN;

  constructor(named: NamedType, arrival: Arrival) {
    const head = `${START}${named.type}${RECEIVED}${isoTime(arrival.receivedAt)}${TIME}`;
    this.#timeAt = head.length;
    this.head = Buffer.alloc(head.length + 30 + BEFORE_ID.length);
    this.head.write(head, 'latin1');
    this.tail = Buffer.from(
      `","source":${JSON.stringify(arrival.source)}${placeText(arrival, named.tag)},"datacontenttype":"application/json","data":`,
    );
  }

  /** Whole seconds since the epoch, below the year 10000, and nanoseconds of them: three digits are written, or nine where three do not say all. */
  setTime(seconds: number, nanos: number): void {
    if (seconds === this.#seconds && nanos === this.#nanos) return;
    const { head } = this;
    let at = this.#timeAt + 20; // behind 2026-11-23T14:00:00.
    if (seconds !== this.#seconds) head.write(isoTime(seconds * 1000), this.#timeAt, 20, 'latin1');
    this.#seconds = seconds;
    this.#nanos = nanos;
    const digits = nanos % 1e6 === 0 ? 3 : 9;
    let rest = digits === 3 ? nanos / 1e6 : nanos;
    for (let i = at + digits - 1; i >= at; i--) {
      head[i] = 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    at += digits;
    at += head.write(BEFORE_ID, at, 'latin1');
    this.headLength = at;
  }
}

const BEFORE_ID = 'Z","id":"';

const isoTime = (time: number): string => new Date(time).toISOString();

function placeText(arrival: Arrival, tag: string | null): string {
  const text = `,"host":${JSON.stringify(arrival.host)},"site":${JSON.stringify(arrival.site)}`;
  return tag === null ? text : text + tagText(tag);
}

const tagText = (tag: string): string => `,"tag":${JSON.stringify(tag.toWellFormed())}`;

/** For bare data. `time`: the event's own, where the input knows one (milliseconds since the epoch); else the arrival. */
export function dataEnvelope(named: NamedType, arrival: Arrival, time = arrival.receivedAt): DataEnvelope {
  const envelope = new DataEnvelope(named, arrival);
  const seconds = Math.floor(time / 1000);
  envelope.setTime(seconds, Math.floor(time - seconds * 1000) * 1e6);
  return envelope;
}

/** Bytes of the line, to make a writer of the right size. */
function dataLineLength(envelope: DataEnvelope, dataLength: number): number {
  return envelope.headLength + UUID_LENGTH + envelope.tail.length + dataLength + CLOSE.length;
}

/** Writes one line around the JSON value at start … end of buf, which was scanned: it holds no line break. */
export function writeDataLine(
  out: ByteWriter,
  envelope: DataEnvelope,
  ids: UuidGenerator,
  buf: Buffer,
  start: number,
  end: number,
): void {
  out.ensure(dataLineLength(envelope, end - start));
  writeDataStart(out, envelope, ids);
  out.length += buf.copy(out.bytes, out.length, start, end);
  writeDataEnd(out);
}

/** What stands before the data, for inputs that write the JSON of these themselves. */
export function writeDataStart(out: ByteWriter, envelope: DataEnvelope, ids: UuidGenerator): void {
  const { head, headLength, tail } = envelope;
  out.ensure(dataLineLength(envelope, 0));
  const { bytes } = out;
  let at = out.length;
  at += head.copy(bytes, at, 0, headLength);
  ids.write(bytes, at);
  at += UUID_LENGTH;
  out.length = at + tail.copy(bytes, at);
}

/** What stands behind them. */
export function writeDataEnd(out: ByteWriter): void {
  out.ensure(CLOSE.length);
  out.bytes[out.length++] = 0x7d;
  out.bytes[out.length++] = LF;
}

/** What lines of one arrival have in common, as bytes. */
interface Common {
  readonly received: Buffer;
  readonly time: Buffer;
  readonly source: Buffer;
  readonly place: Buffer;
}

const SOURCE_BYTES = Buffer.from(',"source":');
const ID_BYTES = Buffer.from('","id":');
const commons = new WeakMap<Arrival, Common>();

function commonOf(arrival: Arrival): Common {
  let common = commons.get(arrival);
  if (common === undefined) {
    const iso = isoTime(arrival.receivedAt);
    common = {
      received: Buffer.from(`${RECEIVED}${iso}${TIME}`),
      time: Buffer.from(iso),
      source: Buffer.from(JSON.stringify(arrival.source)),
      place: Buffer.from(placeText(arrival, null)),
    };
    commons.set(arrival, common);
  }
  return common;
}

/** Writes one line for a structured CloudEvent; its members and data are copied from buf as they are. */
export function writeSentEvent(
  out: ByteWriter,
  sent: SentEvent,
  arrival: Arrival,
  ids: UuidGenerator,
  buf: Buffer,
): void {
  const { received, time, source, place } = commonOf(arrival);
  out.copy(START_BYTES);
  out.ascii(sent.type);
  out.copy(received);
  if (sent.timeStart < 0) out.copy(time);
  else if (sent.time !== null) out.ascii(sent.time);
  else out.copy(buf, sent.timeStart + 1, sent.timeEnd - 1);
  out.copy(ID_BYTES);
  if (sent.idStart >= 0) out.copy(buf, sent.idStart, sent.idEnd);
  else {
    out.byte(QUOTE);
    out.ensure(UUID_LENGTH);
    ids.write(out.bytes, out.length);
    out.length += UUID_LENGTH;
    out.byte(QUOTE);
  }
  out.copy(SOURCE_BYTES);
  if (sent.sourceStart >= 0) out.copy(buf, sent.sourceStart, sent.sourceEnd);
  else out.copy(source);
  for (let i = 0; i < sent.kept.length; i += 2) {
    out.byte(COMMA);
    out.copy(buf, sent.kept[i], sent.kept[i + 1]);
  }
  out.copy(place);
  if (sent.tag !== null) out.text(tagText(sent.tag));
  if (sent.dataStart >= 0) {
    out.byte(COMMA);
    out.copy(buf, sent.dataStart, sent.dataEnd);
  }
  out.copy(CLOSE);
}

/** One line of an event that waggle makes itself (probes, alarms). `data` is anything JSON.stringify takes. */
export function ownEventLine(type: string, arrival: Arrival, ids: UuidGenerator, data: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(data) ?? 'null');
  const envelope = dataEnvelope({ kind: 'named', type, tag: null }, arrival);
  const out = new ByteWriter(dataLineLength(envelope, json.length));
  writeDataLine(out, envelope, ids, json, 0, json.length);
  return out.finish();
}

/** A line as sinks and tests read it. */
export interface EventLine {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time: string;
  readonly receivedat: string;
  readonly host: string;
  readonly site: string;
  readonly tag: string | null;
  /** All members by name: start and end of the value's JSON in the line. */
  readonly members: ReadonlyMap<string, readonly [start: number, end: number]>;
  /** Start and end of the JSON of `data`; null where there is none (or `data_base64`, see members). */
  readonly data: readonly [start: number, end: number] | null;
}

/** Null where the line (with or without its line feed) is no event of ours: not well formed, or without one of its attributes. */
export function parseEventLine(line: Buffer | string): EventLine | null {
  const buf = Buffer.from(line); // a copy: the scan replaces line breaks
  const scanned = scanEvents(buf, 'value');
  if (scanned.kind === 'refused' || scanned.faults.size > 0 || buf[0] !== 0x7b) return null;
  const { names, spans, duplicate } = scanMembers(buf, 0, buf.length);
  if (duplicate !== null) return null;
  const members = new Map(names.map((name, m) => [name, [spans[3 * m + 1] ?? 0, spans[3 * m + 2] ?? 0] as const]));
  const text = (name: string): string | null => {
    const span = members.get(name);
    return span !== undefined && buf[span[0]] === QUOTE ? decodeString(buf, span[0], span[1]) : null;
  };
  const [id, source, type, time, receivedat] = [
    text('id'),
    text('source'),
    text('type'),
    text('time'),
    text('receivedat'),
  ];
  const [host, site] = [text('host'), text('site')];
  if (
    id === null ||
    source === null ||
    type === null ||
    time === null ||
    receivedat === null ||
    host === null ||
    site === null
  )
    return null;
  return {
    id,
    source,
    type,
    time,
    receivedat,
    host,
    site,
    tag: text('tag'),
    members,
    data: members.get('data') ?? null,
  };
}

/** When its agent took the line at start … end, milliseconds since the epoch; null where it is no event of ours. */
export function lineArrival(body: Buffer, start = 0, end = body.length): number | null {
  const stop = typeEnd(body, start, end);
  if (stop > 0) {
    const received = receivedFrom(body, stop, end);
    if (!Number.isNaN(received)) return received;
  }
  return parseTime(parseFirst(body, start, end)?.receivedat ?? '');
}

/** Whether `lineHour` answers for the line at start … end: the one test of what a sink accepts as an event of ours. */
export function isEventLine(body: Buffer, start: number, end: number): boolean {
  const stop = typeEnd(body, start, end);
  if (stop > 0 && headIsWhole(body, stop, end)) return true;
  return parseTime(parseFirst(body, start, end)?.receivedat ?? '') !== null;
}

/** The type of the line at start … end, or null where it is no event of ours. */
export function lineType(body: Buffer, start: number, end: number): string | null {
  const stop = typeEnd(body, start, end);
  if (stop > 0) return body.toString('latin1', start + START.length, stop);
  return parseFirst(body, start, end)?.type ?? null;
}

/**
 * Hours since the epoch under which the line at start … end is stored (see eventHour). Lines in our order are read at their offsets,
 * others are parsed. Throws TypeError where `isEventLine` is false: a decoded batch has no such line.
 */
export function lineHour(body: Buffer, start: number, end: number): number {
  const stop = typeEnd(body, start, end);
  if (stop > 0 && headIsWhole(body, stop, end)) {
    const time = stop + RECEIVED.length + RECEIVED_LENGTH + TIME.length;
    return eventHour(timeFromBytes(body, time, body.indexOf(QUOTE, time)), receivedFrom(body, stop, end));
  }
  const event = parseFirst(body, start, end);
  const received = event === null ? null : parseTime(event.receivedat);
  if (event === null || received === null) throw new TypeError('event: the line is no event of waggle');
  return eventHour(parseTime(event.time) ?? Number.NaN, received);
}

/** Where the type of a line in our order ends (at its quote), or -1. */
function typeEnd(body: Buffer, start: number, end: number): number {
  const from = start + START.length;
  if (end - from < RECEIVED.length + RECEIVED_LENGTH + TIME.length || !holds(body, start, START_BYTES)) return -1;
  let stop = from;
  while (stop < end && body[stop] !== QUOTE) stop++;
  if (stop + RECEIVED.length + RECEIVED_LENGTH + TIME.length >= end) return -1;
  return holds(body, stop, RECEIVED_BYTES) ? stop : -1;
}

function holds(body: Buffer, at: number, bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (body[at + i] !== bytes[i]) return false;
  return true;
}

/** Whether arrival and time follow the type whose quote is at `stop`, each where our order has it. */
function headIsWhole(body: Buffer, stop: number, end: number): boolean {
  return (
    !Number.isNaN(receivedFrom(body, stop, end)) && holds(body, stop + RECEIVED.length + RECEIVED_LENGTH, TIME_BYTES)
  );
}

/** `stop`: the quote behind the type. NaN where there is no timestamp of ours. */
function receivedFrom(body: Buffer, stop: number, end: number): number {
  const from = stop + RECEIVED.length;
  const to = from + RECEIVED_LENGTH;
  return to < end && body[to] === QUOTE ? timeFromBytes(body, from, to) : Number.NaN;
}

/** The line at start … end, or the first one of a body. */
function parseFirst(body: Buffer, start: number, end: number): EventLine | null {
  const feed = body.indexOf(LF, start);
  return parseEventLine(body.subarray(start, feed < 0 || feed > end ? end : feed));
}
