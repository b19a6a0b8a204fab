// The schema of rule files for editors: as written out, and of one mind with the reader.
import { readFileSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { JSON_SCHEMA, load } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import { FIELD_TYPES } from '../../bee/rule/field-types.ts';
import { ruleFileSchema } from '../../bee/rule/file-schema.ts';
import { readRule } from '../../bee/rule/read.ts';
import { ruleText } from './rule-files.ts';

const root = join(import.meta.dirname, '../..');
const validate = new Ajv({ allErrors: true, strictTypes: false, strictRequired: false }).compile(ruleFileSchema());
const taken = (text: string): boolean => validate(load(text, { schema: JSON_SCHEMA }));

test('bee/rule.schema.json is the schema (npm run schema writes it)', () => {
  expect(JSON.parse(readFileSync(join(root, 'bee/rule.schema.json'), 'utf8'))).toEqual(
    JSON.parse(JSON.stringify(ruleFileSchema())),
  );
});

test.each(globSync('bee/rules/*.yaml', { cwd: root }))('%s is valid, and names it', (file) => {
  const text = readFileSync(join(root, file), 'utf8');
  expect(text).toMatch(/^# yaml-language-server: \$schema=\.\.\/rule\.schema\.json\n/);
  expect(taken(text), JSON.stringify(validate.errors)).toBe(true);
});

/** What an option may be, and what not. */
const OPTIONS: Readonly<Record<string, readonly [right: string, wrong: string]>> = {
  count: ['2', '0.5'],
  integer: ['-2', 'two'],
  decimal: ['"1.50"', '1e3x'],
  flag: ['true', '1'],
  word: ['', 'nonsense'],
  texts: ['', '[]'],
  name: ['kind', '__proto__x y'],
  field: ['text', 'txet'],
  fields: ['{ a: text }', '[a]'],
  kinds: ['{ a: { b: text } }', '{ a: text }'],
};

describe('the reader and the schema agree on', () => {
  const options = Object.entries(FIELD_TYPES).flatMap(([type, { options: all }]) =>
    Object.entries(all).map(([name, option]) => ({ type, name, option, all })),
  );
  test.each(options)('$type: $name', ({ type, name, option: { accepts }, all }) => {
    const rightOf = (one: typeof accepts): string => {
      if (one.kind === 'word') return one.words[0] ?? '';
      if (one.kind === 'texts') return `[${one.example}]`;
      return OPTIONS[one.kind]?.[0] ?? '';
    };
    const rest = Object.entries(all).filter(([other, { default: value }]) => other !== name && value === undefined);
    const others = rest.map(([other, one]) => `, ${other}: ${rightOf(one.accepts)}`).join('');
    const field = (value: string): string => ruleText(`f: { type: ${type}, ${name}: ${value}${others} }`);
    const [right, wrong] = [field(rightOf(accepts)), field(OPTIONS[accepts.kind]?.[1] ?? '')];
    expect([readRule(right, null), taken(right)]).toEqual([expect.objectContaining({ kind: 'rule' }), true]);
    expect([readRule(wrong, null).kind, taken(wrong)]).toEqual(['invalid', false]);
  });

  test.each(Object.entries(FIELD_TYPES))(
    '%s: sanitizers and default',
    (type, { always, may, options: all, ...rest }) => {
      const needed = Object.values(all).some((option) => option.default === undefined);
      if (needed) return;
      for (const sanitizer of [...always, ...may]) {
        const text = ruleText(`f: { type: ${type}, sanitize: ${sanitizer} }`);
        expect([sanitizer, readRule(text, null).kind, taken(text)]).toEqual([sanitizer, 'rule', true]);
      }
      const none = ruleText(`f: { type: ${type}, sanitize: [wash] }`);
      expect([readRule(none, null).kind, taken(none)]).toEqual(['invalid', false]);
      const byDefault = ruleText(`f: { type: ${type}, default: {} }`);
      expect([readRule(byDefault, null).kind, taken(byDefault)]).toEqual(['invalid', false]);
      const bare = ruleText(`f: ${type}\ng: ${type}!`);
      expect([rest.about, readRule(bare, null).kind, taken(bare)]).toEqual([rest.about, 'rule', true]);
    },
  );

  test.each([
    ['an unknown key', ruleText('f: text', 'colour: red')],
    [
      'no fields',
      'type: a\nabout: b\nexamples: { accepted: [{ name: a, data: {} }], rejected: [{ name: b, json: "1", code: data-not-object }] }\n',
    ],
    ['a wrong type', ruleText('f: text', '', 'a b')],
    ['a shadow that is no flag', ruleText('f: text', 'shadow: perhaps', 'a@2')],
    ['a wrong policy', ruleText('f: text', 'unknown: ignore')],
    ['a condition of an unknown kind', ruleText('f: text', 'conditions: [{ unless: f }]')],
    ['a code that is none', ruleText('f: text').replace('data-not-object', 'data-wrong')],
    ['both data and json', ruleText('f: text').replace('json: "1"', 'json: "1", data: {}')],
    ['a name of a field that is none', ruleText('"a b": text')],
    ['a list without items', ruleText('f: list')],
  ])('refusing %s', (_, text) => {
    expect([readRule(text, null).kind, taken(text)]).toEqual(['invalid', false]);
  });
});
