// The ledger's three accounts know nothing of each other: what is broken on purpose shows as an imbalance.
import { expect, it, vi } from 'vitest';
import { imbalance } from '../../../ingest/ledger.ts';
import type { RouteLedger, Spool } from '../../../ingest/spool/contract.ts';
import { SegmentReader } from '../../../ingest/spool/segment-reader.ts';
import { seeded, World } from './fake-disk.ts';
import { openWorld, pass, settle, type Opened } from './world.ts';

async function withEvents(count: number): Promise<{ world: World; opened: Opened; identity: string }> {
  const world = new World(seeded(1));
  const opened = await openWorld(world);
  for (let i = 0; i < count; i++) {
    opened.spool.append([{ type: `t${i % 3}`, count: 1, payload: Buffer.from(`{"n":${i}}\n`) }], 'disk');
    await settle(world);
  }
  return { world, opened, identity: opened.spool.stats().identity };
}

function ledger(spool: Spool): RouteLedger {
  const [route] = spool.stats().routes;
  if (!route) throw new Error('there is one');
  return route;
}

it('balances while events are unread, handed out, confirmed and dropped', async () => {
  const { opened, identity } = await withEvents(10);
  const { spool, reader, readAll } = opened;
  expect(ledger(spool)).toMatchObject({ accepted: 10, spooled: 10, confirmed: 0 });
  await readAll();
  expect(ledger(spool)).toMatchObject({ accepted: 10, spooled: 10, confirmed: 0 });
  reader.confirm(identity, [[1, 4]]);
  reader.drop(identity, [[6, 7]], 'too-large');
  expect(ledger(spool)).toMatchObject({ accepted: 10, spooled: 4, confirmed: 4, dropped: { 'too-large': 2 } });
  expect(imbalance(ledger(spool))).toBe(0);
});

it('shows numbers that are confirmed and were never accepted, also after their identity is forgotten', async () => {
  const { opened, identity } = await withEvents(10);
  opened.reader.confirm(identity, [[11, 13]]);
  expect(imbalance(ledger(opened.spool))).toBe(-3);
  await opened.drain();
  expect(imbalance(ledger(opened.spool))).toBe(-3);
});

it('shows records that a reader lost', async () => {
  const { opened } = await withEvents(10);
  // Goes on, and hands out nothing, and says nothing.
  const lossy = vi.spyOn(SegmentReader.prototype, 'read').mockImplementation(async function (this: SegmentReader) {
    Object.defineProperty(this, 'next', { value: 8 });
    return true;
  });
  await opened.readAll();
  lossy.mockRestore();
  expect(imbalance(ledger(opened.spool))).toBe(7);
});

it('quarantines the numbers at a damaged end that only the cursor still knows of', async () => {
  const { world, opened, identity } = await withEvents(10);
  await opened.readAll();
  opened.reader.confirm(identity, [
    [1, 5],
    [8, 10],
  ]);
  await pass(world, 2000); // the cursor is written
  world.crash('kill');
  const segment = world.files().find(({ path, bytes }) => path.endsWith('.seg') && bytes.length > 0);
  if (!segment) throw new Error('there is one');
  world.corrupt(segment.path, segment.bytes.length - 200, 200);
  const again = await openWorld(world);
  await again.drain();
  await pass(world, 2000);
  expect(ledger(again.spool)).toMatchObject({ accepted: 10, confirmed: 8, quarantined: 2, spooled: 0 });
});
