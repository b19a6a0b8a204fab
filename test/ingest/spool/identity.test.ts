// An identity is never older than a day when it numbers an event, whatever the agent does and the clock shows.
import { expect, it } from 'vitest';
import { uuidTime } from '#core/uuid.ts';
import type { Spool } from '../../../ingest/spool/contract.ts';
import { seeded, World } from './fake-disk.ts';
import { openWorld, settle } from './world.ts';

const HOUR = 60 * 60 * 1000;
const DAY = 24 * HOUR;

async function append(world: World, spool: Spool): Promise<{ identity: string; first: number; age: number }> {
  const appended = spool.append([{ type: 'a', count: 1, payload: Buffer.from('{}\n') }], 'disk');
  if (appended.kind !== 'appended') throw new Error(appended.message);
  await settle(world);
  expect(await appended.synced).toEqual({ kind: 'synced' });
  const { identity, first } = appended.receipt;
  return { identity, first, age: world.now() - (uuidTime(identity) ?? 0) };
}

it('is made anew for the first event after a day, in an empty segment and in one that has room', async () => {
  const world = new World(seeded(1));
  const { spool, drain } = await openWorld(world);
  await world.advance(100 * DAY);
  const first = await append(world, spool);
  expect(first).toMatchObject({ first: 1, age: 0 });
  await world.advance(23 * HOUR);
  expect(await append(world, spool)).toMatchObject({ identity: first.identity, first: 2 });
  await world.advance(2 * HOUR);
  const second = await append(world, spool);
  expect(second).toMatchObject({ first: 1, age: 0 });
  expect(second.identity).not.toBe(first.identity);
  expect((await drain()).map(({ identity, first: number }) => `${identity}:${number}`)).toEqual([
    `${first.identity}:1`,
    `${first.identity}:2`,
    `${second.identity}:1`,
  ]);
  expect(spool.stats().routes).toMatchObject([{ accepted: 3, confirmed: 3, spooled: 0 }]);
});

it('is made anew where the clock steps by more than a day, ahead or back, and kept where it steps by less', async () => {
  const world = new World(seeded(2));
  const { spool } = await openWorld(world);
  const first = await append(world, spool);
  await world.advance(-HOUR);
  expect((await append(world, spool)).identity).toBe(first.identity);
  // Set right at last, after a start in the year 1970, or so.
  await world.advance(20_000 * DAY);
  expect((await append(world, spool)).age).toBe(0);
  // Born in the future, it would seem to live on for ever.
  await world.advance(-200 * DAY);
  expect((await append(world, spool)).age).toBe(0);
});
