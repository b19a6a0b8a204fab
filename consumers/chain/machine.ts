// The chain: exactly once from a stream into objects, by any number of writers that crash, sleep and lose answers. A pure machine:
// generators that yield store operations and receive their answers; no I/O, no clock, no randomness. `runSteps` (run.ts) runs them.
//
//   append:  claim intent n  ->  create each data object  ->  claim commit n          (n: one above the newest commit)
//   recover: read back to the last snapshot; an intent without commit is sealed: an empty frame is created at each of its keys, then
//            commit n is claimed with those keys that hold data.
//   any refusal means that another writes or seals here: `superseded`; the writer drops its window and recovers.
//
// Invariants (held by test/consumers/chain/model.test.ts in every interleaving):
//   1. Intent n+1 is created only by who knows commit n; so the creator of an intent knows every number committed before it.
//   2. Data of n is created only by the creator of intent n, at keys that intent n lists; the intent's random name tells the creator.
//   3. When commit n exists, every key of intent n exists, and never changes: as data, or as a seal.
//   4. Commit n lists exactly those keys of intent n that hold data, whoever made it.
//   5. So each number is in at most one data object of those committed; an object that is no seal, of an n that has its commit, is in it.
//   6. A position never passes a message whose numbers are neither seen nor skipped; a seal moves none.
//   7. Whoever recovers alone gets through: nothing waits for a writer that is gone.
// `exists` and `unknown` are both settled by reading back: a client's own retry can turn the one into the other.
import { hash } from 'node:crypto';
import type { Position } from '../source/contract.ts';
import { chainPrefix, dataKey, parseRecordKey, recordKey, type Hour } from './keys.ts';
import { claim, createEach, getAll, list, removeAll, type Steps } from './operations.ts';
import { decodeCommit, decodeIntent, encodeCommit, encodeIntent, RecordInvalid } from './record-codec.ts';
import type { Intent, Numbers } from './records.ts';
import { SEAL } from './seal.ts';
import { agreedTime, applyCommits, commitOf, emptyState, type ChainSettings, type ChainState } from './state.ts';

/** A window of a stream, ready to be written: what lies between the committed position and `position`. */
export interface Window {
  /** The site at which it was read: the chain's home. */
  readonly site: string;
  readonly position: Position;
  /** One for each (type, hour); none where all was seen or skipped, and only the position moves. */
  readonly objects: readonly WindowObject[];
  /** Filtered out, or durably in the dead letters already. Disjoint from the objects' numbers. */
  readonly skipped: Numbers;
  /** Random, new for each window: 16 or more of a-z 0-9. */
  readonly name: string;
  /** The clock, milliseconds since the epoch. */
  readonly at: number;
}

/** `bytes`: NDJSON of `count` events (1 or more), compressed by zstd; `numbers`: theirs. */
export interface WindowObject {
  readonly type: string;
  readonly hour: Hour;
  readonly count: number;
  readonly numbers: Numbers;
  readonly bytes: Buffer;
}

/** `superseded`: another writes this chain, or sealed us. Drop the window, `recover`, attach again where the new state says. */
export type Appended =
  | { readonly kind: 'committed'; readonly state: ChainState; readonly keys: readonly string[] }
  | { readonly kind: 'superseded' };

export interface ChainRead {
  readonly state: ChainState;
  /** An intent without its commit. */
  readonly pending: Intent | null;
}

const GONE =
  'it is not there, though newer records are: something else deletes here (a lifecycle rule of the bucket?). Exempt _waggle/ from it, and restore this object from an earlier version or a backup; where that cannot be, only a sink of another name can start anew';

/** Reads without changing anything: for those that stand by, and for lists. Throws RecordInvalid. */
export function* readChain(settings: ChainSettings): Steps<ChainRead> {
  for (let before: string | null = null; ;) {
    const [newest] = yield* list(chainPrefix(settings), '', 1);
    if (newest === undefined) return { state: emptyState(settings.home), pending: null };
    const head = parseRecordKey(settings, newest);
    if (head === null) throw new RecordInvalid(newest, '', 'this is no record of the chain; move it elsewhere');
    const committed = head.kind === 'commit' ? head.n : head.n - 1;
    const base = committed - (committed % settings.snapshotEvery);
    const numbers = Array.from({ length: committed - Math.max(base, 1) + 1 }, (_, i) => Math.max(base, 1) + i);
    const keys = numbers.map((n) => recordKey(settings, n, 'commit'));
    const wanted = head.kind === 'commit' ? keys : [...keys, newest];
    const records = yield* getAll(wanted);
    const absent = wanted.find((_, i) => records[i] === null);
    if (absent !== undefined) {
      // Gone since it was listed: a reader so slow that it was pruned. It reads again. Pruning follows a newer record, so under the
      // same newest one nobody pruned it.
      if (newest === before) throw new RecordInvalid(absent, '', GONE);
      before = newest;
      continue;
    }
    const commits = numbers.map((n, i) => decodeCommit(settings, n, keys[i] ?? '', records[i] ?? Buffer.alloc(0)));
    const first = commits[0];
    if (base > 0 && first !== undefined && first.snapshot === null)
      throw new RecordInvalid(keys[0] ?? '', 'snapshot', `must be there in every ${settings.snapshotEvery}th commit`);
    const state = applyCommits(emptyState(settings.home), commits);
    const intent = head.kind === 'intent' ? records.at(-1) : null;
    return { state, pending: intent ? decodeIntent(settings, head.n, newest, intent) : null };
  }
}

/** Reads, and seals an intent without commit, whoever made it. For a writer that becomes active, and after `superseded`. Throws RecordInvalid. */
export function* recover(settings: ChainSettings, at: number): Steps<ChainState> {
  for (;;) {
    const { state, pending } = yield* readChain(settings);
    if (pending === null) return state;
    const keys = pending.objects.map(({ key }) => key);
    const outcomes = yield* createEach(keys.map((key) => ({ key, bytes: SEAL })));
    const held = new Set(keys.filter((_, i) => outcomes[i] !== 'created' && outcomes[i] !== SEAL.length));
    const commit = commitOf(settings, state, pending, held, { sealed: true, read: null, at });
    const claimed = yield* claim(recordKey(settings, commit.n, 'commit'), encodeCommit(commit));
    if (claimed === 'mine') return applyCommits(state, [commit]);
  }
}

function intentOf(settings: ChainSettings, n: number, window: Window): Intent {
  const { sink, partition } = settings;
  const objects = window.objects.map(({ type, hour, count, numbers, bytes }) => {
    if (bytes.length === SEAL.length) throw new RangeError('chain: a data object may not have the length of a seal');
    const key = dataKey({ type, hour, sink, partition, n, name: window.name });
    return { key, count, sha256: hash('sha256', bytes), numbers };
  });
  if (new Set(objects.map(({ key }) => key)).size < objects.length)
    throw new RangeError('chain: a window holds two objects of one type and hour');
  const { name, at, site: home, skipped } = window;
  return { kind: 'intent', sink, partition, n, name, at, home, objects, skipped };
}

/** Writes a window as n + 1. Throws RangeError where the window is not read at home, or malformed: errors of the program. */
export function* append(settings: ChainSettings, state: ChainState, window: Window): Steps<Appended> {
  if (window.site !== state.home) throw new RangeError(`chain: read at ${window.site}, but home is ${state.home}`);
  if (!/^[a-z0-9]{16,64}$/.test(window.name)) throw new RangeError('chain: the name must be 16 to 64 of a-z and 0-9');
  const n = state.n + 1;
  const intent = intentOf(settings, n, window);
  if ((yield* claim(recordKey(settings, n, 'intent'), encodeIntent(intent))) === 'other') return { kind: 'superseded' };

  const keys = intent.objects.map(({ key }) => key);
  const outcomes = yield* createEach(window.objects.map(({ bytes }, i) => ({ key: keys[i] ?? '', bytes })));
  if (outcomes.includes(SEAL.length)) return { kind: 'superseded' };

  const how = { sealed: false, read: window.position, at: window.at };
  const commit = commitOf(settings, state, intent, new Set(keys), how);
  const claimed = yield* claim(recordKey(settings, n, 'commit'), encodeCommit(commit));
  if (claimed === 'other') return { kind: 'superseded' };
  return { kind: 'committed', state: applyCommits(state, [commit]), keys };
}

/**
 * Commits a new home, whose stream will be read from `first`; a window that is being written is sealed by it. An intent that a crash
 * left here takes effect when it is sealed. Idempotent: nothing is written where the chain is at home there. `name`: as a window's.
 */
export function* move(settings: ChainSettings, to: string, name: string, at: number): Steps<ChainState> {
  for (let attempt = 0; ; attempt++) {
    const state = yield* recover(settings, at);
    if (state.n > 0 && state.home === to) return state;
    const n = state.n + 1;
    const { sink, partition } = settings;
    const mine = `${name}${attempt}`;
    const intent: Intent = {
      kind: 'intent',
      sink,
      partition,
      n,
      name: mine,
      at,
      home: to,
      objects: [],
      skipped: new Map(),
    };
    if ((yield* claim(recordKey(settings, n, 'intent'), encodeIntent(intent))) === 'other') continue;
    const commit = commitOf(settings, state, intent, new Set(), { sealed: false, read: null, at });
    const claimed = yield* claim(recordKey(settings, n, 'commit'), encodeCommit(commit));
    if (claimed === 'mine') return applyCommits(state, [commit]);
  }
}

const PAGE = 1000;

/**
 * Removes records that lie below a snapshot and are older than 30 days, oldest first; answers how many. To be called after a snapshot
 * (n % 256 = 0). A removed record reopens its number to a writer that slept since: hence the 30 days.
 */
export function* prune(settings: ChainSettings, state: ChainState, at: number): Steps<number> {
  const limit = agreedTime(state.seen, at) - settings.recordsKept;
  const mark = state.earlier.findLast((earlier) => earlier.at < limit);
  if (mark === undefined) return 0;
  const keys: string[] = [];
  for (let after = recordKey(settings, mark.n, 'intent'); ;) {
    const page = yield* list(chainPrefix(settings), after, PAGE);
    keys.push(...page.filter((key) => parseRecordKey(settings, key) !== null));
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) break;
    after = last;
  }
  yield* removeAll(keys.toReversed());
  return keys.length;
}
