// The spool on the fake disk, with an oracle beside it that remembers what was promised.
import { expect } from 'vitest';
import { openSpool } from '../../../ingest/spool/spool.ts';
import type { EventGroup, Spool, SpoolEvent, SpoolReader, Synced } from '../../../ingest/spool/contract.ts';
import { microtasks, seeded, World, type Crash, type Flaws, type Random } from './fake-disk.ts';

export type Action =
  | { readonly kind: 'append'; readonly level: 'disk' | 'memory'; readonly types: readonly number[] }
  /** The next lines of a file, with how far it has been read: as the tail input does, one append under way for each file. */
  | { readonly kind: 'tail'; readonly file: number; readonly lines: number }
  | { readonly kind: 'steps'; readonly count: number }
  | { readonly kind: 'time'; readonly milliseconds: number }
  | { readonly kind: 'read' }
  | { readonly kind: 'confirm'; readonly share: number }
  | { readonly kind: 'fault'; readonly after: number; readonly fault: 'EIO' | 'ENOSPC' | Crash }
  | { readonly kind: 'crash'; readonly how: Crash }
  | { readonly kind: 'close' }
  | { readonly kind: 'full' }
  | { readonly kind: 'roomy' }
  | { readonly kind: 'corrupt'; readonly file: number; readonly at: number; readonly length: number };

const FOLDER = '/spool';
const TYPES = ['a', 'checkin.created', 'b.c', 'app.log'];

export class Model {
  readonly world: World;
  readonly #random: Random;
  /** What each number means, for ever. */
  readonly #meaning = new Map<string, string>();
  /** Answered as synced, and not confirmed by a site. */
  readonly #owed = new Set<string>();
  readonly #confirmed = new Set<string>();
  /** Answered as written by this process. */
  readonly #written = new Set<string>();
  /** May be missing, since we damaged the bytes where they were. */
  readonly #damaged = new Set<string>();
  #anyDamage = false;
  /** Handed out by this reader. */
  #delivered = new Set<string>();
  #unconfirmed: { identity: string; first: number; count: number }[] = [];
  #spool: Spool | null = null;
  #reader: SpoolReader | null = null;
  #events = 0;
  #quarantinedEvents = 0;
  /** By file: the line to read next, and whether an append of it is under way. */
  #files = new Map<string, { next: number; busy: boolean }>();
  /** The number under which each line of a file came out. */
  readonly #lines = new Map<string, string>();
  readonly facts: SpoolEvent[] = [];

  constructor(seed: number, flaws?: Flaws) {
    this.#random = seeded(seed);
    this.world = new World(this.#random, flaws);
  }

  get spool(): Spool {
    if (!this.#spool) throw new Error('the spool is not open');
    return this.#spool;
  }

  get quarantinedEvents(): number {
    return this.#quarantinedEvents;
  }

  /** Completes what the disk has to do until the promise is there; null where the world crashed meanwhile. */
  async until<T>(promise: Promise<T>): Promise<T | null> {
    const state: { done: boolean; value: T | null; error: unknown } = { done: false, value: null, error: undefined };
    promise.then(
      (value) => Object.assign(state, { done: true, value }),
      (error: unknown) => Object.assign(state, { done: true, error }),
    );
    for (let i = 0; i < 5000; i++) {
      await microtasks();
      if (state.done) break;
      if (this.world.crashed !== null) return null;
      if (this.world.idle) await this.world.advance(100);
      await this.world.step();
    }
    if (state.error !== undefined) throw state.error;
    if (!state.done) throw new Error('it never came to an end');
    return state.value;
  }

  /** Opens it, however often it takes. */
  async open(): Promise<void> {
    for (let attempt = 0; this.#spool === null; attempt++) {
      if (attempt > 20) throw new Error('it could not be opened');
      try {
        const opened = openSpool({
          path: FOLDER,
          max: 16_384,
          keep: 1024,
          behind: Infinity,
          segment: 512,
          partitions: 4,
          routes: ['sites'],
          disk: this.world.disk,
          clock: this.world,
          random: (target) => target.set(target.map(() => Math.floor(this.#random() * 256))),
          observe: (event) => {
            this.facts.push(event);
            if (event.kind === 'quarantined') this.#quarantinedEvents += event.events;
          },
          holder: 'the model',
        });
        this.#spool = await this.until(opened);
        if (this.#spool === null) this.world.crash(this.world.crashed ?? 'power');
      } catch (error) {
        // A fault while it opens is an error of the start: the next attempt finds the folder as it is.
        if (!(error instanceof Error && error.message.includes('made by the test'))) throw error;
        this.world.crash('kill');
      }
    }
    this.#reader = this.#spool.reader('sites');
    this.#delivered = new Set();
    this.#written.clear();
    this.#unconfirmed = [];
    this.#files = new Map(
      Array.from(this.#spool.notes(), ([file, next]) => [file, { next: Number(next), busy: false }]),
    );
  }

  async act(action: Action): Promise<void> {
    await this.#perform(action);
    if (this.world.crashed !== null) await this.#restart(this.world.crashed);
    this.balance();
  }

  async #perform(action: Action): Promise<void> {
    const { world } = this;
    switch (action.kind) {
      case 'append':
        return this.#append(action.level, action.types);
      case 'tail':
        return this.#tail(`/logs/${action.file}`, action.lines);
      case 'steps':
        for (let i = 0; i < action.count && world.crashed === null; i++) await world.step();
        return undefined;
      case 'time':
        return world.advance(action.milliseconds);
      case 'read':
        await this.read();
        return undefined;
      case 'confirm':
        return this.confirm(action.share);
      case 'fault':
        world.faults.set(world.steps + action.after, action.fault);
        return undefined;
      case 'crash':
        return this.#restart(action.how);
      case 'close':
        return this.#close();
      case 'full':
        world.capacity = world.used + 100;
        return undefined;
      case 'roomy':
        world.capacity = Infinity;
        return undefined;
      case 'corrupt':
        return this.#corrupt(action.file, action.at, action.length);
      default:
        return action satisfies never;
    }
  }

  #append(level: 'disk' | 'memory', types: readonly number[]): void {
    const groups: EventGroup[] = [];
    const texts: string[] = [];
    for (const at of types) {
      const lines = Array.from({ length: 1 + (at % 3) }, () => `{"n":${++this.#events}}`);
      texts.push(...lines);
      groups.push({
        type: TYPES[at % 3] ?? 'a',
        count: lines.length,
        payload: Buffer.from(lines.map((line) => `${line}\n`).join('')),
      });
    }
    const appended = this.spool.append(groups, level);
    for (const { payload } of groups) payload.fill('#'); // the caller may reuse it
    if (appended.kind === 'refused') return;
    const { identity, first, last } = appended.receipt;
    expect(last - first + 1).toBe(texts.length);
    const keys = texts.map((_, i) => `${identity}:${first + i}`);
    for (const [i, key] of keys.entries()) {
      if (this.#meaning.has(key)) throw new Error(`${key} was given to two events`);
      this.#meaning.set(key, texts[i] ?? '');
    }
    void this.#owe(appended.synced, keys);
    void this.#note(appended.written, keys);
  }

  #tail(path: string, count: number): void {
    const file = this.#files.get(path) ?? { next: 1, busy: false };
    this.#files.set(path, file);
    if (file.busy) return;
    const lines = Array.from({ length: count }, (_, i) => `{"file":"${path}","line":${file.next + i}}`);
    const payload = Buffer.from(lines.map((line) => `${line}\n`).join(''));
    const note = { key: path, value: String(file.next + count) };
    const groups = count === 0 ? [] : [{ type: 'app.log', count, payload }];
    const appended = this.spool.append(groups, 'memory', note);
    if (appended.kind === 'refused') return;
    const { identity, first } = appended.receipt;
    const keys = lines.map((_, i) => `${identity}:${first + i}`);
    for (const [i, key] of keys.entries()) this.#meaning.set(key, lines[i] ?? '');
    file.next += count;
    file.busy = true;
    void this.#owe(appended.synced, keys);
    void appended.synced.then((synced) => void (file.busy = synced.kind === 'failed'));
    void this.#note(appended.written, keys);
  }

  /** No line under two numbers; and every line up to the note is somewhere. */
  #checkLines(): void {
    for (const [path, next] of this.spool.notes())
      for (let line = 1; line < Number(next); line++)
        if (!this.#lines.has(`{"file":"${path}","line":${line}}`))
          throw new Error(`line ${line} of ${path} was skipped`);
  }

  async #owe(promise: Promise<Synced>, keys: readonly string[]): Promise<void> {
    const synced = await promise;
    if (synced.kind === 'synced') for (const key of keys) if (!this.#confirmed.has(key)) this.#owed.add(key);
  }

  async #note(promise: Promise<Synced>, keys: readonly string[]): Promise<void> {
    const written = await promise;
    if (written.kind === 'synced') for (const key of keys) this.#written.add(key);
  }

  /** A kill of the process alone takes nothing that was answered as written. */
  #checkWritten(): void {
    const segments = this.world.files().filter(({ path }) => path.endsWith('.seg'));
    const bytes = Buffer.concat(segments.map((file) => file.bytes)).toString('latin1');
    for (const key of this.#written) {
      if (this.#confirmed.has(key) || this.#damaged.has(key)) continue;
      if (!bytes.includes(this.#meaning.get(key) ?? key)) throw new Error(`${key} was answered as written and is not`);
    }
  }

  async read(): Promise<void> {
    const records = await this.until(this.#reader?.read(200) ?? Promise.resolve([]));
    for (const { identity, partition, first, count, type, payload } of records ?? []) {
      expect(partition).toBeLessThan(4);
      expect(TYPES).toContain(type);
      const lines = payload.toString('utf8').split('\n');
      expect(lines.length).toBe(count + 1);
      for (let i = 0; i < count; i++) {
        const key = `${identity}:${first + i}`;
        if (lines[i] !== this.#meaning.get(key))
          throw new Error(`${key} is ${lines[i]}, and was ${this.#meaning.get(key)}`);
        if (this.#delivered.has(key)) throw new Error(`${key} was read twice`);
        this.#delivered.add(key);
        const line = lines[i] ?? '';
        if (line.startsWith('{"file"') && (this.#lines.get(line) ?? key) !== key)
          throw new Error(`${line} is ${key}, and was ${this.#lines.get(line)}`);
        this.#lines.set(line, key);
      }
      this.#unconfirmed.push({ identity, first, count });
    }
  }

  confirm(share: number): void {
    this.#unconfirmed = this.#unconfirmed.filter(({ identity, first, count }) => {
      if (this.#random() >= share) return true;
      this.#reader?.confirm(identity, [[first, first + count - 1]]);
      for (let i = 0; i < count; i++) {
        this.#confirmed.add(`${identity}:${first + i}`);
        this.#owed.delete(`${identity}:${first + i}`);
      }
      return false;
    });
  }

  async #restart(how: Crash): Promise<void> {
    if (how === 'kill') this.#checkWritten();
    this.world.crash(how);
    this.#spool = null;
    await this.open();
  }

  async #close(): Promise<void> {
    await this.until(Promise.resolve(this.spool[Symbol.asyncDispose]()));
    this.#spool = null;
    this.world.crash(this.world.crashed ?? 'kill');
    await this.open();
  }

  /** Between two processes, so that every damage is met by a reader. */
  async #corrupt(file: number, at: number, length: number): Promise<void> {
    const segments = this.world.files().filter(({ path, bytes }) => path.endsWith('.seg') && bytes.length > 0);
    const chosen = segments[file % Math.max(1, segments.length)];
    this.world.crash('kill');
    this.#spool = null;
    if (chosen) {
      const start = at % chosen.bytes.length;
      // Events whose bytes are hit, and those whose record starts there: the lines of one record go together.
      for (const key of this.#hit(chosen.bytes, start, start + length)) this.#damaged.add(key);
      this.#anyDamage = true;
      this.world.corrupt(chosen.path, start, length);
    }
    await this.open();
  }

  /** The numbers of the events in records that overlap these bytes: found by their text, with the marker as the border of records. */
  #hit(bytes: Buffer, from: number, to: number): string[] {
    const marker = Buffer.from([0xff, 0x57, 0xfe, 0x00]);
    const hit: string[] = [];
    for (let start = bytes.indexOf(marker); start !== -1;) {
      const next = bytes.indexOf(marker, start + 1);
      const end = next === -1 ? bytes.length : next;
      if (start < to && end > from) {
        const text = bytes.toString('latin1', start, end);
        for (const [key, line] of this.#meaning) if (text.includes(line)) hit.push(key);
      }
      start = next;
    }
    return hit;
  }

  balance(): void {
    for (const { accepted, confirmed, spooled, quarantined, dropped } of this.#spool?.stats().routes ?? []) {
      expect(accepted).toBe(
        confirmed + spooled + quarantined + Object.values(dropped).reduce((sum, count) => sum + count, 0),
      );
      expect(Math.min(confirmed, spooled, quarantined)).toBeGreaterThanOrEqual(0);
    }
  }

  /** No more faults: everything that was promised comes out, and then nothing is left. */
  async conclude(): Promise<void> {
    this.world.faults.clear();
    this.world.capacity = Infinity;
    await this.#restart('power');
    for (let quiet = 0; quiet < 3;) {
      const before = this.#delivered.size;
      await this.read();
      quiet = this.#delivered.size === before ? quiet + 1 : 0;
    }
    for (const key of this.#owed) {
      if (!this.#delivered.has(key) && !this.#damaged.has(key))
        throw new Error(`${key} (${this.#meaning.get(key)}) was acknowledged and is lost`);
    }
    this.balance();
    if (!this.#anyDamage) this.#checkLines();
    this.confirm(1);
    for (let i = 0; i < 200 && !(this.#settled() && this.world.idle); i++) {
      await this.world.advance(500);
      for (let j = 0; j < 200 && !this.world.idle; j++) await this.world.step();
    }
    const [route] = this.spool.stats().routes;
    expect(route?.spooled).toBe(0);
    if (!this.#anyDamage) expect(this.spool.stats().kept).toBeLessThanOrEqual(1024 + 512);
    // It goes on.
    const appended = this.spool.append([{ type: 'a', count: 1, payload: Buffer.from('{"last":true}\n') }], 'disk');
    if (appended.kind !== 'appended') throw new Error(`it does not recover: ${appended.message}`);
    expect((await this.until(appended.synced))?.kind).toBe('synced');
  }

  #settled(): boolean {
    const stats = this.spool.stats();
    return stats.routes.every(({ spooled }) => spooled === 0) && stats.refusing === null;
  }
}
