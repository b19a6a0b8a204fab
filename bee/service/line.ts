// Events as Bee hands them on: a structured CloudEvent for each accepted one, a dead letter for each rejected one. Pure.
//
// Attributes of Bee's own beside those of CloudEvents: `rule` (name of the rule), `address` (of the sender), `changes` (what was changed, where),
// and of the clock `sentat`, `clockskew` (seconds), `senttime` (clock.ts).
import { hash } from 'node:crypto';
import { BEE_SINK, encodeDeadLetter, letterId, recordLine } from '#core/dead-letter.ts';
import type { Accepted, Change, Rejected } from '../verdict.ts';
import type { Reason } from './answer.ts';
import { correctTime, type ClockReading } from './clock.ts';

/** Of one request. */
export interface Receiving extends ClockReading {
  /** Of the sender, as a trusted proxy says, or else the socket. */
  readonly address: string;
  /** A sender's clock may be wrong by so much. */
  readonly tolerance: number;
  readonly site: string;
  readonly host: string;
}

const CHANGES_LENGTH = 1_000;
/** What cannot stand in an attribute (CloudEvents 1.0.2, section 3.1, String). */
const UNFIT = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/gu;

/** With its line feed. Id and source as JSON. */
export function eventLine(verdict: Accepted, id: string, source: string, receiving: Receiving): string {
  const { type, rule, data, changes } = verdict;
  const { time, members } = correctTime(verdict.time, receiving, receiving.tolerance);
  const timed = time === null ? '' : `,"time":${JSON.stringify(time)}`;
  const changed = changes.length === 0 ? '' : `,"changes":${JSON.stringify(changesText(changes))}`;
  return `{"specversion":"1.0","type":"${type}","id":${id},"source":${source}${timed},"rule":"${rule}","address":"${receiving.address}"${members}${changed},"datacontenttype":"application/json","data":${data}}\n`;
}

/** `trim /data/name; mask /data/card`: the detail is for the sender alone. */
function changesText(changes: readonly Change[]): string {
  let text = '';
  for (const { sanitizer, pointer } of changes) {
    const each = `${text === '' ? '' : '; '}${sanitizer} ${pointer}`;
    if (text.length + each.length > CHANGES_LENGTH) return `${text}; …`;
    text += each;
  }
  return text.replaceAll(UNFIT, '\u{FFFD}');
}

/**
 * The id of an event that bears none, or none that may be told: the same for the same bytes, so that a repeat makes no second letter.
 */
const idOfBytes = (bytes: Uint8Array): string => `bee-${hash('sha256', bytes).slice(0, 32)}`;

/** With its line feed. `bytes`: the event as it was sent; of what cannot be read as JSON nothing is kept, since its secrets could not be found. */
export function letterLine(
  verdict: Rejected,
  reason: Reason,
  bytes: Uint8Array,
  source: string,
  receiving: Receiving,
): string {
  const { received, site } = receiving;
  const id = verdict.id ?? idOfBytes(bytes);
  const type = verdict.version !== null && verdict.version > 1 ? `${verdict.type}@${verdict.version}` : verdict.type;
  const data = verdict.copy === null ? null : dataOf(verdict.copy);
  const isEvent = type !== null && verdict.copy !== null;
  const where = `${verdict.rule === null ? '' : `rule ${verdict.rule}, `}${reason.pointer === '' ? 'the event' : reason.pointer}`;
  const record = encodeDeadLetter({
    letter: letterId(BEE_SINK, [source, id]),
    sink: BEE_SINK,
    site,
    reason: 'rejected',
    code: reason.code,
    message: `${where}: ${reason.message}${isEvent ? '' : ` It had ${bytes.length} bytes, which are not kept.`}`,
    first: received,
    last: received,
    attempts: 1,
    content: isEvent ? 'event' : 'message',
    event: isEvent ? { type, id, source } : null,
    position: null,
    body: Buffer.from(isEvent ? rejectedEvent(type, id, source, verdict.time, data, receiving) : ''),
  });
  return `${recordLine(record)}\n`;
}

/** In the form of an agent's line (core/event-line.ts), so that it can be mended and replayed like any other letter. */
function rejectedEvent(
  type: string,
  id: string,
  source: string,
  time: string | null,
  data: string | null,
  { received, host, site }: Receiving,
): string {
  const arrival = new Date(received).toISOString();
  const [named, from, at, there] = [id, source, host, site].map((text) => JSON.stringify(text));
  const content = data === null ? '' : `,"datacontenttype":"application/json","data":${data}`;
  return `{"specversion":"1.0","type":"${type}","receivedat":"${arrival}","time":"${time ?? arrival}","id":${named},"source":${from},"host":${at},"site":${there}${content}}`;
}

/** The JSON of the member `data`; null where there is none. The copy is trusted JSON: what parses comes out the same. */
function dataOf(copy: string): string | null {
  const event = JSON.parse(copy) as Record<string, unknown> | null;
  return typeof event === 'object' && event !== null && Object.hasOwn(event, 'data')
    ? JSON.stringify(event['data'])
    : null;
}
