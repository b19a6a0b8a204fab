// What was appended and is not synced yet, in the order of its numbers: waiting, being written, written.
import type { Synced } from './contract.ts';
import type { NumberedNote } from './notes.ts';
import type { Home, WriteGroup } from './write-group.ts';

const GROUP_BYTES = 4 * 1024 * 1024;
const SYNCED: Synced = { kind: 'synced' };

/** Invariant: the groups of `#written`, then `#writing`, then `#waiting` hold all numbers that are not synced, ascending; the first two are of one segment. */
export class Pending {
  #waiting: WriteGroup[] = [];
  #writing: WriteGroup[] = [];
  #written: WriteGroup[] = [];
  #bytes = 0;
  #events = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get events(): number {
    return this.#events;
  }

  /** The next one to write. */
  get head(): WriteGroup | undefined {
    return this.#waiting[0];
  }

  /** Something is written and not synced. */
  get unsynced(): boolean {
    return this.#written.length > 0;
  }

  /** Somebody waits for a sync of what is written. */
  get awaited(): boolean {
    return this.#written.some(({ awaited }) => awaited);
  }

  /** Something is waiting to be written whose sync nobody waits for. */
  get unawaited(): boolean {
    return this.#waiting.some(({ awaited }) => !awaited);
  }

  /** The group that takes so many more bytes for this segment, if there is one. */
  open(home: Home, bytes: number): WriteGroup | null {
    const tail = this.#waiting.at(-1);
    // One that was tried before has been answered, perhaps.
    return tail && tail.home === home && !tail.sealed && tail.bytes + bytes <= GROUP_BYTES ? tail : null;
  }

  push(group: WriteGroup): void {
    this.#waiting.push(group);
  }

  grew(bytes: number, events: number): void {
    this.#bytes += bytes;
    this.#events += events;
  }

  /** The bytes to write next, all of one segment. */
  take(home: Home, seed: number): Buffer[] {
    let groups = 0;
    while (this.#waiting[groups]?.home === home) groups++;
    this.#writing = this.#waiting.splice(0, groups);
    return this.#writing.map((group) => group.seal(seed));
  }

  /** What was taken is written. */
  written(): void {
    for (const group of this.#writing) group.written.resolve(SYNCED);
    this.#written.push(...this.#writing);
    this.#writing = [];
  }

  /** What was written is synced. Tells its waiters only when `settled` was told how much it was, and up to which number, with which notes. */
  synced(settled: (events: number, bytes: number, last: number, notes: readonly NumberedNote[]) => void): void {
    const groups = this.#written;
    this.#written = [];
    let events = 0;
    let bytes = 0;
    let last = 0;
    const notes: NumberedNote[] = [];
    for (const group of groups) {
      events += group.events;
      bytes += group.bytes;
      last = group.last;
      notes.push(...group.notes);
    }
    this.grew(-bytes, -events);
    settled(events, bytes, last, notes);
    for (const group of groups) {
      group.synced.resolve(SYNCED);
      group.release();
    }
  }

  /** The segment failed: what was bound to it waits again, for another one. How many bytes were being written, and the last number that was, or is written already. */
  again(failed: Home, home: Home): { readonly writing: number; readonly last: number } {
    let writing = 0;
    for (const group of this.#writing) writing += group.bytes;
    const last = (this.#writing.at(-1) ?? this.#written.at(-1))?.last ?? 0;
    this.#waiting = [...this.#written, ...this.#writing, ...this.#waiting];
    this.#written = [];
    this.#writing = [];
    for (const group of this.#waiting) {
      if (group.home !== failed) continue;
      group.home = home;
      home.planned += group.bytes;
    }
    return { writing, last };
  }

  /** The waiters are told that it is not known; the bytes stay. Only while nothing is being written. */
  tellFailed(message: string): void {
    for (const group of this.#waiting) {
      group.written.resolve({ kind: 'failed', message });
      group.synced.resolve({ kind: 'failed', message });
    }
  }

  has(identity: string): boolean {
    const of = ({ home }: WriteGroup): boolean => home.identity.id === identity;
    return [this.#waiting, this.#writing, this.#written].some((groups) => groups.some(of));
  }
}
