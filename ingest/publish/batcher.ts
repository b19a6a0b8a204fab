// From spool records to batch messages: events of one type and one identity, copied once, with no object for an event.
import { BATCH_BYTES, BATCH_EVENTS, type Batch, SEQ_BYTES } from '#core/batch.ts';
import type { SpoolRecord } from '../spool/contract.ts';
import type { BufferPool } from './buffer-pool.ts';

/** Sizes in bytes, times in milliseconds. */
export interface BatchLimits {
  readonly maxEvents: number;
  /** A batch grows no larger; an event larger than this travels alone. */
  readonly maxBytes: number;
  /** Length of the `seq` header. */
  readonly maxRangesText: number;
  /** Types gathered side by side, and the bytes they hold; beyond either the oldest batch goes as it is. */
  readonly maxOpen: number;
  readonly maxOpenBytes: number;
  /** How long an event may wait for others of its type. */
  readonly linger: number;
}

/** The wire's own limits (core/batch.ts), and what one route may hold open. */
export const BATCH_LIMITS: BatchLimits = {
  maxEvents: BATCH_EVENTS,
  maxBytes: BATCH_BYTES,
  maxRangesText: SEQ_BYTES,
  maxOpen: 256,
  maxOpenBytes: 8 * 1024 * 1024,
  linger: 10,
};

interface Open {
  readonly identity: string;
  readonly partition: number;
  readonly type: string;
  readonly since: number;
  readonly ranges: [first: number, last: number][];
  /** From the pool; its first `bytes` are the body so far. */
  buffer: Buffer;
  count: number;
  bytes: number;
  /** Length of the ranges as text, without the last one. */
  textBefore: number;
}

/** Decimal digits of a safe integer that is not negative. */
const digits = (n: number): number => {
  let count = 1;
  for (let limit = 10; n >= limit; limit *= 10) count++;
  return count;
};

const textLength = (first: number, last: number): number =>
  first === last ? digits(first) : digits(first) + 1 + digits(last);

/**
 * Gathers records in reading order. Numbers of one identity must come in ascending order (the log's order), so the ranges ascend by
 * themselves. Identities come in runs (segment after segment): a record of another one closes what is open.
 */
export class Batcher {
  readonly #limits: BatchLimits;
  readonly #pool: BufferPool;
  /** By type; a Map keeps the order of insertion, so the first is the oldest. */
  readonly #open = new Map<string, Open>();
  #identity = '';
  #bytes = 0;
  #count = 0;

  /** Bodies are taken from the pool; whoever is done with a batch may give its body back. */
  constructor(limits: BatchLimits, pool: BufferPool) {
    this.#limits = limits;
    this.#pool = pool;
  }

  /** Bytes held in open batches. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Events held in open batches. */
  get count(): number {
    return this.#count;
  }

  /** Adds a record; batches that are full because of it are appended to `out`. */
  add(record: SpoolRecord, now: number, out: Batch[]): void {
    if (record.identity !== this.#identity) {
      this.flush(out);
      this.#identity = record.identity;
    }
    const { maxEvents, maxBytes } = this.#limits;
    if (record.count <= maxEvents && record.payload.length <= maxBytes) {
      this.#addPiece(record, record.first, record.count, record.payload, now, out);
    } else {
      this.#split(record, now, out);
    }
    while (this.#open.size > this.#limits.maxOpen || this.#bytes > this.#limits.maxOpenBytes) this.#closeOldest(out);
  }

  /** Closes what has waited for `linger`. */
  due(now: number, out: Batch[]): void {
    for (const open of this.#open.values()) {
      if (open.since + this.#limits.linger > now) return;
      this.#close(open, out);
    }
  }

  /** When `due` will find something next, or null. */
  nextDue(): number | null {
    for (const open of this.#open.values()) return open.since + this.#limits.linger;
    return null;
  }

  /** Closes everything. */
  flush(out: Batch[]): void {
    for (const open of this.#open.values()) this.#close(open, out);
  }

  /** A record beyond a batch's size: cut at line ends. An event larger than a batch becomes a piece of its own. */
  #split(record: SpoolRecord, now: number, out: Batch[]): void {
    const { maxEvents, maxBytes } = this.#limits;
    const { payload } = record;
    let start = 0;
    let end = 0;
    let lines = 0;
    let first = record.first;
    for (let i = 0; i < record.count; i++) {
      const feed = payload.indexOf(10, end);
      if (feed < 0) throw new Error(`record ${record.identity}:${record.first} holds ${i} lines, not ${record.count}`);
      if (lines > 0 && (lines === maxEvents || feed + 1 - start > maxBytes)) {
        this.#addPiece(record, first, lines, payload.subarray(start, end), now, out);
        first += lines;
        lines = 0;
        start = end;
      }
      lines++;
      end = feed + 1;
    }
    if (lines > 0) this.#addPiece(record, first, lines, payload.subarray(start, end), now, out);
  }

  #addPiece(record: SpoolRecord, first: number, count: number, payload: Buffer, now: number, out: Batch[]): void {
    const limits = this.#limits;
    const last = first + count - 1;
    let open = this.#open.get(record.type);
    if (open && (open.count + count > limits.maxEvents || open.bytes + payload.length > limits.maxBytes)) {
      this.#close(open, out);
      open = undefined;
    }
    if (open && !extend(open, first, last, limits.maxRangesText)) {
      this.#close(open, out);
      open = undefined;
    }
    if (!open) {
      open = {
        identity: record.identity,
        partition: record.partition,
        type: record.type,
        since: now,
        ranges: [[first, last]],
        // Most batches hold more than their first record.
        buffer: this.#pool.take(Math.max(payload.length, Math.min(2 * payload.length, limits.maxBytes))),
        count: 0,
        bytes: 0,
        textBefore: 0,
      };
      this.#open.set(record.type, open);
    }
    if (open.bytes + payload.length > open.buffer.length) this.#grow(open, open.bytes + payload.length);
    payload.copy(open.buffer, open.bytes);
    open.count += count;
    open.bytes += payload.length;
    this.#count += count;
    this.#bytes += payload.length;
    if (open.count >= limits.maxEvents || open.bytes >= limits.maxBytes) this.#close(open, out);
  }

  #closeOldest(out: Batch[]): void {
    for (const open of this.#open.values()) {
      this.#close(open, out);
      return;
    }
  }

  #close(open: Open, out: Batch[]): void {
    this.#open.delete(open.type);
    this.#bytes -= open.bytes;
    this.#count -= open.count;
    const { identity, partition, type, count, ranges, buffer, bytes } = open;
    out.push({ kind: 'batch', identity, partition, type, count, ranges, body: buffer.subarray(0, bytes) });
  }

  #grow(open: Open, size: number): void {
    const larger = this.#pool.take(Math.max(size, Math.min(2 * open.buffer.length, this.#limits.maxBytes)));
    open.buffer.copy(larger, 0, 0, open.bytes);
    this.#pool.give(open.buffer);
    open.buffer = larger;
  }
}

/** Adds the numbers to the open ranges; false, and nothing changed, where their text would grow beyond `max`. */
function extend(open: Open, first: number, last: number, max: number): boolean {
  const range = open.ranges.at(-1);
  if (range && range[1] + 1 === first) {
    if (open.textBefore + textLength(range[0], last) > max) return false;
    range[1] = last;
    return true;
  }
  const before = range ? open.textBefore + textLength(range[0], range[1]) + 1 : 0;
  if (before + textLength(first, last) > max) return false;
  open.textBefore = before;
  open.ranges.push([first, last]);
  return true;
}
