// Two routes over one spool, as `mirror` has them: neither holds the other up, and the books of both balance.
import { expect, it } from 'vitest';
import { imbalance } from '../../../ingest/ledger.ts';
import type { RouteLedger, Spool, SpoolReader } from '../../../ingest/spool/contract.ts';
import { seeded, World } from './fake-disk.ts';
import { openWorld, pass, settle } from './world.ts';

const KIBI = 1024;
const LIMIT = 256 * KIBI;
const ROUTES = ['sites', 'mirror-b'];
const EVENT = Buffer.from(`${'x'.repeat(10 * KIBI - 1)}\n`);

async function append(spool: Spool, world: World, count: number): Promise<number> {
  let taken = 0;
  for (let i = 0; i < count; i++) {
    if (spool.append([{ type: 'a', count: 1, payload: EVENT }], 'disk').kind === 'appended') taken++;
    await settle(world);
  }
  return taken;
}

function ledger(spool: Spool, name: string): RouteLedger {
  const found = spool.stats().routes.find(({ route }) => route === name);
  if (!found) throw new Error(name);
  expect(imbalance(found)).toBe(0);
  return found;
}

async function readAll(world: World, reader: SpoolReader): Promise<number[]> {
  const numbers: number[] = [];
  for (;;) {
    const state = { done: false };
    const reading = reader.read(1024 * KIBI);
    void reading.then(() => (state.done = true));
    for (let i = 0; i < 10_000 && !state.done; i++) await world.step();
    const records = await reading;
    if (records.length === 0) return numbers;
    for (const { first, count, identity } of records) {
      for (let n = first; n < first + count; n++) numbers.push(n);
      reader.confirm(identity, [[first, first + count - 1]]);
    }
  }
}

it('skips for a route that is far behind what the other has confirmed, counts it, and takes events for ever', async () => {
  const world = new World(seeded(11));
  const { spool, facts, drain } = await openWorld(world, { routes: ROUTES, behind: LIMIT, max: 2048 * KIBI, keep: 0 });
  for (let round = 0; round < 30; round++) {
    expect(await append(spool, world, 20)).toBe(20);
    await drain();
    await pass(world, 1_100);
    expect(ledger(spool, 'sites')).toMatchObject({ accepted: 20 * (round + 1), confirmed: 20 * (round + 1) });
    expect(ledger(spool, 'mirror-b').bytes).toBeLessThanOrEqual(LIMIT + 64 * KIBI);
  }
  const before = ledger(spool, 'mirror-b');
  const skipped = before.dropped['skipped'] ?? 0;
  expect(before).toMatchObject({ accepted: 600, confirmed: 0, spooled: 600 - skipped });
  expect(skipped).toBeGreaterThan(500);
  expect(facts.filter(({ kind }) => kind === 'skipped').length).toBeGreaterThan(3);
  // The other site is back: it gets what was not skipped, and nothing is left.
  const numbers = await readAll(world, spool.reader('mirror-b'));
  expect(numbers).toContain(600);
  await pass(world, 1_100);
  const after = ledger(spool, 'mirror-b');
  expect(after).toMatchObject({ spooled: 0, bytes: 0 });
  expect(after.confirmed + (after.dropped['skipped'] ?? 0)).toBe(600);
});

it('gives up nothing that no route has confirmed: the spool is full before', async () => {
  const world = new World(seeded(12));
  const { spool } = await openWorld(world, { routes: ROUTES, behind: LIMIT, max: 1024 * KIBI, keep: 0 });
  const taken = await append(spool, world, 120);
  await pass(world, 5_000);
  expect(taken).toBeLessThan(100);
  expect(spool.stats().refusing).toBe('full');
  for (const name of ROUTES)
    expect(ledger(spool, name)).toMatchObject({ accepted: taken, spooled: taken, dropped: {} });
  expect((await readAll(world, spool.reader('mirror-b'))).length).toBe(taken);
  expect((await readAll(world, spool.reader('sites'))).length).toBe(taken);
});

it('keeps the cursors of both through a kill: what one has confirmed is read again for the other alone', async () => {
  const world = new World(seeded(13));
  const opened = await openWorld(world, { routes: ROUTES });
  await append(opened.spool, world, 20);
  await opened.drain();
  await pass(world, 1_100);
  world.crash('kill');
  const again = await openWorld(world, { routes: ROUTES });
  expect(await again.readAll()).toEqual([]);
  expect((await readAll(world, again.spool.reader('mirror-b'))).length).toBe(20);
  for (const name of ROUTES) expect(ledger(again.spool, name)).toMatchObject({ accepted: 20, confirmed: 20 });
});
