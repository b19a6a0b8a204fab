// Takes appends to the disk in groups: one write and one fdatasync for all that came while the one before was under way.
//
// Invariants
// 1. A number means one event. Numbers are given in memory, ascending, and stay bound to the bytes of their events there until these are
//    synced; whatever fails, they are written under the same numbers. A process that ends takes its identity with it: none is given twice.
// 2. After an error of open, write, sync or sync of the folder the file is never touched again: an fdatasync that failed may drop the pages and
//    succeed the next time. What was not synced goes to a new segment, which is named after its first number, and readers take nothing
//    from that number on out of the old one, so that a copy of it that did reach the disk is not read twice.
// 3. Nothing is answered as synced before its bytes and the name of its segment are. A waiter that arrives during a sync waits for the next.
// 4. Groups reach the disk in the order of their numbers; a segment is begun only when everything before it is synced.
// 5. After a second failure in a row those who wait are told `failed`; their bytes stay, and are tried again by timer. Appends are refused then
//    and until the reserve (room that a full disk is relieved by) is back, so that what is in memory is bounded.
import type { Appended, EventGroup, Note, Receipt, SpoolEvent, SpoolLevel } from './contract.ts';
import { errorCode, errorText, isFull, type Disk, type SpoolClock } from './disk.ts';
import { encodeHeader, SEGMENT_HEADER } from './format.ts';
import { createSegment, endSegment } from './open-segment.ts';
import type { Notes } from './notes.ts';
import { Outage, type Down } from './outage.ts';
import { Pending } from './pending.ts';
import { refusalOf } from './refusal.ts';
import type { Reserve } from './reserve.ts';
import type { SegmentTable } from './segments.ts';
import { BufferPool, isOld, newHome, sizeOf, WriteGroup, type Home, type Identity } from './write-group.ts';

const SYNC_WITHIN = 50; // `memory` promises a sync within 100 ms; the sync itself takes some of it

export interface WriterOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly clock: SpoolClock;
  readonly table: SegmentTable;
  readonly reserve: Reserve;
  /** Bytes of a segment, about. */
  readonly segment: number;
  readonly newIdentity: () => Identity;
  /** Whether so many more bytes have room. */
  readonly room: (bytes: number) => boolean;
  /** The disk is full: removes what may go, and tells whether that was anything. Never rejects. */
  readonly makeRoom: () => Promise<boolean>;
  readonly notes: Notes;
  readonly observe: (event: SpoolEvent) => void;
}

export class Writer {
  readonly #options: WriterOptions;
  readonly #pool = new BufferPool();
  readonly #pending = new Pending();
  /** Where the next append goes. */
  #home: Home;
  /** The segment that is written to. */
  #open: Home | null = null;
  #busy = false;
  #scheduled = false;
  /** Sync even though nobody waits. */
  #due = false;
  #cancelSync: (() => void) | null = null;
  /** Failures since the last sync. */
  #strikes = 0;
  readonly #outage: Outage;
  #closing = false;
  #drained: PromiseWithResolvers<void> | null = null;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#outage = new Outage(options.clock, options.observe);
    this.#home = newHome(options.newIdentity());
  }

  get identity(): Identity {
    return this.#home.identity;
  }

  get pendingBytes(): number {
    return this.#pending.bytes;
  }

  get pendingEvents(): number {
    return this.#pending.events;
  }

  /** Since when, and why, the disk takes nothing. */
  get down(): Down | null {
    return this.#outage.down;
  }

  append(groups: readonly EventGroup[], level: SpoolLevel, note: Note | undefined, input: string): Appended {
    const { bytes, events } = sizeOf(groups, note);
    const refusal = refusalOf(bytes, this.#pending.bytes, this.#closing, this.down, this.#options.room);
    if (refusal) return refusal;
    const group = this.#groupFor(bytes);
    const { identity } = group.home;
    const receipt: Receipt = { identity: identity.id, first: identity.next, last: identity.next + events - 1 };
    const before = group.bytes;
    const now = this.#options.clock.now();
    if (note) group.addNoted(groups[0] ?? null, this.#options.notes.number(note), now);
    else for (const part of groups) if (part.count > 0) group.add(part, now);
    group.home.held.add(groups, input);
    identity.next += events;
    group.home.planned += group.bytes - before;
    this.#pending.grew(group.bytes - before, events);
    if (level === 'disk') group.awaited = true;
    else this.#syncWithin();
    this.#schedule();
    return { kind: 'appended', receipt, written: group.written.promise, synced: group.synced.promise };
  }

  /** Ends the open segment, so that it may go. Does nothing while something is pending. */
  async seal(): Promise<void> {
    const home = this.#open;
    if (this.#busy || !home || this.#pending.bytes > 0 || this.down) return;
    this.#leave(home);
    if (this.#home === home) this.#home = this.#nextHome();
    await home.file?.close().catch(() => undefined); // all of it is synced
  }

  /** Takes no more appends until the reserve is there again; for a disk that is full at start. */
  hold(code: string, cause: string): void {
    this.#outage.begin(code, cause);
    // What is pending goes on; after it the reserve is tried for.
    if (this.#pending.bytes === 0 && !this.#busy) this.#retryLater();
  }

  /** Events of this identity are not synced yet. */
  uses(identity: string): boolean {
    return this.identity.id === identity || this.#open?.identity.id === identity || this.#pending.has(identity);
  }

  /** Syncs what there is, as far as the disk takes it; tells how many events it did not take. */
  async close(): Promise<number> {
    this.#closing = true;
    if (this.#pending.bytes > 0) {
      this.#drained = Promise.withResolvers<void>();
      this.#due = true;
      this.retryNow();
      this.#pump();
      await this.#drained.promise;
    }
    this.#outage.stopWaiting();
    this.#cancelSync?.();
    if (this.#open && this.#pending.bytes === 0) await endSegment(this.#options, this.#open);
    this.#open = null;
    return this.#pending.events;
  }

  /** Room may have come back. */
  retryNow(): void {
    if (this.#outage.stopWaiting()) this.#retry();
  }

  #retry(): void {
    this.#due = true;
    this.#pump();
  }

  /** For what comes after the segment that appends go to now. */
  #nextHome(): Home {
    const { identity } = this.#home;
    return newHome(isOld(identity, this.#options.clock.now()) ? this.#options.newIdentity() : identity);
  }

  #groupFor(bytes: number): WriteGroup {
    const { planned, identity } = this.#home;
    // Whatever room the segment has, a new identity begins one of its own.
    if (
      isOld(identity, this.#options.clock.now()) ||
      (planned > SEGMENT_HEADER && planned + bytes > this.#options.segment)
    )
      this.#home = this.#nextHome();
    const open = this.#pending.open(this.#home, bytes);
    if (open) return open;
    const group = new WriteGroup(this.#home, this.#home.identity.next, this.#pool, bytes);
    this.#pending.push(group);
    return group;
  }

  #schedule(): void {
    if (this.#busy || this.#scheduled) return;
    this.#scheduled = true;
    this.#options.clock.soon(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #syncWithin(): void {
    this.#cancelSync ??= this.#options.clock.after(SYNC_WITHIN, () => {
      this.#cancelSync = null;
      this.#due = true;
      this.#pump();
    });
  }

  /** Does the next step, if none is under way. Every step ends in here again. */
  #pump(): void {
    if (this.#busy || this.#outage.waiting) return;
    const group = this.#pending.head;
    const mustSync = this.#pending.unsynced && (this.#due || this.#pending.awaited);
    if (group && group.home === this.#open) this.#write(this.#open);
    else if (mustSync || (group && this.#pending.unsynced)) this.#sync();
    else if (group) this.#begin(group.home);
    else this.#rest();
  }

  /** Nothing to do now. */
  #rest(): void {
    if (this.#pending.unsynced) return;
    this.#due = false;
    this.#drained?.resolve();
    if (this.down && !this.#closing) void this.#recover(); // it never rejects
  }

  /** Everything is synced; appends are taken again once the reserve is back. */
  async #recover(): Promise<void> {
    this.#busy = true;
    const restored = await this.#options.reserve.restore();
    this.#busy = false;
    if (!restored) return this.#retryLater();
    this.#outage.end();
    this.#pump();
  }

  #retryLater(): void {
    if (this.#closing) this.#drained?.resolve();
    else this.#outage.wait(() => this.#retry());
  }

  /** Makes the segment. Everything before it is synced. */
  #begin(home: Home): void {
    this.#busy = true;
    const previous = this.#open;
    if (previous) this.#leave(previous);
    void this.#create(home, previous); // it never rejects
  }

  async #create(home: Home, previous: Home | null): Promise<void> {
    await previous?.file?.close().catch(() => undefined); // all of it is synced
    try {
      await createSegment(this.#options, home, this.#pending.head?.first ?? home.identity.next);
    } catch (error) {
      return this.#fail('create', home, error);
    }
    this.#open = home;
    this.#options.observe({ kind: 'rolled', segment: home.segment?.file ?? '' });
    this.#next();
  }

  #write(home: Home): void {
    const { segment, file } = home;
    if (!segment || !file) throw new Error('spool: a segment without a file'); // #begin made both
    this.#busy = true;
    const buffers = this.#pending.take(home, segment.seed);
    if (segment.size === 0) buffers.unshift(encodeHeader(segment.name, segment.created));
    let end = segment.size;
    for (const buffer of buffers) end += buffer.length;
    file.write(buffers, segment.size, (error) => {
      if (error) return this.#fail('write', home, error);
      this.#options.table.grow(segment, end);
      this.#pending.written();
      this.#next();
    });
  }

  #sync(): void {
    const home = this.#open;
    if (!home?.segment || !home.file) throw new Error('spool: nothing to sync'); // what is unsynced is in the open segment
    this.#busy = true;
    const started = this.#options.clock.tick();
    home.file.sync((error) => {
      if (error) this.#fail('sync', home, error);
      else if (home.named) this.#settle(home, started);
      else void this.#syncName(home, started); // it never rejects
    });
  }

  async #syncName(home: Home, started: number): Promise<void> {
    try {
      await this.#options.disk.syncFolder(this.#options.folder);
    } catch (error) {
      return this.#fail('sync of the folder', home, error);
    }
    home.named = true;
    this.#settle(home, started);
  }

  /** All that was written to the open segment is on the disk. */
  #settle(home: Home, started: number): void {
    const { segment } = home;
    if (!segment) return;
    this.#cancelSync?.();
    this.#cancelSync = null;
    this.#due = this.#closing;
    this.#strikes = 0;
    this.#pending.synced((events, bytes, last, notes) => {
      for (const note of notes) this.#options.notes.settle(note);
      segment.noted = Math.max(segment.noted, notes.at(-1)?.number ?? 0);
      segment.last = last;
      segment.durable = segment.size;
      this.#options.observe({ kind: 'synced', events, bytes, milliseconds: this.#options.clock.tick() - started });
    });
    // Groups that came meanwhile and that nobody waits for still have their 100 ms.
    if (this.#pending.unawaited) this.#syncWithin();
    this.#options.table.readable();
    this.#next();
  }

  #next(): void {
    this.#busy = false;
    this.#pump();
  }

  /** Nothing more is written to it. */
  #leave(home: Home): void {
    if (home.segment) home.segment.sealed = true;
    if (this.#open === home) this.#open = null;
    this.#options.table.readable();
  }

  /** The file is left as it is; what was bound to it goes to a new one. */
  #fail(step: string, home: Home, error: unknown): void {
    const { observe, folder, table } = this.#options;
    const code = errorCode(error);
    const message = errorText(error);
    observe({ kind: 'disk-failed', step, path: `${folder}/${home.segment?.file ?? ''}`, code, message });
    this.#leave(home);
    home.file?.close().catch(() => undefined); // it failed before
    const again = newHome(home.identity);
    const { writing, last } = this.#pending.again(home, again);
    if (home.segment) {
      // Its length is not known; this is the most it can be.
      table.grow(home.segment, home.segment.size + writing);
      home.segment.unsynced = last;
    }
    if (this.#home === home) this.#home = again;
    void this.#tryAgain(code, message); // it never rejects
  }

  async #tryAgain(code: string, cause: string): Promise<void> {
    const full = isFull(code);
    // What is confirmed and only kept goes first: as long as that makes room, the full disk is no failure.
    if (full && (await this.#options.makeRoom())) return this.#next();
    this.#strikes++;
    if (full || this.#strikes > 1) this.#outage.begin(code, cause);
    if (this.#strikes > 1) this.#pending.tellFailed(`The disk of the spool fails: ${cause}`);
    // The reserve gives room to what is pending, which is tried once more at once.
    if (full) await this.#options.reserve.release();
    this.#busy = false;
    if (this.#strikes > 1) this.#retryLater();
    else this.#pump();
  }
}
