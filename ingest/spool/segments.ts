// The segments of a spool folder, in the order in which they are read: those of earlier identities, then the worker's own.
import type { SegmentName } from './format.ts';
import type { Holdings } from './shares.ts';

export interface Segment {
  /** Ascending in the order of reading. */
  readonly ordinal: number;
  /** Name of its file in the spool folder. */
  readonly file: string;
  readonly name: SegmentName;
  readonly seed: number;
  created: number;
  /** Bytes of the file. */
  size: number;
  /** Bytes that are synced, or were found at start: what may be read. Always the end of a record in a segment of this process. */
  durable: number;
  /** The last number that is in it and durable; below `name.first` where it has none. Of no use before `known`. */
  last: number;
  /** Nothing more will become durable in it. */
  sealed: boolean;
  /** Numbers up to this one were written to it and not synced when it failed: they are written again elsewhere. 0 where it did not fail. */
  unsynced: number;
  /** Bytes follow its last good record that are not in the quarantine folder yet. It was the last segment of a process that did not close, so they are a torn write or a damaged record. */
  cut: boolean;
  /** The highest number of a note in it; 0 where it has none. */
  noted: number;
  /** Whose bytes are in it; null where an earlier process wrote them. */
  readonly held: Holdings | null;
}

/** Synced bytes, new segments: who reads listens here. */
export class SegmentTable {
  readonly #segments: Segment[] = [];
  readonly #listeners: (() => void)[] = [];
  /** By identity: the last number that was in a segment which is gone. */
  readonly #gone = new Map<string, number>();
  #bytes = 0;
  #ordinal = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get all(): readonly Segment[] {
    return this.#segments;
  }

  add(segment: Omit<Segment, 'ordinal'>): Segment {
    const added = { ...segment, ordinal: ++this.#ordinal };
    this.#segments.push(added);
    this.#bytes += added.size;
    return added;
  }

  grow(segment: Segment, size: number): void {
    this.#bytes += size - segment.size;
    segment.size = size;
  }

  remove(segment: Segment): void {
    const at = this.#segments.indexOf(segment);
    if (at === -1) return;
    this.#segments.splice(at, 1);
    this.#bytes -= segment.size;
    const { identity } = segment.name;
    this.#gone.set(identity, Math.max(segment.last, this.#gone.get(identity) ?? 0));
  }

  /** By identity: the last number that is on the disk, or was. Its numbers up to there were accepted. */
  lasts(): Map<string, number> {
    const lasts = new Map(this.#gone);
    for (const { name, last } of this.#segments)
      lasts.set(name.identity, Math.max(last, lasts.get(name.identity) ?? 0));
    return lasts;
  }

  /** Its segments are gone, and its routes have forgotten it. */
  forget(identity: string): void {
    this.#gone.delete(identity);
  }

  /** The first one that is read after this ordinal. */
  after(ordinal: number): Segment | undefined {
    const last = this.#segments.at(-1);
    if (last === undefined || last.ordinal <= ordinal) return undefined;
    return this.#segments.find((segment) => segment.ordinal > ordinal);
  }

  onReadable(listener: () => void): void {
    this.#listeners.push(listener);
  }

  readable(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** Holds no event and never will: made before a disk error, or by a process that ended before its first sync. */
export const isEmpty = (segment: Segment): boolean =>
  segment.sealed && segment.last < segment.name.first && !segment.cut;
