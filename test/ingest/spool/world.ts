// A spool on the fake disk where time passes and nothing fails unless the test says so.
import { openSpool, type SpoolOptions } from '../../../ingest/spool/spool.ts';
import type { Spool, SpoolEvent, SpoolReader, SpoolRecord } from '../../../ingest/spool/contract.ts';
import { seeded, type World } from './fake-disk.ts';

const KIBI = 1024;

export interface Opened {
  readonly spool: Spool;
  readonly reader: SpoolReader;
  readonly facts: readonly SpoolEvent[];
  /** Whatever can be read, confirmed as it comes. */
  readonly drain: () => Promise<readonly SpoolRecord[]>;
  /** Whatever can be read, and nothing confirmed. */
  readonly readAll: () => Promise<readonly SpoolRecord[]>;
}

/** Completes all that the disk has to do. */
export async function settle(world: World): Promise<void> {
  for (let i = 0; i < 10_000 && !world.idle; i++) await world.step();
}

/** Lets time pass, with the disk keeping up. */
export async function pass(world: World, milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += 50) {
    await world.advance(50);
    await settle(world);
  }
}

export async function openWorld(world: World, over: Partial<SpoolOptions> = {}): Promise<Opened> {
  const facts: SpoolEvent[] = [];
  const random = seeded(7);
  const finish = async <T>(promise: Promise<T>): Promise<T> => {
    const state = { done: false };
    const mark = (): void => void (state.done = true);
    promise.then(mark, mark);
    for (let i = 0; i < 10_000 && !state.done; i++) await world.step();
    return promise;
  };
  const opening = openSpool({
    path: '/spool',
    max: 4096 * KIBI,
    keep: 2048 * KIBI,
    segment: 64 * KIBI,
    behind: Infinity,
    partitions: 8,
    routes: ['sites'],
    disk: world.disk,
    clock: world,
    random: (target) => target.set(target.map(() => Math.floor(random() * 256))),
    observe: (fact) => facts.push(fact),
    holder: 'a test',
    ...over,
  });
  const spool = await finish(opening);
  const reader = spool.reader('sites');
  const readAll = async (): Promise<readonly SpoolRecord[]> => {
    const all: SpoolRecord[] = [];
    for (;;) {
      const records = await finish(reader.read(1024 * KIBI));
      if (records.length === 0) return all;
      all.push(...records);
    }
  };
  return {
    spool,
    reader,
    facts,
    readAll,
    async drain() {
      const all = await readAll();
      for (const { identity, first, count } of all) reader.confirm(identity, [[first, first + count - 1]]);
      return all;
    },
  };
}
