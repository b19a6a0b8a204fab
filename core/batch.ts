// The batch message on the wire: 1 to 500 events of one type, NDJSON, with the numbers of its lines in a header.
//
// Properties: content_type "application/x-ndjson"; content_encoding absent or "zstd"; app_id "waggle"; persistent;
//   message_id = identity ":" first-number; routing key = type.
// Headers, all strings:
//   v         "1"
//   agent     identity, a UUIDv7
//   partition number of the log's partition, 0 or more, decimal
//   count     lines of the body, 1 to 500
//   seq       ranges (core/numbers.ts), at most 1,024 bytes; line i carries the i-th number
// body = 1*500(event LF), at most 256 KiB before compression, unless it is one event alone.
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { type HourRun, readHeads } from './line-heads.ts';
import { NumberSyntaxError, type NumberRange, countRanges, decodeRanges, encodeRanges } from './number-ranges.ts';
import { isUuidv7 } from './uuid.ts';

export interface Batch {
  readonly kind: 'batch';
  /** Identity of the agent's worker, a UUIDv7. */
  readonly identity: string;
  readonly partition: number;
  readonly type: string;
  readonly count: number;
  /** Ascending, disjoint, inclusive; line i carries the i-th number. */
  readonly ranges: readonly NumberRange[];
  /** NDJSON, `count` lines, each ended by a line feed. Decompressed. */
  readonly body: Buffer;
}

/** As it came: its lines are events, all of its type. */
export interface ReadBatch extends Batch {
  /** All of its lines, in runs by the hour under which they are stored. */
  readonly hours: readonly HourRun[];
}

/** A message that is no batch: it goes to the dead letters. The body is as it came. */
export interface InvalidBatch {
  readonly kind: 'invalid';
  readonly message: string;
  readonly body: Buffer;
}

export type BatchEncoding = 'identity' | 'zstd';

/** Properties and body for a publish; `routingKey` is the type. */
export interface BatchMessage {
  readonly routingKey: string;
  readonly headers: Readonly<Record<'v' | 'agent' | 'partition' | 'count' | 'seq', string>>;
  readonly contentType: typeof CONTENT_TYPE;
  readonly contentEncoding: 'zstd' | undefined;
  readonly appId: typeof APP_ID;
  readonly messageId: string;
  readonly body: Buffer;
}

/** What a client library delivers, in neutral terms: amqplib and the stream client both fill it. */
export interface ReceivedMessage {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly contentType: unknown;
  readonly contentEncoding: unknown;
  readonly messageId: unknown;
  /** Where the client shows it, it must be ours. */
  readonly appId?: unknown;
  /** Where it is given, it must be the type. Messages of the exchange `sink` have another. */
  readonly routingKey?: unknown;
  readonly body: Buffer;
}

export const BATCH_EVENTS = 500;
export const BATCH_BYTES = 256 * 1024;
export const SEQ_BYTES = 1024;
/** No event is larger, so no body is: what inflates beyond it is refused. RabbitMQ's own limit of a message is the same. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

const CONTENT_TYPE = 'application/x-ndjson';
const APP_ID = 'waggle';
const VERSION = '1';
const LF = 0x0a;
const DECIMAL = /^(?:0|[1-9][0-9]{0,9})$/;

/** A line of a batch: its number, and the offset behind its line feed; it starts where the one before it ends. */
export interface BatchLine {
  readonly number: number;
  readonly end: number;
}

export function* linesOf({ ranges, body }: Batch): Generator<BatchLine, void> {
  let end = 0;
  for (const [first, last] of ranges) {
    for (let number = first; number <= last; number++) {
      end = body.indexOf(LF, end) + 1;
      yield { number, end };
    }
  }
}

/** Throws RangeError for a batch beyond the limits or at odds with itself: that is a mistake of the caller, not of a sender. */
export function encodeBatch(batch: Omit<Batch, 'kind'>, encoding: BatchEncoding): BatchMessage {
  const { identity, partition, type, count, ranges, body } = batch;
  const seq = encodeRanges(ranges);
  const first = ranges[0]?.[0];
  if (first === undefined || countRanges(ranges) !== count)
    throw new RangeError(`batch: ${count} lines, but ${countRanges(ranges)} numbers`);
  if (count > BATCH_EVENTS) throw new RangeError(`batch: ${count} lines, but at most ${BATCH_EVENTS} are allowed`);
  if (count > 1 && body.length > BATCH_BYTES)
    throw new RangeError(`batch: ${body.length} bytes, but at most ${BATCH_BYTES} are allowed`);
  if (seq.length > SEQ_BYTES)
    throw new RangeError(`batch: ${seq.length} bytes of ranges, but at most ${SEQ_BYTES} are allowed`);
  return {
    routingKey: type,
    headers: { v: VERSION, agent: identity, partition: String(partition), count: String(count), seq },
    contentType: CONTENT_TYPE,
    contentEncoding: encoding === 'zstd' ? 'zstd' : undefined,
    appId: APP_ID,
    messageId: `${identity}:${first}`,
    body: encoding === 'zstd' ? zstdCompressSync(body) : body,
  };
}

const absent = (value: unknown): boolean => value === undefined || value === null || value === '';

function header(headers: Readonly<Record<string, unknown>>, name: string): string | null {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  return typeof value === 'string' ? value : null;
}

function inflate(message: ReceivedMessage, maxBytes: number): Buffer | string {
  const { body, contentEncoding } = message;
  if (absent(contentEncoding))
    return body.length <= maxBytes ? body : `the body has ${body.length} bytes, more than ${maxBytes}`;
  if (contentEncoding !== 'zstd') return 'content_encoding is neither absent nor zstd';
  try {
    return zstdDecompressSync(body, { maxOutputLength: maxBytes });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    return code === 'ERR_BUFFER_TOO_LARGE'
      ? `the body inflates to more than ${maxBytes} bytes`
      : 'the body is no valid zstd';
  }
}

function decodeSeq(text: string): NumberRange[] | string {
  try {
    return decodeRanges(text);
  } catch (error) {
    if (error instanceof NumberSyntaxError) return `header seq: ${error.message}`;
    throw error;
  }
}

/** Strict: whatever does not agree with itself is invalid, and says why. Never throws. */
export function decodeBatch(message: ReceivedMessage, maxBytes = MAX_BODY_BYTES): ReadBatch | InvalidBatch {
  const invalid = (what: string): InvalidBatch => ({
    kind: 'invalid',
    message: `no batch of waggle: ${what}`,
    body: message.body,
  });
  const { headers } = message;
  if (!absent(message.appId) && message.appId !== APP_ID) return invalid('app_id is not "waggle"');
  if (message.contentType !== CONTENT_TYPE) return invalid(`content_type is not "${CONTENT_TYPE}"`);
  if (header(headers, 'v') !== VERSION) return invalid(`header v is not "${VERSION}"`);
  const identity = header(headers, 'agent') ?? '';
  if (!isUuidv7(identity)) return invalid('header agent is no UUIDv7');
  const partition = header(headers, 'partition') ?? '';
  if (!DECIMAL.test(partition)) return invalid('header partition is no number');
  const countText = header(headers, 'count') ?? '';
  const count = DECIMAL.test(countText) ? Number(countText) : 0;
  if (count < 1 || count > BATCH_EVENTS) return invalid(`header count is not in 1 … ${BATCH_EVENTS}`);
  const seq = header(headers, 'seq') ?? '';
  if (seq === '' || seq.length > SEQ_BYTES) return invalid(`header seq is not 1 to ${SEQ_BYTES} bytes`);
  const ranges = decodeSeq(seq);
  if (typeof ranges === 'string') return invalid(ranges);
  if (countRanges(ranges) !== count)
    return invalid(`header seq names ${countRanges(ranges)} numbers, header count ${count}`);
  if (message.messageId !== `${identity}:${ranges[0]?.[0]}`)
    return invalid('message_id is not the identity and the first number');
  const body = inflate(message, maxBytes);
  if (typeof body === 'string') return invalid(body);
  if (count > 1 && body.length > BATCH_BYTES)
    return invalid(`the body of ${count} events has ${body.length} bytes, more than ${BATCH_BYTES}`);
  const heads = readHeads(body, count);
  if (typeof heads === 'string') return invalid(heads);
  const { type, hours } = heads;
  if (!absent(message.routingKey) && message.routingKey !== type)
    return invalid('the routing key is not the type of its events');
  return { kind: 'batch', identity, partition: Number(partition), type, count, ranges, body, hours };
}
