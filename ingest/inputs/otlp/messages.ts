// OTLP logs 1.x as messages (opentelemetry-proto, logs/v1 and collector/logs/v1): protobuf by protobufjs, JSON as its mapping to JSON has it
// (64-bit integers as strings, trace and span ids in hexadecimal). Pure.
import protobuf from 'protobufjs/light.js';
import { type Refusal, refusal } from '#core/errors.ts';

/** One of them; 64-bit integers are decimal text, bytes are base64 where they came as JSON. */
export interface AnyValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string | number;
  readonly doubleValue?: number | string;
  readonly arrayValue?: { readonly values?: readonly AnyValue[] };
  readonly kvlistValue?: { readonly values?: readonly KeyValue[] };
  readonly bytesValue?: Uint8Array | string;
}

export interface KeyValue {
  readonly key?: string;
  readonly value?: AnyValue;
}

export interface LogRecord {
  readonly timeUnixNano?: string | number;
  readonly observedTimeUnixNano?: string | number;
  readonly severityNumber?: number;
  readonly severityText?: string;
  readonly body?: AnyValue;
  readonly attributes?: readonly KeyValue[];
  readonly droppedAttributesCount?: number;
  readonly flags?: number;
  readonly traceId?: Uint8Array | string;
  readonly spanId?: Uint8Array | string;
  readonly eventName?: string;
}

export interface Scope {
  readonly name?: string;
  readonly version?: string;
  readonly attributes?: readonly KeyValue[];
}

export interface LogsRequest {
  readonly resourceLogs?: readonly {
    readonly resource?: { readonly attributes?: readonly KeyValue[] };
    readonly scopeLogs?: readonly { readonly scope?: Scope; readonly logRecords?: readonly LogRecord[] }[];
  }[];
}

const list = (type: string, id: number) => ({ rule: 'repeated', type, id });
const one = (type: string, id: number) => ({ type, id });
const attributes = (id: number) => ({
  attributes: list('KeyValue', id),
  droppedAttributesCount: one('uint32', id + 1),
});

const root = protobuf.Root.fromJSON({
  nested: {
    LogsRequest: { fields: { resourceLogs: list('ResourceLogs', 1) } },
    ResourceLogs: {
      fields: { resource: one('Resource', 1), scopeLogs: list('ScopeLogs', 2), schemaUrl: one('string', 3) },
    },
    Resource: { fields: attributes(1) },
    ScopeLogs: { fields: { scope: one('Scope', 1), logRecords: list('LogRecord', 2), schemaUrl: one('string', 3) } },
    Scope: { fields: { name: one('string', 1), version: one('string', 2), ...attributes(3) } },
    LogRecord: {
      fields: {
        timeUnixNano: one('fixed64', 1),
        severityNumber: one('int32', 2),
        severityText: one('string', 3),
        body: one('AnyValue', 5),
        ...attributes(6),
        flags: one('fixed32', 8),
        traceId: one('bytes', 9),
        spanId: one('bytes', 10),
        observedTimeUnixNano: one('fixed64', 11),
        eventName: one('string', 12),
      },
    },
    AnyValue: {
      oneofs: {
        value: {
          oneof: ['stringValue', 'boolValue', 'intValue', 'doubleValue', 'arrayValue', 'kvlistValue', 'bytesValue'],
        },
      },
      fields: {
        stringValue: one('string', 1),
        boolValue: one('bool', 2),
        intValue: one('int64', 3),
        doubleValue: one('double', 4),
        arrayValue: one('ArrayValue', 5),
        kvlistValue: one('KeyValueList', 6),
        bytesValue: one('bytes', 7),
      },
    },
    ArrayValue: { fields: { values: list('AnyValue', 1) } },
    KeyValueList: { fields: { values: list('KeyValue', 1) } },
    KeyValue: { fields: { key: one('string', 1), value: one('AnyValue', 2) } },
    LogsResponse: { fields: { partialSuccess: one('PartialSuccess', 1) } },
    PartialSuccess: { fields: { rejectedLogRecords: one('int64', 1), errorMessage: one('string', 2) } },
    Status: { fields: { code: one('int32', 1), message: one('string', 2) } },
  },
});
const request = root.lookupType('LogsRequest');
const response = root.lookupType('LogsResponse');
const status = root.lookupType('Status');

export type OtlpCoding = 'protobuf' | 'json';

export function decodeLogs(body: Buffer, coding: OtlpCoding): LogsRequest | Refusal {
  if (coding === 'protobuf') {
    try {
      return request.toObject(request.decode(body), { longs: String });
    } catch {
      return refusal('protobuf-malformed');
    }
  }
  try {
    const parsed = JSON.parse(body.toString('utf8'), exactIntegers) as LogsRequest | null;
    return typeof parsed === 'object' && parsed !== null ? parsed : refusal('event-not-object');
  } catch (error) {
    return refusal('json-malformed', '', error instanceof Error ? 'it does not parse' : '');
  }
}

/** An integer that a double does not hold stays its text. */
function exactIntegers(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const { source = '' } = context ?? {};
  return /^-?\d+$/.test(source) ? source : value;
}

/** The whole of it was taken where `rejected` is 0. */
export function encodeAccepted(coding: OtlpCoding, rejected: number, errorMessage: string): string | Buffer {
  const answer = rejected === 0 ? {} : { partialSuccess: { rejectedLogRecords: String(rejected), errorMessage } };
  if (coding === 'json') return JSON.stringify(answer);
  const number = { partialSuccess: { rejectedLogRecords: rejected, errorMessage } };
  return Buffer.from(response.encode(rejected === 0 ? {} : number).finish());
}

/** As OTLP/HTTP wants it for every status but 200: a google.rpc.Status. */
export function encodeStatus(coding: OtlpCoding, message: string): string | Buffer {
  return coding === 'json' ? JSON.stringify({ message }) : Buffer.from(status.encode({ message }).finish());
}
