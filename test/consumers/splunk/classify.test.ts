import { describe, expect, test } from 'vitest';
import {
  afterMs,
  classify,
  HEC_CODES,
  indexedOf,
  suspects,
  wordsOf,
  type Asked,
} from '../../../consumers/splunk/classify.ts';

const ASKED: Asked = { endpoint: 'https://hec:8088', count: 3, indexFromEvent: false, now: Date.UTC(2026, 10, 23, 14) };
const answer = (status: number, body: string, retryAfter: string | null = null) => ({ status, body, retryAfter });
const said = (code: number, more: object = {}, change: Partial<Asked> = {}) =>
  classify(answer(HEC_CODES[code]?.status ?? 0, JSON.stringify({ text: 'said', code, ...more })), {
    ...ASKED,
    ...change,
  });

test('every code of Splunk’s table is there once, with the status that it comes with', () => {
  const byStatus = Object.groupBy(Object.keys(HEC_CODES), (code) => String(HEC_CODES[Number(code)]?.status));
  expect(byStatus).toEqual({
    200: ['0', '17', '24', '25'],
    400: ['5', '6', '7', '10', '11', '12', '13', '14', '15', '16', '21', '22'],
    401: ['2', '3'],
    403: ['1', '4'],
    429: ['26', '27'],
    500: ['8'],
    503: ['9', '18', '19', '20', '23'],
  });
  const names = Object.values(HEC_CODES).map(({ name }) => name);
  expect(new Set(names).size).toBe(28);
});

test.each([
  ['taken', [0, 24, 25]],
  ['retry', [8, 9, 17, 18, 19, 20, 23, 26, 27]],
  ['paused', [1, 2, 3, 4, 7, 10, 11, 14, 16, 21, 22]],
  ['rejected', [5, 6, 12, 13, 15]],
])('%s: codes %j', (kind, codes) => {
  for (const code of codes) {
    const verdict = said(code);
    expect([code, verdict.kind]).toEqual([code, kind]);
    if (verdict.kind !== 'taken')
      expect(verdict.message).toMatch(/^https:\/\/hec:8088: [a-z].* \(HTTP \d+, code \d+: said\)$/);
  }
});

describe('an event at fault', () => {
  test.each([5, 6, 12, 13, 15])('code %i with its number: proven first; alone it is certain', (code) => {
    expect(said(code, { 'invalid-event-number': 1 })).toMatchObject({
      kind: 'suspect',
      near: 1,
      code: HEC_CODES[code]?.name,
    });
    expect(said(code, { 'invalid-event-number': 0 }, { count: 1 })).toMatchObject({ kind: 'rejected' });
    expect(said(code, { 'invalid-event-number': -1 })).toMatchObject({ kind: 'rejected' });
  });
  test('code 7 is the event’s fault only where events name their index', () => {
    expect(said(7, { 'invalid-event-number': 1 })).toMatchObject({ kind: 'paused', code: 'index-incorrect' });
    expect(said(7, { 'invalid-event-number': 1 }, { indexFromEvent: true })).toMatchObject({
      kind: 'suspect',
      near: 1,
    });
    expect(said(7, {}, { indexFromEvent: true })).toMatchObject({ kind: 'rejected' });
  });
  test('numbers may count from 0 or from 1', () => {
    expect(suspects(0, 3)).toEqual([0]);
    expect(suspects(1, 3)).toEqual([1, 0]);
    expect(suspects(3, 3)).toEqual([2]);
    expect(suspects(9, 3)).toEqual([]);
  });
});

describe('by status, where there is no code that we know', () => {
  test.each([
    [200, 'retry'],
    [204, 'retry'],
    [301, 'paused'],
    [400, 'rejected'],
    [401, 'paused'],
    [403, 'paused'],
    [404, 'paused'],
    [405, 'paused'],
    [407, 'paused'],
    [408, 'retry'],
    [410, 'paused'],
    [413, 'rejected'],
    [415, 'rejected'],
    [422, 'rejected'],
    [425, 'retry'],
    [429, 'retry'],
    [500, 'retry'],
    [502, 'retry'],
    [503, 'retry'],
    [504, 'retry'],
  ])('%i: %s', (status, kind) => {
    for (const body of ['', '<html>\n no', '"Internal Server Error"', 'null', '[]', '{"code":"0"}', '{"code":99}'])
      expect(classify(answer(status, body), ASKED)).toMatchObject({ kind });
  });
  test('a code 0 without 200 is not believed', () => {
    expect(classify(answer(502, '{"text":"Success","code":0}'), ASKED)).toMatchObject({
      kind: 'retry',
      code: 'http-502',
    });
  });
  test('messages hold what was said, shortened, on one line', () => {
    const words = `{"text":"no\\n${'x'.repeat(100_000)}","code":6}`;
    expect(classify(answer(400, words), ASKED)).toMatchObject({
      message: expect.stringMatching(/^https:\/\/hec:8088: .*code 6: no x{100,200}\)$/) as string,
    });
    const verdict = classify(answer(502, `<html>\n${'x'.repeat(1000)}`), ASKED);
    expect(verdict).toMatchObject({
      message: expect.stringMatching(/^https:\/\/hec:8088: .*<html> x{100,200}\)$/) as string,
    });
  });
});

describe('Retry-After', () => {
  test.each([
    [null, null],
    ['7', 7000],
    [' 0 ', 0],
    ['Mon, 23 Nov 2026 14:00:30 GMT', 30_000],
    ['Mon, 23 Nov 2026 13:00:00 GMT', 0],
    ['soon', null],
    ['-1', null],
  ])('%j', (header, after) => {
    expect(afterMs(header, ASKED.now)).toBe(after);
  });
  test('reaches the outcome', () => {
    const busy = answer(503, '{"text":"Server is busy","code":9}', '7');
    expect(classify(busy, ASKED)).toMatchObject({ kind: 'retry', code: 'busy', after: 7000 });
    expect(classify(answer(503, 'no', '8'), ASKED)).toMatchObject({ kind: 'retry', after: 8000 });
  });
});

test('answers are read by content: acknowledgement ids as numbers or strings', () => {
  expect(wordsOf('{"text": "Success", "code": 0, "ackId": 5}')).toMatchObject({ code: 0, ackId: 5 });
  expect(wordsOf('{"text":"Success","code":0,"ackId":"0"}')).toMatchObject({ code: 0, ackId: 0 });
  for (const ackId of ['-1', '1.5', '"x"', '""', 'null', '1e300'])
    expect(wordsOf(`{"code":0,"ackId":${ackId}}`)).toMatchObject({ ackId: null });
  expect(indexedOf('{"acks":{"0":true,"1":false,"7":true}}', [0, 1, 2])).toEqual([0]);
  for (const body of ['', '{}', '{"acks":null}', 'OK']) expect(indexedOf(body, [0])).toBeNull();
});
