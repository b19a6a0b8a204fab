// Rules that follow their folder: read at start, read again when a file changes, swapped in one assignment where every example holds.
//
// The folder is looked at every second (names, sizes, times) instead of being watched: mounts of containers and networks tell nobody of a
// change, and a mounted ConfigMap changes a link above the files.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RuleFile, RuleSetBuilder } from './rule-set.ts';
import { type OpenRules, type Reload, type Rules, RulesInvalid, type RulesOptions, type RuleSet } from './verdict.ts';

const LOOK_EVERY = 1000;
const SUFFIX = '.yaml';
/** Bytes beyond which a file is refused unread; readRule has the same limit in characters. */
const MAX_FILE = 262_144;

export const openRules: OpenRules = async (options) => {
  const builder = new RuleSetBuilder(options.hashKey);
  const look = await lookAt(options.folder);
  const built = await builder.build(await readRuleFiles(options.folder));
  if (built.kind === 'invalid') throw new RulesInvalid(built.problems);
  return new FolderRules(options, builder, built.set, look);
};

class FolderRules implements Rules {
  readonly #options: RulesOptions;
  readonly #builder: RuleSetBuilder;
  readonly #closing = new AbortController();
  readonly #watch: Promise<void>;
  #current: RuleSet;
  #reading: Promise<Reload> | null = null;
  /** What the last reading found, whatever became of it. */
  #tried: string;

  constructor(options: RulesOptions, builder: RuleSetBuilder, set: RuleSet, look: string) {
    this.#options = options;
    this.#builder = builder;
    this.#current = set;
    this.#tried = set.fingerprint;
    this.#watch = this.#follow(look);
  }

  get current(): RuleSet {
    return this.#current;
  }

  reload(): Promise<Reload> {
    this.#reading ??= this.#read().finally(() => (this.#reading = null));
    return this.#reading;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#watch;
    await this.#reading?.catch(() => null);
  }

  async #follow(first: string): Promise<void> {
    let seen = first;
    while (!this.#closing.signal.aborted) {
      await sleep(LOOK_EVERY, null, { signal: this.#closing.signal, ref: false }).catch(() => null);
      if (this.#closing.signal.aborted) return;
      const now = await lookAt(this.#options.folder);
      if (now === seen) continue;
      seen = now;
      await this.reload();
    }
  }

  async #read(): Promise<Reload> {
    const reload = await this.#attempt();
    if (reload.kind === 'activated') this.#current = reload.set;
    if (reload.kind !== 'unchanged') this.#options.onReload?.(reload);
    return reload;
  }

  async #attempt(): Promise<Reload> {
    let files: readonly RuleFile[];
    try {
      files = await readRuleFiles(this.#options.folder);
    } catch (error) {
      if (!(error instanceof RulesInvalid)) throw error;
      return this.#tried === error.message ? { kind: 'unchanged' } : this.#refused(error.message, error.problems);
    }
    const built = await this.#builder.build(files);
    if (built.kind === 'invalid') {
      const text = built.problems.join('\n');
      return this.#tried === text ? { kind: 'unchanged' } : this.#refused(text, built.problems);
    }
    this.#tried = built.set.fingerprint;
    return built.set.fingerprint === this.#current.fingerprint
      ? { kind: 'unchanged' }
      : { kind: 'activated', set: built.set };
  }

  #refused(tried: string, problems: readonly string[]): Reload {
    this.#tried = tried;
    return { kind: 'refused', problems };
  }
}

/** Changes where any file of the folder may have changed. Never throws: reading says what is wrong. */
async function lookAt(folder: string): Promise<string> {
  try {
    const names = await ruleFileNames(folder);
    const looks = await Promise.all(
      names.map(async (name) => {
        const { size, mtimeMs, ino } = await stat(join(folder, name));
        return `${name}:${size}:${mtimeMs}:${ino}`;
      }),
    );
    return looks.join('\n');
  } catch (error) {
    return String(error);
  }
}

async function ruleFileNames(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder);
  return names.filter((name) => name.endsWith(SUFFIX) && !name.startsWith('.')).toSorted();
}

/** In the order of their names. Throws RulesInvalid where the folder or a file cannot be read. */
export async function readRuleFiles(folder: string): Promise<readonly RuleFile[]> {
  const files: RuleFile[] = [];
  try {
    for (const name of await ruleFileNames(folder)) {
      const path = join(folder, name);
      const { size } = await stat(path);
      if (size > MAX_FILE) throw new RulesInvalid([`${path}:1:1: is larger than 256 KiB`]);
      files.push({ path, name: name.slice(0, -SUFFIX.length), text: await readFile(path, 'utf8') });
    }
  } catch (error) {
    if (error instanceof RulesInvalid) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new RulesInvalid([`${folder}: the rules cannot be read: ${reason}`]);
  }
  return files;
}
