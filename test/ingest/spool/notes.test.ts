// Notes of inputs: in the record of their events, and kept when their segments are gone.
import { expect, it } from 'vitest';
import * as format from '../../../ingest/spool/format.ts';
import { decodeNotes, encodeNote } from '../../../ingest/spool/notes.ts';
import { WriteGroup, BufferPool, newHome } from '../../../ingest/spool/write-group.ts';
import type { Spool } from '../../../ingest/spool/contract.ts';
import { seeded, World } from './fake-disk.ts';
import { openWorld, pass, settle } from './world.ts';

const name = { identity: '018bcfe5-6800-7f19-a768-b8a8cea0911f', partition: 3, index: 7, first: 1 };

it('shares a record, and so a checksum, with its events', () => {
  const identity = { id: name.identity, partition: 3, born: 0, next: 1, nextIndex: 1 };
  const group = new WriteGroup(newHome(identity), 1, new BufferPool(), 100);
  const note = { number: 9, key: 'tail /var/log/ä"\u0007.log', value: '{"offset":12}' };
  group.add({ type: 'a', count: 1, payload: Buffer.from('{"n":1}\n') }, 5);
  group.addNoted({ type: 'a', count: 2, payload: Buffer.from('{"n":2}\n{"n":3}\n') }, note, 5);
  group.add({ type: 'a', count: 1, payload: Buffer.from('{"n":4}\n') }, 5);
  const seed = format.segmentSeed(name);
  const bytes = Buffer.from(group.seal(seed));
  const view = format.newRecordView();
  const seen: object[] = [];
  for (let at = 0; at < bytes.length; at += view.size) {
    expect(format.decodeRecord(bytes, at, bytes.length, seed, view)).toBe('good');
    const text = (from: number, to: number): string => bytes.toString('utf8', from, to);
    seen.push([view.first, text(view.typeStart, view.typeEnd), text(view.payloadStart, at + view.size)]);
    if (view.kind === format.KIND_NOTED) expect(bytes.subarray(view.noteStart, view.noteEnd)).toEqual(encodeNote(note));
  }
  expect(seen).toEqual([
    [1, 'a', '{"n":1}\n'],
    [2, 'a', '{"n":2}\n{"n":3}\n'],
    [4, 'a', '{"n":4}\n'],
  ]);
});

async function append(world: World, spool: Spool, count: number, key: string, value: string | null): Promise<void> {
  const groups = count === 0 ? [] : [{ type: 'a', count, payload: Buffer.from('{}\n'.repeat(count)) }];
  const appended = spool.append(groups, 'disk', { key, value });
  if (appended.kind !== 'appended') throw new Error(appended.message);
  await settle(world);
  expect(await appended.synced).toEqual({ kind: 'synced' });
}

it.each(['closed', 'killed', 'without power'])('is known again after its segments are gone (%s)', async (end) => {
  const world = new World(seeded(3));
  const { spool, drain, facts } = await openWorld(world, { keep: 0 });
  await append(world, spool, 2, 'early', '1');
  await append(world, spool, 2, 'gone', '1');
  await append(world, spool, 0, 'gone', null);
  for (let i = 0; i < 60; i++) {
    await append(world, spool, 1000, 'late', String(i));
    if (i % 10 === 9) await drain();
  }
  await pass(world, 3000);
  expect(facts.filter(({ kind }) => kind === 'removed').length).toBeGreaterThan(0);
  if (end === 'closed') {
    const closing = Promise.resolve(spool[Symbol.asyncDispose]());
    await settle(world);
    await closing;
  }
  world.crash(end === 'without power' ? 'power' : 'kill');
  const again = await openWorld(world);
  expect(Object.fromEntries(again.spool.notes())).toEqual({ early: '1', late: '59' });
});

it('tells a file that is damaged from one that is newer', () => {
  expect(decodeNotes(Buffer.from('{"version":1}\n00000000\n')).kind).toBe('damaged');
  expect(decodeNotes(Buffer.from('')).kind).toBe('damaged');
});

it('refuses a note of several groups: a crash could part them', async () => {
  const { spool } = await openWorld(new World(seeded(4)));
  const group = { type: 'a', count: 1, payload: Buffer.from('{}\n') };
  expect(() => spool.append([group, group], 'disk', { key: 'a', value: '1' })).toThrow(RangeError);
});
