import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { DeadLetter } from '#core/dead-letter.ts';
import { matcher } from '#core/patterns.ts';
import { openFolderStore } from '../../../consumers/folder/index.ts';
import { listCommitted } from '../../../consumers/chain/list.ts';
import { DEFAULT_HORIZON, RECORDS_KEPT, SNAPSHOT_EVERY } from '../../../consumers/chain/state.ts';
import { StoreUnavailable, type ObjectStore } from '../../../consumers/chain/store.ts';
import { Budget } from '../../../consumers/drain/budget.ts';
import { PartitionWriter, type WriterOptions } from '../../../consumers/drain/partition-writer.ts';
import type { WriterEvent } from '../../../consumers/drain/writer-event.ts';
import { identityAt, invalidMessage, makeMessage } from './batches.ts';

const DAY = 86_400_000;
let folder = '';
let store: ObjectStore;
let writers: PartitionWriter[] = [];
const identity = identityAt(Date.now());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waggle-writer-'));
  store = openFolder(folder);
});
afterEach(async () => {
  for (const writer of writers) writer.close();
  writers = [];
  await store.close();
  await rm(folder, { recursive: true });
});

function openFolder(path: string): ObjectStore {
  const rotate = { size: 1, count: 1, age: 1 };
  return openFolderStore({
    kind: 'folder',
    name: 'files',
    home: 'chicago',
    match: ['**'],
    mapping: null,
    rotate,
    memory: 1,
    admin: '',
    path,
  });
}

interface Bench {
  readonly writer: PartitionWriter;
  readonly events: WriterEvent[];
  readonly dead: DeadLetter[];
  readonly credits: () => number;
  readonly restarts: () => number;
  now: number;
  tick: number;
}

function bench(parts: Partial<WriterOptions> = {}): Bench {
  const events: WriterEvent[] = [];
  const dead: DeadLetter[] = [];
  let credits = 0;
  let restarts = 0;
  const settings = {
    sink: 'files',
    partition: 0,
    home: 'chicago',
    horizon: DEFAULT_HORIZON,
    snapshotEvery: SNAPSHOT_EVERY,
    recordsKept: RECORDS_KEPT,
  };
  const made: Bench = {
    events,
    dead,
    credits: () => credits,
    restarts: () => restarts,
    now: Date.now(),
    tick: 0,
  } as Bench;
  const writer = new PartitionWriter({
    settings,
    site: 'chicago',
    store,
    rotate: { size: 1024 ** 2, count: 1_000_000, age: 60_000 },
    matches: matcher(['**']),
    mapping: null,
    budget: new Budget(64 * 1024 ** 2),
    dead: {
      put: async (_site, letters) => {
        dead.push(...letters);
      },
      async [Symbol.asyncDispose]() {},
    },
    now: () => made.now,
    tick: () => made.tick,
    name: () => randomBytes(10).toString('hex'),
    observe: (event) => events.push(event),
    credit: () => credits++,
    restart: () => restarts++,
    ...parts,
  });
  writers.push(writer);
  return Object.assign(made, { writer });
}

/** Numbers of all committed events, ascending, with the keys' hours. */
async function committed(): Promise<{ numbers: number[]; hours: string[]; types: string[] }> {
  const numbers: number[] = [];
  const hours = new Set<string>();
  const types = new Set<string>();
  const filter = { from: null, to: null, type: () => true };
  for await (const { key, count, type } of listCommitted(store, 'files', filter, new AbortController().signal)) {
    const lines = zstdDecompressSync(await readFile(join(folder, key)))
      .toString()
      .trimEnd()
      .split('\n');
    expect(lines.length).toBe(count);
    numbers.push(...lines.map((line) => (JSON.parse(line) as { data: { n: number } }).data.n));
    hours.add(key.split('/').slice(1, 3).join('/'));
    types.add(type);
  }
  return { numbers: numbers.toSorted((a, b) => a - b), hours: [...hours].toSorted(), types: [...types].toSorted() };
}

/** Writes what is open, and goes on. */
async function flushed({ writer }: Bench): Promise<void> {
  await vi.waitFor(() => {
    writer.flush();
    expect([writer.open, writer.flushing]).toEqual([0, false]);
  });
}

const range = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);
const commits = ({ events }: Bench): number => events.filter(({ kind }) => kind === 'committed').length;

describe('a partition', () => {
  test('is written when the age is reached, without new traffic, and read on behind it', async () => {
    const made = bench();
    expect(await made.writer.activated()).toBe('first');
    made.writer.message(makeMessage(0, { identity, ranges: [[1, 3]] }));
    made.writer.message(
      makeMessage(1, {
        identity,
        ranges: [
          [4, 4],
          [7, 8],
        ],
      }),
    );
    made.writer.tick();
    expect(commits(made)).toBe(0);
    made.now -= 3_600_000; // the machine's clock is set back; ages do not see it
    made.tick += 60_000;
    made.writer.tick();
    await vi.waitFor(() => expect(commits(made)).toBe(1));
    expect((await committed()).numbers).toEqual([1, 2, 3, 4, 7, 8]);
    expect(await made.writer.activated()).toEqual({ offset: 1n, identity, first: 4 });
  });

  test('is written when the size, and when the count is reached', async () => {
    const bySize = bench({ rotate: { size: 10_000, count: 1_000_000, age: DAY } });
    await bySize.writer.activated();
    bySize.writer.message(makeMessage(0, { identity, ranges: [[1, 10]], fill: 1000 }));
    await vi.waitFor(() => expect(commits(bySize)).toBe(1));
    bySize.writer.close();
    const byCount = bench({ rotate: { size: 1024 ** 3, count: 20, age: DAY } });
    await byCount.writer.activated();
    byCount.writer.message(makeMessage(1, { identity, ranges: [[11, 29]] }));
    byCount.writer.message(makeMessage(2, { identity, ranges: [[30, 30]] }));
    await vi.waitFor(() => expect(commits(byCount)).toBe(1));
    expect((await committed()).numbers).toEqual(range(1, 30));
  });

  test('takes each number once: repeats of what is committed, of what is being written, and of the same window', async () => {
    const made = bench({ rotate: { size: 1024 ** 2, count: 5, age: DAY } });
    await made.writer.activated();
    made.writer.message(makeMessage(0, { identity, ranges: [[1, 3]] }));
    made.writer.message(makeMessage(1, { identity, ranges: [[2, 4]] }));
    made.writer.message(
      makeMessage(2, {
        identity,
        ranges: [
          [1, 1],
          [4, 6],
        ],
      }),
    ); // 6 events: a flush is under way
    made.writer.message(makeMessage(3, { identity, ranges: [[5, 9]] }));
    made.writer.message(makeMessage(4, { identity, ranges: [[1, 10]] }));
    await flushed(made);
    await made.writer.activated();
    made.writer.message(makeMessage(5, { identity, ranges: [[8, 12]] }));
    await flushed(made);
    expect((await committed()).numbers).toEqual(range(1, 12));
    const repeated = made.events.reduce((sum, event) => sum + (event.kind === 'committed' ? event.repeated : 0), 0);
    expect(repeated).toBe(2 + 2 + 2 + 9 + 3);
  });

  test('parts types and hours, and leaves out what the sink does not want', async () => {
    const made = bench({ matches: matcher(['checkin.*', 'old']) });
    await made.writer.activated();
    const noon = Date.UTC(2026, 10, 23, 12, 59, 59, 999);
    made.writer.message(makeMessage(0, { identity, ranges: [[1, 2]], at: noon }));
    made.writer.message(makeMessage(1, { identity, ranges: [[3, 3]], at: noon + 1 }));
    made.writer.message(makeMessage(2, { identity, ranges: [[4, 4]], type: 'card.tapped' }));
    made.writer.message(makeMessage(3, { identity, ranges: [[5, 5]], type: 'waggle.probe' }));
    made.writer.message(makeMessage(4, { identity, ranges: [[6, 6]], type: 'old', at: noon }));
    await flushed(made);
    const found = await committed();
    expect(found).toEqual({
      numbers: [1, 2, 3, 6],
      hours: ['dt=2026-11-23/hour=12', 'dt=2026-11-23/hour=13'],
      types: ['checkin.visit', 'old'],
    });
    // What was left out counts as seen.
    await made.writer.activated();
    made.writer.message(makeMessage(5, { identity, ranges: [[4, 5]], type: 'card.tapped' }));
    await flushed(made);
    expect(made.events.findLast((event) => event.kind === 'committed')).toMatchObject({ repeated: 2, filtered: 0 });
  });

  test('sends what is no batch to the dead letters before it commits', async () => {
    const made = bench();
    await made.writer.activated();
    made.writer.message(invalidMessage(0));
    await flushed(made);
    expect(made.dead).toMatchObject([
      { reason: 'invalid', content: 'message', position: { stream: 'events.log-0', offset: 0n } },
    ]);
    expect(await made.writer.activated()).toMatchObject({ offset: 0n });
  });

  test('gives up what another instance took over, and nothing is written twice', async () => {
    const old = bench();
    await old.writer.activated();
    old.writer.message(makeMessage(0, { identity, ranges: [[1, 5]] }));
    const young = bench();
    expect(await young.writer.activated()).toBe('first');
    young.writer.message(makeMessage(0, { identity, ranges: [[1, 5]] }));
    await flushed(young);
    old.writer.flush();
    await vi.waitFor(() => expect(old.restarts()).toBe(1));
    expect(old.events.map(({ kind }) => kind)).toContain('superseded');
    expect(await old.writer.activated()).toEqual({ offset: 0n, identity, first: 1 });
    expect((await committed()).numbers).toEqual(range(1, 5));
  });

  test('stops clean: what is open is written, what comes then is left to the next', async () => {
    const made = bench();
    await made.writer.activated();
    made.writer.message(makeMessage(0, { identity, ranges: [[1, 5]] }));
    const drained = made.writer.drain(new AbortController().signal);
    made.writer.message(makeMessage(1, { identity, ranges: [[6, 6]] }));
    await drained;
    expect((await committed()).numbers).toEqual(range(1, 5));
    const next = bench();
    expect(await next.writer.activated()).toMatchObject({ offset: 0n });
  });

  test('commits nothing over a window that could not be written', async () => {
    const made = bench({ rotate: { size: 1024 ** 2, count: 3, age: DAY } });
    await made.writer.activated();
    vi.spyOn(store, 'createIfAbsent').mockRejectedValueOnce(new RangeError('out of memory'));
    made.writer.message(makeMessage(0, { identity, ranges: [[1, 3]] }));
    made.writer.message(makeMessage(1, { identity, ranges: [[4, 6]] })); // full as well, behind it
    await vi.waitFor(() => expect(made.restarts()).toBe(1));
    expect((await committed()).numbers).toEqual([]);
    expect(await made.writer.activated()).toBe('first');
  });

  test('recovers before it writes on what it knew before a long sleep', async () => {
    const made = bench();
    await made.writer.activated();
    made.writer.message(makeMessage(0, { identity, ranges: [[1, 3]] }));
    made.now += 40 * DAY;
    made.writer.flush();
    expect(made.restarts()).toBe(1);
    expect((await committed()).numbers).toEqual([]);
  });

  test('asks about its chain once at a time, and says when the store answers again', async () => {
    const made = bench();
    await made.writer.activated();
    const away = vi.spyOn(store, 'list').mockRejectedValue(new StoreUnavailable('the folder is away'));
    for (let i = 0; i < 20; i++) made.writer.look();
    await vi.waitFor(() => expect(made.events.at(-1)?.kind).toBe('trouble'));
    expect(away.mock.calls.length).toBeLessThan(5);
    away.mockRestore();
    await vi.waitFor(() => expect(made.events.at(-1)?.kind).toBe('fine'), { timeout: 5_000 });
  });

  test('notices by itself that its chain went on elsewhere', async () => {
    const idle = bench();
    await idle.writer.activated();
    const other = bench();
    await other.writer.activated();
    other.writer.message(makeMessage(0, { identity, ranges: [[1, 1]] }));
    await flushed(other);
    idle.writer.look();
    await vi.waitFor(() => expect(idle.restarts()).toBe(1));
  });

  test('reads no further than its memory while the store is away, and goes on when it is back', async () => {
    const away = vi.spyOn(store, 'createIfAbsent').mockRejectedValue(new StoreUnavailable('the folder is away'));
    const budget = new Budget(100_000);
    const made = bench({ budget, rotate: { size: 20_000, count: 1_000_000, age: DAY } });
    await made.writer.activated();
    let next = 0;
    const granted = (): number => made.credits() + 1;
    while (next < granted() && next < 1000) {
      made.writer.message(makeMessage(next, { identity, ranges: [[next * 10 + 1, next * 10 + 10]], fill: 100 }));
      made.writer.chunkEnd();
      next++;
    }
    expect(next).toBeLessThan(1000);
    expect(budget.held).toBeLessThanOrEqual(100_000);
    away.mockRestore();
    while (next < 200) {
      await vi.waitFor(() => expect(granted()).toBeGreaterThan(next), { timeout: 10_000 });
      made.writer.message(makeMessage(next, { identity, ranges: [[next * 10 + 1, next * 10 + 10]], fill: 100 }));
      made.writer.chunkEnd();
      next++;
    }
    await flushed(made);
    expect((await committed()).numbers).toEqual(range(1, 2000));
    expect(budget.held).toBe(0);
  });
});
