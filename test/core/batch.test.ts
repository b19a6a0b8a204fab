import { randomFillSync } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Batch,
  BATCH_BYTES,
  type BatchMessage,
  type ReceivedMessage,
  decodeBatch,
  encodeBatch,
  linesOf,
} from '#core/batch.ts';
import { lineHour, ownEventLine } from '#core/event-line.ts';
import { countRanges, type NumberRange } from '#core/number-ranges.ts';
import { uuidGenerator } from '#core/uuid.ts';

const RECEIVED = Date.parse('2026-11-23T14:00:00.123Z');
const ids = uuidGenerator(() => RECEIVED, randomFillSync);
const arrival = { receivedAt: RECEIVED, host: 'h', site: 's', source: '/s/h/test' };
const identity = '017f22e2-79b0-7cc3-98c4-dc0c0c07398f';
const lines = (count: number, type = 'test.numbered', data: unknown = 1): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => ownEventLine(type, arrival, ids, data)));
const make = (ranges: readonly NumberRange[], more: Partial<Batch> = {}): Batch => ({
  kind: 'batch',
  identity,
  partition: 3,
  type: 'test.numbered',
  count: countRanges(ranges),
  ranges,
  body: lines(countRanges(ranges)),
  ...more,
});
const received = ({
  routingKey,
  headers,
  contentType,
  contentEncoding,
  appId,
  messageId,
  body,
}: BatchMessage): ReceivedMessage => ({ routingKey, headers, contentType, contentEncoding, appId, messageId, body });
const good = received(
  encodeBatch(
    make([
      [100, 103],
      [105, 105],
    ]),
    'identity',
  ),
);
const withHeaders = (headers: Record<string, unknown>): ReceivedMessage => ({
  ...good,
  headers: { ...good.headers, ...headers },
});

describe('a batch on the wire', () => {
  test('is what the design says', () => {
    const { body, ...rest } = encodeBatch(
      make([
        [100, 180],
        [185, 185],
      ]),
      'identity',
    );
    expect(rest).toEqual({
      routingKey: 'test.numbered',
      headers: { v: '1', agent: identity, partition: '3', count: '82', seq: '100-180,185' },
      contentType: 'application/x-ndjson',
      contentEncoding: undefined,
      appId: 'waggle',
      messageId: `${identity}:100`,
    });
    expect(body.toString().split('\n')).toHaveLength(83);
  });

  test('comes back the same, compressed or not, whether the client shows app_id and routing key or not', () => {
    const ranges = fc
      .array(fc.tuple(fc.integer({ min: 2, max: 1e9 }), fc.integer({ min: 0, max: 20 })), {
        minLength: 1,
        maxLength: 20,
      })
      .map((steps) => {
        let next = 0;
        return steps.map(([gap, more]): NumberRange => [(next += gap), (next += more)]);
      });
    fc.assert(
      fc.property(
        ranges,
        fc.constantFrom('identity', 'zstd'),
        fc.boolean(),
        fc.nat(),
        (given, encoding, bare, partition) => {
          const batch = make(given, { partition: partition % 64 });
          const { appId, routingKey, ...message } = received(encodeBatch(batch, encoding));
          expect(decodeBatch(bare ? message : { ...message, appId, routingKey })).toEqual({
            ...batch,
            hours: expect.any(Array) as unknown,
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  test('one event may be larger than a batch, two may not', () => {
    const large = 'x'.repeat(BATCH_BYTES);
    expect(
      decodeBatch(received(encodeBatch(make([[1, 1]], { body: lines(1, 'test.numbered', large) }), 'zstd'))),
    ).toMatchObject({ count: 1 });
    const two = make([[1, 2]], { body: Buffer.concat([lines(1, 'test.numbered', large), lines(1)]) });
    expect(() => encodeBatch(two, 'identity')).toThrow(/at most 262144/);
  });

  test('encoding refuses what the wire does not allow', () => {
    expect(() => encodeBatch(make([[1, 501]]), 'identity')).toThrow(RangeError);
    expect(() => encodeBatch(make([[1, 2]], { count: 3 }), 'identity')).toThrow(RangeError);
    expect(() => encodeBatch(make([]), 'identity')).toThrow(RangeError);
    const scattered = Array.from({ length: 400 }, (_, i): NumberRange => [1000 + 2 * i, 1000 + 2 * i]);
    expect(() => encodeBatch(make(scattered), 'identity')).toThrow(/bytes of ranges/);
  });

  test('the numbers and ends of its lines', () => {
    const batch = make([
      [7, 8],
      [10, 10],
    ]);
    const length = batch.body.length / 3;
    expect([...linesOf(batch)]).toEqual([7, 8, 10].map((number, i) => ({ number, end: length * (i + 1) })));
  });
});

test('whatever a batch holds, each of its lines has an hour', () => {
  const line = lines(1);
  const batch = received(encodeBatch(make([[1, 1]]), 'identity'));
  let taken = 0;
  fc.assert(
    fc.property(fc.nat(200), fc.nat(40), fc.string({ maxLength: 40 }), (at, cut, put) => {
      const spoiled = `${line.toString('latin1', 0, at)}${put.replaceAll('\n', '')}${line.toString('latin1', at + cut)}`;
      const decoded = decodeBatch({ ...batch, routingKey: undefined, body: Buffer.from(spoiled) });
      if (decoded.kind === 'invalid') return;
      taken++;
      expect(lineHour(decoded.body, 0, decoded.body.length)).toBeGreaterThan(0);
    }),
    { numRuns: 2000 },
  );
  expect(taken).toBeGreaterThan(0);
});

describe('what is no batch is said to be none, with its body as it came', () => {
  const bomb = zstdCompressSync(Buffer.alloc(50_000_000, 0x20));
  const cases: [name: string, message: ReceivedMessage, says: string][] = [
    ['another application', { ...good, appId: 'other' }, 'app_id'],
    ['another content type', { ...good, contentType: 'application/json' }, 'content_type'],
    ['another encoding', { ...good, contentEncoding: 'gzip' }, 'content_encoding'],
    ['another version', withHeaders({ v: '2' }), 'header v'],
    ['a version that is a number', withHeaders({ v: 1 }), 'header v'],
    ['no headers', { ...good, headers: {} }, 'header v'],
    [
      'headers of the prototype only',
      { ...good, headers: Object.create(good.headers) as Record<string, unknown> },
      'header v',
    ],
    ['no identity', withHeaders({ agent: undefined }), 'header agent'],
    ['an identity of another version', withHeaders({ agent: '017f22e2-79b0-4cc3-98c4-dc0c0c07398f' }), 'header agent'],
    ['a partition that is none', withHeaders({ partition: '-1' }), 'header partition'],
    ['count 0', withHeaders({ count: '0' }), 'header count'],
    ['count 501', withHeaders({ count: '501' }), 'header count'],
    ['a count that the ranges do not hold', withHeaders({ count: '4' }), 'header seq names 5 numbers'],
    ['no ranges', withHeaders({ seq: '' }), 'header seq is not'],
    ['ranges that are none', withHeaders({ seq: '100-103,105x' }), 'a comma was expected at character 12'],
    ['ranges longer than 1 KB', withHeaders({ seq: '1,'.repeat(600) }), 'header seq is not'],
    ['another message_id', { ...good, messageId: `${identity}:101` }, 'message_id'],
    ['another routing key', { ...good, routingKey: 'test.other' }, 'routing key'],
    ['fewer lines', { ...good, body: lines(4) }, 'not 5 lines'],
    ['more lines', { ...good, body: lines(6) }, 'not 5 lines'],
    ['a last line without its end', { ...good, body: good.body.subarray(0, -1) }, 'not 5 lines'],
    ['an empty body', { ...good, body: Buffer.alloc(0) }, 'not 5 lines'],
    [
      'a line of another type',
      { ...good, body: Buffer.concat([lines(4), lines(1, 'test.other')]) },
      'line 5 is of another type',
    ],
    ['lines that are no events', { ...good, body: Buffer.from('{}\n'.repeat(5)) }, 'line 1 is no event'],
    [
      'a later line that is no event',
      { ...good, body: Buffer.concat([lines(4), Buffer.from('{}\n')]) },
      'line 5 is no event',
    ],
    [
      'a type that is none',
      {
        ...good,
        routingKey: undefined,
        body: Buffer.from(lines(5).toString().replaceAll('test.numbered', 'test..numbered')),
      },
      'line 1 is no event',
    ],
    [
      'a line whose head alone is ours',
      {
        ...good,
        body: Buffer.concat([
          lines(4),
          Buffer.from(lines(1).toString().replace('","time":"', '", broken, and long enough for our order: "')),
        ]),
      },
      'line 5 is no event',
    ],
    ['zstd that is none', { ...good, contentEncoding: 'zstd' }, 'no valid zstd'],
    [
      'zstd cut off',
      { ...good, contentEncoding: 'zstd', body: zstdCompressSync(good.body).subarray(0, -9) },
      'no valid zstd',
    ],
    ['a decompression bomb', { ...good, contentEncoding: 'zstd', body: bomb }, 'inflates to more than 16777216'],
    [
      'two events beyond 256 KiB',
      {
        ...withHeaders({ count: '2', seq: '100-101' }),
        body: Buffer.concat([lines(1), lines(1, 'test.numbered', 'x'.repeat(BATCH_BYTES))]),
      },
      'more than 262144',
    ],
  ];
  test.each(cases)('%s', (_, message, says) => {
    const decoded = decodeBatch(message);
    expect(decoded).toMatchObject({ kind: 'invalid', message: expect.stringContaining(says) });
    expect(decoded.body).toBe(message.body);
  });

  test('any bytes and any headers get an answer', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.dictionary(
          fc.constantFrom('v', 'agent', 'partition', 'count', 'seq'),
          fc.oneof(fc.string(), fc.integer(), fc.constant(null)),
        ),
        fc.boolean(),
        (bytes, headers, compressed) => {
          const message = {
            ...good,
            headers: { ...good.headers, ...headers },
            contentEncoding: compressed ? 'zstd' : undefined,
            body: Buffer.from(bytes),
          };
          expect(decodeBatch(message).kind).toBe('invalid');
        },
      ),
    );
  });
});
