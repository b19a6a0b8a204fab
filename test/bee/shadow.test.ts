// A shadow: what a new version would have changed, counted, while the one before answers.
import { expect, test } from 'vitest';
import { judgeData, ruleFile, ruleSet, ruleText } from './rule-files.ts';

const OLD =
  'a: { type: integer, max: 10 }\nb: { type: text, max: 20 }\nitems: { type: list, items: { type: nested, fields: { n: integer } } }';
const NEW =
  'a: { type: integer, min: 5, max: 20 }\nb: { type: text, max: 20, sanitize: lower }\nitems: { type: list, items: { type: nested, fields: { n: { type: integer, max: 3 } } } }';
const files = [
  ruleFile(ruleText(OLD)),
  ruleFile(ruleText(NEW, 'shadow: true', 'thing.happened@2'), 'thing.happened@2'),
];

test('answers nobody; same, changed, newly rejected and newly accepted are counted by place', async () => {
  const [set, alone] = [await ruleSet(files), await ruleSet(files.slice(0, 1))];
  const sent: unknown[] = [
    { a: 7, b: 'small' }, // the same
    { a: 'seven' }, // rejected by both for the same
    { a: 7, b: 'LARGE' }, // changed
    { a: 3 }, // newly rejected
    { a: 4 },
    { items: [{ n: 1 }, { n: 5 }] }, // newly rejected, at an index
    { items: [{ n: 9 }] },
    { a: 15 }, // newly accepted
    { a: 99, items: [{ n: 'x' }] }, // rejected by both, for the same first reason
    'no object', // judged by no rule
  ];
  for (const data of sent) expect(judgeData(set, data)).toEqual(judgeData(alone, data));
  expect(set.shadows()).toEqual([
    {
      rule: 'thing.happened@2',
      beside: 'thing.happened',
      judged: 9,
      same: 3,
      changed: { '/data/b': 1 },
      newlyRejected: { 'number-out-of-range /data/a': 2, 'number-out-of-range /data/items/-/n': 2 },
      newlyAccepted: { 'number-out-of-range': 1 },
    },
  ]);
  expect(alone.shadows()).toEqual([]);
});

test('asked for by its name it is not there: it serves nobody', async () => {
  const verdict = judgeData(await ruleSet(files), {}, 'thing.happened@2');
  expect(verdict).toMatchObject({ kind: 'rejected', code: 'version-unknown' });
});

const map = (max: number): string => `m: { type: map, max: 300, values: { type: text, max: ${max} } }`;

test('places that senders choose do not grow without end', async () => {
  const set = await ruleSet([
    ruleFile(ruleText(map(9))),
    ruleFile(ruleText(map(1), 'shadow: true', 'thing.happened@2'), 'thing.happened@2'),
  ]);
  for (let n = 0; n < 500; n++) judgeData(set, { m: { [`k${n}`]: 'long' } });
  const rejected = set.shadows()[0]?.newlyRejected ?? {};
  expect(Object.keys(rejected).length).toBeLessThanOrEqual(201);
  expect(Object.values(rejected).reduce((sum, count) => sum + count, 0)).toBe(500);
});

test.each([
  [
    'without an earlier version',
    [ruleFile(ruleText(NEW, 'shadow: true', 'thing.happened@2'), 'thing.happened@2')],
    /no earlier version/,
  ],
  [
    'beside another shadow',
    [...files, ruleFile(ruleText(NEW, 'shadow: true', 'thing.happened@3'), 'thing.happened@3')],
    /another shadow/,
  ],
])('%s it is refused, with its file', async (_, broken, why) => {
  await expect(ruleSet(broken)).rejects.toThrow(why);
  await expect(ruleSet(broken)).rejects.toThrow(/thing\.happened@[23]\.yaml:1:1: /);
});
