// What makes room, and what ends a refusal: on a disk that somebody else fills, and in a spool that is small.
import { expect, it } from 'vitest';
import type { EventGroup } from '../../../ingest/spool/contract.ts';
import { seeded, World } from './fake-disk.ts';
import { openWorld, pass, settle } from './world.ts';

const KIBI = 1024;
const event = (bytes: number): readonly EventGroup[] => [
  { type: 'a', count: 1, payload: Buffer.from(`${'x'.repeat(bytes - 1)}\n`) },
];

it('gives up what is kept before it refuses anything, where the disk is full and no site takes events', async () => {
  const world = new World(seeded(2));
  const { spool, facts, drain } = await openWorld(world);
  for (let i = 0; i < 20; i++) {
    spool.append(event(50 * KIBI), 'disk');
    await pass(world, 100);
    await drain();
  }
  await pass(world, 3000);
  const { kept } = spool.stats();
  expect(kept).toBeGreaterThan(900 * KIBI);
  world.capacity = world.used + 10 * KIBI;
  const taken = Math.floor(kept / (22 * KIBI));
  for (let i = 0; i < taken; i++) {
    const appended = spool.append(event(20 * KIBI), 'disk');
    if (appended.kind !== 'appended') throw new Error(`${i}: ${appended.message}`);
    await pass(world, 1000);
    expect(await appended.synced).toEqual({ kind: 'synced' });
  }
  expect(facts.filter(({ kind }) => kind === 'refusing')).toEqual([]);
  expect(spool.stats()).toMatchObject({ kept: 0, refusing: null });
  expect(spool.stats().routes).toMatchObject([{ accepted: 20 + taken, confirmed: 20, spooled: taken }]);
});

it('is not full because of a request that it could never hold', async () => {
  const world = new World(seeded(3));
  const { spool, facts } = await openWorld(world, { max: 4096 * KIBI, segment: 1024 * KIBI });
  expect(spool.append(event(5 * 1024 * KIBI), 'disk')).toMatchObject({ kind: 'refused', reason: 'full' });
  expect(spool.stats().refusing).toBe(null);
  expect(spool.append(event(KIBI), 'disk').kind).toBe('appended');
  await settle(world);
  expect(facts.some(({ kind }) => kind === 'refusing')).toBe(false);
});

it('is full while a segment has no room, and open again once one has', async () => {
  const world = new World(seeded(4));
  const { spool, facts, drain } = await openWorld(world, { max: 1024 * KIBI, segment: 64 * KIBI, keep: 0 });
  while (spool.append(event(30 * KIBI), 'disk').kind === 'appended') await settle(world);
  // It fits now or never; what is told is one refusal.
  spool.append(event(2048 * KIBI), 'disk');
  expect(spool.stats().refusing).toBe('full');
  await drain();
  await pass(world, 3000);
  expect(spool.stats().refusing).toBe(null);
  expect(facts.filter(({ kind }) => kind === 'refusing' || kind === 'recovered').map(({ kind }) => kind)).toEqual([
    'refusing',
    'recovered',
  ]);
});

it('keeps a segment that failed until what was written to it is synced elsewhere', async () => {
  const world = new World(seeded(5));
  const { spool } = await openWorld(world);
  world.faults.set(world.steps + 3, 'ENOSPC'); // of create, write and sync
  const appended = spool.append(event(100), 'disk');
  if (appended.kind !== 'appended') throw new Error(appended.message);
  const state = { written: false, synced: false };
  void appended.written.then(() => (state.written = true));
  void appended.synced.then(() => (state.synced = true));
  for (let i = 0; i < 200 && !state.synced; i++) {
    if (world.idle) await world.advance(50);
    await world.step();
    // A process that is killed now has it, since it was answered so.
    if (state.written) expect(world.files().some(({ bytes }) => bytes.includes('x'.repeat(99)))).toBe(true);
  }
  expect(await appended.synced).toEqual({ kind: 'synced' });
});
