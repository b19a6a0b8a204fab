// The chain holds in every interleaving the model makes; and the model is worth something, since it finds each way of weakening the chain.
import { describe, expect, it } from 'vitest';
import { admit } from '../../../consumers/chain/admit.ts';
import { chainPrefix, parseRecordKey, recordKey } from '../../../consumers/chain/keys.ts';
import { listCommitted } from '../../../consumers/chain/list.ts';
import { readChain, recover } from '../../../consumers/chain/machine.ts';
import { claim, list, removeAll, type Steps } from '../../../consumers/chain/operations.ts';
import { encodeCommit } from '../../../consumers/chain/record-codec.ts';
import { SEAL } from '../../../consumers/chain/seal.ts';
import { commitOf, type ChainSettings, type ChainState } from '../../../consumers/chain/state.ts';
import { memoryStore } from './memory-store.ts';
import { tryWorld, type Mutation } from './model.ts';

const SCHEDULES = 4000;
/** A mutation has to be found within so many. */
const PATIENCE = 4000;

/** What anybody would see, not what the model knows of the chain's inside. */
const HARM = /was written \d+ times|was lost|in no commit|no progress/;

function firstHarm(mutation: Mutation): readonly string[] {
  for (let seed = 0; seed < PATIENCE; seed++) {
    const { verdict } = tryWorld(seed, mutation);
    const harm = verdict.kind === 'bad' ? verdict.faults.filter((fault) => HARM.test(fault)) : [];
    if (harm.length > 0) return harm;
  }
  return [];
}

describe('the chain', () => {
  it(`puts every event into exactly one committed object, in ${SCHEDULES} schedules`, () => {
    const total = { seals: 0, moves: 0, pruned: 0, forgotten: 0, snapshots: 0, crashes: 0 };
    for (let seed = 0; seed < SCHEDULES; seed++) {
      const { verdict, world } = tryWorld(seed);
      expect(verdict).toEqual({ kind: 'ok' });
      for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += world.counts[name];
    }
    // The schedules did meet what they are for.
    for (const [name, count] of Object.entries(total)) expect(count, name).toBeGreaterThan(SCHEDULES / 20);
  }, 120_000);

  it('lists exactly what is committed, pruned commits included', async () => {
    for (let seed = 0; seed < 300; seed++) {
      const { world } = tryWorld(seed);
      const listed: string[] = [];
      const filter = { from: null, to: null, type: () => true };
      for await (const { key, count } of listCommitted(
        memoryStore(world.objects),
        's3',
        filter,
        new AbortController().signal,
      )) {
        if (count !== null) expect(count).toBe(world.objects.get(key)?.toString().split('\n').length);
        listed.push(key);
      }
      expect(listed).toEqual(world.dataKeys());
    }
  });
});

describe('the model finds', () => {
  it('a chain that does not seal: what a slow writer writes afterwards is in no commit, or lost', () => {
    expect(firstHarm({ recover: recoverWithoutSealing })).not.toEqual([]);
  });

  it('a sealer that takes a lost answer for a void', () => {
    expect(firstHarm({ lie: trustingSeals })).not.toEqual([]);
  });

  it('a writer that takes a lost answer to its commit for success', () => {
    expect(firstHarm({ lie: believing('.commit.json') })).not.toEqual([]);
  });

  it('a writer that takes a lost answer to its intent for success', () => {
    expect(firstHarm({ lie: believing('.intent.json') })).not.toEqual([]);
  });

  it('a store that overwrites', () => {
    expect(firstHarm({ overwrites: true })).not.toEqual([]);
  });

  it('a store whose refusals say "created"', () => {
    expect(firstHarm({ lie: trustingRefusals })).not.toEqual([]);
  });

  it('a sink that takes forgotten identities for new ones', () => {
    expect(firstHarm({ admit: (...args) => ({ ...admit(...args), kind: 'fresh' }) })).not.toEqual([]);
  });

  it('a sink that gives up one part of a forgotten identity, and then takes it for known', () => {
    expect(firstHarm({ admit: admitWhatIsKnown })).not.toEqual([]);
  });

  it('pruning that does not wait until no writer can still sleep', () => {
    expect(firstHarm({ prune: pruneAtOnce })).not.toEqual([]);
  });

  it('a seal that moves the position', () => {
    expect(firstHarm({ recover: recoverMovingOn })).not.toEqual([]);
  });
});

const admitWhatIsKnown: typeof admit = (state, taken, identity, ranges) => {
  const admission = admit(state, taken, identity, ranges);
  return state.seen.has(identity) ? { ...admission, kind: 'fresh' } : admission;
};

type Lie = NonNullable<Mutation['lie']>;

const believing =
  (suffix: string): Lie =>
  (operation, answer) =>
    operation.kind === 'create' && operation.key.endsWith(suffix) && answer.kind === 'unknown'
      ? { kind: 'created' }
      : answer;

const trustingSeals: Lie = (operation, answer) =>
  operation.kind === 'create' && operation.bytes === SEAL && answer.kind === 'unknown' ? { kind: 'created' } : answer;

const trustingRefusals: Lie = (_, answer) => (answer.kind === 'exists' ? { kind: 'created' } : answer);

/** Commits what is there at the moment, and seals nothing. */
function* recoverWithoutSealing(settings: ChainSettings, at: number): Steps<ChainState> {
  for (;;) {
    const { state, pending } = yield* readChain(settings);
    if (pending === null) return state;
    const keys = pending.objects.map(({ key }) => key);
    const answers = keys.length === 0 ? [] : yield keys.map((key) => ({ kind: 'head', key }));
    const held = new Set(
      keys.filter((_, i) => {
        const answer = answers[i];
        return answer?.kind === 'length' && answer.length !== null;
      }),
    );
    const commit = commitOf(settings, state, pending, held, { sealed: true, read: null, at });
    yield* claim(recordKey(settings, commit.n, 'commit'), encodeCommit(commit));
  }
}

/** Seals, and then goes on behind the last message of the intent, as its creator would have. */
function* recoverMovingOn(settings: ChainSettings, at: number): Steps<ChainState> {
  const before = yield* readChain(settings);
  const state = yield* recover(settings, at);
  const position = state.positions.get(state.home);
  if (before.pending === null || before.pending.objects.length === 0 || position === undefined) return state;
  return { ...state, positions: new Map([[state.home, { ...position, offset: position.offset + 1n }]]) };
}

/** Everything below the last snapshot, whatever its age. */
function* pruneAtOnce(settings: ChainSettings, state: ChainState): Steps<number> {
  const keys = yield* list(chainPrefix(settings), recordKey(settings, state.n, 'intent'), 1000);
  const records = keys.filter((key) => parseRecordKey(settings, key) !== null);
  yield* removeAll(records.toReversed());
  return records.length;
}
