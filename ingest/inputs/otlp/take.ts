// Log records of OpenTelemetry to events as the spool takes them. Pure but for the writer that it is given.
//   data = {"severityNumber":9,"severityText":"INFO","body":…,"attributes":{…},"resource":{…},"scope":{"name":…,"version":…,"attributes":{…}},
//           "traceId":"<hex>","spanId":"<hex>","flags":1,"eventName":"…","timeUnixNano":"…","observedTimeUnixNano":"…"}
// What a record does not have is left out. Integers are written as they are (64 bits, exact), times in nanoseconds as text, bytes in base64.
import { type Refusal, refusal } from '#core/errors.ts';
import type { NamedType } from '#core/event.ts';
import type { EventGroup } from '../../spool/contract.ts';
import type { EventError } from '../http/answer.ts';
import type { EventWriter } from '../event-writer.ts';
import { decodeLogs, type AnyValue, type KeyValue, type LogRecord, type OtlpCoding, type Scope } from './messages.ts';

export interface TakenLogs {
  readonly kind: 'taken';
  readonly groups: readonly EventGroup[];
  readonly count: number;
  readonly errors: readonly EventError[];
}

const DEPTH = 64;
/** The last second of the year 9999. */
const LAST_SECOND = 253_402_300_799n;
const BILLION = 1_000_000_000n;

/** `fallback`: the type of records whose event name is none, or cannot be a type. */
export function takeLogs(
  writer: EventWriter,
  body: Buffer,
  coding: OtlpCoding,
  fallback: NamedType,
  maxEvent: number,
): TakenLogs | Refusal {
  const request = decodeLogs(body, coding);
  if ('kind' in request) return request;
  const errors: EventError[] = [];
  writer.begin();
  let index = 0;
  try {
    for (const { resource, scopeLogs } of request.resourceLogs ?? []) {
      const from = member('resource', object(resource?.attributes));
      for (const { scope, logRecords } of scopeLogs ?? []) {
        const common = from + member('scope', scopeText(scope));
        for (const record of logRecords ?? []) {
          const wrong = takeRecord(writer, record, common, fallback, maxEvent);
          if (wrong !== null) errors.push({ index, refusal: wrong });
          index++;
        }
      }
    }
  } catch (error) {
    // A member that is of another kind than OTLP says: the whole of it is no request.
    if (error instanceof TooDeep) return refusal('json-too-deep', '', DEPTH);
    return refusal(coding === 'json' ? 'json-malformed' : 'protobuf-malformed', '', 'it is no request of OTLP logs');
  }
  return { kind: 'taken', groups: writer.groups(), count: writer.count, errors };
}

function takeRecord(
  writer: EventWriter,
  record: LogRecord,
  common: string,
  fallback: NamedType,
  maxEvent: number,
): Refusal | null {
  const name = record.eventName || nameOf(record.attributes);
  const asked = name === '' ? fallback : writer.namer(name);
  const named = asked.kind === 'named' ? asked : fallback;
  const nanos = whole(record.timeUnixNano) || whole(record.observedTimeUnixNano);
  const data = dataText(record, common);
  if (data.length > maxEvent) return refusal('event-too-large', '', maxEvent);
  const { receivedAt } = writer;
  const known = nanos > 0n && nanos / BILLION <= LAST_SECOND;
  const time = known ? nanos : BigInt(Math.floor(receivedAt)) * 1_000_000n;
  writer.open(named, Number(time / BILLION), Number(time % BILLION)).text(data);
  return writer.close(named);
}

function dataText(record: LogRecord, common: string): string {
  const { severityNumber = 0, severityText = '', body, traceId, spanId, flags = 0, eventName = '' } = record;
  const { droppedAttributesCount: dropped = 0 } = record;
  const time = whole(record.timeUnixNano);
  const observed = whole(record.observedTimeUnixNano);
  const text =
    member('severityNumber', severityNumber === 0 ? '' : integer(severityNumber)) +
    member('severityText', severityText === '' ? '' : string(severityText)) +
    member('body', body === undefined || body === null ? '' : anyText(body, 0)) +
    member('attributes', object(record.attributes)) +
    member('droppedAttributesCount', dropped === 0 ? '' : integer(dropped)) +
    common +
    member('traceId', idText(traceId)) +
    member('spanId', idText(spanId)) +
    member('flags', flags === 0 ? '' : integer(flags)) +
    member('eventName', eventName === '' ? '' : string(eventName)) +
    member('timeUnixNano', time === 0n ? '' : `"${time}"`) +
    member('observedTimeUnixNano', observed === 0n ? '' : `"${observed}"`);
  return `{${text.slice(0, -1)}}`;
}

/** Before there was a field of its own, the name was an attribute. */
const nameOf = (attributes: readonly KeyValue[] = []): string =>
  attributes.find(({ key }) => key === 'event.name')?.value?.stringValue ?? '';

const member = (name: string, json: string): string => (json === '' ? '' : `"${name}":${json},`);

// What came as JSON may be of another kind than its type says: then these throw, and the request is none.
const string = (text: string): string => JSON.stringify(text.toWellFormed());
const integer = (value: number): string => BigInt(value).toString();

function scopeText({ name = '', version = '', attributes }: Scope = {}): string {
  const text =
    member('name', name === '' ? '' : string(name)) +
    member('version', version === '' ? '' : string(version)) +
    member('attributes', object(attributes));
  return text === '' ? '' : `{${text.slice(0, -1)}}`;
}

/** Of a key that stands twice, the last value counts. Empty where there is none. */
function object(attributes: readonly KeyValue[] = [], depth = 0): string {
  const members = new Map<string, string>();
  for (const { key = '', value } of attributes) members.set(key, value ? anyText(value, depth + 1) : 'null');
  return members.size === 0 ? '' : `{${Array.from(members, ([key, json]) => `${string(key)}:${json}`).join(',')}}`;
}

class TooDeep extends Error {}

function anyText(value: AnyValue, depth: number): string {
  if (depth > DEPTH) throw new TooDeep();
  if (value.stringValue !== undefined) return string(value.stringValue);
  if (value.intValue !== undefined) return String(BigInt(value.intValue));
  if (value.boolValue !== undefined) return value.boolValue ? 'true' : 'false';
  if (value.doubleValue !== undefined) {
    const number = Number(value.doubleValue);
    return Number.isFinite(number) ? JSON.stringify(number) : `"${number}"`;
  }
  if (value.arrayValue !== undefined)
    return `[${(value.arrayValue.values ?? []).map((each) => anyText(each, depth + 1)).join(',')}]`;
  if (value.kvlistValue !== undefined) return object(value.kvlistValue.values, depth) || '{}';
  if (value.bytesValue !== undefined)
    return string(typeof value.bytesValue === 'string' ? value.bytesValue : base64(value.bytesValue));
  return 'null';
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

const HEXADECIMAL = /^[0-9a-fA-F]+$/;

/** One of zeros is none. */
function idText(id: Uint8Array | string = ''): string {
  const text = typeof id === 'string' ? id.toLowerCase() : Buffer.from(id).toString('hex');
  return HEXADECIMAL.test(text) && !/^0+$/.test(text) ? `"${text}"` : '';
}

function whole(text: string | number = 0): bigint {
  const value = BigInt(text);
  return value < 0n ? 0n : value;
}
