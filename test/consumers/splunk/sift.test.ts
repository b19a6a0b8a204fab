import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Outcome } from '../../../consumers/queue/contract.ts';
import type { Suspect, Verdict } from '../../../consumers/splunk/classify.ts';
import { sift, type Posts } from '../../../consumers/splunk/sift.ts';

const WORD = { code: 'data-format-invalid', message: 'it cannot read the event' };

/** What a collector is: what it refuses, how it names that, whether it keeps those before. */
interface Collector {
  readonly poison: ReadonlySet<number>;
  /** 0 and 1: as counted from there; null: it names none; 'wrong': always the last. */
  readonly names: 0 | 1 | null | 'wrong';
  readonly keeps: boolean;
  readonly takenIsDone: boolean;
  /** Requests after which it is busy, once. */
  readonly busyAfter: number;
}

function postsTo(
  { poison, names, keeps, takenIsDone, busyAfter }: Collector,
  ids: readonly number[],
  stored: number[],
) {
  let requests = 0;
  let bytes = 0;
  const ask = (indexes: readonly number[]): Verdict => {
    bytes += indexes.length;
    if (requests++ === busyAfter) return { kind: 'retry', code: 'busy', message: 'busy', after: 7 };
    const events = indexes.map((index) => ids[index] ?? -1);
    const at = events.findIndex((id) => poison.has(id));
    stored.push(...(at < 0 ? events : keeps ? events.slice(0, at) : []));
    if (at < 0) return { kind: 'taken', ackId: null };
    if (events.length === 1 || names === null) return { kind: 'rejected', ...WORD };
    return { kind: 'suspect', near: names === 'wrong' ? events.length - 1 : at + names, ...WORD };
  };
  const posts: Posts = {
    send: async (indexes): Promise<Outcome | Suspect> => {
      const verdict = ask(indexes);
      return verdict.kind === 'taken' ? { kind: 'done', repeated: 0 } : verdict;
    },
    tryAlone: async (index) => ask([index]),
    takenIsDone,
  };
  return { posts, spent: () => ({ requests, bytes }) };
}

/** As the loop does: halves where told, again where told. */
async function deliver(collector: Collector, count: number) {
  const stored: number[] = [];
  const dead: number[] = [];
  const queue = [[...Array(count).keys()]];
  let bytes = 0;
  for (let ids = queue.shift(); ids !== undefined; ids = queue.shift()) {
    const { posts, spent } = postsTo({ ...collector, busyAfter: bytes === 0 ? collector.busyAfter : -1 }, ids, stored);
    const outcome = await sift(ids.length, posts);
    bytes += spent().bytes;
    const named = (indexes: readonly number[]): number[] => indexes.map((index) => ids?.[index] ?? -1);
    if (outcome.kind === 'retry') queue.push(ids);
    else if (outcome.kind === 'rejected') {
      if (ids.length === 1) dead.push(...ids);
      else queue.push(ids.slice(0, ids.length >> 1), ids.slice(ids.length >> 1));
    } else if (outcome.kind === 'partly') {
      dead.push(...named(outcome.rejected.map(({ index }) => index)));
      if (outcome.retry.length > 0) queue.push(named(outcome.retry));
    } else expect(outcome.kind).toBe('done');
  }
  return { stored, dead, bytes };
}

test('whatever the collector names: every good event arrives, the others and they alone are dead letters, each once', async () => {
  const collector = fc.record({
    poison: fc.uniqueArray(fc.nat(29)).map((ids) => new Set(ids)),
    names: fc.constantFrom(0 as const, 1 as const, null, 'wrong' as const),
    keeps: fc.boolean(),
    takenIsDone: fc.boolean(),
    busyAfter: fc.integer({ min: -1, max: 12 }),
  });
  await fc.assert(
    fc.asyncProperty(collector, fc.integer({ min: 1, max: 30 }), async (is, count) => {
      const all = [...Array(count).keys()];
      const { stored, dead } = await deliver(is, count);
      expect(dead.toSorted((a, b) => a - b)).toEqual(all.filter((id) => is.poison.has(id)));
      expect([...new Set(stored)].toSorted((a, b) => a - b)).toEqual(all.filter((id) => !is.poison.has(id)));
    }),
    { numRuns: 500 },
  );
});

test('one event at fault costs three requests, and none is repeated', async () => {
  for (const names of [0, 1] as const) {
    const stored: number[] = [];
    const is = { poison: new Set([40]), names, keeps: false, takenIsDone: true, busyAfter: -1 };
    const { posts, spent } = postsTo(is, [...Array(100).keys()], stored);
    const outcome = await sift(100, posts);
    expect(outcome).toMatchObject({ kind: 'partly', rejected: [{ index: 40, ...WORD }], retry: [], repeated: 0 });
    expect(spent().requests).toBe(3 + names);
    expect(stored).toHaveLength(99);
  }
});

test('where all are at fault, what is sent grows with n log n', async () => {
  const is = { poison: new Set(Array(512).keys()), names: 0, keeps: false, takenIsDone: true, busyAfter: -1 } as const;
  const { dead, bytes } = await deliver(is, 512);
  expect(dead).toHaveLength(512);
  expect(bytes).toBeLessThan(512 * 9 * 6);
});

test('trouble on the way keeps what is proven, and the rest is sent again', async () => {
  const is = { poison: new Set([1]), names: 0, keeps: false, takenIsDone: true, busyAfter: 2 } as const;
  const { posts } = postsTo(is, [0, 1, 2], []);
  expect(await sift(3, posts)).toEqual({
    kind: 'partly',
    rejected: [{ index: 1, ...WORD }],
    retry: [0, 2],
    code: 'busy',
    message: 'busy',
    after: 7,
    repeated: 0,
  });
});
