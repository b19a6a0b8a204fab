// Reads one segment in large chunks, checks every record, and goes on behind damage at the next good record.
import { decodeRecord, findMarker, KIND_END, newRecordView, RECORD_HEADER, SEGMENT_HEADER } from './format.ts';
import type { SpoolRecord } from './contract.ts';
import type { DiskFile } from './disk.ts';
import type { Segment } from './segments.ts';

const CHUNK = 1024 * 1024;
/** Room before a chunk for the beginning of a record that the chunk before it ended with. */
const HEADROOM = 128 * 1024;
const EMPTY = Buffer.alloc(0);
/** Where a chunk cannot be read, this much at a time is tried. */
const BLOCK = 4096;

/** Bytes `from` … `to` of the segment hold no good record; the numbers `first` … `last` (none where last < first) are missing with them. */
export interface Damage {
  readonly segment: Segment;
  readonly from: number;
  readonly to: number;
  readonly first: number;
  readonly last: number;
}

export interface SegmentReaderOptions {
  /** Records the route is done with already are checked but not handed out. */
  readonly skip: (first: number, last: number) => boolean;
  readonly damaged: (damage: Damage) => void;
  /** A chunk that could not be read; what is unreadable after a second try counts as damage. */
  readonly unreadable: (error: unknown) => void;
  /** Told of each record that is handed out. */
  readonly seen: (record: SpoolRecord, time: number) => void;
  /** Told of each note, whether or not its record is handed out; the bytes are good during the call. */
  readonly noted?: (note: Buffer) => void;
}

/** Invariant: all records below `#at` were handed out, skipped or reported as damaged; `expected` is the number that should come next. */
export class SegmentReader {
  readonly #file: DiskFile;
  readonly #segment: Segment;
  readonly #options: SegmentReaderOptions;
  readonly #view = newRecordView();
  #at = SEGMENT_HEADER;
  #damageFrom = -1;
  #expected: number;
  #lastGood: number;
  #goodEnd = SEGMENT_HEADER;
  #chunk: Buffer = EMPTY;
  /** Offset in the file of the chunk's first byte, and how many of its bytes are good. */
  #base = 0;
  #length = 0;
  /** The bytes behind the chunk, on their way. */
  #ahead: { readonly buffer: Buffer; readonly length: number; readonly read: Promise<void> } | null = null;
  readonly #spares: Buffer[] = [];

  constructor(file: DiskFile, segment: Segment, options: SegmentReaderOptions) {
    this.#file = file;
    this.#segment = segment;
    this.#options = options;
    this.#expected = segment.name.first;
    this.#lastGood = segment.name.first - 1;
  }

  get at(): number {
    return this.#at;
  }

  /** All numbers of the segment below this one were handed out, skipped or reported as damaged. */
  get next(): number {
    return this.#expected;
  }

  /** The last number of the last good record so far; below the segment's first where there was none. */
  get lastGood(): number {
    return this.#lastGood;
  }

  /** Where the last good record ends. */
  get goodEnd(): number {
    return this.#goodEnd;
  }

  /**
   * Appends records to `out`, about `maxBytes` of them and of one chunk, up to what was durable at the call. True where it got that far.
   * They are views of the chunk: good until the next call.
   */
  async read(maxBytes: number, out: SpoolRecord[]): Promise<boolean> {
    const { durable: end, last } = this.#segment;
    let taken = 0;
    while (this.#at < end) {
      if (this.#at < this.#base || this.#at >= this.#base + this.#length) {
        if (out.length > 0) return false;
        await this.#load(CHUNK, end);
      }
      taken += this.#parse(maxBytes - taken, last, end, out);
      if (taken >= maxBytes) return this.#at >= end;
      if (this.#at >= end) break;
      if (out.length > 0) return false;
      // What is left of the chunk is the beginning of a record, or no record.
      await this.#load(Math.max(CHUNK, this.#view.size), end);
    }
    this.#finish(end, last);
    return true;
  }

  /** Records of the chunk, until it ends or `maxBytes` are taken; returns how many were. Leaves `#view.size` as the bytes it needs from `#at` on. */
  #parse(maxBytes: number, last: number, end: number, out: SpoolRecord[]): number {
    const view = this.#view;
    const chunk = this.#chunk;
    const { seed, sealed } = this.#segment;
    const stop = this.#length;
    let at = this.#at - this.#base;
    let taken = 0;
    view.size = RECORD_HEADER;
    while (at < stop && taken < maxBytes) {
      let found = decodeRecord(chunk, at, stop, seed, view);
      // A length that leads beyond the end of the segment is none.
      if (found === 'short' && this.#base + at + view.size > end) found = 'bad';
      if (found === 'short') break;
      if (found === 'bad') {
        if (this.#damageFrom === -1) this.#damageFrom = this.#base + at;
        view.size = RECORD_HEADER;
        const next = findMarker(chunk, at + 1, stop);
        // A marker may be cut by the end of the chunk.
        at = next !== -1 ? next : this.#base + stop >= end ? stop : Math.max(at + 1, stop - 3);
        continue;
      }
      if (view.kind !== KIND_END) {
        const lastOfRecord = view.first + view.count - 1;
        if (sealed && lastOfRecord > last) {
          // Written again to the segment after this one, since this file failed.
          at = end - this.#base;
          break;
        }
        this.#at = this.#base + at;
        if (view.first !== this.#expected || this.#damageFrom !== -1) this.#report(this.#at, view.first - 1);
        this.#expected = lastOfRecord + 1;
        this.#lastGood = lastOfRecord;
        if (view.noteEnd > view.noteStart) this.#options.noted?.(chunk.subarray(view.noteStart, view.noteEnd));
        if (view.count > 0 && !this.#options.skip(view.first, lastOfRecord)) {
          const record = this.#record(chunk, at);
          out.push(record);
          this.#options.seen(record, view.time);
          taken += view.size;
        }
      }
      at += view.size;
      this.#goodEnd = this.#base + at;
      view.size = RECORD_HEADER;
    }
    this.#at = this.#base + at;
    return taken;
  }

  #record(chunk: Buffer, at: number): SpoolRecord {
    const view = this.#view;
    const { identity, partition } = this.#segment.name;
    return {
      identity,
      partition,
      first: view.first,
      count: view.count,
      type: chunk.toString('latin1', view.typeStart, view.typeEnd),
      payload: chunk.subarray(view.payloadStart, at + view.size),
    };
  }

  /** Everything up to `end` was looked at. What follows the last number of a segment that failed was written again elsewhere. */
  #finish(end: number, last: number): void {
    const { cut, sealed } = this.#segment;
    if (this.#expected <= last || cut || (this.#damageFrom !== -1 && !sealed)) this.#report(end, last);
    this.#damageFrom = -1;
  }

  #report(to: number, last: number): void {
    const from = this.#damageFrom === -1 ? to : this.#damageFrom;
    this.#damageFrom = -1;
    const first = this.#expected;
    if (last >= first) this.#expected = last + 1;
    this.#options.damaged({ segment: this.#segment, from, to, first, last });
  }

  /** The chunk from `#at` on; and begins to read what follows it, since that takes as long as checking this one. */
  async #load(wanted: number, end: number): Promise<void> {
    const ahead = this.#ahead;
    this.#ahead = null;
    const carried = this.#base + this.#length - this.#at;
    if (ahead && carried >= 0 && carried <= HEADROOM && carried + ahead.length >= Math.min(wanted, end - this.#at)) {
      await ahead.read;
      this.#chunk.copy(ahead.buffer, HEADROOM - carried, this.#length - carried, this.#length);
      this.#use(ahead.buffer.subarray(HEADROOM - carried), carried + ahead.length);
    } else {
      await ahead?.read;
      const length = Math.min(wanted, end - this.#at);
      const buffer = length <= CHUNK ? this.#spare() : Buffer.allocUnsafeSlow(HEADROOM + length);
      await this.#fill(buffer, length, this.#at);
      this.#use(buffer.subarray(HEADROOM), length);
    }
    const position = this.#base + this.#length;
    const length = Math.min(CHUNK, end - position);
    if (length <= 0) return;
    const buffer = this.#spare();
    this.#ahead = { buffer, length, read: this.#fill(buffer, length, position) };
  }

  #use(chunk: Buffer, length: number): void {
    this.#chunk = chunk;
    this.#base = this.#at;
    this.#length = length;
  }

  /** Of two that take turns: the chunk, and what is read ahead. */
  #spare(): Buffer {
    this.#spares.push(
      this.#spares.length < 2 ? Buffer.allocUnsafeSlow(HEADROOM + CHUNK) : (this.#spares.shift() ?? EMPTY),
    );
    return this.#spares.at(-1) ?? EMPTY;
  }

  /** Behind the headroom. Never rejects. */
  async #fill(buffer: Buffer, length: number, position: number): Promise<void> {
    const target = buffer.subarray(HEADROOM);
    const got = await readOrZero(this.#file, target, length, position, this.#options.unreadable);
    // A file that is shorter than it was: zeros fail the checksum, so that this is damage like any other.
    target.fill(0, got, length);
  }

  /** The file may be closed after it. */
  async close(): Promise<void> {
    await this.#ahead?.read;
    this.#ahead = null;
  }
}

/** Reads `length` bytes; returns how many the file had. What cannot be read, tried twice, is zero. */
export async function readOrZero(
  file: DiskFile,
  target: Buffer,
  length: number,
  position: number,
  unreadable: (error: unknown) => void,
): Promise<number> {
  try {
    return await file.read(target, length, position);
  } catch (error) {
    unreadable(error);
  }
  for (let done = 0; done < length; done += BLOCK) {
    const size = Math.min(BLOCK, length - done);
    const block = target.subarray(done, done + size);
    // Zeros fail the checksum, so that this is damage like any other.
    const got = await file.read(block, size, position + done).catch(() => 0);
    block.fill(0, got);
  }
  return length;
}

/** Of a segment whose end is not known: reads it through and sets `last` and `cut`. Keeps nothing. */
export async function scanSegment(file: DiskFile, segment: Segment): Promise<void> {
  segment.last = Number.MAX_SAFE_INTEGER;
  const reader = new SegmentReader(file, segment, {
    skip: () => true,
    damaged: () => undefined,
    unreadable: () => undefined,
    seen: () => undefined,
  });
  try {
    while (!(await reader.read(CHUNK, [])));
  } finally {
    await reader.close();
    segment.last = reader.lastGood;
    segment.cut = segment.durable > Math.max(reader.goodEnd, SEGMENT_HEADER);
  }
}
