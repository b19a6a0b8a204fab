// The files that are followed: which file a name has now, where the rest of one is whose name was given to another, and who is read next.
//
// Invariants
// 1. A file is known by device and inode; a name belongs to one of them at a time. One that lost its name is read to its end and then left,
//    its place still noted until it is gone, so that it is never read again.
// 2. A place is given up (a file was truncated) only when what was not read there is looked for in a copy, and the copy's place is noted.
import { matchesGlob } from 'node:path';
import type { Note } from '../../spool/contract.ts';
import type { EventWriter } from '../event-writer.ts';
import type { TailContext } from '../contract.ts';
import { fromBeginning, fromPlace, type Entry } from './begin.ts';
import { sumFigures } from './parse.ts';
import { encodePosition, isBirth, type Position } from './position.ts';
import { Readers } from './readers.ts';
import { factsOf, findRest, holds, isCopy, rotationsOf, type Facts } from './siblings.ts';
import type { FileTools, Handed, HandOver, TailedFile } from './tailed-file.ts';

export interface FollowOptions {
  readonly context: TailContext;
  readonly writer: EventWriter;
  readonly chunk: number;
  readonly readers: number;
}

const KEPT_OPEN = 256; // descriptors, while nothing is written
const LINGER = 5000; // what lost its name may still be written to for so long, in milliseconds
const RETRY = 1000; // a refusal is tried again after this long at most
const FORGET_EVERY = 60_000;

export class Follower {
  readonly #entries: readonly Entry[];
  readonly #context: TailContext;
  readonly #tools: FileTools;
  readonly #readers: Readers;
  /** By key: those that are followed. */
  readonly #files = new Map<string, { readonly file: TailedFile; readonly entry: Entry }>();
  /** By path, as the globs find it. */
  readonly #live = new Map<string, TailedFile>();
  /** By key: places in the spool of files that are not followed now. */
  #left = new Map<string, Position>();
  #forgot = 0;
  readonly #since = new Map<Entry, number>();
  /** Entries that an earlier process had; and since when the names of each are looked for. */
  readonly #started = new Set<Entry>();
  readonly #figures = { rotated: 0, truncated: 0, recovered: 0, vanished: 0, refused: 0 };

  constructor(entries: readonly Entry[], { context, writer, chunk, readers }: FollowOptions) {
    this.#entries = entries;
    this.#context = context;
    this.#readers = new Readers({
      count: readers,
      chunk,
      clock: context.clock,
      read: (file, buffer) => this.#read(file, buffer),
      fault: (error) => context.observe.fault(error),
    });
    this.#tools = { writer, chunk, now: context.clock, handOver: this.#handOver };
  }

  get count(): number {
    return this.#files.size;
  }

  status(): object {
    let unreadBytes = 0;
    for (const { file } of this.#files.values()) unreadBytes += file.lag;
    return { files: this.#files.size, open: this.#opened, unreadBytes, ...this.#figures, ...sumFigures(this.#entries) };
  }

  get #opened(): number {
    let opened = 0;
    for (const { file } of this.#files.values()) if (file.isOpen) opened++;
    return opened;
  }

  /** What the spool knows, before anything is found. */
  remember(notes: ReadonlyMap<string, Position>): void {
    this.#left = new Map(notes);
  }

  /** Since when the names of the entry are looked for: what is rotated later is ours, though nobody may see it under its first name. */
  async known(entry: Entry): Promise<void> {
    const key = `tail since ${entry.config.paths.join(' ')}`;
    const noted = Number(this.#context.notes().get(key));
    const since = Number.isNaN(noted) ? this.#context.clock() : noted;
    this.#since.set(entry, since);
    if (Number.isNaN(noted)) await this.#note({ key, value: String(since) });
    else this.#started.add(entry);
  }

  /** A name that a glob found has this file now. */
  async live(path: string, facts: Facts, entry: Entry): Promise<void> {
    const current = this.#live.get(path);
    if (current?.key === facts.key) {
      if (facts.size !== current.offset) this.#readers.offer(current);
      return;
    }
    const known = this.#files.get(facts.key)?.file;
    if (known !== undefined) {
      // A second name (a link), or a name that was changed to another one that is looked for.
      if (known.path !== path && (await factsOf(known.path))?.key === facts.key) return;
      this.#live.delete(known.path);
      known.path = known.place = path;
      known.rotated = false;
    }
    const since = current?.since ?? this.#sinceOf(path) ?? this.#since.get(entry) ?? this.#context.clock();
    if (current !== undefined) await this.#lost(current);
    const file = known ?? (await this.#begin(path, facts, entry, since));
    if (file === null) return;
    this.#live.set(path, file);
    this.#readers.offer(file);
  }

  /** Names that are no longer found. */
  async only(paths: ReadonlySet<string>): Promise<void> {
    for (const [path, file] of this.#live) {
      if (paths.has(path)) continue;
      this.#live.delete(path);
      await this.#lost(file);
    }
    this.#offerRotated();
    if (this.#forgot > 0 && this.#context.clock() - this.#forgot > FORGET_EVERY) await this.recover();
  }

  /** Looks whether there is something to read. */
  async look(): Promise<void> {
    for (const [path, file] of Array.from(this.#live)) {
      const facts = this.#readers.isBusy(file) ? null : await factsOf(path);
      if (facts?.key === file.key && facts.size !== file.offset) this.#readers.offer(file);
    }
    this.#offerRotated();
    this.#readers.pump();
  }

  /** Rotations that nobody saw while they had the name. */
  async missed(): Promise<void> {
    for (const { live, facts } of await rotationsOf(this.#live.values())) {
      if (this.#isKnown(facts) || (await this.#isCopyOf(facts, live)) || this.#isKnown(facts)) continue;
      const { entry } = this.#files.get(live.key) ?? {};
      if (entry === undefined) continue;
      const file = this.#add(entry, fromBeginning(this.#tools, entry, facts, live.path, live.since));
      file.rotated = true;
      this.#figures.recovered++;
      this.#readers.offer(file);
    }
  }

  /** Once names are found: places whose file has no such name any more. Later, those that are gone are forgotten. */
  async recover(): Promise<void> {
    for (const [key, position] of Array.from(this.#left)) await this.#recover(key, position, this.#forgot === 0);
    this.#forgot = this.#context.clock();
  }

  /** Takes nothing new; what was handed over is answered. */
  readonly stop = (): Promise<void> => this.#readers.stop();

  /** Once nothing looks for files any more. */
  async close(): Promise<void> {
    for (const { file } of this.#files.values()) await file.close();
  }

  #isKnown({ key, birth }: Facts): boolean {
    const left = this.#left.get(key);
    return this.#files.has(key) || (left !== undefined && isBirth(left.birth, birth));
  }

  /** Of what has the name, or of what a file that had it was when it was read: then `#changed` takes it up. */
  async #isCopyOf(facts: Facts, live: TailedFile): Promise<boolean> {
    const positions = Array.from(this.#left.values()).filter(({ path }) => path === live.path);
    for (const { file } of Array.from(this.#files.values())) {
      if (file.real !== live.real) continue;
      if (file.offset === 0) await this.#readers.idle(file); // its first bytes may be on their way
      positions.push(file.position);
    }
    for (const position of positions) if (position.offset > 0 && (await holds(facts, position))) return true;
    const now = await factsOf(live.path);
    return now !== null && (await isCopy(facts, now));
  }

  /** Of the files that had this name: when it was tailed first. */
  #sinceOf(path: string): number | null {
    let since: number | null = null;
    for (const position of this.#left.values())
      if (position.path === path) since = Math.min(since ?? Infinity, position.since);
    return since;
  }

  /** A file that is not followed yet: from its place, where the spool knows it; else from its beginning. */
  async #begin(path: string, facts: Facts, entry: Entry, since: number): Promise<TailedFile | null> {
    const position = this.#left.get(facts.key);
    if (position === undefined) {
      // It was there before the entry was.
      const isOld = this.#forgot === 0 && !this.#started.has(entry);
      if (!isOld || entry.config.start === 'beginning' || facts.size === 0)
        return this.#add(entry, fromBeginning(this.#tools, entry, facts, path, since));
      const file = await fromPlace(this.#tools, entry, facts, { path, offset: facts.size, skip: false, since });
      if (file === null) return null;
      await this.#note(encodePosition(file.key, file.position));
      return this.#add(entry, file);
    }
    if (isBirth(position.birth, facts.birth) && (await holds(facts, position)))
      return this.#resume(facts, entry, { ...position, path });
    // Truncated while nobody looked, or the inode of another file.
    const rest = await findRest(facts.key, { ...position, path });
    if (rest.kind === 'copied') await this.#followCopy(rest.facts, entry, position);
    this.#figures.truncated++;
    const file = this.#add(entry, fromBeginning(this.#tools, entry, facts, path, since));
    await this.#note(file.restart());
    return file;
  }

  #add(entry: Entry, file: TailedFile): TailedFile {
    this.#left.delete(file.key);
    this.#files.set(file.key, { file, entry });
    return file;
  }

  async #resume(facts: Facts, entry: Entry, at: Position): Promise<TailedFile | null> {
    const file = await fromPlace(this.#tools, entry, facts, at);
    return file && this.#add(entry, file);
  }

  /** Its name has another file, or none. */
  async #lost(file: TailedFile): Promise<void> {
    file.rotated = true;
    this.#figures.rotated++;
    if (!file.isOpen && !this.#readers.isBusy(file)) {
      const found = await findRest(file.key, file.position);
      if (found.kind === 'moved') file.place = found.facts.place;
    }
    this.#readers.offer(file);
  }

  async #recover(key: string, position: Position, first: boolean): Promise<void> {
    const entry = this.#entries.find(({ config }) => config.paths.some((glob) => matchesGlob(position.path, glob)));
    const rest = await findRest(key, position);
    if (rest.kind === 'moved') {
      const file = first && entry !== undefined && (await this.#resume(rest.facts, entry, position));
      if (!file) return;
      file.rotated = true;
      this.#readers.offer(file);
      return;
    }
    if (rest.kind === 'copied' && entry !== undefined) await this.#followCopy(rest.facts, entry, position);
    await this.#note({ key, value: null });
    this.#left.delete(key);
  }

  /** The rest of a file that was truncated; its place is noted before the other one's is given up. */
  async #followCopy(facts: Facts, entry: Entry, position: Position): Promise<void> {
    if (this.#isKnown(facts)) return;
    const file = await this.#resume(facts, entry, position);
    if (file === null) return;
    file.rotated = true;
    this.#figures.recovered++;
    await this.#note(encodePosition(file.key, file.position));
    this.#readers.offer(file);
  }

  #offerRotated(): void {
    for (const { file } of this.#files.values()) if (file.rotated) this.#readers.offer(file);
  }

  async #read(file: TailedFile, buffer: Buffer): Promise<void> {
    const isFresh = file.offset === 0; // somebody may wait for its first chunk
    while (!this.#readers.stopped) {
      const lingered = file.rotated && this.#context.clock() - file.grew > LINGER;
      const step = await file.step(buffer, lingered);
      switch (step.kind) {
        case 'more':
          if (!this.#readers.awaited && !isFresh) continue;
          this.#readers.again(file);
          return undefined;
        case 'refused':
          this.#figures.refused++;
          this.#readers.pause(Math.min(RETRY, step.retryAfter * 1000));
          this.#readers.again(file);
          return undefined;
        case 'quiet':
          return this.#quiet(file, lingered);
        case 'changed':
          await this.#changed(file);
          continue;
        case 'gone':
          return this.#gone(file);
        default:
          return step satisfies never;
      }
    }
    return undefined;
  }

  async #quiet(file: TailedFile, lingered: boolean): Promise<void> {
    if (lingered) return this.#leave(file);
    return !file.rotated && this.#files.size > KEPT_OPEN && this.#opened > KEPT_OPEN ? file.close() : undefined;
  }

  /** It is shorter, or other, than what was read: a rotation by copy and truncation, or somebody wrote it anew. */
  async #changed(file: TailedFile): Promise<void> {
    this.#figures.truncated++;
    const entry = this.#files.get(file.key)?.entry;
    const rest = await findRest(file.key, file.position);
    if (rest.kind === 'copied' && entry !== undefined) await this.#followCopy(rest.facts, entry, file.position);
    else if (file.lag > 0) this.#context.truncated(file.path, file.lag);
    await this.#note(file.restart());
  }

  /** It is not where it was; the next look at names finds what has its name now. */
  async #gone(file: TailedFile): Promise<void> {
    if (!file.rotated) return;
    const found = await findRest(file.key, file.position);
    if (found.kind === 'moved') {
      file.place = found.facts.place;
      return;
    }
    const entry = this.#files.get(file.key)?.entry;
    if (found.kind === 'copied' && entry !== undefined) await this.#followCopy(found.facts, entry, file.position);
    else if (file.lag > 0) {
      this.#figures.vanished++;
      this.#context.truncated(file.path, file.lag);
    }
    this.#files.delete(file.key);
    await this.#note({ key: file.key, value: null });
  }

  /** All of it is read. Its place stays noted while it is there. */
  async #leave(file: TailedFile): Promise<void> {
    await file.close();
    this.#files.delete(file.key);
    this.#left.set(file.key, file.position);
  }

  /** Tried until it is taken: what follows counts on it. */
  async #note(note: Note): Promise<void> {
    while (!this.#readers.stopped) {
      const handed = await this.#handOver([], note);
      if (handed.kind === 'taken') return;
      await new Promise((resolve) => setTimeout(resolve, Math.min(RETRY, handed.retryAfter * 1000)));
    }
  }

  readonly #handOver: HandOver = async (groups, note): Promise<Handed> => {
    const accepted = await this.#context.accept(groups, 'disk', 'tail', note);
    if (accepted.kind === 'refused') return { kind: 'refused', retryAfter: accepted.retryAfter };
    let events = 0;
    for (const { count } of groups) events += count;
    if (events > 0) this.#context.observe.accepted(events);
    return { kind: 'taken' };
  };
}
