// What is done to events before they get their numbers: each is kept or counted, and what is not touched keeps its bytes.
import { expect, test } from 'vitest';
import type { AgentConfig } from '#core/config/config.ts';
import type { Accept } from '../../ingest/inputs/contract.ts';
import { withTransforms } from '../../ingest/transforms.ts';
import { configFor } from '../site-config.ts';
import { chicago } from '../topology/sites.ts';

type Rule = AgentConfig['transforms'][number];
const rule = (parts: Partial<Rule>): Rule => ({
  match: '**',
  where: {},
  keep: 1,
  mapping: { drop: [], rename: {}, set: {} },
  ...parts,
});
const event = (type: string, id: string, data: string) =>
  `{"specversion":"1.0","type":"${type}","id":"${id}","source":"/s","data":${data}}\n`;
const group = (type: string, ...lines: string[]) => ({
  type,
  count: lines.length,
  payload: Buffer.from(lines.join('')),
});

function setUp(transforms: readonly Rule[], levels: AgentConfig['levels'] = []) {
  const taken: { type: string; count: number; text: string; level: string }[] = [];
  const notes: unknown[] = [];
  const dropped: Record<string, number> = {};
  const inner: Accept = (groups, level, _input, note) => {
    for (const { type, count, payload } of groups) taken.push({ type, count, text: payload.toString(), level });
    notes.push(note);
    return Promise.resolve({ kind: 'accepted', level, receipts: [{ identity: 'a', first: 1, last: 1 }] });
  };
  const { agent } = configFor([chicago], { agent: { transforms, levels } });
  const accept = withTransforms(inner, agent, (reason, events) => (dropped[reason] = (dropped[reason] ?? 0) + events));
  return { accept, inner, taken, notes, dropped };
}

test('where nothing is configured, nothing stands between input and spool', () => {
  const { accept, inner } = setUp([]);
  expect(accept).toBe(inner);
});

test('renames, drops and sets, and leaves every other byte alone', async () => {
  const { accept, taken } = setUp([
    rule({
      match: 'card.*',
      mapping: { drop: ['/data/secret'], rename: { '/data/usr': '/data/user' }, set: { '/data/service': 'till' } },
    }),
  ]);
  await accept(
    [group('card.tapped', event('card.tapped', '1', '{"n":9007199254740993,"secret":"x","usr":1.50,"pi":3.10}'))],
    'disk',
    'http',
  );
  await accept([group('other', event('other', '2', '{"secret":"x"}'))], 'disk', 'http');
  expect(taken.map(({ text }) => text)).toEqual([
    event('card.tapped', '1', '{"n":9007199254740993,"pi":3.10,"user":1.50,"service":"till"}'),
    event('other', '2', '{"secret":"x"}'),
  ]);
});

test('filters by what stands in the data, and counts what it takes away', async () => {
  const { accept, taken, dropped } = setUp([
    rule({ match: 'app.**', where: { '/data/level': ['debug', 'trace'] }, keep: 0 }),
  ]);
  const lines = ['debug', 'info', 'trace', 'error'].map((level, at) =>
    event('app.log', String(at), `{"level":"${level}"}`),
  );
  await accept(
    [group('app.log', ...lines), group('web.log', event('web.log', '9', '{"level":"debug"}'))],
    'disk',
    'http',
  );
  expect(taken.map(({ type, count }) => [type, count])).toEqual([
    ['app.log', 2],
    ['web.log', 1],
  ]);
  expect(taken[0]?.text).toBe(`${lines[1]}${lines[3]}`);
  expect(dropped).toEqual({ filtered: 2 });
});

test('samples evenly, the same events each time, and counts the others', async () => {
  const { accept, taken, dropped } = setUp([rule({ keep: 0.25 })]);
  const lines = Array.from({ length: 4_000 }, (_, n) => event('a', `id-${n}`, '{}'));
  await accept([group('a', ...lines)], 'disk', 'http');
  const kept = taken[0]?.count ?? 0;
  // Five standard deviations around a quarter.
  expect(Math.abs(kept - 1_000)).toBeLessThan(140);
  expect(dropped).toEqual({ sampled: 4_000 - kept });
  await accept([group('a', ...lines)], 'disk', 'http');
  expect(taken[1]).toEqual(taken[0]);
});

test('where nothing of a request is kept it is accepted, and nothing is appended; but a note is', async () => {
  const { accept, taken, notes, dropped } = setUp([rule({ keep: 0 })]);
  const groups = [group('a', event('a', '1', '{}'))];
  expect(await accept(groups, 'site', 'http')).toEqual({ kind: 'accepted', level: 'site', receipts: [] });
  expect(notes).toEqual([]);
  await accept(groups, 'site', 'tail', { key: 'f', value: '10' });
  expect(notes).toEqual([{ key: 'f', value: '10' }]);
  expect([taken, dropped]).toEqual([[], { filtered: 2 }]);
});

test('a type may ask for more than its input or request does, never for less', async () => {
  const levels = [
    { match: 'pay.**', level: 'site' },
    { match: '**', level: 'memory' },
  ] as const;
  const { accept, taken } = setUp([], levels);
  await accept([group('pay.done', event('pay.done', '1', '{}'))], 'memory', 'http');
  await accept([group('app.log', event('app.log', '2', '{}'))], 'disk', 'http');
  await accept(
    [group('app.log', event('app.log', '3', '{}')), group('pay.done', event('pay.done', '4', '{}'))],
    'disk',
    'http',
  );
  expect(taken.map(({ level }) => level)).toEqual(['site', 'disk', 'site', 'site']);
});
