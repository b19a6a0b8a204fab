// What the chain remembers and forgets.
import { describe, expect, it } from 'vitest';
import { encodeRanges, type NumberRange } from '#core/number-ranges.ts';
import { NumberSet } from '#core/numbers.ts';
import { uuidv7 } from '#core/uuid.ts';
import { admit } from '../../../consumers/chain/admit.ts';
import type { Intent, Numbers } from '../../../consumers/chain/records.ts';
import {
  applyCommits,
  commitOf,
  emptyState,
  type ChainSettings,
  type ChainState,
} from '../../../consumers/chain/state.ts';

const settings: ChainSettings = {
  sink: 's3',
  partition: 0,
  home: 'chicago',
  horizon: 100,
  snapshotEvery: 4,
  recordsKept: 30,
};
const identity = (born: number): string => uuidv7(born, Buffer.alloc(16, born % 250));

const numbersOf = (entries: Record<string, readonly NumberRange[]>): Numbers =>
  new Map(Object.entries(entries).map(([key, ranges]) => [key, NumberSet.of(ranges)]));

/** The state after one more commit that adds these numbers. */
function after(
  state: ChainState,
  at: number,
  adds: Record<string, readonly NumberRange[]>,
  home = state.home,
): ChainState {
  const intent: Intent = {
    kind: 'intent',
    sink: 's3',
    partition: 0,
    n: state.n + 1,
    name: 'x',
    at,
    home,
    objects: [],
    skipped: numbersOf(adds),
  };
  const read = { offset: BigInt(state.n), identity: 'x', first: 1 };
  return applyCommits(state, [
    commitOf(settings, state, intent, new Set(), { sealed: false, read: home === state.home ? read : null, at }),
  ]);
}

function fresh(state: ChainState, id: string, ranges: readonly NumberRange[], taken: Numbers = new Map()): string {
  const admission = admit(state, taken, id, ranges);
  return `${admission.kind} ${encodeRanges(admission.ranges)}`;
}

describe('what is new', () => {
  const known = identity(1000);
  const state = after(emptyState('chicago'), 1000, {
    [known]: [
      [10, 20],
      [30, 40],
    ],
  });

  it('is neither committed nor in the window at hand', () => {
    expect(fresh(state, known, [[1, 50]])).toBe('fresh 1-9,21-29,41-50');
    expect(fresh(state, known, [[1, 50]], numbersOf({ [known]: [[5, 25]] }))).toBe('fresh 1-4,26-29,41-50');
    expect(
      fresh(state, known, [
        [10, 20],
        [30, 40],
      ]),
    ).toBe('fresh ');
    expect(
      fresh(state, identity(1001), [
        [1, 2],
        [4, 5],
      ]),
    ).toBe('fresh 1-2,4-5');
  });

  it('leaves the states before as they were', () => {
    const later = after(state, 1001, { [known]: [[1, 9]] });
    expect(fresh(state, known, [[1, 9]])).toBe('fresh 1-9');
    expect(fresh(later, known, [[1, 9]])).toBe('fresh ');
  });
});

describe('an identity that was silent beyond the horizon', () => {
  const old = identity(1000);
  const busy = identity(1010);
  const young = identity(1190);

  /** Four commits: the last is a snapshot at 1200, so that the floor is 1090 at most. */
  function snapshot(at: number, last: Record<string, readonly NumberRange[]>): ChainState {
    let state = after(emptyState('chicago'), 1000, { [old]: [[1, 5]] });
    state = after(state, 1020, { [busy]: [[1, 5]] });
    state = after(state, 1100, { [busy]: [[6, 9]] });
    return after(state, at, last);
  }

  it('is forgotten by a snapshot, and then goes to the dead letters; others stay', () => {
    const state = snapshot(1200, { [young]: [[1, 1]] });
    expect(state.floor).toBe(1090);
    expect([...state.seen.keys()]).toEqual([busy, young]);
    expect(fresh(state, old, [[1, 6]])).toBe('forgotten 1-6');
    expect(fresh(state, busy, [[1, 10]])).toBe('fresh 10');
    expect(fresh(state, identity(1089), [[1, 1]])).toBe('forgotten 1');
    expect(fresh(state, identity(1090), [[1, 1]])).toBe('fresh 1');
  });

  it('stays given up when some of it went to the dead letters, over later snapshots too', () => {
    let state = after(snapshot(1200, { [young]: [[1, 1]] }), 1201, { [old]: [[6, 6]] });
    for (let i = 0; i < 4; i++) {
      expect(fresh(state, old, [[1, 7]])).toBe('forgotten 1-5,7');
      state = after(state, 1202, {});
    }
  });

  it('is not forgotten on the word of one clock', () => {
    // This writer's clock is far ahead; no agent knows of such a time.
    expect([...snapshot(9_000_000, { [busy]: [[10, 10]] }).seen.keys()]).toEqual([old, busy]);
    // An agent's clock is far ahead; this writer knows better.
    expect([...snapshot(1100, { [identity(9_000_000)]: [[1, 1]] }).seen.keys()]).toContain(old);
  });

  it('is not taken again, though the next writer has a slow clock', () => {
    let state = snapshot(1200, { [young]: [[1, 1]] });
    for (let i = 0; i < 4; i++) state = after(state, 50, {});
    expect(state.floor).toBe(1090);
    expect(fresh(state, old, [[1, 5]])).toBe('forgotten 1-5');
  });
});

describe('a new home', () => {
  it('is read from first, even where it was home before', () => {
    let state = after(emptyState('chicago'), 1, {});
    expect([...state.positions.keys()]).toEqual(['chicago']);
    state = after(state, 2, {}, 'us-east-1');
    state = after(state, 3, {});
    expect([state.home, [...state.positions.keys()]]).toEqual(['us-east-1', ['chicago', 'us-east-1']]);
    state = after(state, 4, {}, 'chicago');
    expect([state.home, [...state.positions.keys()]]).toEqual(['chicago', ['us-east-1']]);
  });
});
