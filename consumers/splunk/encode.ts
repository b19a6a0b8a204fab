// An event as the collector's `/event` takes it. Pure. (Splunk, "Format events for HTTP Event Collector".)
//
// object = {"time":T,"host":H,"source":S,"sourcetype":Y,"index":I,"event":DATA,"fields":{"id":…,"type":…,"site":…,"tag":…, configured ones}}
// Bytes are taken over from the event, so that numbers keep every digit. What has no value is left out, but time, event, id and type.
import { ByteWriter } from '#core/bytes.ts';
import type { PickConfig, SplunkSinkConfig } from '#core/config/sink-config.ts';
import { scanEvents } from '#core/json/scan.ts';
import { timeFromBytes } from '#core/time.ts';
import { SinkConfigInvalid, type Encoded, type Refused } from '../queue/contract.ts';
import type { SinkEvent } from '../queue/sink-event.ts';

/** Splunk's own names of an event's metadata, and the indexed fields that every event has: no other field may bear them. */
const TAKEN = new Set(['id', 'type', 'site', 'tag', 'host', 'source', 'sourcetype', 'index', 'time']);
const OWN_FIELDS = ['id', 'type', 'site', 'tag'] as const;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;
const SMALL_N = 0x6e;
const DOT = 0x2e;
const COMMA = 0x2c;
/** 2100-01-01. A time outside 1970 … 2099 is a broken clock's: the event would be in a bucket where nobody searches. */
const LATEST = 4_102_444_800_000;

/** Bytes of one event's object; `null` where nothing stands there. */
type Picker = (event: SinkEvent) => Buffer | null;

export type Encoder = (event: SinkEvent) => Encoded<Buffer> | Refused;

type EncoderConfig = Pick<SplunkSinkConfig, 'host' | 'source' | 'sourcetype' | 'index' | 'fields'>;

/** `limit`: bytes of one request. Throws SinkConfigInvalid. */
export function openEncoder(config: EncoderConfig, limit: number): Encoder {
  const metadata = (['host', 'source', 'sourcetype', 'index'] as const).map((name) => ({
    name: Buffer.from(`,"${name}":`),
    pick: textPicker(config[name]),
  }));
  const fields = Object.entries(config.fields).map(([name, pointer]) => {
    if (TAKEN.has(name)) throw new SinkConfigInvalid(takenMessage(name));
    return { name: Buffer.from(`,"${name}":`), pick: valuePicker(pointer) };
  });
  const own = OWN_FIELDS.map((name) => ({ key: name, name: Buffer.from(`,"${name}":`) }));
  const scratch = new ByteWriter();

  return (event) => {
    scratch.length = 0;
    scratch.ascii('{"time":');
    writeTime(scratch, event);
    for (const { name, pick } of metadata) {
      const text = pick(event);
      if (text === null) continue;
      scratch.copy(name);
      scratch.copy(text);
    }
    scratch.ascii(',"event":');
    scratch.copy(dataOf(event));
    scratch.ascii(',"fields":{');
    const first = scratch.length;
    for (const { key, name } of own) {
      const value = event.member(key);
      if (value === null || value[0] !== QUOTE) continue;
      scratch.copy(name, scratch.length === first ? 1 : 0);
      scratch.copy(value);
    }
    for (const { name, pick } of fields) {
      const value = pick(event);
      if (value !== null) writeField(scratch, name, value);
    }
    scratch.ascii('}}');
    if (scratch.length > limit)
      return {
        kind: 'refused',
        code: 'too-large',
        message: `${scratch.length} bytes, but a request may hold ${limit}; raise sinks.*.batch.size if the collector takes more`,
      };
    const body = Buffer.allocUnsafe(scratch.length);
    scratch.bytes.copy(body, 0, 0, scratch.length);
    return { kind: 'encoded', body, bytes: body.length };
  };
}

const takenMessage = (name: string): string =>
  `sinks.*.fields.${name}: every event has ${name === 'time' ? 'a time' : `"${name}"`} already; give this field another name`;

/** Epoch seconds: whole ones out of the date, then the sender's own digits, so that none is rounded. */
function writeTime(writer: ByteWriter, event: SinkEvent): void {
  const raw = event.member('time');
  const time = raw === null ? Number.NaN : timeFromBytes(raw, 1, raw.length - 1);
  if (raw === null || !(time >= 0 && time < LATEST)) {
    writer.ascii((Math.max(0, event.arrival) / 1000).toFixed(3));
    return;
  }
  writer.ascii(String(Math.floor(time / 1000)));
  if (raw[20] !== DOT) return;
  let end = 21;
  while (isDigit(raw[end])) end++;
  writer.copy(raw, 20, end);
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

/** Splunk refuses a blank event (codes 12 and 13): one without data is indexed as the whole CloudEvent. */
function dataOf(event: SinkEvent): Buffer {
  const data = event.member('data');
  return data === null || isBlank(data) ? event.line : data;
}

function isBlank(json: Buffer): boolean {
  const first = json[0];
  if (first === SMALL_N) return true;
  if (first === QUOTE) return isBlankText(json);
  if (first !== OPEN_OBJECT && first !== OPEN_ARRAY) return false;
  for (let i = 1; i < json.length - 1; i++) if ((json[i] as number) > 0x20) return false; // within
  return true;
}

function isBlankText(json: Buffer): boolean {
  for (let i = 1; i < json.length - 1; i++) {
    const byte = json[i] as number; // within
    // Blanks of Unicode are escaped, or begin with a byte above ASCII.
    if (byte === BACKSLASH || byte >= 0x80) return String(JSON.parse(json.toString('utf8'))).trim() === '';
    if (byte > 0x20) return false;
  }
  return true;
}

/** A JSON string: as it stands in the event, or anything else there as the text of its JSON; else the text given. */
function textPicker({ from, or }: PickConfig): Picker {
  const otherwise = or === null ? null : Buffer.from(JSON.stringify(or.toWellFormed()));
  if (from === null) return () => otherwise;
  const value = valuePicker(from);
  return (event) => {
    const found = value(event);
    if (found === null || found[0] === SMALL_N || (found[0] === QUOTE && isBlankText(found))) return otherwise;
    return found[0] === QUOTE ? found : Buffer.from(JSON.stringify(found.toString('utf8')));
  };
}

/** A member of the first level is at hand already. */
function valuePicker(pointer: string): Picker {
  const name = /^\/([^/~]+)$/.exec(pointer)?.[1];
  return name === undefined ? (event) => event.at(pointer) : (event) => event.member(name);
}

/** Strings and lists of strings; Splunk refuses anything else in `fields` (code 15). Objects, null and blanks are left out. */
function writeField(writer: ByteWriter, name: Buffer, value: Buffer): void {
  if (value[0] !== OPEN_ARRAY) {
    if (!isText(value)) return;
    writer.copy(name);
    writeText(writer, value);
    return;
  }
  const start = writer.length;
  writer.copy(name);
  writer.byte(OPEN_ARRAY);
  const first = writer.length;
  for (const item of items(value)) {
    if (!isText(item)) continue;
    if (writer.length > first) writer.byte(COMMA);
    writeText(writer, item);
  }
  if (writer.length === first) writer.length = start;
  else writer.ascii(']');
}

/** None: the list is longer than any list of indexed fields. */
function items(array: Buffer): Buffer[] {
  const scanned = scanEvents(array, 'array');
  if (scanned.kind === 'refused') return [];
  const found: Buffer[] = [];
  for (let i = 0; i < scanned.spans.length; i += 2) found.push(array.subarray(scanned.spans[i], scanned.spans[i + 1]));
  return found;
}

function isText(value: Buffer): boolean {
  const first = value[0];
  return first === QUOTE ? !isBlankText(value) : first !== OPEN_OBJECT && first !== OPEN_ARRAY && first !== SMALL_N;
}

function writeText(writer: ByteWriter, value: Buffer): void {
  const bare = value[0] !== QUOTE;
  if (bare) writer.byte(QUOTE);
  writer.copy(value);
  if (bare) writer.byte(QUOTE);
}
