// One connection of the forward protocol: handshake, messages in, acknowledgements out.
//
// Who acknowledges: a message that names a chunk, once its events have reached the listener's level; where they cannot be stored the connection
// is closed, and the sender sends again elsewhere or later. Nothing is remembered of chunks: equal ones are not the same.
import type { Level } from '#core/config/config.ts';
import type { RefusalCode } from '#core/errors.ts';
import type { RandomSource } from '#core/uuid.ts';
import type { ByteBudget } from '#core/byte-budget.ts';
import type { Link, Session } from '../connections.ts';
import type { Accept, Accepted, InputObserver } from '../contract.ts';
import type { EventWriter } from '../event-writer.ts';
import { Handshake, type Security, isSecured } from './handshake.ts';
import { JsonWalk, readJsonMessage } from './json-message.ts';
import { type MessageLimits, MessageReader } from './message.ts';
import { BAD, MORE, TOO_LONG, Walk } from './msgpack.ts';

/** What the sessions of a listener share. */
export interface Shared {
  readonly accept: Accept;
  readonly level: Level;
  readonly observe: InputObserver;
  readonly writer: EventWriter;
  readonly limits: MessageLimits;
  readonly security: Security;
  readonly host: string;
  readonly random: RandomSource;
  readonly budget: ByteBudget;
  /** Milliseconds for a message, and for the handshake, to arrive. */
  readonly patience: number;
  /** Rooms that messages had, for the next ones: a room for each message would keep the collector busy. */
  readonly spares: Buffer[];
  /** Answers that clients did not read. */
  unread: number;
}

/** Events that were taken together. */
interface Batch {
  readonly answers: readonly Buffer[];
  readonly events: number;
  /** Of them, those whose sender wants no acknowledgement: nobody sends them again. */
  readonly bestEffort: number;
  readonly bytes: number;
}

/** Tag and option of a message, beside its entries. */
const ENVELOPE = 64 * 1024;
/** Room of a message of more than a quarter of that. */
const SPARE_BYTES = 256 * 1024;
const SPARES = 8;
const FLUSH_BYTES = 1024 * 1024;
/** Bytes of lines that wait for the disk, for each connection; beyond, nothing more is read. */
const PENDING_BYTES = 4 * 1024 * 1024;
const MSGPACK_ACK = Buffer.from('\x81\xa3ack', 'latin1');
const JSON_ACK = Buffer.from('{"ack":');
const JSON_CLOSE = Buffer.from('}');
const NONE: Buffer = Buffer.alloc(0);

export class ForwardSession implements Session {
  readonly #shared: Shared;
  readonly #link: Link;
  readonly #reader: MessageReader;
  #handshake: Handshake | null = null;
  /** Known by the first byte behind the handshake. */
  #mode: 'unknown' | 'msgpack' | 'json' = 'unknown';
  #walk: Walk | JsonWalk = new Walk();
  /** Of the message that has begun; its room is taken from the budget. */
  #held = NONE;
  #length = 0;
  /** When that message, or the handshake, began. */
  #since: number | null = null;
  #pendingBatches = 0;
  #pendingBytes = 0;
  #paused = false;
  #ended = false;
  /** Nothing that comes behind can be understood: why we hang up, once what came before is answered. */
  #broken: string | null = null;
  #draining: (() => void) | null = null;
  #answers: Buffer[] = [];
  #bestEffort = 0;

  constructor(shared: Shared, link: Link) {
    this.#shared = shared;
    this.#link = link;
    this.#reader = new MessageReader(shared.writer, shared.limits, this.#refuse);
    this.#walk.begin(0);
    if (!isSecured(shared.security)) return;
    this.#handshake = new Handshake(shared.security, shared.host, shared.random);
    this.#since = performance.now();
    link.write(this.#handshake.hello);
  }

  data(chunk: Buffer): void {
    if (this.#broken !== null) return;
    if (this.#length === 0) return this.#consume(chunk, chunk.length);
    if (!this.#hold(chunk, 0, chunk.length)) return;
    this.#consume(this.#held, this.#length);
  }

  ended(): void {
    this.#ended = true;
    if (this.#length > 0 && !this.#paused && this.#broken === null) this.#shared.observe.closed('message-incomplete');
    this.#settle();
  }

  gone(): void {
    this.#drop();
    this.#draining?.();
  }

  overdue(now: number): string | null {
    if (this.#since === null || this.#paused || now - this.#since < this.#shared.patience) return null;
    return this.#handshake === null ? 'message-slow' : 'handshake-slow';
  }

  drain(): Promise<void> {
    this.#link.pause();
    this.#paused = true;
    if (this.#pendingBatches === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#draining = resolve));
  }

  readonly #refuse = (code: RefusalCode, events: number): void => this.#shared.observe.lost(code, events);

  /** Every whole message of `buf`; what is left is held. */
  #consume(buf: Buffer, end: number): void {
    const { writer, limits } = this.#shared;
    let from = 0;
    writer.begin();
    while (from < end && !this.#link.over) {
      if (this.#pendingBytes > PENDING_BYTES) break;
      if (this.#mode === 'unknown' && this.#handshake === null) this.#setMode(buf[from] as number); // below end
      const limit = from + (this.#handshake === null ? limits.maxChunk + ENVELOPE : ENVELOPE);
      const stop = this.#walk.end(buf, end, limit);
      if (stop === MORE) break;
      if (stop === BAD || stop === TOO_LONG) {
        this.#broken = stop === BAD ? 'message-malformed' : 'message-too-large';
        break;
      }
      this.#message(buf, from, stop);
      from = stop;
      this.#walk.begin(from);
      this.#since = null;
      if (writer.bytes > FLUSH_BYTES) {
        this.#flush();
        writer.begin();
      }
    }
    this.#flush();
    if (this.#broken !== null) {
      this.#drop();
      this.#link.pause();
      this.#settle();
    } else if (this.#link.over) this.#drop();
    else this.#keep(buf, from, end);
    if (this.#pendingBytes > PENDING_BYTES && !this.#paused) {
      this.#paused = true;
      this.#link.pause();
    }
  }

  #setMode(first: number): void {
    this.#mode = first === 0x7b || first === 0x5b ? 'json' : 'msgpack';
    if (this.#mode === 'msgpack') return;
    const { at } = this.#walk;
    this.#walk = new JsonWalk();
    this.#walk.begin(at);
  }

  #message(buf: Buffer, from: number, stop: number): void {
    if (this.#handshake !== null) {
      const { admitted, pong } = this.#handshake.answer(buf, from, stop);
      this.#handshake = null;
      if (admitted) this.#link.write(pong);
      else this.#link.hangUp('not-admitted', pong);
      return;
    }
    const { writer, limits } = this.#shared;
    const before = writer.count;
    const json = this.#mode === 'json';
    const chunk = json
      ? readJsonMessage(buf.subarray(from, stop), writer, limits, this.#refuse)
      : this.#reader.read(buf, from, stop);
    if (chunk === null) this.#bestEffort += writer.count - before;
    else this.#answers.push(Buffer.concat(json ? [JSON_ACK, chunk, JSON_CLOSE] : [MSGPACK_ACK, chunk]));
  }

  /** Hands on what was written. */
  #flush(): void {
    const { writer, accept, level } = this.#shared;
    const batch: Batch = {
      answers: this.#answers,
      events: writer.count,
      bestEffort: this.#bestEffort,
      bytes: writer.bytes,
    };
    this.#answers = [];
    this.#bestEffort = 0;
    if (batch.events === 0) return this.#answer(batch.answers);
    this.#pendingBatches++;
    this.#pendingBytes += batch.bytes;
    accept(writer.groups(), level, 'forward').then(
      (result) => this.#accepted(batch, result),
      (error: unknown) => this.#failed(batch, error),
    );
  }

  #accepted(batch: Batch, result: Accepted): void {
    const { observe } = this.#shared;
    if (result.kind === 'accepted') {
      observe.accepted(batch.events);
      this.#answer(batch.answers);
    } else this.#notStored(batch, result.reason);
    this.#done(batch);
  }

  #failed(batch: Batch, error: unknown): void {
    this.#shared.observe.fault(error);
    this.#notStored(batch, 'disk');
    this.#done(batch);
  }

  #notStored(batch: Batch, reason: 'full' | 'disk' | 'closing'): void {
    const { observe } = this.#shared;
    const again = batch.events - batch.bestEffort;
    if (again > 0) observe.refused(reason, again);
    if (batch.bestEffort > 0) observe.lost(reason, batch.bestEffort);
    this.#link.hangUp('not-stored');
  }

  /** Each in a write of its own: some clients look for one answer in what they read at once. */
  #answer(answers: readonly Buffer[]): void {
    for (const answer of answers) if (!this.#link.write(answer)) this.#shared.unread++;
  }

  #done(batch: Batch): void {
    this.#pendingBatches--;
    this.#pendingBytes -= batch.bytes;
    if (this.#pendingBatches === 0) this.#draining?.();
    if (this.#draining !== null || this.#link.over) return;
    if (this.#broken !== null) return this.#settle();
    if (this.#paused && this.#pendingBytes <= PENDING_BYTES / 2) {
      this.#paused = false;
      this.#link.resume();
      if (this.#length > 0) this.#consume(this.#held, this.#length);
    }
    this.#settle();
  }

  /** All is answered, and nothing more will come. */
  #settle(): void {
    if (this.#broken !== null && this.#pendingBatches === 0) this.#link.hangUp(this.#broken);
    else if (this.#ended && this.#pendingBatches === 0 && !this.#paused && !this.#link.over) this.#link.end();
  }

  #keep(buf: Buffer, from: number, end: number): void {
    this.#walk.shift(from);
    if (from === end) return this.#drop();
    this.#since ??= performance.now();
    if (buf === this.#held) {
      if (from === 0) return;
      buf.copyWithin(0, from, end);
      this.#length = end - from;
      return;
    }
    this.#hold(buf, from, end);
  }

  /** Adds to what is held. At most twice as much room is taken as came, whatever a length announces. False where there is none: hung up. */
  #hold(from: Buffer, start: number, end: number): boolean {
    const { budget, observe } = this.#shared;
    const length = this.#length + end - start;
    if (length > this.#held.length) {
      const wanted = Math.max(length, Math.min(2 * length, this.#walk.needed));
      const room = wanted > SPARE_BYTES / 4 && wanted < SPARE_BYTES ? SPARE_BYTES : wanted;
      if (!budget.take(room - this.#held.length, this.#held.length)) {
        observe.refused('full');
        this.#drop();
        this.#link.hangUp('no-room');
        return false;
      }
      const spare = room === SPARE_BYTES ? this.#shared.spares.pop() : undefined;
      const grown = spare ?? Buffer.allocUnsafeSlow(room);
      this.#held.copy(grown, 0, 0, this.#length);
      this.#held = grown;
    }
    from.copy(this.#held, this.#length, start, end);
    this.#length = length;
    return true;
  }

  #drop(): void {
    const { budget, spares } = this.#shared;
    budget.release(this.#held.length);
    if (this.#held.length === SPARE_BYTES && spares.length < SPARES) spares.push(this.#held);
    this.#held = NONE;
    this.#length = 0;
  }
}
