// How an event stands in a bulk request: its action line and its document, spliced from the event's own bytes, so that numbers keep every
// digit. Pure. (Elasticsearch reference, "Bulk API"; field names of the Elastic Common Schema 9.)
//
//   {"create":{"_index":"waggle-2026.11.23","_id":KEY}} LF
//   {"@timestamp":T,"event":{"id":…,"action":TYPE,"provider":SOURCE,"created":RECEIVEDAT},"host":{"name":HOST},
//    "labels":{"site":…,"tag":…, other extensions},"data":{…}} LF
//
// @timestamp and the day follow one rule (eventHour): the event's own time, or the arrival where that lies out of bounds. Elasticsearch
// reads fewer timestamps than RFC 3339 has, and would refuse a document for one that it cannot read: it gets the same moment in another
// form. Wherever @timestamp is not what stands in the event, that is kept in labels.time, a text.
// Data that are no object go to `message`, as text: in `data`, the first of either kind would refuse the other for the rest of the day.
import { ByteWriter } from '#core/bytes.ts';
import { eventHour, parseTime, timeFromBytes } from '#core/time.ts';
import type { Encoded, Refused } from '../queue/contract.ts';
import type { SinkEvent } from '../queue/sink-event.ts';

/** Where documents go. */
export interface Destination {
  /** Prefix of the daily indices, or name of the data stream. */
  readonly index: string;
  readonly dataStream: boolean;
}

const HOUR = 3_600_000;
const DAY_HOURS = 24;
const OBJECT = 0x7b;
const QUOTE = 0x22;
const NULL = 0x6e;
const COMMA = 0x2c;
/** What a field of type `date` reads for sure: up to nanoseconds, offsets below 18 hours, no leap second. */
const READABLE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-7]):\d\d)$/;
/** Members that have a place of their own; the others are labels. */
const PLACED = new Set(['specversion', 'id', 'source', 'type', 'time', 'receivedat', 'host', 'data', 'data_base64']);
const PLAIN_NAME = /^[a-z0-9]+$/;
const JSON_TYPE = Buffer.from('"application/json"');

const TIMESTAMP = Buffer.from('"}}\n{"@timestamp":');
const EVENT = Buffer.from(',"event":{"id":');
const ACTION = Buffer.from(',"action":');
const PROVIDER = Buffer.from(',"provider":');
const CREATED = Buffer.from(',"created":');
const HOST = Buffer.from(',"host":{"name":');
const LABELS = Buffer.from(',"labels":{');
const DATA = Buffer.from(',"data":');
const BASE64 = Buffer.from(',"data_base64":');
const MESSAGE = Buffer.from(',"message":');
const CLOSE = Buffer.from('}');
const END = Buffer.from('}\n');

/** Both lines of each event, ready to stand one behind the other. */
export function documentEncoder(to: Destination): (event: SinkEvent) => Encoded<Buffer> | Refused {
  const out = new ByteWriter(16_384);
  const head = to.dataStream ? always(actionHead(to.index)) : headOfDay(to.index);
  return (event) => {
    const received = event.member('receivedat');
    const arrival = received === null ? Number.NaN : stringTime(received);
    if (received === null || Number.isNaN(arrival))
      return { kind: 'refused', code: 'receivedat-invalid', message: 'the event does not say when it was received' };
    out.length = 0;
    const time = event.member('time') ?? received;
    const moment = stringTime(time);
    const hour = eventHour(moment, arrival);
    out.copy(head(Math.floor(hour / DAY_HOURS)));
    out.ascii(event.key);
    out.copy(TIMESTAMP);
    // Out of bounds, the hour is that of the arrival, which is another.
    const inBounds = Math.floor(moment / HOUR) === hour;
    const asItCame = writeTime(out, inBounds ? time : received, inBounds ? moment : arrival) && inBounds;
    writeEvent(out, event, received, arrival);
    writeLabels(out, event, asItCame ? null : time);
    writeData(out, event);
    out.copy(END);
    const body = Buffer.from(out.finish()); // out of the pool that small buffers share
    return { kind: 'encoded', body, bytes: body.length };
  };
}

/** Name of the daily index; `day` counts from 1970-01-01. */
function dailyIndex(prefix: string, day: number): string {
  const date = new Date(day * DAY_HOURS * HOUR).toISOString().slice(0, 10);
  return `${prefix}-${date.replaceAll('-', '.')}`;
}

const actionHead = (index: string): Buffer => Buffer.from(`{"create":{"_index":${JSON.stringify(index)},"_id":"`);
const always = (head: Buffer) => (): Buffer => head;

function headOfDay(prefix: string): (day: number) => Buffer {
  let known = Number.NaN;
  let head = actionHead(prefix);
  return (day) => {
    if (day !== known) head = actionHead(dailyIndex(prefix, day));
    known = day;
    return head;
  };
}

/** Milliseconds since the epoch of a JSON string that is a timestamp, or NaN. */
function stringTime(json: Buffer): number {
  const time = timeFromBytes(json, 1, json.length - 1);
  if (!Number.isNaN(time) || !json.includes(0x5c)) return time;
  return parseTime(String(JSON.parse(json.toString()))) ?? Number.NaN;
}

/** As it came where Elasticsearch can read that: true; else the moment in a form that it reads. */
function writeTime(out: ByteWriter, json: Buffer, moment: number): boolean {
  const readable = isUsual(json) || READABLE.test(json.toString('latin1', 1, json.length - 1));
  if (readable) out.copy(json);
  else out.ascii(`"${new Date(moment).toISOString()}"`);
  return readable;
}

/** Of a JSON string that is a timestamp: whether it is of the form that most are, `"2026-11-23T14:00:00.125Z"`. */
const isUsual = (json: Buffer): boolean =>
  json.length === 26 && json[11] === 0x54 && json[18] !== 0x36 && json[20] === 0x2e && json[24] === 0x5a;

function writeEvent(out: ByteWriter, event: SinkEvent, received: Buffer, arrival: number): void {
  // Of every event (SinkEvent.read).
  out.copy(EVENT);
  event.copy('id', out);
  out.copy(ACTION);
  event.copy('type', out);
  out.copy(PROVIDER);
  event.copy('source', out);
  out.copy(CREATED);
  writeTime(out, received, arrival);
  out.copy(CLOSE);
  const { length } = out;
  out.copy(HOST);
  if (event.copy('host', out)) out.copy(CLOSE);
  else out.length = length;
}

function writeMember(out: ByteWriter, name: Buffer, json: Buffer | null): void {
  if (json === null) return;
  out.copy(name);
  out.copy(json);
}

/** `time`: the event's own where @timestamp is not it. */
function writeLabels(out: ByteWriter, event: SinkEvent, time: Buffer | null): void {
  let first = true;
  for (const name of event.names) {
    if (PLACED.has(name) && !(name === 'time' && time !== null)) continue;
    if (name === 'datacontenttype' && event.member(name)?.equals(JSON_TYPE) === true) continue;
    if (first) out.copy(LABELS);
    else out.byte(COMMA);
    first = false;
    if (PLAIN_NAME.test(name)) {
      out.byte(QUOTE);
      out.ascii(name);
      out.ascii('":');
    } else out.text(`${JSON.stringify(name)}:`);
    event.copy(name, out);
  }
  if (!first) out.copy(CLOSE);
}

function writeData(out: ByteWriter, event: SinkEvent): void {
  writeMember(out, BASE64, event.member('data_base64'));
  const data = event.member('data');
  if (data === null) return;
  const first = data[0];
  if (first === OBJECT || first === NULL) writeMember(out, DATA, data);
  else if (first === QUOTE) writeMember(out, MESSAGE, data);
  else writeMember(out, MESSAGE, Buffer.from(JSON.stringify(data.toString())));
}
