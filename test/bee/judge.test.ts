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
