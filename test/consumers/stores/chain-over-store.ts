// The chain over a real store: writers that take over from one another, and give up at any point, put contiguous numbers into objects once.
import { randomBytes } from 'node:crypto';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { expect } from 'vitest';
import { NumberSet } from '#core/numbers.ts';
import { uuidv7 } from '#core/uuid.ts';
import { listCommitted } from '../../../consumers/chain/list.ts';
import { append, recover, type Window } from '../../../consumers/chain/machine.ts';
import { runSteps } from '../../../consumers/chain/run.ts';
import type { ChainSettings, ChainState } from '../../../consumers/chain/state.ts';
import type { ObjectStore } from '../../../consumers/chain/store.ts';
import { freshName } from './conformance.ts';

const ignore = (): void => {};

export interface Race {
  readonly events: number;
  /** Events in a window, over three types. */
  readonly window: number;
  /** Each writer gives up after so many windows at most, in the middle of one. */
  readonly windows: number;
  /** Bytes that no compression makes smaller, in every line. */
  readonly padding: number;
}

const AT = Date.parse('2026-11-23T14:00:00.000Z');
const IDENTITY = uuidv7(AT, Buffer.alloc(16, 1));

function windowOf(state: ChainState, race: Race, padding: string): Window | null {
  const first = Number(state.positions.get('chicago')?.offset ?? 0n) + 1;
  if (first > race.events) return null;
  const last = Math.min(race.events, first + race.window - 1);
  const fresh = NumberSet.of(state.seen.get(IDENTITY)?.numbers.missing([[first, last]]) ?? [[first, last]]);
  const lines = new Map<string, number[]>();
  for (const [low, high] of fresh.ranges())
    for (let n = low; n <= high; n++) lines.set(`t${n % 3}`, [...(lines.get(`t${n % 3}`) ?? []), n]);
  return {
    site: 'chicago',
    position: { offset: BigInt(last), identity: IDENTITY, first: last },
    objects: [...lines].map(([type, numbers]) => ({
      type,
      hour: Math.floor(AT / 3_600_000),
      count: numbers.length,
      numbers: new Map([[IDENTITY, NumberSet.of(numbers.map((n) => [n, n]))]]),
      bytes: zstdCompressSync(numbers.map((n) => `{"n":${n},"padding":"${padding}"}\n`).join('')),
    })),
    skipped: new Map(),
    name: freshName(),
    at: AT,
  };
}

/** Three at a time until all is committed; then every object is read. `open`: a writer's store; `calm`: the reader's. */
export async function raceWriters(
  open: () => ObjectStore,
  calm: () => ObjectStore,
  sink: string,
  race: Race,
): Promise<void> {
  const settings: ChainSettings = {
    sink,
    partition: 0,
    home: 'chicago',
    horizon: 1e12,
    snapshotEvery: 8,
    recordsKept: 1e12,
  };
  const padding = randomBytes(race.padding / 2).toString('hex');
  let done = false;
  const writer = async (): Promise<void> => {
    while (!done) {
      await using store = disposable(open());
      const life = new AbortController();
      const options = { signal: life.signal, concurrency: 4, trouble: ignore, backoff: { first: 5, most: 100 } };
      let windows = 1 + Math.floor(Math.random() * race.windows);
      try {
        let state = await runSteps(recover(settings, AT), store, options);
        for (;;) {
          const window = windowOf(state, race, padding);
          if (window === null) done = true;
          if (done || window === null) return;
          const steps = append(settings, state, window);
          const running = runSteps(steps, store, options);
          // A crash, to the chain: the requests are cut where they are.
          if (windows-- === 0) setImmediate(() => life.abort(new Error('gave up')));
          const appended = await running;
          if (appended.kind === 'superseded') break;
          state = appended.state;
        }
      } catch (error) {
        if (!life.signal.aborted) throw error;
      }
    }
  };
  await Promise.all([writer(), writer(), writer()]);

  await using store = disposable(calm());
  const { signal } = new AbortController();
  const seen: number[] = [];
  for await (const { key, count } of listCommitted(store, sink, { from: null, to: null, type: () => true }, signal)) {
    const bytes = await store.get(key, signal);
    const lines = zstdDecompressSync(bytes ?? Buffer.alloc(0))
      .toString()
      .trimEnd()
      .split('\n');
    expect(lines.length).toBe(count);
    seen.push(...lines.map((line) => (JSON.parse(line) as { n: number }).n));
  }
  expect(seen.length).toBe(race.events);
  expect(seen.toSorted((x, y) => x - y)).toEqual(Array.from({ length: race.events }, (_, i) => i + 1));
}

function disposable(store: ObjectStore): ObjectStore & AsyncDisposable {
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}
