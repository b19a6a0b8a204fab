// Thousands of schedules of the spool on a disk that loses, tears and fails.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Flaws } from './fake-disk.ts';
import { Model, type Action } from './model.ts';

const append = fc.record({
  kind: fc.constant('append' as const),
  level: fc.constantFrom('disk' as const, 'disk' as const, 'memory' as const),
  types: fc.array(fc.nat(8), { minLength: 1, maxLength: 4 }),
});
const tail = fc.record({
  kind: fc.constant('tail' as const),
  file: fc.nat(2),
  lines: fc.constantFrom(0, 1, 2, 5),
});
const steps = fc.record({ kind: fc.constant('steps' as const), count: fc.integer({ min: 1, max: 12 }) });
const time = fc.record({ kind: fc.constant('time' as const), milliseconds: fc.constantFrom(10, 60, 1200, 90_000_000) });
const read = fc.constant({ kind: 'read' as const });
const confirm = fc.record({ kind: fc.constant('confirm' as const), share: fc.constantFrom(0.3, 1) });
const crash = fc.record({
  kind: fc.constant('crash' as const),
  how: fc.constantFrom('kill' as const, 'power' as const),
});
const close = fc.constant({ kind: 'close' as const });
const fault = fc.record({
  kind: fc.constant('fault' as const),
  after: fc.integer({ min: 1, max: 10 }),
  fault: fc.constantFrom('EIO' as const, 'ENOSPC' as const, 'power' as const, 'kill' as const),
});
const full = fc.constant({ kind: 'full' as const });
const roomy = fc.constant({ kind: 'roomy' as const });
const corrupt = fc.record({
  kind: fc.constant('corrupt' as const),
  file: fc.nat(),
  at: fc.nat(2000),
  length: fc.constantFrom(1, 4, 40, 200),
});

const usual = [
  { weight: 8, arbitrary: append },
  { weight: 5, arbitrary: tail },
  { weight: 8, arbitrary: steps },
  { weight: 3, arbitrary: time },
  { weight: 3, arbitrary: read },
  { weight: 2, arbitrary: confirm },
  { weight: 2, arbitrary: crash },
  { weight: 1, arbitrary: close },
] as const;

const faulty = fc.array(
  fc.oneof(...usual, { weight: 4, arbitrary: fault }, { weight: 1, arbitrary: full }, { weight: 1, arbitrary: roomy }),
  { minLength: 5, maxLength: 40 },
);
const damaged = fc.array(fc.oneof(...usual, { weight: 2, arbitrary: corrupt }), { minLength: 5, maxLength: 40 });

async function run(seed: number, actions: readonly Action[], flaws?: Flaws): Promise<Model> {
  const model = new Model(seed, flaws);
  await model.open();
  for (const action of actions) await model.act(action);
  await model.conclude();
  return model;
}

/** Some seconds, where the machine has nothing else to do. */
const PATIENT = { timeout: 120_000 };

const property = (actions: fc.Arbitrary<Action[]>, flaws?: Flaws) =>
  fc.asyncProperty(fc.integer(), actions, async (seed, schedule) => void (await run(seed, schedule, flaws)));

describe('the spool on a disk that fails', () => {
  it('keeps what it acknowledged at disk, once and whole, through crashes, EIO and ENOSPC', PATIENT, async () => {
    await fc.assert(property(faulty), { numRuns: Number(process.env.RUNS ?? 400) });
  });

  it('quarantines damage, and loses nothing beside it', PATIENT, async () => {
    await fc.assert(property(damaged), { numRuns: Number(process.env.RUNS ?? 400) });
  });

  // One schedule of everything, met by each fault at each of its calls of the disk.
  const story: readonly Action[] = Array.from({ length: 6 }, (_, round): Action[] => [
    { kind: 'append', level: round % 3 === 0 ? 'memory' : 'disk', types: [2, 5, 8, round] },
    { kind: 'tail', file: round % 2, lines: round },
    { kind: 'steps', count: 3 },
    { kind: 'append', level: 'disk', types: [round] },
    { kind: 'steps', count: 6 },
    { kind: 'read' },
    { kind: 'read' },
    { kind: 'read' },
    { kind: 'confirm', share: round < 2 ? 0.7 : 1 },
    { kind: 'time', milliseconds: round === 2 ? 90_000_000 : 1200 },
    { kind: 'steps', count: 12 },
    ...(round === 3 ? [{ kind: 'close' as const }] : []),
  ]).flat();

  it.each(['EIO', 'ENOSPC', 'kill', 'power'] as const)(
    'survives %s at every call of the disk',
    PATIENT,
    async (how) => {
      const calm = new Model(1);
      await calm.open();
      for (const action of story) await calm.act(action);
      const calls = calm.world.steps;
      expect(calls).toBeGreaterThan(60);
      expect(calm.facts.some(({ kind }) => kind === 'removed')).toBe(true);
      for (let call = 1; call <= calls; call++) {
        const model = new Model(call);
        model.world.faults.set(call, how);
        await model.open();
        for (const action of story) await model.act(action);
        await model.conclude();
      }
    },
  );

  it('would lose events without fdatasync, and the model sees it', async () => {
    const { failed, errorInstance } = await fc.check(
      property(faulty, { ignoresSync: true, ignoresFolderSync: false }),
      { numRuns: 200, endOnFailure: true },
    );
    expect(failed).toBe(true);
    expect(String(errorInstance)).toMatch(/acknowledged and is lost/);
  });

  it('would lose events without the sync of the folder, and the model sees it', async () => {
    const { failed, errorInstance } = await fc.check(
      property(faulty, { ignoresSync: false, ignoresFolderSync: true }),
      { numRuns: 200, endOnFailure: true },
    );
    expect(failed).toBe(true);
    expect(String(errorInstance)).toMatch(/acknowledged and is lost/);
  });
});
