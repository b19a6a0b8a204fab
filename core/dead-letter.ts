// A dead letter on the wire: what a sink (or Bee, or an exchange that no queue took from) could not deliver, with why, and the record that
// one was resolved. Both are messages of the exchange `events.dead`; the stream behind it is the whole history.
//
// Headers, all strings; what is unknown is absent:
//   v        "1"
//   record   "letter" or "resolution"
//   letter   its id: the same for the same event refused again by the same sink, 32 hexadecimal digits
//   sink     the sink that refused it
//   site     the site whose queue or stream it was read from
//   reason   letter: invalid, forgotten, rejected, unencodable; resolution: replayed, discarded
//   code     the target's own word for why, at most 200 characters
//   message  for people, at most 1,000 characters
//   first    when it was first tried, RFC 3339
//   last     when it was refused for good; of a resolution, when it was made
//   attempts how often it was tried, decimal
//   content  event: the body is one event's line; batch: NDJSON, event lines of one message; message: the body of a message that is no batch
//   type, id, source   of the event, where content is event; cut after 1,000 characters, the body has them whole
//   stream, offset     where a log sink read it
//   upto     of a resolution: the offset, in this very stream, of the last letter it answers. A letter that was refused again while it was
//            replayed lies behind it, and is open
// A message without `record` is a letter that no sink of this version wrote: what `events.unrouted` caught, with the headers of its batch.
// A body is at most 16 MiB, RabbitMQ's own limit of a message: it came in a message, or out of one by `decodeBatch`.
import { hash } from 'node:crypto';
import { decodeBatch } from './batch.ts';
import { lineArrival, lineType } from './event-line.ts';
import { parseTime } from './time.ts';

const DEAD_REASONS = ['invalid', 'forgotten', 'rejected', 'unencodable'] as const;
const RESOLUTIONS = ['replayed', 'discarded'] as const;
const CONTENTS = ['event', 'batch', 'message'] as const;

/** The sink that Bee is in its letters: what it rejected. No sink may be called so. */
export const BEE_SINK = 'bee';

/** Where an agent takes letters from Bee, a line each (`recordLine`); no type has such a name. */
export const LETTERS_PATH = '/.waggle/letters';

export type DeadReason = (typeof DEAD_REASONS)[number];
export type DeadContent = (typeof CONTENTS)[number];
export type ResolutionReason = (typeof RESOLUTIONS)[number];

export interface DeadLetter {
  /** See `letterId`. */
  readonly letter: string;
  readonly sink: string;
  readonly site: string;
  readonly reason: DeadReason;
  readonly code: string;
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly first: number;
  readonly last: number;
  readonly attempts: number;
  readonly content: DeadContent;
  /** Of the event; null where the content is something else. */
  readonly event: { readonly type: string; readonly id: string; readonly source: string } | null;
  /** Where a log sink read it; null for a queue. */
  readonly position: { readonly stream: string; readonly offset: bigint } | null;
  /** An event's line is without its line feed. */
  readonly body: Buffer;
}

/** A letter as it lies in a dead-letter stream. Times are 0 and texts empty where they are unknown. */
export interface StoredLetter extends Omit<DeadLetter, 'reason'> {
  readonly kind: 'letter';
  /** `unrouted`: no partition took it; `unknown`: written by nobody we know. Of both the sink is empty. */
  readonly reason: DeadReason | 'unrouted' | 'unknown';
  /** Of the event, or of those of the batch; empty for a message that is neither. */
  readonly type: string;
}

export interface Resolution {
  readonly kind: 'resolution';
  readonly letter: string;
  readonly sink: string;
  readonly site: string;
  readonly reason: ResolutionReason;
  readonly message: string;
  /** When it was made, milliseconds since the epoch. */
  readonly at: number;
  /** Letters of this id up to this offset of the dead-letter stream are resolved. */
  readonly upto: bigint;
}

export type DeadRecord = StoredLetter | Resolution;

/** Headers and body of a message to the exchange `events.dead`. */
export interface RecordMessage {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** A message of a dead-letter stream, in neutral terms. */
export interface StoredMessage {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly contentType: unknown;
  readonly contentEncoding: unknown;
  readonly messageId: unknown;
  readonly body: Buffer;
  /** The site and its stream, and where the message lies there. */
  readonly site: string;
  readonly stream: string;
  readonly offset: bigint;
}

const VERSION = '1';
const CODE_LENGTH = 200;
const TEXT_LENGTH = 1_000;
const ID = /^[0-9a-f]{32}$/;
const DECIMAL = /^(?:0|[1-9][0-9]{0,18})$/;
const LF = 0x0a;

/** `parts`: of an event its source and id; of a message of a stream its site, stream and offset; of any other message its body's hash. */
export function letterId(sink: string, parts: readonly string[]): string {
  return hash('sha256', [sink, ...parts].join('\0')).slice(0, 32);
}

export function encodeDeadLetter(letter: DeadLetter): RecordMessage {
  const { event, position } = letter;
  const headers = {
    v: VERSION,
    record: 'letter',
    letter: letter.letter,
    sink: letter.sink,
    site: letter.site,
    reason: letter.reason,
    code: cut(letter.code, CODE_LENGTH),
    message: cut(letter.message, TEXT_LENGTH),
    first: new Date(letter.first).toISOString(),
    last: new Date(letter.last).toISOString(),
    attempts: String(letter.attempts),
    content: letter.content,
    ...(event !== null && {
      type: cut(event.type, TEXT_LENGTH),
      id: cut(event.id, TEXT_LENGTH),
      source: cut(event.source, TEXT_LENGTH),
    }),
    ...(position !== null && { stream: position.stream, offset: String(position.offset) }),
  };
  return { headers, body: letter.body };
}

export function encodeResolution(resolution: Resolution): RecordMessage {
  const headers = {
    v: VERSION,
    record: 'resolution',
    letter: resolution.letter,
    sink: resolution.sink,
    site: resolution.site,
    reason: resolution.reason,
    message: cut(resolution.message, TEXT_LENGTH),
    last: new Date(resolution.at).toISOString(),
    upto: String(resolution.upto),
  };
  return { headers, body: Buffer.alloc(0) };
}

/** A letter's message as a line of JSON, for a spool: the body is text. Without a line feed. */
export function recordLine({ headers, body }: RecordMessage): string {
  return JSON.stringify({ headers, body: body.toString() });
}

/** What `recordLine` wrote, with its line feed or without; null for anything else. */
export function readRecordLine(line: Buffer): RecordMessage | null {
  try {
    const value = JSON.parse(line.toString()) as { readonly headers?: unknown; readonly body?: unknown } | null;
    const { headers, body } = value ?? {};
    if (typeof headers !== 'object' || headers === null || typeof body !== 'string') return null;
    if (Object.values(headers).some((text) => typeof text !== 'string')) return null;
    return { headers: headers as Record<string, string>, body: Buffer.from(body) };
  } catch {
    return null;
  }
}

/** Total: whatever lies in the stream is a record. Never throws. What is no resolution of ours is shown, as a letter. */
export function decodeDeadRecord(message: StoredMessage): DeadRecord {
  const text = (name: string): string => textOf(message.headers, name);
  if (text('record') === 'resolution') {
    const reason = oneOf(RESOLUTIONS, text('reason'));
    const at = parseTime(text('last'));
    if (
      text('v') === VERSION &&
      ID.test(text('letter')) &&
      reason !== null &&
      at !== null &&
      DECIMAL.test(text('upto'))
    )
      return {
        kind: 'resolution',
        letter: text('letter'),
        sink: text('sink'),
        site: text('site'),
        reason,
        message: text('message'),
        at,
        upto: BigInt(text('upto')),
      };
  }
  if (text('sink') === '') return decodeForeign(message);
  const content = oneOf(CONTENTS, text('content')) ?? 'message';
  const position = DECIMAL.test(text('offset')) ? { stream: text('stream'), offset: BigInt(text('offset')) } : null;
  const attempts = text('attempts');
  return {
    kind: 'letter',
    letter: ID.test(text('letter')) ? text('letter') : idByPlace(message),
    sink: text('sink'),
    site: text('site') === '' ? message.site : text('site'),
    reason: (text('v') === VERSION ? oneOf(DEAD_REASONS, text('reason')) : null) ?? 'unknown',
    code: text('code'),
    message: text('message'),
    first: parseTime(text('first')) ?? 0,
    last: parseTime(text('last')) ?? 0,
    attempts: DECIMAL.test(attempts) ? Number(attempts) : 0,
    content,
    event: content === 'event' ? { type: text('type'), id: text('id'), source: text('source') } : null,
    position,
    type: content === 'event' ? text('type') : content === 'batch' ? firstType(message.body) : '',
    body: message.body,
  };
}

/** What no partition took has the properties of its batch; of anything else nothing is known. */
function decodeForeign(message: StoredMessage): StoredLetter {
  const batch = decodeBatch(message);
  const isBatch = batch.kind === 'batch';
  const isUnrouted = isBatch || textOf(message.headers, 'agent') !== '';
  const arrival = isBatch ? (lineArrival(batch.body, 0, batch.body.indexOf(LF) + 1) ?? 0) : 0;
  return {
    kind: 'letter',
    letter: idByPlace(message),
    sink: '',
    site: message.site,
    reason: isUnrouted ? 'unrouted' : 'unknown',
    code: isUnrouted ? `partition ${textOf(message.headers, 'partition')}` : '',
    message: isUnrouted
      ? 'no stream is bound for its partition (waggle topology declare)'
      : 'no dead letter of this version of waggle',
    first: arrival,
    last: arrival,
    attempts: 0,
    content: isBatch ? 'batch' : 'message',
    event: null,
    position: null,
    type: isBatch ? batch.type : '',
    body: batch.body,
  };
}

const idByPlace = ({ site, stream, offset }: StoredMessage): string => letterId('', [site, stream, String(offset)]);

function firstType(body: Buffer): string {
  const end = body.indexOf(LF);
  return lineType(body, 0, end < 0 ? body.length : end + 1) ?? '';
}

function textOf(headers: Readonly<Record<string, unknown>>, name: string): string {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  return typeof value === 'string' ? value : '';
}

function oneOf<T extends string>(known: readonly T[], text: string): T | null {
  return known.find((each) => each === text) ?? null;
}

/** Never within a surrogate pair, and well formed. */
function cut(text: string, length: number): string {
  const well = text.toWellFormed();
  if (well.length <= length) return well;
  const end = /[\uD800-\uDBFF]/.test(well.charAt(length - 1)) ? length - 1 : length;
  return well.slice(0, end);
}
