// What the chain says after commit n, and how a commit changes it. Pure; a state is never changed, a commit makes a new one.
//
// Forgetting. A snapshot forgets an identity only when it was silent since before `floor` and born before `floor`; an unknown identity born
// before `floor` is never taken: its events go to the dead letters. So whatever clocks do, no forgotten identity is taken for a new one.
// One that comes back nevertheless is remembered as dead: else the numbers of it that went to the dead letters would make it known, and
// its other numbers look new. `floor` never goes back, and lies the horizon below the earlier of two clocks, this writer's and the newest
// identity's, so that one wrong clock alone cannot move it ahead.
import { NumberSet } from '#core/numbers.ts';
import { uuidTime } from '#core/uuid.ts';
import type { Position } from '../source/contract.ts';
import type { ChainId } from './keys.ts';
import type { Commit, Intent, Mark, Numbers, Seen, Snapshot } from './records.ts';

/** What all writers of a chain share. */
export interface ChainSettings extends ChainId {
  /** Home of a chain that is still empty (the configuration's); later the chain tells. */
  readonly home: string;
  /** Milliseconds of silence after which an identity may be forgotten. */
  readonly horizon: number;
  /** Part of the format: SNAPSHOT_EVERY. Other values for the model only. */
  readonly snapshotEvery: number;
  /** Milliseconds for which records below a snapshot are kept: RECORDS_KEPT. Other values for the model only. */
  readonly recordsKept: number;
}

const DAY = 86_400_000;
export const SNAPSHOT_EVERY = 256;
export const RECORDS_KEPT = 30 * DAY;
export const DEFAULT_HORIZON = 90 * DAY;

/** n = 0: the empty chain. */
export interface ChainState {
  readonly n: number;
  /** The site at which the chain is read. */
  readonly home: string;
  /** The last message taken, by site; a site without one is read from `first`. */
  readonly positions: ReadonlyMap<string, Position>;
  readonly floor: number;
  readonly seen: ReadonlyMap<string, Seen>;
  readonly earlier: readonly Mark[];
}

export const emptyState = (home: string): ChainState => ({
  n: 0,
  home,
  positions: new Map(),
  floor: 0,
  seen: new Map(),
  earlier: [],
});

/** Whether an identity that is not known was forgotten, or may have been. */
export const bornBefore = (identity: string, floor: number): boolean => (uuidTime(identity) ?? 0) < floor;

/** Changes the map; sets that grow are copied, since states share them. `floor`: the one before this commit. */
function addNumbers(seen: Map<string, Seen>, adds: Numbers, at: number, floor: number): void {
  for (const [identity, numbers] of adds) {
    const known = seen.get(identity);
    const grown = known?.numbers.copy() ?? new NumberSet();
    grown.merge(numbers);
    const dead = known === undefined ? bornBefore(identity, floor) : known.dead;
    seen.set(identity, { last: Math.max(at, known?.last ?? 0), dead, numbers: grown });
  }
}

function union(parts: Iterable<Numbers>): Numbers {
  const all = new Map<string, NumberSet>();
  for (const part of parts)
    for (const [identity, numbers] of part) {
      if (numbers.count === 0) continue;
      const known = all.get(identity);
      if (known === undefined) all.set(identity, numbers.copy());
      else known.merge(numbers);
    }
  return all;
}

/** The earlier of two clocks: the writer's, and the newest identity's. 0 where no identity is known. */
export function agreedTime(seen: ReadonlyMap<string, Seen>, at: number): number {
  let newest = 0;
  for (const identity of seen.keys()) newest = Math.max(newest, uuidTime(identity) ?? 0);
  return Math.min(at, newest);
}

function snapshotOf(settings: ChainSettings, state: ChainState, n: number, adds: Numbers, at: number): Snapshot {
  const all = new Map(state.seen);
  addNumbers(all, adds, at, state.floor);
  const now = agreedTime(all, at);
  const floor = Math.max(state.floor, now - settings.horizon);
  const seen = new Map([...all].filter(([identity, { last }]) => last >= floor || !bornBefore(identity, floor)));
  // Of the snapshots old enough to prune below, the newest is enough.
  const old = state.earlier.findLastIndex((mark) => mark.at < now - settings.recordsKept);
  return { floor, seen, earlier: [...state.earlier.slice(Math.max(0, old)), { n, at }] };
}

/**
 * The commit of an intent. `held`: the keys that hold data. `read`: where the creator's window ended; null for a seal, and for a move.
 * A new home is read from `first`: nobody can know whether its stream is still the one of an earlier stay.
 */
export function commitOf(
  settings: ChainSettings,
  state: ChainState,
  intent: Intent,
  held: ReadonlySet<string>,
  how: { readonly sealed: boolean; readonly read: Position | null; readonly at: number },
): Commit {
  const objects = intent.objects.filter(({ key }) => held.has(key));
  const adds = union([...objects.map((object) => object.numbers), intent.skipped]);
  const positions = new Map(state.positions);
  if (intent.home !== state.home) positions.delete(intent.home);
  if (how.read !== null) positions.set(intent.home, how.read);
  const snapshot = intent.n % settings.snapshotEvery === 0 ? snapshotOf(settings, state, intent.n, adds, how.at) : null;
  return {
    kind: 'commit',
    sink: intent.sink,
    partition: intent.partition,
    n: intent.n,
    name: intent.name,
    at: how.at,
    home: intent.home,
    sealed: how.sealed,
    objects: objects.map(({ key, count }) => ({ key, count })),
    adds,
    positions,
    snapshot,
  };
}

/** The state after commits, the first of which is n + 1, or a snapshot. */
export function applyCommits(state: ChainState, commits: readonly Commit[]): ChainState {
  let { floor, earlier } = state;
  let seen = new Map(state.seen);
  for (const commit of commits) {
    if (commit.snapshot === null) addNumbers(seen, commit.adds, commit.at, floor);
    else {
      seen = new Map(commit.snapshot.seen);
      ({ floor, earlier } = commit.snapshot);
    }
  }
  const last = commits.at(-1);
  return last === undefined ? state : { n: last.n, home: last.home, positions: last.positions, floor, seen, earlier };
}
