// `waggle bee diff`: each kind of change by name, and what is called compatible is.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareRules } from '../../bee/rule/compare.ts';
import { ruleCompiler } from '../../bee/rule/compile.ts';
import { judgeData } from '../../bee/rule/examples.ts';
import type { Rule } from '../../bee/rule/model.ts';
import { readRule } from '../../bee/rule/read.ts';
import { ruleText } from './rule-files.ts';

function ruleOf(fields: string, more = ''): Rule {
  const read = readRule(ruleText(fields, more), null);
  if (read.kind === 'invalid') throw new Error(`${fields}: ${JSON.stringify(read.problems)}`);
  return read.rule;
}
const told = (before: Rule, after: Rule): readonly string[] =>
  compareRules(before, after).map(({ breaks, path, text }) => `${breaks}: ${path}: ${text}`);

describe('senders are broken', () => {
  test.each([
    ['a: text', 'a: text!', 'senders: /data/a: is required now'],
    ['a: text', 'a: text\nb: text!', 'senders: /data/b: is new and required'],
    ['a: text', 'a: { type: text, characters: ascii }', 'senders: /data/a: takes other characters: ascii'],
    ['a: id', 'a: { type: id, form: uuid }', 'senders: /data/a: must be a UUID now'],
    ['a: integer', 'a: { type: integer, min: 0 }', 'senders: /data/a: has a higher min'],
    ['a: decimal', 'a: { type: decimal, scale: 2 }', 'senders: /data/a: takes fewer digits'],
    ['a: money', 'a: { type: money, max: "10" }', 'senders: /data/a: has a lower max'],
    ['a: url', 'a: { type: url, schemes: [https] }', 'senders: /data/a: no longer takes http'],
    ['a: { type: list, items: text }', 'a: { type: list, items: text, unique: true }', 'senders: /data/a: must not repeat items now'],
    ['a: { type: list, items: text }', 'a: { type: list, items: { type: text, max: 3 } }', 'senders: /data/a/-: has a lower max'],
    ['a: { type: map, values: text }', 'a: { type: map, values: { type: text, min: 3 } }', 'senders: /data/a/*: has a higher min'],
    ['a: { type: nested, fields: { b: text } }', 'a: { type: nested, fields: { b: text! } }', 'senders: /data/a/b: is required now'],
    ['a: { type: one-of, by: k, kinds: { x: { b: text }, y: { c: text } } }', 'a: { type: one-of, by: k, kinds: { x: { b: text } } }', 'senders: /data/a: no longer takes y'],
    ['a: { type: one-of, by: k, kinds: { x: { b: text } } }', 'a: { type: one-of, by: kind, kinds: { x: { b: text } } }', 'senders: /data/a: is decided by kind, not k'],
    ['a: { type: decimal, sanitize: trim }', 'a: decimal', 'senders: /data/a: trim is no longer done'],
    ['a: { type: list, items: id, max: 2, sanitize: truncate }', 'a: { type: list, items: id, max: 3, sanitize: truncate }', 'senders: /data/a: has a higher max: what was cut off must fit now'],
    ['a: { type: enum, values: [A] }', 'a: { type: enum, values: [A], sanitize: lower }', 'senders: /data/a: no longer takes a'],
    ['a: { type: id, sanitize: drop }', 'a: id', 'senders: /data/a: drop is no longer done'],
    ['a: text', 'a: integer', 'senders: /data/a: was text and is integer'],
  ])('%s -> %s', (before, after, wanted) => expect(told(ruleOf(before), ruleOf(after))).toContain(wanted)); // prettier-ignore

  test('by a new condition, and by fields that are rejected now', () => {
    const plain = ruleOf('a: text\nb: text');
    expect(told(plain, ruleOf('a: text\nb: text', 'conditions: [{ with: a, require: b }]'))).toEqual([
      'senders: /data: new condition: b must be there where a is there.',
    ]);
    expect(told(plain, ruleOf('a: text', 'unknown: reject'))).toEqual([
      'readers: /data/b: is gone',
      'senders: /data/b: is rejected now',
      'senders: /data: fields that the rule does not name are rejected now',
    ]);
  });
});

describe('readers are broken', () => {
  test.each([
    ['a: text\nb: text', 'a: text', 'readers: /data/b: is gone'],
    ['a: text!', 'a: text', 'readers: /data/a: may be absent now'],
    ['a: { type: integer, default: 1 }', 'a: integer', 'readers: /data/a: has no default any more'],
    ['a: { type: integer, default: 1 }', 'a: { type: integer, default: 2 }', 'readers: /data/a: its default is 2 now'],
    ['a: email', 'a: { type: email, sanitize: mask }', 'readers: /data/a: mask is new'],
    ['a: { type: id, sanitize: hash }', 'a: id', 'readers: /data/a: hash is no longer done'],
    ['a: { type: enum, values: [x] }', 'a: { type: enum, values: [x, y] }', 'readers: /data/a: may be y now'],
    ['a: { type: text, characters: word }', 'a: text', 'readers: /data/a: may have other characters now: line'],
    ['a: text', 'a: { type: text, characters: lines }', 'readers: /data/a: may have other characters now: lines'],
    ['a: text', 'a: { type: text, cards: keep }', 'readers: /data/a: card numbers are kept now'],
    ['a: { type: id, form: uuid }', 'a: id', 'readers: /data/a: may be no UUID now'],
    [
      'a: { type: list, items: integer, unique: true }',
      'a: { type: list, items: integer }',
      'readers: /data/a: may repeat items now',
    ],
  ])('%s -> %s', (before, after, wanted) => expect(told(ruleOf(before), ruleOf(after))).toEqual([wanted]));

  test('by a condition that is gone', () =>
    expect(told(ruleOf('a: id\nb: id', 'conditions: [{ with: a, forbid: b }]'), ruleOf('a: id\nb: id'))).toEqual([
      'readers: /data: no longer: b must not be there where a is there.',
    ]));

  test('by unknown fields that are no longer kept', () =>
    expect(told(ruleOf('a: text', 'unknown: keep'), ruleOf('a: text'))).toEqual([
      'readers: /data: fields that the rule does not name are no longer kept',
    ]));
});

test('nobody is broken by a new field, a higher max, or one that is cut', () => {
  const before = ruleOf('a: { type: text, max: 10 }\nb: { type: text, max: 10 }');
  const after = ruleOf('a: { type: text, max: 20 }\nb: { type: text, max: 5, sanitize: truncate }\nc: text');
  expect(told(before, after)).toEqual(['nobody: /data/a: has a higher max', 'nobody: /data/c: is new']);
});

const word = (...words: string[]): fc.Arbitrary<string> => fc.constantFrom(...words);
const optional = (...texts: string[]): fc.Arbitrary<string> => word('', ...texts.map((text) => `, ${text}`));
const mapping = (...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc.tuple(...parts).map((all) => `{ ${all.join('')} }`);
const flags = optional('required: true');
const fields: readonly fc.Arbitrary<string>[] = [
  mapping(word('type: text'), flags, word(', min: 0', ', min: 2', ''), word(', max: 3', ', max: 6', ''), optional('characters: ascii', 'characters: word', 'characters: lines'), optional('sanitize: [truncate]', 'sanitize: [lower]')),
  mapping(word('type: id'), flags, optional('max: 4'), optional('form: uuid'), optional('sanitize: [trim]')),
  mapping(word('type: integer'), flags, optional('min: 0', 'min: 5'), optional('max: 7', 'max: 100')),
  mapping(word('type: decimal'), flags, optional('scale: 0', 'scale: 2'), optional('min: "0"'), optional('max: "5"'), optional('sanitize: [round]', 'sanitize: [trim]')),
  mapping(word('type: enum, values: [a]', 'type: enum, values: [a, b]', 'type: enum, values: [A, b]'), flags, optional('sanitize: [lower]', 'sanitize: [trim]')),
  mapping(word('type: url'), flags, optional('schemes: [https]'), optional('max: 12')),
  mapping(word('type: list, items: text', 'type: list, items: { type: text, max: 2 }', 'type: list, items: integer'), flags, optional('max: 1', 'max: 3'), optional('min: 1'), optional('unique: true'), optional('sanitize: [truncate]')),
  mapping(word('type: map, values: text', 'type: map, values: integer'), flags, optional('max: 1')),
  mapping(word('type: nested, fields: { x: text }', 'type: nested, fields: { x: text! }', 'type: nested, fields: { x: integer, y: text }'), flags),
  word('timestamp', 'version', 'boolean'),
]; // prettier-ignore
const pair = fc.oneof(...fields.map((each) => fc.tuple(each, each)));
const value = fc.constantFrom<unknown>(
  '', 'a', 'b', 'A', 'abc', ' ab ', 'abcdefgh', 'é', 'x\ny', '0190a5c2-7d1e-7c3a-9f2b-3d5e8a1c4b6f', '0', '1', '1.5', '1.234', ' 2 ', '-3', '99', 0, 3, 6, 50, -1, true, 'https://a.b', 'http://a.b/long/path', '2026-11-23T14:00:00Z', '4.1', [], ['a'], ['a', 'a'], ['abc', 'b', 'c'], [1, 2], {}, { x: 'a' }, { x: 1 }, { x: 'a', y: 'b' }, { k: 1, l: 2 },
); // prettier-ignore

test('what is said to break no sender breaks none', () => {
  const compile = ruleCompiler(null);
  let held = 0;
  const policy = word('drop', 'keep', 'reject');
  const property = fc.property(pair, policy, policy, fc.array(value, { minLength: 12, maxLength: 12 }), (...all) => {
    const [[one, other], first, second, values] = all;
    const [before, after] = [ruleOf(`f: ${one}`, `unknown: ${first}`), ruleOf(`f: ${other}`, `unknown: ${second}`)];
    if (compareRules(before, after).some(({ breaks }) => breaks === 'senders')) return;
    const [old, now] = [compile(before), compile(after)];
    for (const data of [{}, ...values.map((f) => ({ f }))].map((each) => JSON.stringify(each))) {
      if (typeof judgeData(old, data) !== 'string') continue;
      expect([one, other, data, typeof judgeData(now, data)]).toEqual([one, other, data, 'string']);
      held++;
    }
  });
  fc.assert(property, { numRuns: 4_000 });
  expect(held).toBeGreaterThan(500);
});
