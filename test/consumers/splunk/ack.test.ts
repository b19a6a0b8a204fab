import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { IndexerAcks, MOST_OPEN, type AckAnswer } from '../../../consumers/splunk/ack.ts';
import type { Outcome } from '../../../consumers/queue/contract.ts';

const TIMES = { poll: 10_000, timeout: 60_000 };
const DONE: Outcome = { kind: 'done', repeated: 0 };
const { signal } = new AbortController();

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A collector's books: what is indexed, and who asked for what. */
function collector() {
  const indexed = new Set<string>();
  const asked: string[] = [];
  let next: ((told: AckAnswer) => AckAnswer) | null = null;
  const ask = (channel: string, ids: readonly number[]): Promise<AckAnswer> => {
    asked.push(`${channel}:${ids.join(',')}`);
    const told: AckAnswer = { kind: 'told', indexed: ids.filter((id) => indexed.delete(`${channel}:${id}`)) };
    const answer = next === null ? told : next(told);
    next = null;
    return Promise.resolve(answer);
  };
  return {
    acks: new IndexerAcks(TIMES, ask, () => performance.now()),
    asked,
    forget: () => indexed.clear(),
    index: (...names: string[]) => names.forEach((name) => indexed.add(name)),
    answerOnce: (by: (told: AckAnswer) => AckAnswer) => void (next = by),
  };
}

/** What came of each wait so far, by name. */
function waits(acks: IndexerAcks) {
  const outcomes = new Map<string, Outcome>();
  let taken = 0;
  return {
    outcomes,
    taken: () => taken,
    add: (channel: string, id: number, until = signal) =>
      void acks.wait(channel, id, until, () => taken++).then((outcome) => outcomes.set(`${channel}:${id}`, outcome)),
    codes: () => [...outcomes].map(([name, outcome]) => [name, 'code' in outcome ? outcome.code : outcome.kind]),
  };
}

test('open acknowledgements of a channel are asked for together, and a true one settles', async () => {
  const { acks, asked, index } = collector();
  const { add, outcomes, taken } = waits(acks);
  add('a', 0);
  add('a', 1);
  add('b', 0);
  expect(taken()).toBe(3);
  index('a:1');
  await vi.advanceTimersByTimeAsync(TIMES.poll - 1);
  expect(asked).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(asked).toEqual(['a:0,1', 'b:0']);
  expect([...outcomes]).toEqual([['a:1', DONE]]);
  index('a:0', 'b:0');
  await vi.advanceTimersByTimeAsync(TIMES.poll);
  expect(outcomes.size).toBe(3);
  await vi.advanceTimersByTimeAsync(10 * TIMES.poll);
  expect(asked).toHaveLength(4); // nothing is asked while nothing is open
});

test('a true status of another channel settles nothing', async () => {
  const { acks, index } = collector();
  const { add, outcomes } = waits(acks);
  add('a', 1);
  index('b:1');
  await vi.advanceTimersByTimeAsync(2 * TIMES.poll);
  expect(outcomes.size).toBe(0);
});

test('a lost answer, false for ever after, is sent again after the time-out', async () => {
  const { acks, index, answerOnce } = collector();
  const { add, codes } = waits(acks);
  add('a', 0);
  index('a:0');
  answerOnce(() => ({ kind: 'unknown' })); // it was told, and consumed
  await vi.advanceTimersByTimeAsync(TIMES.timeout - 1);
  expect(codes()).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(codes()).toEqual([['a:0', 'ack-timeout']]);
});

test('questions that fail never count as delivered', async () => {
  const { acks, index, answerOnce } = collector();
  const { add, codes } = waits(acks);
  add('a', 0);
  for (let i = 0; i < 3; i++) {
    answerOnce(() => ({ kind: 'unknown' }));
    await vi.advanceTimersByTimeAsync(TIMES.poll);
  }
  expect(codes()).toEqual([]);
  index('a:0');
  await vi.advanceTimersByTimeAsync(TIMES.poll);
  expect(codes()).toEqual([['a:0', 'done']]);
});

test('where acknowledgement is disabled or the token revoked, all that is open pauses', async () => {
  const { acks, answerOnce } = collector();
  const { add, codes } = waits(acks);
  add('a', 0);
  add('a', 1);
  answerOnce(() => ({ kind: 'paused', code: 'ack-disabled', message: '', after: null }));
  await vi.advanceTimersByTimeAsync(TIMES.poll);
  expect(codes()).toEqual([
    ['a:0', 'ack-disabled'],
    ['a:1', 'ack-disabled'],
  ]);
});

test('a question refused when all that was open is given up already: each is settled once, and the next is asked for again and again', async () => {
  const { acks, index, answerOnce, asked } = collector();
  const { add, codes } = waits(acks);
  add('a', 0);
  answerOnce(() => {
    acks.giveUp('ack-lost', ''); // as where the connection goes on to another collector
    return { kind: 'paused', code: 'certificate', message: '', after: null };
  });
  await vi.advanceTimersByTimeAsync(TIMES.poll);
  add('b', 0);
  await vi.advanceTimersByTimeAsync(TIMES.poll);
  index('b:0');
  await vi.advanceTimersByTimeAsync(TIMES.poll);
  expect(asked).toEqual(['a:0', 'b:0', 'b:0']);
  expect(codes()).toEqual([
    ['a:0', 'ack-lost'],
    ['b:0', 'done'],
  ]);
});

test('ids that begin again on a channel: what was open before is sent again, and the new id is its own', async () => {
  const { acks, index } = collector();
  const { add, codes, outcomes } = waits(acks);
  add('a', 0);
  add('a', 1);
  add('a', 0); // the collector behind a proxy has started again
  await vi.advanceTimersByTimeAsync(0);
  expect(codes()).toEqual([
    ['a:0', 'ack-reset'],
    ['a:1', 'ack-reset'],
  ]);
  index('a:0');
  await vi.advanceTimersByTimeAsync(TIMES.poll);
  expect(outcomes.get('a:0')).toEqual(DONE);
});

describe('ends', () => {
  test('by the caller’s signal, one wait alone', async () => {
    const { acks, index } = collector();
    const { add, codes } = waits(acks);
    const stop = new AbortController();
    add('a', 0, stop.signal);
    add('a', 1);
    stop.abort();
    index('a:0', 'a:1');
    await vi.advanceTimersByTimeAsync(TIMES.poll);
    expect(codes()).toEqual([
      ['a:0', 'closing'],
      ['a:1', 'done'],
    ]);
  });
  test('by closing: all at once, later ones too, and no question is left', async () => {
    const { acks, asked } = collector();
    const { add, codes } = waits(acks);
    add('a', 0);
    acks.close();
    acks.close();
    add('a', 1);
    await vi.advanceTimersByTimeAsync(2 * TIMES.poll);
    expect(codes()).toEqual([
      ['a:0', 'closing'],
      ['a:1', 'closing'],
    ]);
    expect([asked, vi.getTimerCount()]).toEqual([[], 0]);
  });
  test('by another collector', async () => {
    const { acks } = collector();
    const { add, codes } = waits(acks);
    add('a', 0);
    add('b', 0);
    acks.giveUp('ack-lost', '');
    await vi.advanceTimersByTimeAsync(0);
    expect(codes()).toEqual([
      ['a:0', 'ack-lost'],
      ['b:0', 'ack-lost'],
    ]);
  });
});

test('so many wait at most: the connection is free again once one is settled', async () => {
  const { acks, index } = collector();
  const { add, taken } = waits(acks);
  for (let id = 0; id < MOST_OPEN; id++) add('a', id);
  expect(taken()).toBe(MOST_OPEN - 1);
  index('a:17');
  await vi.advanceTimersByTimeAsync(TIMES.poll);
  expect(taken()).toBe(MOST_OPEN);
});

test('whatever is lost, late or reset: done only what was indexed, and everything ends', async () => {
  const step = fc.oneof(
    { arbitrary: fc.record({ kind: fc.constant('send' as const), indexed: fc.boolean() }), weight: 3 },
    fc.record({ kind: fc.constant('poll' as const), lost: fc.boolean() }),
    fc.constant({ kind: 'restart' as const }),
    fc.constant({ kind: 'reconnect' as const }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40, size: 'max' }), async (steps) => {
      const { acks, index, forget, answerOnce } = collector();
      const indexed = new Set<number>();
      const outcomes: [number, Outcome][] = [];
      let [request, channel, id] = [0, 0, 0];
      for (const now of steps) {
        if (now.kind === 'restart') {
          id = 0;
          forget();
        }
        if (now.kind === 'reconnect') [channel, id] = [channel + 1, 0];
        if (now.kind === 'poll') {
          if (now.lost) answerOnce(() => ({ kind: 'unknown' }));
          await vi.advanceTimersByTimeAsync(TIMES.poll);
        }
        if (now.kind !== 'send') continue;
        const mine = request++;
        void acks.wait(`c${channel}`, id, signal, () => {}).then((outcome) => outcomes.push([mine, outcome]));
        if (now.indexed) {
          indexed.add(mine);
          index(`c${channel}:${id}`);
        }
        id++;
      }
      await vi.advanceTimersByTimeAsync(TIMES.timeout + TIMES.poll);
      expect(outcomes.map(([mine]) => mine).toSorted((a, b) => a - b)).toEqual([...Array(request).keys()]);
      for (const [mine, { kind }] of outcomes) if (kind === 'done') expect(indexed).toContain(mine);
      acks.close();
    }),
  );
});
