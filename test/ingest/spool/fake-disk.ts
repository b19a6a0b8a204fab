// A disk that loses what was not synced, tears writes, shows old bytes where new ones were lost, fills up, and fails at any step; and a clock.
// Nothing completes by itself: `World.step` completes one call, callback or timer, so that a schedule is a function of its seed.
import type { Disk, DiskEntry, DiskFile, SpoolClock } from '../../../ingest/spool/disk.ts';

/** Blocks are lost or kept each for itself; small, so that small records span some. */
const BLOCK = 16;

interface Write {
  readonly at: number;
  readonly bytes: Buffer;
}

interface Inode {
  /** What readers see. */
  bytes: Buffer;
  durable: Buffer;
  /** Since the last sync. */
  unsynced: Write[];
  /** A sync failed after these: a later sync does not bring them to the disk. */
  limbo: Write[];
}

type NameChange =
  | { readonly kind: 'link'; readonly path: string; readonly inode: Inode }
  | { readonly kind: 'unlink'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string };

export type Fault = 'EIO' | 'ENOSPC';
export type Random = () => number;

/** What of a crash: the process alone, or the power. */
export type Crash = 'kill' | 'power';

export interface Flaws {
  /** fdatasync does nothing. */
  readonly ignoresSync: boolean;
  /** fsync of a folder does nothing. */
  readonly ignoresFolderSync: boolean;
}

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));

function apply(names: Map<string, Inode>, change: NameChange): void {
  if (change.kind === 'link') names.set(change.path, change.inode);
  else if (change.kind === 'unlink') names.delete(change.path);
  else {
    const inode = names.get(change.from);
    if (!inode) return;
    names.delete(change.from);
    names.set(change.to, inode);
  }
}

function put(bytes: Buffer, at: number, more: Buffer): Buffer {
  const grown =
    at + more.length > bytes.length ? Buffer.concat([bytes, Buffer.alloc(at + more.length - bytes.length)]) : bytes;
  more.copy(grown, at);
  return grown;
}

/** As long as asked for, with zeros behind the end. */
function part(bytes: Buffer, start: number, end: number): Buffer {
  const found = Buffer.alloc(end - start);
  bytes.subarray(start, end).copy(found);
  return found;
}

const failure = (code: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`${code}: made by the test`), { code });

/** Lets what follows from a completed call run up to its next call; far cheaper than a turn of the event loop. */
export async function microtasks(): Promise<void> {
  for (let i = 0; i < 24; i++) await Promise.resolve();
}

/** As Linux does after an fsync that failed: the pages count as clean, whether or not they reached the disk. */
function forgetUnsynced(inode: Inode): void {
  inode.limbo.push(...inode.unsynced);
  inode.unsynced = [];
}

export class World implements SpoolClock {
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #changes: NameChange[] = [];
  /** Bytes of files that were removed or lost: they show up in blocks that were never written. */
  #stale: Buffer[] = [];
  #locked = new Set<string>();
  /** A read of it failed: the next one does not. Bytes that can never be read are another test's (`corrupt`): they count as damaged. */
  readonly #readFailed = new Set<Inode>();
  #ready: (() => void)[] = [];
  #timers: { at: number; run: () => void }[] = [];
  #time = 1_700_000_000_000;
  #life = 0;
  #steps = 0;
  readonly #random: Random;
  readonly flaws: Flaws;
  /** Calls of the disk by their number, counted from the start of the world. */
  readonly faults = new Map<number, Fault | Crash>();
  /** Set by a crash at a step: the test restarts the world. */
  crashed: Crash | null = null;
  capacity = Infinity;

  constructor(random: Random, flaws: Flaws = { ignoresSync: false, ignoresFolderSync: false }) {
    this.#random = random;
    this.flaws = flaws;
  }

  get steps(): number {
    return this.#steps;
  }

  get idle(): boolean {
    return this.#ready.length === 0;
  }

  get used(): number {
    let used = 0;
    for (const inode of new Set(this.#names.values())) used += inode.bytes.length;
    return used;
  }

  files(): { path: string; bytes: Buffer }[] {
    return Array.from(this.#names, ([path, inode]) => ({ path, bytes: inode.bytes }));
  }

  /** Changes bytes behind everybody's back. */
  corrupt(path: string, at: number, length: number): void {
    const inode = this.#names.get(path);
    if (!inode) return;
    for (let i = at; i < Math.min(at + length, inode.bytes.length); i++)
      inode.bytes[i] = (inode.bytes[i] ?? 0) ^ (1 + Math.floor(this.#random() * 255));
    inode.durable = Buffer.from(inode.bytes);
  }

  // Clock

  now(): number {
    return this.#time;
  }

  tick(): number {
    return this.#time;
  }

  after(milliseconds: number, run: () => void): () => void {
    const timer = { at: this.#time + milliseconds, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  soon(run: () => void): void {
    this.#later(run);
  }

  /** Completes one thing that is ready, mostly the oldest; then whatever follows of it without the disk. */
  async step(): Promise<void> {
    const at = this.#random() < 0.8 ? 0 : Math.floor(this.#random() * this.#ready.length);
    const [run] = this.#ready.splice(at, 1);
    run?.();
    await microtasks();
  }

  async advance(milliseconds: number): Promise<void> {
    this.#time += milliseconds;
    const due = this.#timers.filter(({ at }) => at <= this.#time).toSorted((a, b) => a.at - b.at);
    for (const timer of due) {
      if (!this.#timers.includes(timer)) continue;
      this.#timers = this.#timers.filter((other) => other !== timer);
      timer.run();
    }
    await microtasks();
  }

  // Crash

  /** The process ends here; with `power`, what was not synced survives block by block, name by name, as chance has it. */
  crash(how: Crash): void {
    this.#life++;
    this.#ready = [];
    this.#timers = [];
    this.#locked = new Set();
    this.crashed = null;
    if (how === 'kill') return;
    for (const change of this.#changes) if (this.#random() < 0.5) apply(this.#durableNames, change);
    const kept = new Set(this.#durableNames.values());
    for (const inode of this.#names.values()) if (!kept.has(inode)) this.#stale.push(inode.bytes);
    this.#names = new Map(this.#durableNames);
    this.#changes = [];
    for (const inode of kept) this.#lose(inode);
  }

  #lose(inode: Inode): void {
    let bytes: Buffer = inode.durable;
    const old = this.#old();
    const chance = [0, 0.5, 0.9, 1][Math.floor(this.#random() * 4)] ?? 0;
    for (const { at, bytes: more } of [...inode.limbo, ...inode.unsynced]) {
      for (let start = at; start < at + more.length;) {
        const end = Math.min(at + more.length, start - (start % BLOCK) + BLOCK);
        if (this.#random() < chance) bytes = put(bytes, start, more.subarray(start - at, end - at));
        else if (this.#random() < 0.9) bytes = put(bytes, start, part(old, start, end));
        start = end;
      }
    }
    inode.bytes = bytes;
    inode.durable = Buffer.from(bytes);
    inode.unsynced = [];
    inode.limbo = [];
  }

  /** What the lost blocks of a file show: zeros, or what another file had at the same offset. */
  #old(): Buffer {
    const others = [...this.#stale, ...Array.from(this.#names.values(), ({ durable }) => durable)];
    return others[Math.floor(this.#random() * (others.length + 1))] ?? Buffer.alloc(0);
  }

  // Disk

  #later(run: () => void): void {
    const life = this.#life;
    this.#ready.push(() => {
      if (life === this.#life) run();
    });
  }

  /** Does the call now and completes it later; a crash completes nothing. `partly` is what a failed or cut off call may have done. */
  #call<T>(
    work: () => T,
    partly: () => void,
    done: (error: NodeJS.ErrnoException | null, result: T | null) => void,
  ): void {
    if (this.crashed !== null) return;
    const fault = this.faults.get(++this.#steps);
    if (fault === 'kill' || fault === 'power') {
      partly();
      this.crashed = fault;
      return;
    }
    let result: T | null = null;
    let error: NodeJS.ErrnoException | null = null;
    if (fault !== undefined) {
      partly();
      error = failure(fault);
    } else {
      try {
        result = work();
      } catch (thrown) {
        error = thrown as NodeJS.ErrnoException; // only `failure` is thrown in here
      }
    }
    this.#later(() => done(error, result));
  }

  #promise<T>(work: () => T, partly: () => void = () => undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#call(work, partly, (error, result) => (error ? reject(error) : resolve(result as T))); // no error: there is a result
    });
  }

  readonly disk: Disk = {
    makeFolder: () => this.#promise(() => undefined),
    list: (folder) =>
      this.#promise(() => {
        const entries: DiskEntry[] = [];
        for (const [path, inode] of this.#names)
          if (folderOf(path) === folder)
            entries.push({ name: path.slice(folder.length + 1), size: inode.bytes.length });
        return entries;
      }),
    create: (path) =>
      this.#promise(() => {
        if (this.#names.has(path)) throw failure('EEXIST');
        if (this.used >= this.capacity) throw failure('ENOSPC');
        const inode: Inode = { bytes: Buffer.alloc(0), durable: Buffer.alloc(0), unsynced: [], limbo: [] };
        this.#change({ kind: 'link', path, inode });
        return this.#file(inode);
      }),
    openToRead: (path) => this.#promise(() => this.#file(this.#find(path))),
    rename: (from, to) =>
      this.#promise(() => {
        this.#find(from);
        this.#change({ kind: 'rename', from, to });
      }),
    unlink: (path) =>
      this.#promise(() => {
        this.#stale.push(this.#find(path).bytes);
        if (this.#stale.length > 4) this.#stale.shift();
        this.#change({ kind: 'unlink', path });
      }),
    syncFolder: (folder) =>
      this.#promise(() => {
        if (this.flaws.ignoresFolderSync) return;
        for (const change of this.#changes)
          if (folderOf(change.kind === 'rename' ? change.to : change.path) === folder)
            apply(this.#durableNames, change);
        this.#changes = this.#changes.filter(
          (change) => folderOf(change.kind === 'rename' ? change.to : change.path) !== folder,
        );
      }),
    free: () => this.#promise(() => Math.max(0, this.capacity - this.used)),
    lock: (folder) =>
      this.#promise(() => {
        if (this.#locked.has(folder)) throw failure('ELOCKED');
        this.#locked.add(folder);
        return {
          [Symbol.asyncDispose]: async () => {
            this.#locked.delete(folder);
          },
        };
      }),
  };

  #fails(call: number): boolean {
    const fault = this.faults.get(call);
    return fault === 'EIO' || fault === 'ENOSPC';
  }

  #spare(call: number): void {
    if (this.#fails(call)) this.faults.delete(call);
  }

  #find(path: string): Inode {
    const inode = this.#names.get(path);
    if (!inode) throw failure('ENOENT');
    return inode;
  }

  #change(change: NameChange): void {
    apply(this.#names, change);
    this.#changes.push(change);
  }

  #file(inode: Inode): DiskFile {
    const write = (bytes: Buffer, at: number): void => {
      const grow = Math.max(0, at + bytes.length - inode.bytes.length);
      const room = Math.max(0, this.capacity - this.used);
      const taken = grow > room ? bytes.subarray(0, Math.max(0, bytes.length - (grow - room))) : bytes;
      inode.unsynced.push({ at, bytes: taken });
      inode.bytes = put(inode.bytes, at, taken);
      if (taken.length < bytes.length) throw failure(taken.length > 0 ? 'ESHORT' : 'ENOSPC');
    };
    return {
      write: (buffers, at, done) => {
        const bytes = Buffer.concat(buffers);
        const torn = (): void => {
          try {
            write(bytes.subarray(0, Math.floor(this.#random() * bytes.length)), at);
          } catch {
            // It fails anyway.
          }
        };
        this.#call(
          () => write(bytes, at),
          torn,
          (error) => done(error),
        );
      },
      sync: (done) => {
        const sync = (): void => {
          if (this.flaws.ignoresSync) return;
          for (const { at, bytes } of inode.unsynced) inode.durable = put(inode.durable, at, bytes);
          inode.unsynced = [];
        };
        this.#call(
          sync,
          () => forgetUnsynced(inode),
          (error) => done(error),
        );
      },
      read: (target, length, position) => {
        const next = this.#steps + 1;
        if (this.#readFailed.delete(inode)) this.#spare(next);
        else if (this.#fails(next)) this.#readFailed.add(inode);
        return this.#promise(() => inode.bytes.subarray(position, position + length).copy(target));
      },
      close: () => this.#promise(() => undefined),
    };
  }
}

/** Deterministic; good enough for schedules. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
