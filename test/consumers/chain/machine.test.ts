// The chain's steps one by one over a plain store: what stands in the store afterwards, and what is refused.
import { describe, expect, it } from 'vitest';
import { zstdDecompressSync } from 'node:zlib';
import { NumberSet } from '#core/numbers.ts';
import { uuidv7 } from '#core/uuid.ts';
import { parseDataKey, recordKey } from '../../../consumers/chain/keys.ts';
import { listCommitted } from '../../../consumers/chain/list.ts';
import { append, move, prune, readChain, recover, type Window } from '../../../consumers/chain/machine.ts';
import type { Steps } from '../../../consumers/chain/operations.ts';
import { runSteps } from '../../../consumers/chain/run.ts';
import { SEAL } from '../../../consumers/chain/seal.ts';
import type { ChainSettings, ChainState } from '../../../consumers/chain/state.ts';
import { memoryStore } from './memory-store.ts';

const DAY = 86_400_000;
const { signal } = new AbortController();
const settings: ChainSettings = {
  sink: 's3',
  partition: 0,
  home: 'chicago',
  horizon: 90 * DAY,
  snapshotEvery: 4,
  recordsKept: 30 * DAY,
};
const T0 = Date.parse('2026-11-23T14:00:00.000Z');
const agent = (born: number): string => uuidv7(born, Buffer.alloc(16, 7));

const ignore = (): void => {};

function chain(objects = new Map<string, Buffer>()) {
  const store = memoryStore(objects);
  const run = <T>(steps: Steps<T>): Promise<T> =>
    runSteps(steps, store, { signal, concurrency: 2, trouble: ignore, backoff: { first: 1, most: 1 } });
  return { objects, store, run };
}

let names = 0;
/** Events first … last of an identity, half of them of each type. */
function windowOf(state: ChainState, first: number, last: number, at = T0, change: Partial<Window> = {}): Window {
  const identity = agent(at);
  const middle = Math.floor((first + last) / 2);
  const object = (type: string, from: number, to: number) => ({
    type,
    hour: Math.floor(at / 3_600_000),
    count: to - from + 1,
    numbers: new Map([[identity, NumberSet.of([[from, to]])]]),
    bytes: Buffer.from(`events ${from} to ${to} of ${type}`),
  });
  return {
    site: state.home,
    position: { offset: BigInt(last), identity, first },
    objects: [object('a', first, middle), object('b', middle + 1, last)],
    skipped: new Map(),
    name: `name${String(names++).padStart(16, '0')}`,
    at,
    ...change,
  };
}

async function committed(run: ReturnType<typeof chain>['run'], state: ChainState, window: Window): Promise<ChainState> {
  const appended = await run(append(settings, state, window));
  if (appended.kind !== 'committed') throw new Error('superseded');
  return appended.state;
}

/** Runs until the operation that matches, which is not performed: a crash. */
function crashBefore(steps: Steps<unknown>, objects: Map<string, Buffer>, before: (key: string) => boolean): void {
  for (let next = steps.next(); next.done !== true;) {
    const answers = [];
    for (const operation of next.value) {
      if (operation.kind !== 'create') throw new Error('this window meets nobody');
      if (before(operation.key)) return;
      objects.set(operation.key, operation.bytes);
      answers.push({ kind: 'created' } as const);
    }
    next = steps.next(answers);
  }
}

describe('an empty chain', () => {
  it('begins at home, with nothing seen and no position', async () => {
    const { run, objects } = chain();
    expect(await run(recover(settings, T0))).toMatchObject({ n: 0, home: 'chicago', floor: 0 });
    expect(objects.size).toBe(0);
  });
});

describe('a writer', () => {
  it('writes intent, data and commit, and finds all of it again', async () => {
    const { run, objects } = chain();
    const state = await committed(
      run,
      await run(recover(settings, T0)),
      windowOf(await run(recover(settings, T0)), 1, 10),
    );
    expect([...objects.keys()].map((key) => key.replace(/name0*\d+/, 'NAME'))).toEqual([
      recordKey(settings, 1, 'intent'),
      'type=a/dt=2026-11-23/hour=14/s3-p0-1-NAME.ndjson.zst',
      'type=b/dt=2026-11-23/hour=14/s3-p0-1-NAME.ndjson.zst',
      recordKey(settings, 1, 'commit'),
    ]);
    const again = await run(recover(settings, T0));
    expect(again.seen.get(agent(T0))?.numbers.encode()).toBe('1-10');
    expect([again.n, again.positions]).toEqual([state.n, state.positions]);
  });

  it('moves the position by a window without events', async () => {
    const { run } = chain();
    const empty = await run(recover(settings, T0));
    await committed(
      run,
      empty,
      windowOf(empty, 1, 10, T0, { objects: [], skipped: new Map([[agent(T0), new NumberSet()]]) }),
    );
    const state = await run(recover(settings, T0));
    expect(state.positions.get('chicago')?.offset).toBe(10n);
    expect(state.seen.size).toBe(0);
  });

  it.each([
    ['a window of another site', { site: 'us-east-1' }, /home is chicago/],
    ['a short name', { name: 'x' }, /16 to 64/],
    ['a name that cannot stand in a key', { name: 'a/bbbbbbbbbbbbbbbbbbb' }, /16 to 64/],
  ])('refuses %s before anything is written', async (_what, change, message) => {
    const { run, objects } = chain();
    const state = await run(recover(settings, T0));
    await expect(run(append(settings, state, windowOf(state, 1, 4, T0, change)))).rejects.toThrow(message);
    expect(objects.size).toBe(0);
  });

  it('refuses an object of the length of a seal, and two objects of one key', async () => {
    const { run } = chain();
    const state = await run(recover(settings, T0));
    const window = windowOf(state, 1, 4);
    const [object] = window.objects;
    if (object === undefined) throw new Error('a window without objects');
    const short = { ...window, objects: [{ ...object, bytes: Buffer.alloc(SEAL.length) }] };
    await expect(run(append(settings, state, short))).rejects.toThrow(/length of a seal/);
    await expect(run(append(settings, state, { ...window, objects: [object, object] }))).rejects.toThrow(/two objects/);
  });
});

describe('a crash', () => {
  it('between two data objects: what is there is committed, the rest is sealed and read again', async () => {
    const { run, objects, store } = chain();
    const empty = await run(recover(settings, T0));
    const window = windowOf(empty, 1, 10);
    const steps = append(settings, empty, window);
    crashBefore(steps, objects, (key) => key.startsWith('type=b/'));
    expect((await run(readChain(settings))).pending?.name).toBe(window.name);

    const state = await run(recover(settings, T0));
    expect(state.n).toBe(1);
    expect(state.positions.size).toBe(0);
    expect(state.seen.get(agent(T0))?.numbers.encode()).toBe('1-5');
    const sealed = [...objects].filter(([key]) => key.startsWith('type=b/'));
    expect(sealed.map(([, bytes]) => zstdDecompressSync(bytes).length)).toEqual([0]);

    // The creator was only asleep: it goes on where it stood, meets the seal and stops.
    const [last] = [...objects].filter(([key]) => key.startsWith('type=b/'));
    steps.next([{ kind: 'created' }, { kind: 'exists' }]);
    expect(steps.next([{ kind: 'length', length: last?.[1].length ?? null }]).value).toEqual({ kind: 'superseded' });

    const listed: string[] = [];
    const all = { from: null, to: null, type: () => true };
    for await (const { type, count } of listCommitted(store, 's3', all, signal)) listed.push(`${type} ${count}`);
    expect(listed).toEqual(['a 5']);
  });

  it('before any data: numbers that were skipped count as seen all the same', async () => {
    const { run, objects } = chain();
    const empty = await run(recover(settings, T0));
    const skipped = new Map([[agent(5), NumberSet.of([[3, 4]])]]);
    crashBefore(append(settings, empty, windowOf(empty, 1, 10, T0, { skipped })), objects, (key) =>
      key.startsWith('type='),
    );
    const state = await run(recover(settings, T0));
    expect([...state.seen].map(([identity, { numbers }]) => [identity, numbers.encode()])).toEqual([[agent(5), '3-4']]);
  });

  it('of a move: the move takes effect', async () => {
    const { run, objects } = chain();
    let state = await run(recover(settings, T0));
    state = await committed(run, state, windowOf(state, 1, 10));
    await run(move(settings, 'us-east-1', 'a'.repeat(16), T0));
    objects.delete(recordKey(settings, 2, 'commit'));
    state = await run(recover(settings, T0));
    expect([state.n, state.home, state.positions.has('us-east-1')]).toEqual([2, 'us-east-1', false]);
  });
});

describe('a commit that something else deleted', () => {
  it('is an error that says what to do, not a wait', async () => {
    const { objects, run } = chain();
    let state = await run(recover(settings, T0));
    for (let n = 1; n <= 3; n++) state = await committed(run, state, windowOf(state, 10 * n, 10 * n + 5));
    const key = recordKey(settings, 2, 'commit');
    objects.delete(key);
    await expect(run(readChain(settings))).rejects.toThrow(/lifecycle rule/);
    await expect(run(recover(settings, T0))).rejects.toMatchObject({ name: 'RecordInvalid', key });
  });

  it('is read again where the chain went on meanwhile', async () => {
    const { objects, store, run } = chain();
    let state = await run(recover(settings, T0));
    for (let n = 1; n <= 3; n++) state = await committed(run, state, windowOf(state, 10 * n, 10 * n + 5));
    // The reader lists, is slow, and finds the record pruned; a newer one, a snapshot, is there when it lists again.
    const slow: typeof store = {
      ...store,
      list: async (...query) => {
        const keys = await store.list(...query);
        if (state.n === 3) {
          state = await committed(run, state, windowOf(state, 40, 45));
          objects.delete(recordKey(settings, 2, 'commit'));
        }
        return keys;
      },
    };
    const read = await runSteps(readChain(settings), slow, {
      signal,
      concurrency: 2,
      trouble: ignore,
      backoff: { first: 1, most: 1 },
    });
    expect(read.state.n).toBe(4);
  });
});

describe('a move', () => {
  it('stops the writer at the old home, and is done once', async () => {
    const { run, objects } = chain();
    const before = await run(recover(settings, T0));
    const state = await committed(run, before, windowOf(before, 1, 10));
    const moved = await run(move(settings, 'us-east-1', 'a'.repeat(16), T0));
    expect(await run(append(settings, state, windowOf(state, 11, 20)))).toEqual({ kind: 'superseded' });
    const size = objects.size;
    expect(await run(move(settings, 'us-east-1', 'b'.repeat(16), T0))).toMatchObject({ n: moved.n, home: 'us-east-1' });
    expect(objects.size).toBe(size);
  });

  it('of an empty chain is written, so that another configuration does not undo it', async () => {
    const { run } = chain();
    await run(move(settings, 'us-east-1', 'a'.repeat(16), T0));
    expect((await run(recover({ ...settings, home: 'chicago' }, T0))).home).toBe('us-east-1');
  });
});

/** One commit a day, by an agent born that day. */
async function days(count: number) {
  const world = chain();
  let state = await world.run(recover(settings, T0));
  for (let day = 0; day < count; day++) {
    const at = T0 + day * DAY;
    state = await committed(world.run, state, windowOf(state, 1, 10, at));
    if (state.n % settings.snapshotEvery === 0) await world.run(prune(settings, state, at));
  }
  return { ...world, state };
}

describe('pruning', () => {
  it('keeps 30 days, the snapshot below them, and all data; recovery and lists stay whole', async () => {
    const { objects, run, store, state } = await days(60);
    const commits = [...objects.keys()].filter((key) => key.endsWith('.commit.json'));
    // At commit 60, made on day 59, the newest snapshot older than day 29 is commit 28, of day 27.
    expect(commits.length).toBe(60 - 27);
    expect(objects.has(recordKey(settings, 28, 'commit'))).toBe(true);
    expect([...objects.keys()].filter((key) => parseDataKey(key) !== null)).toHaveLength(120);
    expect((await run(recover(settings, T0))).seen.size).toBe(state.seen.size);

    const all = { from: null, to: null, type: (type: string) => type === 'a' };
    const counts: (number | null)[] = [];
    for await (const { count } of listCommitted(store, 's3', all, signal)) counts.push(count);
    expect(counts).toEqual([...Array.from({ length: 27 }, () => null), ...Array.from({ length: 33 }, () => 5)]);
  });

  it('does nothing in a young chain', async () => {
    const { objects } = await days(30);
    expect([...objects.keys()].filter((key) => key.endsWith('.commit.json'))).toHaveLength(30);
  });
});

describe('the list', () => {
  it('gives hours, types and sinks that were asked for, and nothing that is not committed', async () => {
    const { run, objects, store } = chain();
    let state = await run(recover(settings, T0));
    for (let hour = 0; hour < 30; hour++)
      state = await committed(run, state, windowOf(state, 1, 10, T0 + hour * 3_600_000));
    crashBefore(append(settings, state, windowOf(state, 1, 10, T0)), objects, (key) => key.endsWith('.commit.json'));
    objects.set('type=a/dt=2026-11-23/hour=15/other-p0-1-abc.ndjson.zst', Buffer.from('of another sink'));
    objects.set('type=a/dt=2026-11-23/hour=15/readme.txt', Buffer.from('not ours'));
    const from = Math.floor(T0 / 3_600_000) + 5;
    const list = async (query: Parameters<typeof listCommitted>[2]): Promise<number[]> => {
      const hours: number[] = [];
      for await (const { hour } of listCommitted(store, 's3', query, signal)) hours.push(hour - from);
      return hours;
    };
    expect(await list({ from, to: from + 2, type: () => true })).toEqual([0, 1, 2, 0, 1, 2]);
    expect(await list({ from: null, to: from - 4, type: (type) => type === 'b' })).toEqual([-5, -4]);
    expect(await list({ from: from + 24, to: null, type: (type) => type === 'b' })).toEqual([24]);
    expect(await list({ from: null, to: null, type: () => true })).toHaveLength(60);
    expect(await list({ from: null, to: null, type: () => false })).toEqual([]);
  });
});

describe('what is not understood', () => {
  it.each([
    ['a foreign file among the records', '_waggle/s3/p0/0000.txt', 'x', /no record of the chain/],
    ['a record of a newer format', recordKey(settings, 1, 'commit'), '{"v":2}', /format version 2 is not known/],
  ])('stops the chain: %s', async (_what, key, text, message) => {
    const { run } = chain(new Map([[key, Buffer.from(text)]]));
    await expect(run(recover(settings, T0))).rejects.toThrow(message);
  });
});
