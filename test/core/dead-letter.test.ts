import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeDeadRecord,
  encodeDeadLetter,
  encodeResolution,
  letterId,
  type DeadLetter,
  type RecordMessage,
  type Resolution,
  type StoredMessage,
} from '#core/dead-letter.ts';
import { encodeBatch } from '#core/batch.ts';
import { makeMessage } from '../consumers/drain/batches.ts';

const stored = (message: RecordMessage, offset = 5n): StoredMessage => ({
  headers: message.headers,
  contentType: 'application/octet-stream',
  contentEncoding: undefined,
  messageId: undefined,
  body: message.body,
  site: 'chicago',
  stream: 'dead',
  offset,
});

const time = fc.integer({ min: 0, max: 4_102_444_800_000 });
const id = fc.array(fc.string({ maxLength: 20 })).map((parts) => letterId('search', parts));
const word = fc.string({ unit: 'binary', maxLength: 40 }).map((text) => text.toWellFormed());
const common = {
  letter: id,
  sink: fc.constantFrom('search', 's3'),
  site: fc.constantFrom('chicago', 'us-east-1'),
  reason: fc.constantFrom('invalid', 'forgotten', 'rejected', 'unencodable'),
  code: word,
  message: word,
  first: time,
  last: time,
  attempts: fc.nat(),
  body: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
} as const;
const letters: fc.Arbitrary<DeadLetter> = fc.oneof(
  fc.record({
    ...common,
    content: fc.constant('event' as const),
    event: fc.record({ type: word, id: word, source: word }),
    position: fc.constant(null),
  }),
  fc.record({
    ...common,
    content: fc.constant('message' as const),
    event: fc.constant(null),
    position: fc.record({ stream: fc.constant('log-1'), offset: fc.bigInt({ min: 0n, max: 2n ** 62n }) }),
  }),
);
const resolutions: fc.Arbitrary<Resolution> = fc.record({
  kind: fc.constant('resolution' as const),
  letter: id,
  sink: fc.constantFrom('search', ''),
  site: fc.constant('chicago'),
  reason: fc.constantFrom('replayed', 'discarded'),
  message: word,
  at: time,
  upto: fc.bigInt({ min: 0n, max: 2n ** 62n }),
});

describe('a dead letter', () => {
  test('comes out of the stream as it went in, and its headers are strings', () => {
    fc.assert(
      fc.property(letters, (letter) => {
        const message = encodeDeadLetter(letter);
        for (const value of Object.values(message.headers)) expect(typeof value).toBe('string');
        expect(decodeDeadRecord(stored(message))).toEqual({
          kind: 'letter',
          ...letter,
          type: letter.event?.type ?? '',
        });
      }),
    );
  });

  test('bounds the texts of its headers, whatever the target said, and cuts no character in half', () => {
    const [sample] = fc.sample(letters, 1);
    const message = `${'x'.repeat(999)}\u{1F600}`;
    const long = 'y'.repeat(300_000);
    const event = { type: 'a', id: long, source: long };
    const { headers } = encodeDeadLetter({ ...(sample as DeadLetter), content: 'event', event, message, code: long });
    expect(headers['message']).toBe('x'.repeat(999));
    expect(Object.values(headers).join('').length).toBeLessThan(5_000);
  });

  test('of a log sink of the first version, without a record, keeps sink, reason and place', () => {
    const headers = {
      v: '1',
      sink: 's3',
      site: 'chicago',
      reason: 'invalid',
      message: 'm',
      stream: 'log-1',
      offset: '7',
    };
    expect(decodeDeadRecord(stored({ headers, body: Buffer.from('x') }))).toMatchObject({
      kind: 'letter',
      sink: 's3',
      reason: 'invalid',
      content: 'message',
      position: { stream: 'log-1', offset: 7n },
    });
  });

  test('of a version to come is shown, with a reason of which nothing is assumed', () => {
    const [sample] = fc.sample(letters, 1);
    const { headers, body } = encodeDeadLetter(sample as DeadLetter);
    expect(decodeDeadRecord(stored({ headers: { ...headers, v: '2' }, body }))).toMatchObject({
      reason: 'unknown',
      letter: (sample as DeadLetter).letter,
    });
  });
});

test('a resolution comes out of the stream as it went in', () => {
  fc.assert(
    fc.property(resolutions, (resolution) => {
      expect(decodeDeadRecord(stored(encodeResolution(resolution)))).toEqual(resolution);
    }),
  );
});

test('what no partition took is shown as unrouted, its events readable, also where they were compressed', () => {
  const identity = '0198aaaa-0000-7000-8000-000000000001';
  const { batch } = makeMessage(0, { identity, ranges: [[1, 3]], type: 'card.tapped' });
  if (batch.kind === 'invalid') throw new Error(batch.message);
  const message = encodeBatch(batch, 'zstd');
  const record = decodeDeadRecord({ ...stored({ headers: message.headers, body: message.body }), ...message });
  expect(record).toMatchObject({ kind: 'letter', reason: 'unrouted', content: 'batch', type: 'card.tapped', sink: '' });
  expect(record.kind === 'letter' && record.body.equals(batch.body)).toBe(true);
  expect(record.kind === 'letter' && record.last).toBeGreaterThan(0);
});

test('whatever lies in the stream is a record: decoding never throws, and tells messages apart by their place', () => {
  const headers = fc.dictionary(
    fc.constantFrom('v', 'record', 'letter', 'sink', 'reason', 'content', 'upto', 'last', 'offset', 'agent'),
    fc.oneof(
      fc.string(),
      fc.constantFrom('1', 'letter', 'resolution', 'event', 'batch'),
      fc.integer(),
      fc.constant(null),
    ),
  );
  fc.assert(
    fc.property(headers, fc.uint8Array({ maxLength: 50 }), (found, bytes) => {
      const message = stored({ headers: {}, body: Buffer.from(bytes) });
      const record = decodeDeadRecord({ ...message, headers: found });
      expect(record.letter).toMatch(/^[0-9a-f]{32}$/);
    }),
  );
  const nothing = stored({ headers: {}, body: Buffer.alloc(0) });
  expect(decodeDeadRecord(nothing)).toMatchObject({ reason: 'unknown' });
  expect(decodeDeadRecord({ ...nothing, offset: 6n }).letter).not.toBe(decodeDeadRecord(nothing).letter);
});
