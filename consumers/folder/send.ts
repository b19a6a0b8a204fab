// The chain's store in a local folder. A key is a path; link(2) to a name that exists fails, which makes a create exclusive and whole.
//
// create: a temporary file is written and synced, then linked to its name; the folder is synced. Who is told `exists` syncs the folder
// too: what is built upon that object must not outlive it when the power fails, and its creator may not have come to its own sync.
import { constants } from 'node:fs';
import { link, mkdir, open, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Created, ObjectStore } from '../chain/store.ts';
import { classify, codeOf } from './classify.ts';
import { byBytes, isHidden, mayHold, pathOf, TEMPORARY } from './encode.ts';

/** A temporary file that is older was left by a crash. */
const LEFT_BEHIND_MS = 86_400_000;

export class FolderStore implements ObjectStore {
  readonly #root: string;
  readonly #name: () => string;
  /** Folders known to be there, durably. */
  readonly #folders = new Set<string>();
  #swept: Promise<void> | null = null;

  /** `name`: a fresh random name of letters and digits. */
  constructor(root: string, name: () => string) {
    this.#root = root;
    this.#name = name;
  }

  async createIfAbsent(key: string, bytes: Buffer, signal: AbortSignal): Promise<Created> {
    const path = pathOf(this.#root, key);
    return this.#try('create', path, async () => {
      try {
        return await this.#create(path, bytes, signal);
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error;
        // A folder that was there is gone (a retention script, a cleaner of temporary files). Which one is not told: all are made anew.
        this.#folders.clear();
        return await this.#create(path, bytes, signal);
      }
    });
  }

  head(key: string): Promise<{ readonly length: number } | null> {
    const path = pathOf(this.#root, key);
    return this.#try('read', path, () => stat(path).then(({ size }) => ({ length: size }), nullIfAbsent));
  }

  get(key: string, signal: AbortSignal): Promise<Buffer | null> {
    const path = pathOf(this.#root, key);
    return this.#try('read', path, () => readFile(path, { signal }).catch(nullIfAbsent));
  }

  list(prefix: string, after: string, limit: number, signal: AbortSignal): Promise<readonly string[]> {
    return this.#try('list', this.#root, async () => {
      const keys: string[] = [];
      for await (const key of walk(this.#root, '', prefix, after, signal)) {
        if (keys.length >= limit) break;
        keys.push(key);
      }
      return keys;
    });
  }

  remove(key: string): Promise<void> {
    const path = pathOf(this.#root, key);
    return this.#try('remove', path, () => unlink(path).catch(ignoreAbsent));
  }

  ways(): readonly ObjectStore[] {
    return [this];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #create(path: string, bytes: Buffer, signal: AbortSignal): Promise<Created> {
    const temporary = join(this.#root, TEMPORARY, this.#name());
    await this.#makeFolder(dirname(temporary));
    await this.#makeFolder(dirname(path));
    // It only saves room, so a sweep that failed keeps nobody from writing: the next create sweeps again.
    this.#swept ??= this.#sweep(dirname(temporary)).catch(() => {
      this.#swept = null;
    });
    await this.#swept;
    try {
      await writeSynced(temporary, bytes, signal);
      signal.throwIfAborted();
      const created = await linkIfAbsent(temporary, path);
      await syncFolder(dirname(path));
      return created;
    } finally {
      await unlink(temporary).catch(ignoreAbsent);
    }
  }

  async #try<T>(doing: string, path: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw classify(error, doing, path) ?? error;
    }
  }

  /** Makes the folder and those above it, and syncs the entry of each: another process may have made one and not synced it yet. */
  async #makeFolder(path: string): Promise<void> {
    if (this.#folders.has(path)) return;
    await mkdir(path, { recursive: true });
    for (let folder = path; folder.length >= this.#root.length && !this.#folders.has(folder); folder = dirname(folder))
      await syncFolder(dirname(folder));
    this.#folders.add(path);
  }

  async #sweep(folder: string): Promise<void> {
    const oldest = Date.now() - LEFT_BEHIND_MS;
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      const found = await stat(path).catch(nullIfAbsent);
      if (found?.isFile() === true && found.mtimeMs < oldest) await unlink(path).catch(ignoreAbsent);
    }
  }
}

function ignoreAbsent(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error;
}

function nullIfAbsent(error: unknown): null {
  if (codeOf(error) !== 'ENOENT') throw error;
  return null;
}

/** A file that failed to sync is never synced again: it goes, and the caller's next try writes another. */
async function writeSynced(path: string, bytes: Buffer, signal: AbortSignal): Promise<void> {
  const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o644);
  try {
    await file.writeFile(bytes, { signal });
    await file.sync();
  } finally {
    await file.close();
  }
}

async function linkIfAbsent(from: string, to: string): Promise<Created> {
  try {
    await link(from, to);
    return { kind: 'created' };
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return { kind: 'exists' };
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Keys in ascending order of bytes; a folder sorts as its name and a slash, as keys do. What vanishes meanwhile is passed over. */
async function* walk(
  root: string,
  folder: string,
  prefix: string,
  after: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  signal.throwIfAborted();
  const entries = (await readdir(join(root, folder), { withFileTypes: true }).catch(nullIfAbsent)) ?? [];
  const keys = entries
    .filter((entry) => !isHidden(entry.name))
    .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`)
    .toSorted(byBytes);
  for (const key of keys) {
    if (key.endsWith('/')) {
      if (mayHold(key, prefix, after)) yield* walk(root, key, prefix, after, signal);
    } else if (key.startsWith(prefix) && byBytes(key, after) > 0) yield key;
  }
}
