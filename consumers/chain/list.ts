// Which data objects are committed: what `waggle consumer SINK --list` prints.
//
// The list walks the data keys, not the chain: they are ordered by type and hour, whatever clock wrote them, so a range of hours costs
// what it holds. The n in a key names the commit that decides: the object is committed where commit n lists it. Where commit n is absent,
// n decides: above the chain's newest commit the object is not committed yet; below it the commit was pruned (older than 30 days, below
// a snapshot), and then every object of n that is no seal is committed (invariant 5 of the chain), told by its length. Its count is then null.
import {
  dataKey,
  parseDataKey,
  parseRecordKey,
  recordKey,
  chainPrefix,
  hourFolder,
  type ChainId,
  type DataName,
  type Hour,
} from './keys.ts';
import { decodeCommit } from './record-codec.ts';
import { SEAL } from './seal.ts';
import type { ObjectStore } from './store.ts';

export interface CommittedObject extends DataName {
  readonly key: string;
  /** Events; null where its commit was pruned. */
  readonly count: number | null;
}

export interface ListQuery {
  /** Hours, both inclusive; null for no bound. */
  readonly from: Hour | null;
  readonly to: Hour | null;
  readonly type: (type: string) => boolean;
}

const PAGE = 1000;
const AT_ONCE = 16;
const COMMITS_KEPT = 4096;
/** Sorts after every character that follows a whole folder name. */
const END = '~';

/** By type, then by key; read once, in pages, so that what is committed meanwhile may or may not be in it. Throws RecordInvalid, StoreUnavailable, StoreRefused. */
export async function* listCommitted(
  store: ObjectStore,
  sink: string,
  query: ListQuery,
  signal: AbortSignal,
): AsyncGenerator<CommittedObject> {
  const commits = new Commits(store, signal);
  for await (const type of types(store, signal)) {
    if (!query.type(type)) continue;
    const prefix = `type=${type}/`;
    // '!' sorts before every character of a name, so this is just before the first key of that hour.
    let after = query.from === null ? '' : `${prefix}${hourFolder(query.from)}/!`;
    for (let more = true; more;) {
      const page = await store.list(prefix, after, PAGE, signal);
      more = page.length === PAGE;
      after = page.at(-1) ?? after;
      const names = page.flatMap((key) => parseDataKey(key) ?? []).filter((name) => name.sink === sink);
      const wanted = names.filter(({ hour }) => query.to === null || hour <= query.to);
      if (wanted.length < names.length) more = false;
      for (let i = 0; i < wanted.length; i += AT_ONCE) {
        const found = await Promise.all(wanted.slice(i, i + AT_ONCE).map((name) => commits.find(name)));
        for (const object of found) if (object !== null) yield object;
      }
    }
  }
}

async function* types(store: ObjectStore, signal: AbortSignal): AsyncGenerator<string> {
  for (let after = ''; ;) {
    const [key] = await store.list('type=', after, 1, signal);
    if (key === undefined) return;
    const folder = key.slice(0, key.indexOf('/') + 1) || key;
    if (folder.endsWith('/')) yield folder.slice('type='.length, -1);
    after = folder + END;
  }
}

/** Commits by chain and n, each read once while it is in use. */
class Commits {
  readonly #store: ObjectStore;
  readonly #signal: AbortSignal;
  readonly #known = new Map<string, Promise<ReadonlyMap<string, number> | null>>();
  readonly #heads = new Map<string, Promise<number>>();

  constructor(store: ObjectStore, signal: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  async find(name: DataName): Promise<CommittedObject | null> {
    const key = dataKey(name);
    // The head is read before the commit: a commit that is absent below it was pruned.
    const head = await this.#head(name);
    const counts = await this.#counts(name);
    if (counts !== null) {
      const count = counts.get(key);
      return count === undefined ? null : { ...name, key, count };
    }
    if (name.n > head) return null;
    const length = (await this.#store.head(key, this.#signal))?.length;
    return length === undefined || length === SEAL.length ? null : { ...name, key, count: null };
  }

  #counts({ sink, partition, n }: DataName): Promise<ReadonlyMap<string, number> | null> {
    const id = { sink, partition };
    const key = recordKey(id, n, 'commit');
    let counts = this.#known.get(key);
    if (counts === undefined) {
      counts = this.#store.get(key, this.#signal).then((bytes) => {
        return bytes && new Map(decodeCommit(id, n, key, bytes).objects.map((object) => [object.key, object.count]));
      });
      const [oldest] = this.#known.size < COMMITS_KEPT ? [] : this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
      this.#known.set(key, counts);
    }
    return counts;
  }

  /** Number of the newest commit. */
  #head(id: ChainId): Promise<number> {
    const prefix = chainPrefix(id);
    let head = this.#heads.get(prefix);
    if (head === undefined) {
      head = this.#store.list(prefix, '', 1, this.#signal).then(([newest]) => {
        const record = newest === undefined ? null : parseRecordKey(id, newest);
        if (record === null) return 0;
        return record.kind === 'commit' ? record.n : record.n - 1;
      });
      this.#heads.set(prefix, head);
    }
    return head;
  }
}
