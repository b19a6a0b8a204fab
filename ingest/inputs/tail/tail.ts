// Tails application logs: finds files, follows them through rotations, and hands their lines over with how far they were read.
//   globs -> files -> chunks -> records -> events and place in one append (tailed-file.ts)
// One worker of an agent runs it: the one whose spool has the notes of its files. What is refused is read again later: nothing is kept in memory.
import { glob } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { TailConfig } from '#core/config/input-config.ts';
import { EventWriter } from '../event-writer.ts';
import type { Input, TailContext } from '../contract.ts';
import { Parser } from './parse.ts';
import { decodePosition, isCompressed, rotatedFrom, SAMPLE } from './position.ts';
import { factsOf } from './siblings.ts';
import type { Entry } from './begin.ts';
import { Follower } from './follow.ts';

/** Names are looked for so often, and what is known is looked at; in milliseconds. */
const FIND_EVERY = 750;
const LOOK_EVERY = 150;
/** A file is looked at less often where there are many. */
const LOOK_PER_FILE = 1;
/** So many files are read at once, a chunk of each in memory. */
const READERS = 4;
const CHUNK = 1024 * 1024;
const SLACK = 64 * 1024;

/** Rejects with an error for people: a pattern or a type that is none. Files that cannot be read yet are no error. */
export async function createTailInput(files: TailConfig, context: TailContext): Promise<Input> {
  const writer = new EventWriter(context, 'tail');
  const entries = files.map((config, i): Entry => {
    try {
      return { config, parser: new Parser(config, writer, () => context.observe.lost('too-large', 1)) };
    } catch (error) {
      throw new Error(`agent.inputs.tail[${i}]: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  });
  const longest = Math.max(...files.map(({ maxLine }) => maxLine));
  const follower = new Follower(entries, {
    context,
    writer,
    chunk: Math.max(CHUNK, 2 * longest) + SLACK + SAMPLE,
    readers: READERS,
  });
  const tail = new Tail(entries, follower, context);
  await tail.start();
  return tail;
}

class Tail implements Input {
  readonly address: string;
  readonly #entries: readonly Entry[];
  readonly #follower: Follower;
  readonly #context: TailContext;
  #found = -Infinity;
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> = Promise.resolve();
  #closed: Promise<void> | null = null;

  constructor(entries: readonly Entry[], follower: Follower, context: TailContext) {
    this.#entries = entries;
    this.#follower = follower;
    this.#context = context;
    this.address = `file:${entries.flatMap(({ config }) => config.paths).join(' ')}`;
  }

  async start(): Promise<void> {
    const notes = new Map<string, NonNullable<ReturnType<typeof decodePosition>>>();
    for (const [key, value] of this.#context.notes()) {
      const position = decodePosition(value);
      if (position !== null) notes.set(key, position);
    }
    this.#follower.remember(notes);
    for (const entry of this.#entries) await this.#follower.known(entry);
    await this.#find();
    await this.#follower.recover();
    await this.#follower.missed();
    this.#again();
  }

  readonly status = (): object => this.#follower.status();

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#follower.stop();
    await this.#looking;
    await this.#follower.close();
  }

  #again(): void {
    if (this.#closed) return;
    const delay = Math.min(FIND_EVERY, Math.max(LOOK_EVERY, LOOK_PER_FILE * this.#follower.count));
    this.#timer = setTimeout(() => void (this.#looking = this.#look()), delay);
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    try {
      if (performance.now() - this.#found >= FIND_EVERY) {
        await this.#find();
        await this.#follower.missed();
      } else await this.#follower.look();
    } catch (error) {
      this.#context.observe.fault(error);
    }
    this.#again();
  }

  async #find(): Promise<void> {
    this.#found = performance.now();
    const seen = new Set<string>();
    for (const entry of this.#entries) {
      const paths: string[] = [];
      for (const pattern of entry.config.paths)
        for await (const path of glob(pattern)) if (!isCompressed(path) && !seen.has(path)) paths.push(path);
      for (const path of live(paths)) {
        seen.add(path);
        const facts = await factsOf(path);
        if (facts !== null) await this.#follower.live(path, facts, entry);
      }
    }
    await this.#follower.only(seen);
  }
}

/** Without what a rotation made of another one. */
function live(paths: readonly string[]): string[] {
  const byFolder = Map.groupBy(new Set(paths), (path) => dirname(path));
  return Array.from(byFolder.values()).flatMap((group) => {
    const names = group.map((path) => basename(path));
    const found = new Set(names);
    return group.filter((path) => rotatedFrom(basename(path), found) === null);
  });
}
