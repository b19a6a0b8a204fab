// Keeps the cursor files near the truth, moves damaged bytes to quarantine, and removes the segments that nobody needs any more.
//
// Invariants
// 1. A segment is removed only when cursor files that say that every route has passed it are on the disk, their folder synced, and so is
//    a file that knows its notes.
// 2. Numbers count as quarantined only when their bytes are in the quarantine folder, synced: until then their segment stays.
// 3. One run at a time; what fails is tried again by timer.
import type { SpoolEvent } from './contract.ts';
import { cursorFile } from './adopt.ts';
import { encodeCursor } from './cursor.ts';
import { errorCode, errorText, isFull, replaceFile, type Disk, type SpoolClock } from './disk.ts';
import { NOTES, type Notes } from './notes.ts';
import { quarantine } from './quarantine.ts';
import type { Reserve } from './reserve.ts';
import type { Route } from './route.ts';
import type { Damage } from './segment-reader.ts';
import { skipBehind } from './skip.ts';
import { isEmpty, type Segment, type SegmentTable } from './segments.ts';
import type { Writer } from './writer.ts';

/** A crash sends again what was confirmed within so many milliseconds. */
const WRITE_EVERY = 1000;
/** The same while place is short. */
const ROOM_EVERY = 100;

export interface JanitorOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly clock: SpoolClock;
  readonly table: SegmentTable;
  readonly reserve: Reserve;
  readonly max: number;
  readonly keep: number;
  readonly behind: number;
  readonly segment: number;
  /** Whether place is still short; asked after each run. */
  readonly crowded: () => boolean;
  readonly notes: Notes;
  readonly observe: (event: SpoolEvent) => void;
}

export class Janitor {
  readonly #options: JanitorOptions;
  readonly #routes: readonly Route[];
  readonly #writer: Writer;
  /** Not yet in quarantine. */
  #damages: Damage[] = [];
  /** Settled since the cursor file was written. */
  readonly #dirty = new Set<Route>();
  /** Segments that every route has passed, as the cursor files on the disk say. */
  readonly #passed = new Set<Segment>();
  #passedBytes = 0;
  /** Segments were sealed that the file of notes does not know. */
  #notesDue = false;
  /** Removed, but the folder is not synced. */
  #unlinked = false;
  #running: Promise<void> | null = null;
  #again = false;
  #wantRoom = false;
  #full = false;
  /** Bytes of segments removed so far. */
  #removed = 0;
  #cancel: (() => void) | null = null;
  #closed = false;

  constructor(options: JanitorOptions, routes: readonly Route[], writer: Writer) {
    this.#options = options;
    this.#routes = routes;
    this.#writer = writer;
  }

  /** Bytes of segments that may be removed at any time. */
  get passedBytes(): number {
    return this.#passedBytes;
  }

  hasPassed(segment: Segment): boolean {
    return this.#passed.has(segment);
  }

  damaged(damage: Damage): void {
    this.#damages.push(damage);
    this.#later(0);
  }

  /** The route settled something. */
  changed(route: Route): void {
    this.#dirty.add(route);
    this.#later(this.#wantRoom ? ROOM_EVERY : WRITE_EVERY);
  }

  /** A segment was begun: a start shall not have to read those before it. */
  rolled(): void {
    this.#notesDue = true;
    this.#later(this.#wantRoom ? ROOM_EVERY : WRITE_EVERY);
  }

  /** An append found no room. */
  needRoom(): void {
    if (this.#wantRoom) return;
    this.#wantRoom = true;
    this.#later(0);
  }

  /** The disk is full: all that is kept goes. True where that was anything. Never rejects. */
  async makeRoom(): Promise<boolean> {
    const before = this.#removed;
    this.#full = true;
    await this.run();
    return this.#removed > before;
  }

  /** Resolves when what there was to do at the call is done, as far as the disk lets it. */
  run(): Promise<void> {
    this.#cancel?.();
    this.#cancel = null;
    this.#again = true;
    return (this.#running ??= this.#loop());
  }

  async close(): Promise<void> {
    this.#notesDue ||= this.#options.notes.synced > this.#options.notes.stored;
    await this.run();
    this.#closed = true;
    this.#cancel?.();
  }

  #later(delay: number): void {
    if (this.#closed) return;
    if (delay === 0) {
      this.#cancel?.();
      this.#cancel = null;
    }
    this.#cancel ??= this.#options.clock.after(delay, () => {
      this.#cancel = null;
      this.run().catch(() => undefined); // it never rejects
    });
  }

  async #loop(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      const full = this.#full || (this.#writer.down !== null && isFull(this.#writer.down.code));
      const wantRoom = this.#wantRoom || full;
      this.#full = false;
      try {
        // Before anything that itself takes room.
        if (full) await this.#remove(full);
        await this.#quarantine();
        if (wantRoom) await this.#sealSettled();
        await this.#writeNotes();
        this.#skip();
        await this.#writeCursors();
        await this.#remove(full);
        this.#wantRoom = this.#options.crowded();
      } catch (error) {
        const code = errorCode(error);
        this.#options.observe({
          kind: 'disk-failed',
          step: 'cursor',
          path: this.#options.folder,
          code,
          message: errorText(error),
        });
        // The next try has the reserve's room; the writer takes it back in time.
        if (isFull(code) && this.#options.reserve.bytes > 0) {
          await this.#options.reserve.release();
          this.#writer.hold(code, errorText(error));
        }
        this.#later(WRITE_EVERY);
      }
    }
    // At once, so that no call of `run` meets a loop that has ended.
    this.#running = null;
  }

  async #quarantine(): Promise<void> {
    for (;;) {
      const [damage] = this.#damages;
      if (!damage) return;
      const { segment, from, to, first, last } = damage;
      let file: string | null;
      try {
        file = await quarantine(this.#options.disk, this.#options.folder, damage);
      } catch (error) {
        // The segment stays until it works; meanwhile cursors are written.
        this.#options.observe({
          kind: 'disk-failed',
          step: 'quarantine',
          path: segment.file,
          code: errorCode(error),
          message: errorText(error),
        });
        return this.#later(WRITE_EVERY);
      }
      this.#damages.shift();
      for (const route of this.#routes) route.quarantined(segment.name.identity, first, last);
      if (to >= segment.durable) segment.cut = false;
      const events = Math.max(0, last - first + 1);
      if (file !== null || events > 0)
        this.#options.observe({
          kind: 'quarantined',
          segment: segment.file,
          offset: from,
          bytes: to - from,
          events,
          file,
        });
      for (const route of this.#routes) this.#dirty.add(route);
    }
  }

  /** The open segment would otherwise keep its place although all of it is settled. */
  async #sealSettled(): Promise<void> {
    const open = this.#options.table.all.findLast((segment) => !segment.sealed);
    if (!open || open.last < open.name.first) return;
    if (this.#routes.every((route) => route.settled(open.name.identity).prefix >= open.last)) await this.#writer.seal();
  }

  async #writeNotes(): Promise<void> {
    const { disk, folder, table, notes } = this.#options;
    if (!this.#notesDue) return;
    this.#notesDue = false;
    const { bytes, stored } = notes.encode(table);
    try {
      await replaceFile(disk, folder, NOTES, bytes);
    } catch (error) {
      this.#notesDue = true;
      throw error;
    }
    stored();
  }

  #skip(): void {
    const { table, behind, observe } = this.#options;
    for (const skipped of skipBehind(this.#routes, table, behind)) observe({ kind: 'skipped', ...skipped });
  }

  async #writeCursors(): Promise<void> {
    const { disk, folder, table, notes } = this.#options;
    // What is passed now is what the files will say. A segment that failed is as far as anybody knows the only place of what was written
    // to it and answered as written, until that is synced elsewhere.
    const lasts = table.lasts();
    const passed = table.all.filter(
      (segment) =>
        segment.noted <= notes.stored &&
        segment.unsynced <= (lasts.get(segment.name.identity) ?? 0) &&
        this.#routes.every((route) => route.passed(segment)),
    );
    for (const route of this.#dirty) {
      this.#dirty.delete(route);
      try {
        await replaceFile(disk, folder, cursorFile(route.name), encodeCursor(route.cursor));
      } catch (error) {
        this.#dirty.add(route);
        throw error;
      }
    }
    for (const segment of passed) {
      if (this.#passed.has(segment)) continue;
      this.#passed.add(segment);
      this.#passedBytes += segment.size;
    }
  }

  /** The oldest kept ones go first: beyond `keep`, or when their place is needed; all of them where the disk is full. */
  async #remove(full: boolean): Promise<void> {
    const { disk, folder, table, keep, max, segment: segmentSize, reserve, observe } = this.#options;
    const target = full ? 0 : max - segmentSize - this.#writer.pendingBytes;
    let segments = 0;
    let bytes = 0;
    for (const segment of Array.from(this.#passed)) {
      const needed = this.#passedBytes > keep || table.bytes + reserve.bytes > target;
      if (!needed && !isEmpty(segment)) continue;
      await disk.unlink(`${folder}/${segment.file}`).catch((error: unknown) => {
        if (errorCode(error) !== 'ENOENT') throw error;
      });
      this.#unlinked = true;
      this.#passed.delete(segment);
      this.#passedBytes -= segment.size;
      table.remove(segment);
      segments++;
      bytes += segment.size;
      this.#removed += segment.size;
    }
    if (segments > 0) observe({ kind: 'removed', segments, bytes });
    if (this.#unlinked) {
      await disk.syncFolder(folder);
      this.#unlinked = false;
      this.#forget();
      if (full) this.#writer.retryNow();
    }
  }

  /** Identities whose segments are gone for good leave the cursor files. */
  #forget(): void {
    const forgotten = new Set<string>();
    const left = new Set(this.#options.table.all.map((segment) => segment.name.identity)).add(this.#writer.identity.id);
    for (const route of this.#routes) {
      for (const identity of Array.from(route.cursor.keys())) {
        if (left.has(identity) || this.#writer.uses(identity)) continue;
        route.forget(identity);
        forgotten.add(identity);
        this.#dirty.add(route);
        this.#later(WRITE_EVERY);
      }
    }
    for (const identity of forgotten) this.#options.table.forget(identity);
  }
}
