import {
  MongoCompatibilityError,
  MongoMissingCredentialsError,
  MongoNetworkError,
  MongoParseError,
  MongoServerError,
  MongoTopologyClosedError,
  MongoWriteConcernError,
} from 'mongodb';
import { describe, expect, test } from 'vitest';
import { CODES, failureOutcome, replyOutcome } from '../../../consumers/mongodb/classify.ts';

const codesOf = (meaning: string): number[] =>
  Object.entries(CODES).flatMap(([code, known]) => (known.meaning === meaning ? [Number(code)] : []));
const refused = (index: number, code: number, more: object = {}): object => ({
  index,
  code,
  errmsg: `E${code} in some words`,
  ...more,
});
const reply = (n: number, writeErrors: readonly object[], upserted = n): object => ({
  ok: 1,
  n,
  nModified: 0,
  upserted: Array.from({ length: upserted }, (_, index) => ({ index, _id: `key-${index}` })),
  ...(writeErrors.length > 0 && { writeErrors }),
});
const item = (code: number, more: object = {}) => replyOutcome(reply(1, [refused(1, code, more)]), 2, 'there');
const command = (code: number, codeName?: string) =>
  failureOutcome(new MongoServerError({ ok: 0, code, codeName, errmsg: 'in some words' }), 'there');

test('the table holds each code once, and what needs a hand says what to do', () => {
  const counts = ['duplicate', 'document', 'size', 'again', 'hand'].map((meaning) => codesOf(meaning).length);
  expect(counts).toEqual([1, 14, 4, 31, 16]);
  expect(counts.reduce((sum, count) => sum + count)).toBe(Object.keys(CODES).length);
  expect(Object.values(CODES).filter(({ meaning, advice }) => (meaning === 'hand') !== (advice !== undefined))).toEqual(
    [],
  );
  expect(new Set(Object.values(CODES).map(({ name }) => name)).size).toBe(Object.keys(CODES).length);
});

describe('an answer', () => {
  test('without errors is done; what was there counts as repeated', () => {
    expect(replyOutcome(reply(3, []), 3, 'there')).toEqual({ kind: 'done', repeated: 0 });
    expect(replyOutcome(reply(3, [], 1), 3, 'there')).toEqual({ kind: 'done', repeated: 2 });
    expect(replyOutcome({ ok: 1, n: 2, nModified: 0 }, 2, 'there')).toEqual({ kind: 'done', repeated: 2 });
  });

  test.each([{}, null, { ok: 1, n: 1 }, reply(1, []), reply(2, [refused(0, 2)])])(
    '%j does not tell all of two',
    (answer) => {
      expect(replyOutcome(answer, 2, 'there')).toMatchObject({ kind: 'retry', code: 'answer-incomplete' });
    },
  );

  test.each([
    ['by its index', { keyPattern: { _id: 1 } }],
    [
      'by its words',
      { errmsg: 'E11000 duplicate key error collection: waggle.events index: _id_ dup key: { _id: "k" }' },
    ],
    [
      'by the words of old servers',
      { errmsg: 'E11000 duplicate key error index: waggle.events.$_id_ dup key: { : "k" }' },
    ],
  ])('with a duplicate _id, known %s, is a repeat: another connection was first', (_how, more) => {
    expect(item(11000, more)).toEqual({ kind: 'done', repeated: 1 });
  });

  test.each([
    { keyPattern: { serial: 1 } },
    { keyPattern: { _id: 1, serial: 1 } },
    {
      errmsg: 'E11000 duplicate key error collection: waggle.events index: serial_id_1 dup key: { serial_id: "_id_" }',
    },
  ])('with a duplicate elsewhere (%j) rejects the event', (more) => {
    expect(item(11000, more)).toMatchObject({
      kind: 'partly',
      rejected: [{ index: 1, code: 'DuplicateKey' }],
      retry: [],
    });
  });

  test('with a duplicate whose reason was cut off is asked for again', () => {
    expect(item(11000, { errmsg: '' })).toMatchObject({
      kind: 'partly',
      rejected: [],
      retry: [1],
      code: 'DuplicateKey',
    });
  });

  test.each([...codesOf('document'), ...codesOf('size')])('with code %i rejects the event alone', (code) => {
    expect(item(code)).toMatchObject({
      kind: 'partly',
      rejected: [{ index: 1, code: CODES[code]?.name, message: `E${code} in some words` }],
      retry: [],
    });
  });
  test('with an unknown code rejects the event, by its number', () => {
    expect(item(99_999)).toMatchObject({ rejected: [{ index: 1, code: 'code-99999' }] });
  });
  test.each(codesOf('again'))('with code %i is asked for again', (code) => {
    expect(item(code)).toMatchObject({ kind: 'partly', rejected: [], retry: [1], code: CODES[code]?.name });
  });
  test.each(codesOf('hand'))('with code %i pauses, and says what to do', (code) => {
    expect(item(code)).toMatchObject({ kind: 'paused', code: CODES[code]?.name });
    expect(item(code)).toHaveProperty('message', expect.stringContaining(CODES[code]?.advice ?? '?'));
  });

  test('with several errors tells each', () => {
    const errors = [refused(0, 121), refused(2, 112), refused(3, 11000, { keyPattern: { _id: 1 } })];
    expect(replyOutcome(reply(2, errors, 1), 5, 'there')).toEqual({
      kind: 'partly',
      rejected: [{ index: 0, code: 'DocumentValidationFailure', message: 'E121 in some words' }],
      retry: [2],
      code: 'WriteConflict',
      message: 'there: WriteConflict: E112 in some words',
      after: null,
      repeated: 2,
    });
  });
});

describe('a failed command', () => {
  test.each([...codesOf('again')])('with code %i is sent again', (code) => {
    expect(command(code)).toMatchObject({ kind: 'retry', code: CODES[code]?.name });
  });
  test.each([...codesOf('size'), 22])('with code %i is divided', (code) => {
    expect(command(code)).toMatchObject({ kind: 'rejected', code: CODES[code]?.name });
  });
  // Of a command these are about its form, the same for all events: none of them goes to the dead letters.
  test.each([...codesOf('hand'), 2, 9, 14, 66, 99_999])('with code %i pauses', (code) => {
    expect(command(code)).toMatchObject({ kind: 'paused', code: CODES[code]?.name ?? 'code-99999' });
  });
  test('with an unknown code has the server’s name of it', () => {
    expect(command(99_999, 'Unheard')).toMatchObject({ kind: 'paused', code: 'Unheard' });
  });

  test.each([
    [64, 'retry'],
    [100, 'retry'],
    [79, 'paused'],
  ])('with write concern error %i: %s', (code, kind) => {
    const error = new MongoWriteConcernError({ ok: 1, n: 1, writeConcernError: { code, errmsg: 'waiting' } });
    expect(failureOutcome(error, 'there')).toMatchObject({ kind, code: CODES[code]?.name });
  });

  test('that the driver could not send is sent again, or needs a hand', () => {
    const kinds = [
      new MongoNetworkError('cut'),
      new MongoTopologyClosedError('closed'),
      new MongoParseError('srv'),
      new MongoCompatibilityError('old'),
      new MongoMissingCredentialsError('none'),
    ].map((error) => failureOutcome(error, 'there')?.kind);
    expect(kinds).toEqual(['retry', 'retry', 'paused', 'paused', 'paused']);
  });

  test('that is no error of MongoDB is none of this', () =>
    expect(failureOutcome(new TypeError('x'), 'there')).toBeNull());
});
