// The spool of an agent: a folder of segments, a writer, and a reader for each route. Data flows from `append` to the writer's groups, the
// segments, the routes, and by the janitor out of the folder again.
import { uuidv7 } from '#core/uuid.ts';
import { adoptSegments, loadCursor, loadNotes, matchCursor, matchEnds } from './adopt.ts';
import type {
  EventGroup,
  Note,
  Refusal,
  Spool,
  SpoolEvent,
  SpoolLevel,
  SpoolReader,
  SpoolStats,
  Appended,
} from './contract.ts';
import { errorText, type Disk, type SpoolClock } from './disk.ts';
import { Janitor } from './janitor.ts';
import { Limit } from './limit.ts';
import type { Notes } from './notes.ts';
import { Reserve, RESERVE } from './reserve.ts';
import { Route } from './route.ts';
import { isEmpty, SegmentTable } from './segments.ts';
import { Shares } from './shares.ts';
import type { Identity } from './write-group.ts';
import { Writer } from './writer.ts';

/** All bytes are bytes on the disk. */
export interface SpoolOptions {
  readonly path: string;
  /** The folder never takes more than this, the reserve and what is kept included; beyond it appends are refused. */
  readonly max: number;
  /** Of `max`, what one type and one input may have of it while it waits for a site, 0 to 1; 1 unless given: no limit. */
  readonly share?: number;
  /** Confirmed segments stay up to so much, while their place is not needed. */
  readonly keep: number;
  /** Of one segment; never more than a quarter of `max`, so that draining frees place. */
  readonly segment: number;
  /** What another route has confirmed is given up for a route that has more bytes than this before it. */
  readonly behind: number;
  /** New identities get a partition below this. */
  readonly partitions: number;
  /** Names of the routes that read it: a segment stays until each has passed it. */
  readonly routes: readonly string[];
  readonly disk: Disk;
  readonly clock: SpoolClock;
  /** Fills the array with random bytes. */
  readonly random: (target: Uint8Array) => void;
  readonly observe: (event: SpoolEvent) => void;
  /** Who this is, for another process that finds the folder taken. */
  readonly holder: string;
}

const RESERVE_BYTES = 8 * 1024 * 1024;

/** Rejects with SpoolLockedError, SpoolFormatError, or what the disk says. A full disk is no error: what is spooled can be drained. */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const { disk, path, clock } = options;
  const started = clock.tick();
  await disk.makeFolder(path);
  const lock = await disk.lock(path, options.holder);
  try {
    const spool = await openLocked(options, lock);
    spool.opened(Math.round(clock.tick() - started));
    return spool;
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

async function openLocked(options: SpoolOptions, lock: AsyncDisposable): Promise<FolderSpool> {
  const { disk, path, observe } = options;
  const entries = await disk.list(path);
  const table = new SegmentTable();
  const reserve = new Reserve(disk, path, Math.min(RESERVE_BYTES, Math.floor(options.max / 16)), observe);
  for (const { name, size } of entries) if (name === RESERVE) reserve.found(size);
  const unclosed = await adoptSegments(disk, path, entries, table);
  const notes = await loadNotes(disk, path, table, unclosed, observe);
  const cursors = new Map<string, Awaited<ReturnType<typeof loadCursor>>>();
  for (const route of options.routes) {
    const cursor = await loadCursor(disk, path, route, observe);
    matchCursor(cursor, table);
    cursors.set(route, cursor);
  }
  matchEnds(cursors.values(), table);
  const spool = new FolderSpool(options, table, reserve, lock, cursors, notes);
  if (!(await reserve.restore())) spool.hold();
  return spool;
}

class FolderSpool implements Spool {
  readonly #options: SpoolOptions;
  readonly #table: SegmentTable;
  readonly #reserve: Reserve;
  readonly #lock: AsyncDisposable;
  readonly #routes: readonly Route[];
  readonly #writer: Writer;
  readonly #janitor: Janitor;
  readonly #limit: Limit;
  readonly #shares: Shares;
  readonly #notes: Notes;
  #closed: Promise<void> | null = null;

  constructor(
    options: SpoolOptions,
    table: SegmentTable,
    reserve: Reserve,
    lock: AsyncDisposable,
    cursors: ReadonlyMap<string, Route['cursor']>,
    notes: Notes,
  ) {
    const { disk, path: folder, clock, observe, max, keep } = options;
    const segment = Math.min(options.segment, Math.floor(max / 4));
    this.#options = options;
    this.#notes = notes;
    this.#limit = new Limit({
      max,
      segment,
      clock,
      observe,
      used: () => table.bytes + reserve.bytes,
      removable: () => this.#janitor.passedBytes,
      pending: () => this.#writer.pendingBytes,
    });
    this.#shares = new Shares({
      max,
      share: options.share ?? 1,
      table,
      hasPassed: (one) => this.#janitor.hasPassed(one),
      waiting: () => table.bytes - this.#janitor.passedBytes + this.#writer.pendingBytes,
      observe,
    });
    this.#table = table;
    this.#reserve = reserve;
    this.#lock = lock;
    this.#routes = Array.from(cursors, ([name, cursor]) => {
      const route: Route = new Route({
        name,
        disk,
        folder,
        table,
        cursor,
        clock,
        changed: () => this.#janitor.changed(route),
        damaged: (damage) => this.#janitor.damaged(damage),
        unreadable: (damaged, error) =>
          observe({
            kind: 'disk-failed',
            step: 'read',
            path: `${folder}/${damaged.file}`,
            code: 'EIO',
            message: errorText(error),
          }),
      });
      return route;
    });
    this.#writer = new Writer({
      disk,
      folder,
      clock,
      table,
      reserve,
      segment,
      observe: (event) => {
        if (event.kind === 'rolled') this.#janitor.rolled();
        observe(event);
      },
      newIdentity: () => this.#newIdentity(),
      room: (bytes) => this.#room(bytes),
      makeRoom: () => this.#janitor.makeRoom(),
      notes,
    });
    this.#janitor = new Janitor(
      {
        disk,
        folder,
        clock,
        table,
        reserve,
        max,
        keep,
        segment,
        // A full spool refuses what the other site would take.
        behind: Math.min(options.behind, max - 2 * segment),
        observe,
        crowded: () => this.#crowded(),
        notes,
      },
      this.#routes,
      this.#writer,
    );
  }

  opened(milliseconds: number): void {
    const { identity } = this.#writer;
    const adopted = this.#table.all.length;
    const identities = new Set(this.#table.all.map(({ name }) => name.identity)).size;
    const { bytes } = this.#table;
    this.#options.observe({
      kind: 'opened',
      identity: identity.id,
      partition: identity.partition,
      adopted,
      identities,
      bytes,
      milliseconds,
    });
    // Removes what the last process had not removed yet.
    for (const route of this.#routes) this.#janitor.changed(route);
    if (adopted > 0) this.#janitor.rolled();
  }

  hold(): void {
    this.#writer.hold('ENOSPC', 'there is no room for the reserve');
  }

  append(groups: readonly EventGroup[], level: SpoolLevel, note?: Note, input = ''): Appended {
    const unfair = this.#shares.refusal(groups, input);
    if (unfair === null) return this.#writer.append(groups, level, note, input);
    // What its segments hold besides may be settled.
    this.#janitor.needRoom();
    return unfair;
  }

  notes(): ReadonlyMap<string, string> {
    return this.#notes.values;
  }

  reader(route: string): SpoolReader {
    const found = this.#routes.find(({ name }) => name === route);
    if (!found)
      throw new Error(
        `spool: there is no route ${route}; the routes are ${this.#routes.map(({ name }) => name).join(', ')}`,
      );
    return found;
  }

  stats(): SpoolStats {
    const { down, pendingEvents, pendingBytes, identity } = this.#writer;
    const { fullSince } = this.#limit;
    const full: Refusal | null = fullSince === null ? null : 'full';
    const refusing: Refusal | null = this.#closed ? 'closing' : down ? 'disk' : full;
    return {
      identity: identity.id,
      routes: this.#routes.map((route) => route.ledger()),
      bytes: this.#table.bytes + this.#reserve.bytes,
      kept: this.#janitor.passedBytes,
      max: this.#options.max,
      most: this.#shares.most(),
      segments: this.#table.all.filter((segment) => !isEmpty(segment)).length,
      pendingEvents,
      pendingBytes,
      refusing,
      refusingSince: down?.since ?? fullSince,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    const lost = await this.#writer.close();
    if (lost > 0) this.#options.observe({ kind: 'lost', events: lost });
    await this.#janitor.close();
    for (const route of this.#routes) await route.close();
    await this.#lock[Symbol.asyncDispose]();
  }

  #room(bytes: number): boolean {
    const room = this.#limit.room(bytes);
    if (this.#limit.crowded(bytes)) this.#janitor.needRoom();
    return room;
  }

  #crowded(): boolean {
    this.#limit.check();
    return this.#limit.crowded(0);
  }

  #newIdentity(): Identity {
    const { clock, random, partitions, observe } = this.#options;
    const bytes = new Uint8Array(20);
    random(bytes);
    const born = clock.now();
    const id = uuidv7(born, bytes);
    const partition = new DataView(bytes.buffer).getUint32(16) % partitions;
    for (const route of this.#routes) route.settled(id);
    observe({ kind: 'identity', identity: id, partition });
    return { id, partition, born, next: 1, nextIndex: 1 };
  }
}
