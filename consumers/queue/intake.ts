// From messages to requests: a message is opened when its turn comes, and each of its events encoded when there is room for it, so that what
// waits is held once, as it came. Pure: the caller says when a request that is not full goes.
import type { ReceivedMessage } from '#core/batch.ts';
import { decodeBatch } from '#core/batch.ts';
import type { DeadLetter } from '#core/dead-letter.ts';
import { lineArrival } from '#core/event-line.ts';
import { scanEvents } from '#core/json/scan.ts';
import type { LineMapping } from '#core/mapping.ts';
import type { TypeMatcher } from '#core/patterns.ts';
import type { Encoded, QueueSink } from './contract.ts';
import type { Hand, Held } from './hand.ts';
import { eventLetter, messageLetter, type Origin, type Verdict } from './letter.ts';
import { textFault } from './outcome.ts';
import { Request } from './request.ts';
import { SinkEvent } from './sink-event.ts';

export interface IntakeOptions<Body, Receipt> {
  readonly origin: Origin;
  readonly encode: QueueSink<Body>['encode'];
  readonly matches: TypeMatcher;
  /** Null: events are written as they came. */
  readonly mapping: LineMapping | null;
  /** Of one request. */
  readonly limit: { readonly bytes: number; readonly events: number };
  readonly hand: Hand<Receipt>;
  /** The message is settled once the letter is durable. */
  readonly dead: (letter: DeadLetter, held: Held<Receipt>) => void;
  /** `encode` threw: a bug of the sink. */
  readonly bug: (error: unknown) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

interface Waiting<Receipt> {
  readonly held: Held<Receipt>;
  readonly message: ReceivedMessage;
}

/** A message that is being read: its lines from `at` on are not encoded yet. */
interface Opened<Receipt> {
  readonly held: Held<Receipt>;
  readonly body: Buffer;
  /** All of it is well-formed JSON, and no mapping changes it. */
  readonly scanned: boolean;
  at: number;
}

interface Kept<Body, Receipt> {
  readonly encoded: Encoded<Body>;
  readonly line: Buffer;
  readonly held: Held<Receipt>;
}

const LF = 0x0a;
/** So many taken messages may lie before the next one: what they hold is kept until they are cut off. */
const COMPACT = 16;

/** All lines in one go, which costs less than each by itself. */
function isWellFormed(body: Buffer, count: number): boolean {
  const scanned = scanEvents(body, 'lines');
  return scanned.kind === 'scanned' && scanned.faults.size === 0 && scanned.spans.length === 2 * count;
}

export class Intake<Body, Receipt> {
  readonly #options: IntakeOptions<Body, Receipt>;
  #waiting: Waiting<Receipt>[] = [];
  /** Of `#waiting`: those before it are taken. */
  #next = 0;
  #opened: Opened<Receipt> | null = null;
  #request = new Request<Body, Receipt>();
  /** The event that did not fit into the request before. */
  #kept: Kept<Body, Receipt> | null = null;
  #full = false;

  constructor(options: IntakeOptions<Body, Receipt>) {
    this.#options = options;
  }

  push(held: Held<Receipt>, message: ReceivedMessage): void {
    this.#waiting.push({ held, message });
  }

  /** Since when (`Held.since`) the oldest event of the next request has waited; null where there is none. */
  get since(): number | null {
    return this.#request.held[0]?.since ?? null;
  }

  /** Encodes what there is, up to one request. Answers whether that is full. */
  fill(): boolean {
    while (!this.#full) {
      if (this.#opened === null && !this.#open()) return false;
      if (this.#opened !== null) this.#read(this.#opened);
    }
    return true;
  }

  /** The request as far as it was filled, without what is gone meanwhile; null where nothing is left. */
  take(): Request<Body, Receipt> | null {
    const request = this.#request.pruned();
    this.#request = new Request();
    this.#full = false;
    const kept = this.#kept;
    this.#kept = null;
    if (kept?.held.wanted === true) this.#add(kept);
    return request.events === 0 ? null : request;
  }

  /** Messages of which nothing was encoded yet; they are forgotten here. */
  unopened(): Held<Receipt>[] {
    const held = this.#waiting.slice(this.#next).map((each) => each.held);
    this.#waiting = [];
    this.#next = 0;
    return held;
  }

  /** Forgets everything: the messages are given back. */
  clear(): void {
    this.unopened();
    this.#opened = null;
    this.#request = new Request();
    this.#kept = null;
    this.#full = false;
  }

  /** Opens the next message; false where there is none. */
  #open(): boolean {
    const next = this.#waiting[this.#next];
    if (next === undefined) {
      this.#waiting = [];
      this.#next = 0;
      return false;
    }
    this.#next++;
    if (this.#next === COMPACT) {
      this.#waiting = this.#waiting.slice(COMPACT);
      this.#next = 0;
    }
    const { held, message } = next;
    if (!held.wanted) return true;
    const { hand, matches, mapping, origin, dead } = this.#options;
    const batch = decodeBatch(message);
    if (batch.kind === 'invalid') {
      hand.opened(held, 1, null);
      dead(messageLetter(origin, message.body, this.#verdict('invalid', 'no-batch', batch.message)), held);
      return true;
    }
    hand.opened(held, batch.count, lineArrival(batch.body));
    if (matches(batch.type)) {
      const { body } = batch;
      this.#opened = { held, body, scanned: mapping === null && isWellFormed(body, batch.count), at: 0 };
    } else hand.settle(held, 'filtered', batch.count);
    return true;
  }

  /** Until the message ends or the request is full. */
  #read(opened: Opened<Receipt>): void {
    const { held, body, scanned } = opened;
    while (!this.#full) {
      if (opened.at >= body.length || !held.wanted) {
        this.#opened = null;
        return;
      }
      const end = body.indexOf(LF, opened.at); // decodeBatch: every line ends with one
      const line = body.subarray(opened.at, end);
      opened.at = end + 1;
      const encoded = this.#encode(line, held, scanned);
      if (encoded !== null) this.#add({ encoded, line, held });
    }
  }

  #add(item: Kept<Body, Receipt>): void {
    const { limit } = this.#options;
    const request = this.#request;
    if (request.events > 0 && request.bytes + item.encoded.bytes > limit.bytes) {
      this.#kept = item;
      this.#full = true;
      return;
    }
    request.add(item.encoded.body, item.encoded.bytes, item.line, item.held);
    this.#full = request.events >= limit.events || request.bytes >= limit.bytes;
  }

  /** Null where the event went to the dead letters. */
  #encode(line: Buffer, held: Held<Receipt>, scanned: boolean): Encoded<Body> | null {
    const { encode, mapping, limit, origin, dead, bug } = this.#options;
    const refuse = (code: string, message: string): null => {
      dead(eventLetter(origin, line, this.#verdict('unencodable', code, message)), held);
      return null;
    };
    let encoded: Encoded<Body>;
    try {
      const event = scanned ? SinkEvent.ofScanned(line) : SinkEvent.read(mapping === null ? line : mapping(line));
      if (event === null) return refuse('no-event', 'the line is no well-formed event');
      const answer = encode(event);
      if (answer.kind === 'refused') {
        const fault = textFault(answer);
        if (fault !== null) throw new TypeError(`encode refused ${fault}`);
        return refuse(answer.code, answer.message);
      }
      encoded = answer;
    } catch (error) {
      bug(error);
      return refuse('encode-failed', error instanceof Error ? error.message : String(error));
    }
    if (encoded.bytes <= limit.bytes) return encoded;
    return refuse('too-large', `the event has ${encoded.bytes} bytes; a request may have ${limit.bytes}`);
  }

  #verdict(reason: Verdict['reason'], code: string, message: string): Verdict {
    const now = this.#options.now();
    return { reason, code, message, first: now, last: now, attempts: 1 };
  }
}
