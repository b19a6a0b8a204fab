// One file that is read: opens it, reads what was added, hands it over, and knows its place. Who acks: the spool, which has the place in the
// same record as the events (position.ts); one append is under way at a time.
//
// Invariant: `offset` bytes are in the spool, or in its memory on their way to the disk; they are never handed over again.
import { open, type FileHandle } from 'node:fs/promises';
import type { EventGroup, Note } from '../../spool/contract.ts';
import type { EventWriter } from '../event-writer.ts';
import type { Fields, Parser } from './parse.ts';
import {
  birthOf,
  encodePosition,
  isBirth,
  keyOf,
  SAMPLE,
  sampleHash,
  sampleLength,
  type Position,
  type Sample,
} from './position.ts';

/** `taken`: the append is in the spool. Else nothing of it was, and it is tried again. */
export type Handed = { readonly kind: 'taken' } | { readonly kind: 'refused'; readonly retryAfter: number };
export type HandOver = (groups: readonly EventGroup[], note: Note) => Promise<Handed>;

export interface FileTools {
  readonly writer: EventWriter;
  readonly handOver: HandOver;
  /** Bytes of a chunk: the longest line and more. */
  readonly chunk: number;
  /** Milliseconds. */
  readonly now: () => number;
}

/** `more`: call again at once. `quiet`: all is read. `changed`: the file is shorter, or other, than it was. `gone`: it is not where it was. */
export type Step =
  | { readonly kind: 'more' | 'quiet' | 'changed' | 'gone' }
  | { readonly kind: 'refused'; readonly retryAfter: number };

export interface FileStart {
  readonly path: string;
  readonly place: string;
  readonly real: string;
  readonly key: string;
  readonly birth: string;
  readonly offset: number;
  readonly skip: boolean;
  readonly head: Buffer;
  readonly before: Buffer;
  readonly since: number;
}

/** Bytes of events in one append. */
const MOST = 2 * 1024 * 1024;
const LEAST = 64 * 1024;
const EMPTY = Buffer.alloc(0);

export class TailedFile {
  /** As the configuration finds it, and what it is called now. */
  path: string;
  place: string;
  /** The path without links: rotations are beside it. */
  readonly real: string;
  readonly key: string;
  readonly parser: Parser;
  readonly fields: Fields;
  readonly since: number;
  offset: number;
  /** Milliseconds of the clock: when it last grew, or was first seen. */
  grew: number;
  /** Its name belongs to another file now: it is read to its end and left. */
  rotated = false;
  readonly #tools: FileTools;
  /** Milliseconds after which the last record is whole. */
  readonly #timeout: number;
  #birth: string;
  #skip: boolean;
  #head: Buffer;
  #before: Buffer;
  #size = 0;
  #limit = MOST;
  #handle: FileHandle | null = null;

  constructor(tools: FileTools, parser: Parser, fields: Fields, timeout: number, start: FileStart) {
    this.#tools = tools;
    this.parser = parser;
    this.fields = fields;
    this.#timeout = timeout;
    this.path = start.path;
    this.place = start.place;
    this.real = start.real;
    this.key = start.key;
    this.#birth = start.birth;
    this.offset = start.offset;
    this.#skip = start.skip;
    this.#head = start.head;
    this.#before = start.before;
    this.since = start.since;
    this.grew = tools.now();
  }

  get isOpen(): boolean {
    return this.#handle !== null;
  }

  /** Bytes that are known to be there and are not read. */
  get lag(): number {
    return Math.max(0, this.#size - this.offset);
  }

  /** What is remembered of it now. */
  get position(): Position {
    return this.#positionAt(this.offset, this.#skip, this.#head, this.#before);
  }

  /** Reads and hands over one chunk. */
  async step(buffer: Buffer, end: boolean): Promise<Step> {
    const handle = this.#handle ?? (await this.#open());
    if (handle === null) return { kind: 'gone' };
    const { size } = await handle.stat();
    if (size < this.offset) return { kind: 'changed' };
    if (size > this.#size) this.grew = this.#tools.now();
    this.#size = size;
    if (size === this.offset) return { kind: 'quiet' };
    const overlap = this.#before.length;
    const from = this.offset - overlap;
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, size - from), from);
    if (bytesRead < overlap || !buffer.subarray(0, overlap).equals(this.#before)) return { kind: 'changed' };
    return this.#take(buffer.subarray(overlap, bytesRead), bytesRead === size - from, end);
  }

  /** Leaves a place that is no longer one: from the beginning. */
  restart(): Note {
    this.offset = 0;
    this.#skip = false;
    this.#head = this.#before = EMPTY;
    this.#size = 0;
    return encodePosition(this.key, this.position);
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close();
  }

  async #open(): Promise<FileHandle | null> {
    let handle: FileHandle;
    try {
      handle = await open(this.place, 'r');
    } catch {
      return null; // it is looked for again
    }
    const facts = await handle.stat({ bigint: true });
    if (keyOf(facts.dev, facts.ino) === this.key && isBirth(this.#birth, birthOf(facts))) {
      if (this.#birth === '0') this.#birth = birthOf(facts);
      this.#handle = handle;
      return handle;
    }
    await handle.close();
    return null;
  }

  async #take(bytes: Buffer, all: boolean, end: boolean): Promise<Step> {
    const { writer, handOver, now } = this.#tools;
    const idle = all && now() - this.grew >= this.#timeout;
    writer.begin();
    const parsed = this.parser.parse(
      bytes,
      bytes.length,
      this.#skip,
      all && end ? 'end' : idle ? 'idle' : 'none',
      this.fields,
      this.#limit,
    );
    if (parsed.consumed === 0) return { kind: 'quiet' };
    const groups = writer.groups();
    const offset = this.offset + parsed.consumed;
    const head =
      this.#head.length === SAMPLE
        ? this.#head
        : Buffer.concat([this.#head, bytes.subarray(0, Math.min(parsed.consumed, SAMPLE - this.#head.length))]);
    const before =
      parsed.consumed >= SAMPLE
        ? Buffer.from(bytes.subarray(parsed.consumed - SAMPLE, parsed.consumed))
        : Buffer.concat([this.#before, bytes.subarray(0, parsed.consumed)]).subarray(-SAMPLE);
    const handed = await handOver(
      groups,
      encodePosition(this.key, this.#positionAt(offset, parsed.skip, head, before)),
    );
    if (handed.kind === 'refused') {
      // It may be more than there is room for, ever.
      if (this.#limit === LEAST) return handed;
      this.#limit = LEAST;
      return { kind: 'more' };
    }
    this.#limit = Math.min(MOST, this.#limit * 2);
    this.offset = offset;
    this.#skip = parsed.skip;
    this.#head = head;
    this.#before = before;
    return { kind: all && offset === this.#size ? 'quiet' : 'more' };
  }

  #positionAt(offset: number, skip: boolean, head: Buffer, before: Buffer): Position {
    return {
      path: this.path,
      birth: this.#birth,
      offset,
      skip,
      head: sampleHash(head),
      before: sampleHash(before),
      since: this.since,
    };
  }
}

/** For a file that was read up to `offset`. */
export async function readSample(handle: FileHandle, offset: number): Promise<Sample> {
  const { size } = await handle.stat();
  const length = sampleLength(offset);
  const read = async (position: number): Promise<Buffer> => {
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await handle.read(bytes, 0, length, position);
    return bytes.subarray(0, bytesRead);
  };
  return { size, head: await read(0), before: await read(offset - length) };
}
