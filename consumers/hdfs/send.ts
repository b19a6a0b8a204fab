// The chain's store in a folder of HDFS. RENAME with renameoptions=NONE is one step of the NameNode, refused where the name is taken, which
// makes a create exclusive and whole.
//
// create: a temporary file under a name of its own is written, its length compared (a connection cut in mid-upload leaves a closed, truncated
// file), and renamed to the key. Where the rename was not answered, or not with success, the fileId at the key tells whose file it is. A writer
// that was paused at any point and wakes meets a taken name, or that its temporary file was swept.
import { unlessAborted } from '#core/io/abort.ts';
import { StoreRefused, StoreUnavailable, type Created, type ObjectStore } from '../chain/store.ts';
import { folderPath, parentOf, pathOf, TEMPORARY } from './encode.ts';
import type { FileStatus, HdfsFiles } from './files.ts';
import { walk, type Tree } from './list.ts';

const DAY_MS = 86_400_000;
/** Of removing what is left over: a day later it is swept anyhow. */
const DISCARD_MS = 5_000;
/** So that a stop is in time though HDFS is silent. */
const CLOSE_MS = 1_000;

export interface HdfsStoreOptions {
  /** The folder that holds everything, absolute, without a slash at its end. */
  readonly root: string;
  /** A fresh random name of letters and digits. */
  readonly name: () => string;
  /** Ends the connections. */
  readonly disconnect: () => void;
}

export class HdfsStore implements ObjectStore {
  readonly #files: HdfsFiles;
  readonly #options: HdfsStoreOptions;
  /** When temporary files were last swept, by the NameNode's clock. */
  #swept = -Infinity;
  readonly #behind = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(files: HdfsFiles, options: HdfsStoreOptions) {
    this.#files = files;
    this.#options = options;
  }

  async createIfAbsent(key: string, bytes: Buffer, signal: AbortSignal): Promise<Created> {
    const { root, name } = this.#options;
    const to = pathOf(root, key);
    const from = `${root}/${TEMPORARY}/${name()}`;
    signal.throwIfAborted();
    let created: Created | null = null;
    try {
      await this.#files.upload(from, bytes, signal);
      const written = await this.#files.status(from, signal);
      if (written?.length !== bytes.length)
        throw new StoreUnavailable(
          `HDFS: ${from}: ${written?.length ?? 'no'} bytes are there of the ${bytes.length} written`,
        );
      this.#sweepDaily(written.modified);
      created = await this.#publish(from, to, written.fileId, signal);
      return created;
    } finally {
      if (created?.kind !== 'created') this.#discard(from);
    }
  }

  async head(key: string, signal: AbortSignal): Promise<{ readonly length: number } | null> {
    const file = await this.#file(pathOf(this.#options.root, key), signal);
    return file && { length: file.length };
  }

  async get(key: string, signal: AbortSignal): Promise<Buffer | null> {
    const path = pathOf(this.#options.root, key);
    const file = await this.#file(path, signal);
    if (file === null) return null;
    // HDFS refuses to read at the end.
    return file.length === 0 ? Buffer.alloc(0) : this.#files.read(path, file.length, signal);
  }

  async list(prefix: string, after: string, limit: number, signal: AbortSignal): Promise<readonly string[]> {
    signal.throwIfAborted();
    const keys: string[] = [];
    if (limit > 0) for await (const key of walk(this.#tree(signal), prefix, after)) if (keys.push(key) >= limit) break;
    return keys;
  }

  async remove(key: string, signal: AbortSignal): Promise<void> {
    await this.#files.remove(pathOf(this.#options.root, key), signal);
  }

  ways(): readonly ObjectStore[] {
    return [this];
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the store was closed'));
    await unlessAborted(Promise.all(this.#behind), AbortSignal.timeout(CLOSE_MS)).catch(ignore);
    this.#options.disconnect();
  }

  /** `fileId`: of the temporary file. */
  async #publish(from: string, to: string, fileId: number, signal: AbortSignal): Promise<Created> {
    let why = '';
    for (let tries = 0; tries < 2; tries++) {
      try {
        if ((await this.#files.rename(from, to, signal)) === 'done') return { kind: 'created' };
        why = `${from} is not there`;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof StoreUnavailable)) throw error;
        why = error.message;
      }
      try {
        const there = await this.#file(to, signal);
        if (there !== null) return { kind: there.fileId === fileId ? 'created' : 'exists' };
        // Either the folder is missing, or the temporary file is, or the NameNode cannot.
        if (tries === 0) await this.#files.makeFolder(parentOf(to), signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof StoreUnavailable)) throw error;
        return { kind: 'unknown', message: `${why}; ${error.message}` };
      }
    }
    return { kind: 'unknown', message: why };
  }

  async #file(path: string, signal: AbortSignal): Promise<FileStatus | null> {
    signal.throwIfAborted();
    const found = await this.#files.status(path, signal);
    if (found?.isFolder === true)
      throw new StoreRefused(`HDFS: a folder stands at ${path}, where a file must be; move it elsewhere.`);
    return found;
  }

  #tree(signal: AbortSignal): Tree {
    const { root } = this.#options;
    return {
      page: (folder, after) => this.#files.page(folderPath(root, folder), after, signal),
      entry: async (folder, name) => {
        const found = await this.#files.status(`${folderPath(root, folder)}/${name}`, signal);
        return found && { name, isFolder: found.isFolder };
      },
    };
  }

  /** Not under the caller's signal: it is to go even when this process ends. */
  #discard(path: string): void {
    this.#inBackground(this.#files.remove(path, AbortSignal.timeout(DISCARD_MS)));
  }

  /** It only saves room, so a sweep that failed is passed over. */
  #sweepDaily(now: number): void {
    if (now - this.#swept < DAY_MS) return;
    this.#swept = now;
    this.#inBackground(this.#sweep(now - DAY_MS, this.#closing.signal));
  }

  /** What a crash left: a writer that lives has done with its file within its deadline, and meets its absence. */
  async #sweep(before: number, signal: AbortSignal): Promise<void> {
    const folder = `${this.#options.root}/${TEMPORARY}`;
    for (let after = '', more = true; more;) {
      const page = await this.#files.page(folder, after, signal);
      for (const { name, isFolder, modified } of page.entries)
        if (!isFolder && modified < before) await this.#files.remove(`${folder}/${name}`, signal);
      after = page.entries.at(-1)?.name ?? after;
      more = page.more;
    }
  }

  #inBackground(work: Promise<void>): void {
    const done = work.catch(ignore).finally(() => this.#behind.delete(done));
    this.#behind.add(done);
  }
}

const ignore = (): void => {};
