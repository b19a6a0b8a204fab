// Each attack and complaint of other services' histories that concerns what is inside an event, by name.
import { expect, test } from 'vitest';
import { scanEvents } from '#core/json/scan.ts';
import { dataOf, judgeData, judgeText, rejected, ruleFile, ruleSet, ruleText, setOf, whyOf } from './rule-files.ts';

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

test('a text of 1 MB that every pattern must look at is judged in linear time', () => {
  const verdict = judgeData(one, { b: `${'1 '.repeat(250_000)}${'4111 1111 '.repeat(50_000)}` });
  expect(whyOf(verdict)).toBe('text-too-long /data/b');
});
