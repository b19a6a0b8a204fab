// Each attack and complaint of other services' histories that concerns what is inside an event, by name.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { scanEvents } from '#core/json/scan.ts';
import type { RuleSet } from '../../bee/verdict.ts';
import {
  accepted,
  dataOf,
  judgeData,
  judgeText,
  rejected,
  ruleFile,
  ruleSet,
  ruleText,
  setOf,
  whyOf,
} from './rule-files.ts';

const event = (data: string): string => `{"type":"thing.happened","data":${data}}`;
const one = await setOf('a: integer\nb: text\nlist: { type: list, items: integer, max: 10 }');
const kept = await setOf('a: integer', 'unknown: keep');

const clean = (text: string): unknown => (dataOf(judgeData(one, { b: text })) as { b: string }).b;

test('nesting of 100,000 levels is refused on the bytes, before anything is parsed', () => {
  const body = Buffer.from(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
  expect(scanEvents(body, 'value')).toMatchObject({
    kind: 'scanned',
    faults: new Map([[0, expect.objectContaining({ code: 'json-too-deep' })]]),
  });
});

test.each([
  ['required: toString passes on {} where inherited names count', '{}', 'field-missing /data/valueof'],
  ['a number beyond 2^53', '{"a":9007199254740993}', 'number-unsafe /data/a'],
  ['2^53 itself, which two texts become', '{"a":9007199254740992}', 'number-unsafe /data/a'],
  ['a negative one', '{"a":-9007199254740993}', 'number-unsafe /data/a'],
  ['1e400, which becomes Infinity and then null', '{"a":1e400}', 'number-overflow /data/a'],
  ['1E22 in a field that is left out', '{"zzz":[1,{"x":1E22}]}', 'number-unsafe /data/zzz/1/x'],
  ['a key twice, of which the last would win', '{"a":1,"a":2}', 'member-duplicate /data/a'],
  ['a key twice, once in escapes', String.raw`{"a":1,"\u0061":2}`, 'member-duplicate /data/a'],
  ['a key twice deep in what is left out', '{"zzz":[{"q":{"w":1,"w":1}}]}', 'member-duplicate /data/zzz/0/q/w'],
  ['coercion: a string of hexadecimal', '{"a":"0x10"}', 'kind-wrong /data/a'],
  ['coercion: blanks around a number', '{"a":" 12 "}', 'kind-wrong /data/a'],
  ['coercion: true', '{"a":true}', 'kind-wrong /data/a'],
  ['a fraction for a whole number', '{"a":1.5}', 'kind-wrong /data/a'],
  ['50,000 bad items cost one finding', `{"list":[${'"x",'.repeat(50_000)}1]}`, 'list-too-long /data/list'],
])('%s', async (_name, data, why) => {
  const set =
    data === '{}'
      ? await ruleSet([
          ruleFile(
            ruleText('valueof: integer!').replace(
              'data: {}, result: {}',
              'data: { valueof: 1 }, result: { valueof: 1 }',
            ),
          ),
        ])
      : one;
  expect(whyOf(judgeText(set, event(data)))).toBe(why);
});

test('-0 and numbers of 16 digits below 2^53 pass', () => {
  expect(dataOf(judgeText(one, event('{"a":-0}')))).toEqual({ a: 0 });
  expect(dataOf(judgeText(one, event('{"a":9007199254740991}')))).toEqual({ a: 9007199254740991 });
});

test('__proto__ as an own key changes nothing and gets nowhere', () => {
  for (const set of [one, kept]) {
    const made = dataOf(
      judgeText(set, event('{"a":1,"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')),
    );
    expect(made).toEqual({ a: 1 });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  }
});

test('a type may be called constructor, and is looked up in no prototype', async () => {
  expect(whyOf(judgeText(one, '{"type":"constructor","data":{}}'))).toBe('type-unknown /type');
  expect(whyOf(judgeText(one, '{"type":"__proto__","data":{}}'))).toBe('type-unknown /type');
  const set = await ruleSet([ruleFile(ruleText('a: integer', '', 'constructor'), 'constructor')]);
  expect(judgeData(set, { a: 1 }, 'constructor').kind).toBe('accepted');
});

test('control, bidi, zero-width and tag characters go; emoji and joined scripts stay', () => {
  expect(clean('a\u0000b\u202ec\u200bd\u2066e\ufefff\u{e0041}g\u00adh')).toBe('abcdefgh');
  expect(clean('Cafe\u0301')).toBe('Caf\u00e9');
  expect(clean('e\u200b\u0301')).toBe('\u00e9');
  expect(clean('👩‍👩‍👧 ❤️ می‌خواهم')).toBe('👩‍👩‍👧 ❤️ می‌خواهم');
  expect(clean('a‍b\ufe0fc‌')).toBe('abc');
  expect(clean('a\r\nb\u2028c')).toBe('a b c');
});

test('card numbers in texts are masked, other long numbers are not', () => {
  expect(clean('pay 4111 1111-1111 1111 now')).toBe('pay **** ****-**** 1111 now');
  expect(clean('4111\u200b111111111111')).toBe('************1111');
  expect(clean('order 1234567890123456')).toBe('order 1234567890123456');
});

test('uuid takes neither urn: nor nil; a timestamp neither a blank nor second 60', async () => {
  const set = await setOf('u: { type: id, form: uuid }\nt: timestamp');
  for (const u of ['urn:uuid:0190a5c2-7d1e-7c3a-9f2b-3d5e8a1c4b6f', '{0190a5c2-7d1e-7c3a-9f2b-3d5e8a1c4b6f}'])
    expect(whyOf(judgeData(set, { u }))).toBe('value-invalid /data/u');
  expect(whyOf(judgeData(set, { u: '00000000-0000-0000-0000-000000000000' }))).toBe('value-placeholder /data/u');
  for (const t of [
    '2026-11-23 14:00:00Z',
    '2016-12-31T23:59:60Z',
    '2026-02-29T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-11-23T14:00:00',
  ])
    expect(whyOf(judgeData(set, { t }))).toBe('value-invalid /data/t');
  expect(judgeData(set, { t: '2024-02-29T00:00:00.5+14:00' }).kind).toBe('accepted');
});

test.each([
  '0',
  'null',
  'undefined',
  '[object Object]',
  'anonymous',
  'guest',
  'NaN',
  'none',
  'true',
  'false',
  '0000-00',
])('the placeholder %s is no id', async (id) => {
  const set = await setOf('id: id');
  expect(['value-placeholder /data/id', 'value-invalid /data/id']).toContain(whyOf(judgeData(set, { id })));
});

test('a rejection never repeats what was sent, nor a key that may be anything', async () => {
  const set = await setOf('a: { type: enum, values: [x] }\nm: { type: map, values: integer }', 'unknown: reject');
  const secret = 'jo@example.com 4111111111111111';
  for (const data of [{ a: secret }, { a: [secret] }, { [secret]: 1 }, { m: { [secret]: 1 } }, { m: { k: secret } }]) {
    const { message, pointer } = rejected(judgeData(set, data));
    expect(message + pointer).not.toMatch(/jo@|4111/);
  }
});

test('uniqueItems over objects, which is quadratic, cannot be written', async () => {
  await expect(
    setOf('l: { type: list, unique: true, items: { type: nested, fields: { x: integer } } }'),
  ).rejects.toThrow(/takes too long/);
});

test('removeAdditional inside anyOf: the fields of the kind that was meant stay', async () => {
  const set = await setOf('v: { type: one-of, by: k, kinds: { a: { x: integer }, b: { y: integer } } }');
  expect(dataOf(judgeData(set, { v: { k: 'b', x: 1, y: 2 } }))).toEqual({ v: { k: 'b', y: 2 } });
  expect(whyOf(judgeData(set, { v: { k: 'c' } }))).toBe('value-not-listed /data/v/k');
  expect(whyOf(judgeData(set, { v: {} }))).toBe('field-missing /data/v/k');
});

test.each([
  ['an alias that explodes', 'a: &x [1]\nb: *x', /anchors and aliases/],
  ['a tag', 'a: !!js/function x', /tags/],
  ['a version as a number', 'a: { type: decimal, max: 1.10 }', /^$/],
  ['a name that objects have', 'toString: text', /every JavaScript object has/],
  ['a pattern', 'a: { type: text, pattern: "(a+)+$" }', /unknown key/],
])('a rule file: %s', async (_name, fields, message) => {
  const failure = await setOf(fields).then(
    () => '',
    (error: unknown) => String(error),
  );
  expect(failure).toMatch(message);
});

test.each([
  ['marks upon marks, which take a minute to compose', `a${'\u0301\u0323'.repeat(250_000)}`],
  ['marks apart by what is taken out', `a${'\u0301\u200b\u0323\u200b'.repeat(125_000)}`],
  ['digits in groups, each of which may begin a card number', '0 '.repeat(250_000)],
  ['joiners between emoji', '👩\u200d'.repeat(170_000)],
  ['blanks within', `a${' '.repeat(500_000)}b`],
  ['Hangul in parts', '\u1100\u1161\u11a8'.repeat(170_000)],
])('half a megabyte of %s', (_name, b) => {
  const begun = performance.now();
  judgeData(one, { b });
  judgeData(kept, { other: b });
  expect(performance.now() - begun).toBeLessThan(5_000);
});

test('of marks upon marks 30 stay, and that is told', async () => {
  const set = await setOf('b: { type: text, max: 100 }');
  const verdict = accepted(judgeData(set, { b: `Z${'\u0324'.repeat(500)}!` }));
  expect(dataOf(verdict)).toEqual({ b: `Z${'\u0324'.repeat(30)}!`.normalize('NFC') });
  expect(verdict.changes).toMatchObject([{ pointer: '/data/b', sanitizer: 'strip' }]);
});

test('signs that become ASCII in small letters pass for none', async () => {
  const set = await setOf(
    'e: { type: enum, values: [kelvin], sanitize: [lower] }\ni: { type: id, sanitize: [lower] }\nm: { type: email, sanitize: [lower] }',
  );
  expect(whyOf(judgeData(set, { e: '\u212aelvin' }))).toBe('value-not-listed /data/e');
  expect(whyOf(judgeData(set, { i: '\u212a-1' }))).toBe('value-invalid /data/i');
  expect(whyOf(judgeData(set, { m: '\u212a@example.com' }))).toBe('value-invalid /data/m');
  expect(dataOf(judgeData(set, { e: 'KELVIN', i: 'K-1', m: 'K@Example.com' }))).toEqual({
    e: 'kelvin',
    i: 'k-1',
    m: 'k@example.com',
  });
});

test.each([
  'javascript:alert(1)',
  'https:example.com',
  'https:/example.com',
  'http:///example.com',
  'http://user@example.com/',
  'http://example.com\\\\@evil.example/',
  'https://ex\u0430mple.com/',
  '//example.com/',
  'https://',
  ' https://a b/',
])('the URL %s is none', async (u) => {
  expect(whyOf(judgeData(await setOf('u: url'), { u }))).toBe('value-invalid /data/u');
});

test('a URL of a scheme without hosts needs none', async () => {
  const set = await setOf('u: { type: url, schemes: [mailto, app] }');
  for (const u of ['mailto:jo@example.com', 'app://home/1']) expect(judgeData(set, { u }).kind).toBe('accepted');
});

test('mask hides the only letter of an address too, and once is for good', async () => {
  const set = await setOf('m: { type: email, sanitize: [mask] }');
  for (const [m, masked] of [
    ['j@example.com', '*@example.com'],
    ['jo@example.com', 'j*@example.com'],
  ]) {
    expect(dataOf(judgeData(set, { m }))).toEqual({ m: masked });
    expect(dataOf(judgeData(set, { m: masked }))).toEqual({ m: masked });
  }
});

const hashOf = (set: RuleSet, h: string): string => (dataOf(judgeData(set, { h })) as { h: string }).h;

test('a hash is the same for the same key alone, and one that a sender made up is hashed again', async () => {
  const file = ruleFile(ruleText('h: { type: id, sanitize: [hash] }'));
  const [first, again, other] = [await ruleSet([file], 'k1'), await ruleSet([file], 'k1'), await ruleSet([file], 'k2')];
  const hashed = hashOf(first, 'member-1');
  expect(hashed).toMatch(/^hmac:[A-Za-z0-9_-]{32}$/);
  expect(hashOf(again, 'member-1')).toBe(hashed);
  expect(hashOf(first, hashed)).toBe(hashed);
  expect(hashOf(other, 'member-1')).not.toBe(hashed);
  expect(hashOf(other, hashed)).not.toBe(hashed);
  const madeUp = `hmac:${'A'.repeat(32)}`;
  expect(hashOf(first, madeUp)).not.toBe(madeUp);
});

const isCard = (digits: string): boolean => {
  const values = digits
    .split('')
    .toReversed()
    .map((digit, i) => Number(i % 2 === 0 ? digit : '0246813579'[Number(digit)]));
  const sum = values.reduce((all, value) => all + value, 0);
  return digits.length >= 13 && digits.length <= 19 && sum > 0 && sum % 10 === 0;
};
const cardsIn = (text: string): readonly string[] => {
  const groups = text.split(/[ -]/);
  return groups.flatMap((_, from) =>
    groups
      .slice(from)
      .map((__, length) => groups.slice(from, from + length + 1).join(''))
      .filter(isCard),
  );
};

test('card numbers: none of 13 to 19 digits whose check digit is right is left, and nothing else is masked', () => {
  expect(isCard('4111111111111111')).toBe(true);
  const group = fc.stringMatching(/^[0-9]{1,7}$/);
  let found = 0;
  fc.assert(
    fc.property(fc.array(group, { minLength: 3, maxLength: 9 }), fc.constantFrom(' ', '-'), (groups, between) => {
      const sent = groups.join(between);
      const made = clean(sent);
      const had = cardsIn(sent).length > 0;
      if (had) found++;
      expect(made === sent).toBe(!had);
      expect(cardsIn(String(made))).toEqual([]);
    }),
    { numRuns: 500 },
  );
  expect(found).toBeGreaterThan(50);
});

test('a text of 1 MB that every pattern must look at is judged in linear time', () => {
  const verdict = judgeData(one, { b: `${'1 '.repeat(250_000)}${'4111 1111 '.repeat(50_000)}` });
  expect(whyOf(verdict)).toBe('text-too-long /data/b');
});

test.each([
  'a: { type: enum, values: [x, y], default: z }',
  'a: { type: enum, values: [X], default: X, sanitize: [lower] }',
  'a: { type: text, default: "  blanks around " }',
  'a: { type: text, max: 3, default: long }',
  'a: { type: text, characters: word, default: two words }',
  'a: { type: text, default: Small, sanitize: [lower] }',
  'a: { type: decimal, scale: 1, default: "1.25" }',
  'a: { type: decimal, max: "1", default: "2" }',
  'a: { type: integer, max: 5, default: 9 }',
  'a: { type: url, default: "ftp://a.b/" }',
  'a: { type: locale, default: en_US }',
  'a: { type: version, default: latest }',
  'a: { type: integer, default: 1, sanitize: [drop] }',
  'n: { type: nested, fields: { a: { type: integer, min: 1, default: 0 } } }',
])('a default that the field itself would reject or change is told: %s', async (fields) => {
  await expect(setOf(fields)).rejects.toThrow(
    /yaml:5:\d+: fields\..*default: is no value that this field lets through/,
  );
});
