// Fair shares of the spool: one that is noisy is refused before the others are.
import { expect, it } from 'vitest';
import type { EventGroup } from '../../../ingest/spool/contract.ts';
import { seeded, World } from './fake-disk.ts';
import { openWorld, pass, settle } from './world.ts';

const KIBI = 1024;
const MAX = 4096 * KIBI;
const SHARE = 0.5;
const SIZE = 20 * KIBI;
const group = (type: string, bytes = SIZE): EventGroup => ({
  type,
  count: 1,
  payload: Buffer.from(`${'x'.repeat(bytes - 1)}\n`),
});

async function fair(share = SHARE) {
  const world = new World(seeded(6));
  const opened = await openWorld(world, { max: MAX, share, keep: 0 });
  const append = (type: string, input: string, bytes = SIZE) =>
    opened.spool.append([group(type, bytes)], 'disk', undefined, input);
  /** Until it is refused; answers how many were taken, and the refusal. */
  const fill = async (type: string, input: string) => {
    for (let taken = 0; ; taken++) {
      const appended = append(type, input);
      if (appended.kind === 'refused') return { taken, message: appended.message, reason: appended.reason };
      await settle(world);
    }
  };
  return { ...opened, world, append, fill };
}

it('a noisy type has its share and no more; the others have the rest, and every byte of it', async () => {
  const { spool, facts, fill, world } = await fair();
  const noisy = await fill('noisy', 'http');
  expect(noisy.reason).toBe('full');
  expect(noisy.message).toContain('The type noisy has its share of the spool (agent.spool.share, 50% of spool.max)');
  expect(noisy.taken * SIZE).toBeGreaterThan(SHARE * MAX - 2 * SIZE);
  expect(noisy.taken * SIZE).toBeLessThanOrEqual(SHARE * MAX);
  expect(spool.stats().refusing).toBe(null);
  const others: number[] = [];
  for (const type of ['a', 'b', 'c']) {
    const { taken } = await fill(type, `input-${type}`);
    others.push(taken);
  }
  // The three share what is left: the first takes all that there is, since it is within its own share.
  expect(noisy.taken + (others[0] ?? 0)).toBeGreaterThan((0.85 * MAX) / SIZE);
  expect(spool.stats().refusing).toBe('full');
  await pass(world, 1000);
  const { most, routes } = spool.stats();
  expect(most).toEqual([
    { type: 'noisy', bytes: noisy.taken * SIZE },
    { type: 'a', bytes: (others[0] ?? 0) * SIZE },
  ]);
  expect(routes).toMatchObject([{ accepted: noisy.taken + (others[0] ?? 0), spooled: noisy.taken + (others[0] ?? 0) }]);
  expect(facts.filter(({ kind }) => kind === 'share-full')).toEqual([
    { kind: 'share-full', holder: 'type noisy', share: SHARE },
  ]);
});

it('a noisy input, whatever the types of its events', async () => {
  const { append, world } = await fair();
  let taken = 0;
  for (; append(`type-${taken}`, 'syslog').kind === 'appended'; taken++) await settle(world);
  expect(taken * SIZE).toBeLessThanOrEqual(SHARE * MAX);
  expect(append('type-0', 'syslog')).toMatchObject({
    message: expect.stringContaining('The input syslog has its share'),
  });
  expect(append('type-0', 'http').kind).toBe('appended');
});

it('is taken again once a site has confirmed some, and told again when it is refused again', async () => {
  const { fill, drain, facts, world, append, spool } = await fair();
  const first = await fill('noisy', 'http');
  await drain();
  await pass(world, 3000);
  expect(spool.stats().most).toEqual([]);
  expect(append('noisy', 'http').kind).toBe('appended');
  await settle(world);
  const second = await fill('noisy', 'http');
  expect(second.taken + 1).toBeGreaterThanOrEqual(first.taken - 4);
  expect(facts.filter(({ kind }) => kind === 'share-full')).toHaveLength(2);
});

it('of several types in one append none is taken where one has too much: all or nothing', async () => {
  const { spool, fill } = await fair();
  const { taken } = await fill('noisy', 'http');
  const both = spool.append([group('quiet'), group('noisy')], 'disk', undefined, 'forward');
  expect(both.kind).toBe('refused');
  expect(spool.stats().routes).toMatchObject([{ accepted: taken }]);
});

it('a share of 1 is no limit but that of the spool', async () => {
  const { spool, fill } = await fair(1);
  const { message } = await fill('noisy', 'http');
  expect(message).toContain('spool.max');
  expect(message).not.toContain('share');
  expect(spool.stats().refusing).toBe('full');
});
