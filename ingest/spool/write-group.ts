// The appends that one write takes to the disk, as the bytes of their records. Pure but for its buffers.
import {
  encodeRecordHead,
  extendRecord,
  KIND_EVENTS,
  KIND_NOTED,
  NOTE_LENGTH,
  RECORD_HEADER,
  sealRecord,
  SEGMENT_HEADER,
} from './format.ts';
import type { EventGroup, Note, Synced } from './contract.ts';
import type { DiskFile } from './disk.ts';
import { Holdings } from './shares.ts';
import { encodeNote, type NumberedNote } from './notes.ts';
import type { Segment } from './segments.ts';

/** A record takes further events of its type up to so many and so much, so that the publisher can send it as one message. */
const RECORD_EVENTS = 500;
const RECORD_PAYLOAD = 256 * 1024;
const FIRST_BUFFER = 64 * 1024;
const KEPT_BUFFER = 1024 * 1024;
const KEPT_BUFFERS = 4;

/** Numbers given so far, and what its segments are named after. */
export interface Identity {
  readonly id: string;
  readonly partition: number;
  readonly born: number;
  next: number;
  nextIndex: number;
}

const IDENTITY_LIFE = 24 * 60 * 60 * 1000;

/**
 * Receivers forget identities by their birth and their silence, so none may be born long ago, however little it sends. A clock that was
 * set ahead (at start it may show 1970) ends it too, and one that was set back by as much, since it would seem born in the future.
 */
export const isOld = ({ born }: Identity, now: number): boolean => Math.abs(now - born) > IDENTITY_LIFE;

/** A segment that is written, or is going to be: `segment` and `file` are there once its first write has begun. */
export interface Home {
  readonly identity: Identity;
  /** Bytes given to it, written or not. */
  planned: number;
  segment: Segment | null;
  file: DiskFile | null;
  /** Its name survives a crash. */
  named: boolean;
  readonly held: Holdings;
}

/** Buffers go round: a write group needs one for some milliseconds. */
export class BufferPool {
  readonly #free: Buffer[] = [];

  take(size: number): Buffer {
    const free = this.#free.findIndex((buffer) => buffer.length >= size);
    const [found] = free === -1 ? [] : this.#free.splice(free, 1);
    return found ?? Buffer.allocUnsafeSlow(Math.max(FIRST_BUFFER, 2 ** Math.ceil(Math.log2(size))));
  }

  give(buffer: Buffer): void {
    if (buffer.length <= KEPT_BUFFER && this.#free.length < KEPT_BUFFERS) this.#free.push(buffer);
  }
}

export class WriteGroup {
  home: Home;
  readonly first: number;
  readonly written = Promise.withResolvers<Synced>();
  readonly synced = Promise.withResolvers<Synced>();
  /** Somebody waits for the sync. */
  awaited = false;
  /** It takes no more appends. */
  sealed = false;
  #events = 0;
  #buffer: Buffer;
  #used = 0;
  readonly #pool: BufferPool;
  readonly notes: NumberedNote[] = [];
  /** The last record, which may take more. */
  #record = -1;
  #type = '';
  #count = 0;
  #payload = 0;

  constructor(home: Home, first: number, pool: BufferPool, size: number) {
    this.home = home;
    this.first = first;
    this.#pool = pool;
    this.#buffer = pool.take(size);
  }

  get events(): number {
    return this.#events;
  }

  get bytes(): number {
    return this.#used;
  }

  get last(): number {
    return this.first + this.#events - 1;
  }

  add({ type, count, payload }: EventGroup, time: number): void {
    this.#reserve(groupBytes(type, payload));
    if (
      this.#record !== -1 &&
      this.#type === type &&
      this.#count + count <= RECORD_EVENTS &&
      this.#payload + payload.length <= RECORD_PAYLOAD
    ) {
      this.#count += count;
      this.#payload += payload.length;
      extendRecord(this.#buffer, this.#record, this.#count, this.#payload);
    } else {
      this.#record = this.#used;
      this.#type = type;
      this.#count = count;
      this.#payload = payload.length;
      this.#used = encodeRecordHead(
        this.#buffer,
        this.#used,
        KIND_EVENTS,
        type,
        count,
        payload.length,
        this.first + this.#events,
        time,
      );
    }
    this.#used += payload.copy(this.#buffer, this.#used);
    this.#events += count;
  }

  /** A record of its own, so that its events and the note share a checksum. */
  addNoted(part: EventGroup | null, note: NumberedNote, time: number): void {
    const { type, count, payload } = part ?? { type: '', count: 0, payload: EMPTY };
    const bytes = encodeNote(note);
    const length = NOTE_LENGTH + bytes.length + payload.length;
    this.#reserve(RECORD_HEADER + type.length + length);
    const first = this.first + this.#events;
    let at = encodeRecordHead(this.#buffer, this.#used, KIND_NOTED, type, count, length, first, time);
    at = this.#buffer.writeUInt32LE(bytes.length, at);
    at += bytes.copy(this.#buffer, at);
    this.#used = at + payload.copy(this.#buffer, at);
    this.#events += count;
    this.#record = -1;
    this.notes.push(note);
  }

  /** The bytes for this segment. May be asked again for another one. */
  seal(seed: number): Buffer {
    this.sealed = true;
    for (let at = 0; at < this.#used;) at = sealRecord(this.#buffer, at, seed);
    return this.#buffer.subarray(0, this.#used);
  }

  /** The bytes are on the disk. */
  release(): void {
    this.#pool.give(this.#buffer);
    this.#buffer = EMPTY;
  }

  #reserve(more: number): void {
    if (this.#used + more <= this.#buffer.length) return;
    const grown = this.#pool.take(this.#used + more);
    this.#buffer.copy(grown, 0, 0, this.#used);
    this.#pool.give(this.#buffer);
    this.#buffer = grown;
  }
}

const EMPTY = Buffer.alloc(0);

/** At most so many bytes on the disk. */
const groupBytes = (type: string, payload: Buffer): number => RECORD_HEADER + type.length + payload.length;

/** Of a note, at most so many bytes: its number, the escapes of its texts, and a record. */
const noteBytes = ({ key, value }: Note): number => RECORD_HEADER + 64 + 6 * (key.length + (value?.length ?? 0));

export function sizeOf(
  groups: readonly EventGroup[],
  note?: Note,
): { readonly bytes: number; readonly events: number } {
  let bytes = note === undefined ? 0 : noteBytes(note);
  let events = 0;
  for (const { type, payload, count } of groups) {
    bytes += groupBytes(type, payload);
    events += count;
  }
  if (note === undefined && events === 0) throw new RangeError('spool: an append of no events');
  if (note !== undefined && groups.length > 1) throw new RangeError('spool: a note of several groups');
  return { bytes, events };
}

export function newHome(identity: Identity): Home {
  return { identity, planned: SEGMENT_HEADER, segment: null, file: null, named: false, held: new Holdings() };
}
