import { describe, expect, test } from 'vitest';
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

const set = await setOf(
  'name: text\ncount: integer\npassword: { type: text, sanitize: [drop] }\nemail: { type: email, sanitize: [mask] }',
);
const event = (members: string): string => `{"type":"thing.happened",${members}}`;

const copyOf = (text: string): unknown => JSON.parse(rejected(judgeText(set, text)).copy ?? 'null');

describe('the envelope', () => {
  test('type, id and time are read, everything else is left out and told', () => {
    const verdict = accepted(
      judgeText(
        set,
        event('"specversion":"1.0","id":"e-1","time":"2026-11-23T14:00:00Z","source":"/mine","data":{"name":"a"}'),
      ),
    );
    expect(verdict).toMatchObject({
      type: 'thing.happened',
      rule: 'thing.happened',
      version: 1,
      id: 'e-1',
      time: '2026-11-23T14:00:00Z',
      data: '{"name":"a"}',
    });
    expect(verdict.changes).toEqual([{ pointer: '/source', sanitizer: 'drop', detail: 'no member of an event here' }]);
  });

  test('members that are null count as absent', () => {
    expect(accepted(judgeText(set, event('"id":null,"time":null,"data":{}')))).toMatchObject({ id: null, time: null });
  });

  test.each([
    ['an array', '[]', 'event-not-object '],
    ['null', 'null', 'event-not-object '],
    ['no type', '{"data":{}}', 'type-missing /type'],
    ['a type that is a number', '{"type":7,"data":{}}', 'type-invalid /type'],
    ['a type with blanks', '{"type":"a b","data":{}}', 'type-invalid /type'],
    ['an unknown type', '{"type":"a.b","data":{}}', 'type-unknown /type'],
    ['an unknown version', '{"type":"thing.happened@2","data":{}}', 'version-unknown /type'],
    ['version 0', '{"type":"thing.happened@0","data":{}}', 'type-invalid /type'],
    ['no data', '{"type":"thing.happened"}', 'data-missing /data'],
    ['data that are a list', event('"data":[]'), 'data-not-object /data'],
    ['an id that is a number', event('"id":7,"data":{}'), 'id-invalid /id'],
    ['an id that is a placeholder', event('"id":"undefined","data":{}'), 'value-placeholder /id'],
    ['an id that is too long', event(`"id":"${'a'.repeat(257)}","data":{}`), 'text-too-long /id'],
    ['a time without zone', event('"time":"2026-11-23T14:00:00","data":{}'), 'time-invalid /time'],
    ['another CloudEvents', event('"specversion":"0.3","data":{}'), 'specversion-invalid /specversion'],
  ])('%s is rejected', (_name, text, why) => {
    expect(whyOf(judgeText(set, text))).toBe(why);
  });

  test('a rejection says which rule, version, type, id and time', () => {
    expect(rejected(judgeText(set, event('"id":"e-1","time":"2026-11-23T14:00:00Z","data":{"name":5}')))).toMatchObject(
      {
        code: 'kind-wrong',
        pointer: '/data/name',
        message: 'The value must be a string; nothing is converted.',
        rule: 'thing.happened',
        version: 1,
        type: 'thing.happened',
        id: 'e-1',
        time: '2026-11-23T14:00:00Z',
        retry: false,
      },
    );
  });
});

describe('versions', () => {
  test('a type without version is version 1, another is asked for by its number', async () => {
    const both = await ruleSet([
      ruleFile(ruleText('a: integer')),
      ruleFile(ruleText('a: text', '', 'thing.happened@2'), 'thing.happened@2'),
    ]);
    expect(accepted(judgeData(both, { a: 1 }))).toMatchObject({ rule: 'thing.happened', version: 1 });
    expect(accepted(judgeData(both, { a: 1 }, 'thing.happened@1'))).toMatchObject({
      rule: 'thing.happened',
      version: 1,
    });
    const second = accepted(judgeData(both, { a: 'x' }, 'thing.happened@2'));
    expect(second).toMatchObject({ type: 'thing.happened', rule: 'thing.happened@2', version: 2 });
    expect(rejected(judgeData(both, {}, 'thing.happened@3')).message).toContain('it has 1, 2');
  });
});

describe('the copy for the dead letters', () => {
  test('is the event as it was sent, without what the rule hides and without secrets', () => {
    const text = event(
      '"id":"e-1","data":{"count":"x","password":"p1","email":"jo@example.com","apiKey":"k","more":{"card":"4111111111111111","who":"a@b.cd","from":"203.0.113.7"}}',
    );
    expect(copyOf(text)).toEqual({
      type: 'thing.happened',
      id: 'e-1',
      data: {
        count: 'x',
        password: '[removed]',
        email: 'j*@example.com',
        apiKey: '[removed]',
        more: { card: '************1111', who: '[removed]', from: '[removed]' },
      },
    });
  });

  test('holds no secret of a type that no rule knows', () => {
    expect(
      copyOf('{"type":"a","token":"t","data":{"secret":{"x":1},"n":4111111111111111,"list":["a@b.cd",1]}}'),
    ).toEqual({
      type: 'a',
      token: '[removed]',
      data: { secret: '[removed]', n: '[removed]', list: ['[removed]', 1] },
    });
  });

  test.each([
    ['a text for an object', '"m":"jo@example.com, and more"'],
    ['a list for an object', '"m":[{"deep":"secret-1"}]'],
    ['a text for a list', '"l":"secret-1"'],
    ['an object for a list', '"l":{"0":"secret-1"}'],
    ['a list for a map', '"p":["secret-1"]'],
    ['a list for one of kinds', '"o":["secret-1"]'],
    ['a kind that there is not', '"o":{"k":"z","s":"secret-1"}'],
    ['an object for a text', '"h":{"x":"secret-1"}'],
  ])('holds nothing that the rule would hide where the shape is wrong: %s', async (_name, member) => {
    const hiding = await setOf(`c: integer
m: { type: nested, fields: { e: { type: email, sanitize: [mask] } } }
l: { type: list, items: { type: id, sanitize: [hash] } }
p: { type: map, values: { type: text, sanitize: [mask] } }
o: { type: one-of, by: k, kinds: { a: { s: { type: text, sanitize: [drop] } } } }
h: { type: text, sanitize: [mask] }`);
    const { copy } = rejected(judgeText(hiding, event(`"data":{"c":"x",${member}}`)));
    expect(copy).toContain('"c":"x"');
    expect(copy).not.toMatch(/secret|jo@/);
    expect(rejected(judgeText(hiding, event('"data":"secret-1"'))).copy).not.toContain('secret');
  });

  test('holds a type that is one alone', () => {
    expect(copyOf('{"type":"jo@example.com","data":{}}')).toEqual({ type: '[removed]', data: {} });
    expect(copyOf('{"type":"purchase@2","data":{}}')).toEqual({ type: 'purchase@2', data: {} });
  });

  test('is absent where the JSON cannot be trusted', () => {
    expect(rejected(judgeText(set, event('"data":{"a":1,"a":2}'))).copy).toBeNull();
  });
});

test('the verdict does not depend on what stands around the event', () => {
  const text = '{"type":"thing.happened","data":{"name":"é"}}';
  const around = Buffer.from(`[{"type":"x"},${text},5]`);
  const start = around.indexOf(text);
  expect(set.judge(around, start, start + Buffer.byteLength(text))).toEqual(judgeText(set, text));
  expect(dataOf(judgeText(set, text))).toEqual({ name: 'é' });
});

test('fields that no rule names, where they are kept, are without secrets and without what tells of a person', async () => {
  const kept = await setOf('a: text', 'unknown: keep');
  const secrets = 'password userPassword pass_word apiKey API_KEY x-api-key tokens secrets accessToken Authorization privateKey clientSecret set-cookie pin otp jwt csrf credit_card cardNumber cc_number'; // prettier-ignore
  const named = Object.fromEntries(secrets.split(' ').map((name) => [name, 'x']));
  const verdict = accepted(
    judgeData(kept, {
      ...named,
      mail: 'jo@example.com',
      hidden: 'jo\u200b@example.com',
      from: ' 203.0.113.7 ',
      six: '2001:db8::1',
      card: 4111111111111111,
      text: 'card 4111 1111 1111 1111',
      list: ['jo@example.com', 4111111111111111, 'fine'],
      pinned: true,
      session_id: 's-1',
      n: 1234567890123,
    }),
  );
  expect(dataOf(verdict)).toEqual({
    text: 'card **** **** **** 1111',
    list: [null, null, 'fine'],
    pinned: true,
    session_id: 's-1',
    n: 1234567890123,
  });
  expect(verdict.changes.length).toBe(secrets.split(' ').length + 5 + 1 + 2 + 1);
});
