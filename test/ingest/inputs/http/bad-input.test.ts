// Bad input, each sent alone: a 4xx with code and pointer, never a 500, nothing taken; and in a batch it does not spoil its neighbours.
import zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cloudEvent, serve, type Served } from './serve.ts';

type Bytes = Uint8Array<ArrayBuffer>;

const bytes = (buffer: Buffer): Bytes => new Uint8Array(buffer);
const raw = (text: string): Bytes => bytes(Buffer.from(text, 'latin1'));
const withData = (data: string): string => `{"specversion":"1.0","type":"test.made","data":${data}}`;
const good = (n: number): string => JSON.stringify(cloudEvent({ id: `good-${n}` }));

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(async () => {
  expect(served.faults).toEqual([]);
  await served[Symbol.asyncDispose]();
});

/** Bodies of POST /events in JSON: name, body, and status, code and pointer of the answer. */
const bodies: readonly (readonly [name: string, body: string | Bytes, answer: string])[] = [
  ['malformed JSON', withData('{"a":tru}'), '400 json-malformed /data/a'],
  ['JSON that ends early', '{"type":"test.made","data":{"a":1', '400 json-malformed /data/a'],
  ['something after the JSON', `${withData('1')}]`, '400 json-malformed '],
  ['50,000 levels never closed', '['.repeat(50_000), `400 json-malformed ${'/0'.repeat(64)}`],
  ['a byte order mark', raw(`\xef\xbb\xbf${withData('1')}`), '400 bom-present '],
  ['UTF-16', bytes(Buffer.from(withData('1'), 'utf16le')), '400 json-malformed '],
  ['an oversized body', withData(`"${'x'.repeat(2 ** 20)}"`), '413 body-too-large '],
  ['more events than a request may hold', `[${'0,'.repeat(10_000)}0]`, '413 batch-too-many '],
  ['an empty body', '', '400 body-empty '],
  ['an empty batch', '[]', '400 batch-empty '],
];

/** The same, of single events that a batch may hold too. */
const events: readonly (readonly [name: string, event: string | Bytes, answer: string])[] = [
  ['50,000 levels', withData('['.repeat(50_000) + ']'.repeat(50_000)), `400 json-too-deep /data${'/0'.repeat(63)}`],
  ['invalid UTF-8', raw(withData('"\xff\xfe"')), '400 utf8-invalid '],
  ['a lone surrogate', withData('{"a":"\\ud800"}'), '400 surrogate-lone /data/a'],
  ['a lone surrogate as bytes', raw(withData('"\xed\xa0\x80"')), '400 utf8-invalid '],
  ['an oversized event', withData(`"${'x'.repeat(64 * 1024)}"`), '413 event-too-large '],
  ['a type that cannot be a routing key', JSON.stringify(cloudEvent({ type: 'no good' })), '400 type-invalid /type'],
  ['no type', '{"specversion":"1.0","id":"1","source":"/a"}', '400 type-missing /type'],
  [
    'an unknown specversion',
    JSON.stringify(cloudEvent({ specversion: '0.3' })),
    '400 specversion-invalid /specversion',
  ],
  ['an attribute twice', '{"specversion":"1.0","type":"a","type":"b"}', '400 member-duplicate /type'],
  ['an event that is no object', '1', '400 event-not-object '],
];

interface Odd {
  readonly name: string;
  readonly answer: string;
  readonly path?: string;
  readonly type?: string;
  readonly coding?: string;
  readonly body?: string | Bytes;
}

const zeros = (length: number): Buffer => Buffer.alloc(length);
const gzip = (body: string | Buffer): Buffer => zlib.gzipSync(body);
const zstd = (body: string | Buffer): Buffer => zlib.zstdCompressSync(body);
const frames = (count: number, length: number): Bytes =>
  bytes(Buffer.concat(Array.from({ length: count }, () => zstd(zeros(length)))));
const form = 'application/x-www-form-urlencoded';
const structured = 'application/cloudevents+json';
const tooLarge = '413 body-inflated-too-large ';

/** Requests of which something else than the body is wrong. */
const requests: readonly Odd[] = [
  { name: 'a wrong content type', type: 'text/plain', answer: '415 content-type-unsupported ' },
  { name: 'a content type that is none', type: 'json', answer: '415 content-type-unsupported ' },
  { name: 'another charset', type: 'application/json; charset=utf-16', answer: '415 content-type-unsupported ' },
  { name: 'a form where an event belongs', type: form, body: 'json={}', answer: '415 content-type-unsupported ' },
  { name: 'a form without its field', path: '/a', type: form, body: '{}', answer: '415 content-type-unsupported ' },
  { name: 'a form that is no UTF-8', path: '/a', type: form, body: 'json=%ff', answer: '400 utf8-invalid /json' },
  {
    name: 'a form with two records',
    path: '/a',
    type: form,
    body: 'json=1&json=2',
    answer: '400 member-duplicate /json',
  },
  { name: 'a form with a bad time', path: '/a', type: form, body: 'json={}&time=x', answer: '400 time-invalid /time' },
  { name: 'CloudEvents as data', path: '/events/a', type: structured, answer: '415 content-type-unsupported ' },
  { name: 'an unknown encoding', coding: 'br', answer: '415 encoding-unsupported ' },
  { name: 'two encodings', coding: 'gzip, zstd', answer: '415 encoding-unsupported ' },
  { name: 'corrupt gzip', coding: 'gzip', answer: '400 encoding-corrupt ' },
  { name: 'gzip cut off', coding: 'gzip', body: bytes(gzip('{}').subarray(0, -4)), answer: '400 encoding-corrupt ' },
  { name: 'corrupt zstd', coding: 'zstd', answer: '400 encoding-corrupt ' },
  { name: 'zstd cut off', coding: 'zstd', body: bytes(zstd('{}').subarray(0, -2)), answer: '400 encoding-corrupt ' },
  { name: 'a decompression bomb in gzip', coding: 'gzip', body: bytes(gzip(zeros(2 ** 26))), answer: tooLarge },
  { name: 'a decompression bomb in zstd', coding: 'zstd', body: bytes(zstd(zeros(2 ** 26))), answer: tooLarge },
  { name: 'a decompression bomb in many frames', coding: 'zstd', body: frames(99, 2 ** 19), answer: tooLarge },
  { name: 'empty frames without end', coding: 'zstd', body: frames(5000, 0), answer: '400 encoding-corrupt ' },
  { name: 'a type in the path that is no routing key', path: '/events/no%20good', answer: '400 type-invalid /type' },
  { name: 'a type beyond 200 bytes', path: `/events/${'x'.repeat(201)}`, answer: '400 type-too-long /type' },
  { name: 'a type beyond all measure', path: `/events/${'x'.repeat(9000)}`, answer: '400 type-too-long /type' },
  { name: 'a tag that is no routing key', path: '/a/b*', answer: '400 type-invalid /type' },
  { name: 'data that is no object', path: '/events/a', body: '1', answer: '400 record-not-object ' },
  { name: 'an unknown level', path: '/events?level=ram', answer: '400 level-invalid ' },
  { name: 'an unknown parameter', path: '/events?levle=site', answer: '400 query-unknown ' },
  { name: 'a time for CloudEvents', path: '/events?time=1', answer: '400 query-unknown ' },
  { name: 'a time that is none', path: '/events/a?time=noon', answer: '400 time-invalid /time' },
  { name: 'a path that is no UTF-8', path: '/events/%ff', answer: '400 path-invalid ' },
  { name: 'a path that cannot be decoded', path: '/%zz', answer: '400 path-invalid ' },
  { name: 'the root', path: '/', answer: '404 path-unknown ' },
];

const alone: readonly Odd[] = [
  ...[...bodies, ...events].map(([name, body, answer]) => ({ name, body, answer })),
  ...requests,
];

describe('alone', () => {
  for (const { name, path = '/events', type = 'application/json', coding, body = '{}', answer } of alone)
    test(`${name}: ${answer.slice(0, 80)}`, async () => {
      const taken = served.groups.length;
      const headers = { 'content-type': type, ...(coding === undefined ? {} : { 'content-encoding': coding }) };
      const reply = await served.post(path, body, headers);
      const [error] = reply.body.errors;
      expect(`${reply.status} ${error?.code} ${error?.pointer}`).toBe(answer);
      expect(reply.body).toMatchObject({ level: null, accepted: 0, receipts: '' });
      expect(reply.body.errors).toMatchObject([{ retry: false, message: expect.stringMatching(/\.$/) }]);
      expect(served.groups).toHaveLength(taken);
      // The connection and the input still serve.
      expect((await served.post('/events/after', '{}')).status).toBe(200);
    });
});

describe('among good neighbours', () => {
  for (const [name, event, answer] of events)
    for (const [type, open, separator, close] of [
      ['application/json', '[', ',', ']'],
      ['application/x-ndjson', '', '\n', ''],
    ] as const)
      test(`${name}, ${type}: the others are accepted`, async () => {
        const [, code = '', pointer = ''] = answer.split(' ');
        const parts = [open, good(1), separator, event, separator, good(2), close];
        const before = served.lines().length;
        const body = bytes(Buffer.concat(parts.map((part) => Buffer.from(part))));
        const reply = await served.post('/events', body, { 'content-type': type });
        expect(reply.status).toBe(200);
        expect(reply.body).toMatchObject({
          level: 'disk',
          accepted: 2,
          errors: [{ index: 1, code, pointer, retry: false }],
        });
        const lines = served.lines().slice(before);
        expect(lines.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(['good-1', 'good-2']);
      });

  test('a malformed line of NDJSON: the others are accepted', async () => {
    const reply = await served.post('/events/a', '{"n":1}\n{"n":\n\n{"n":3}', {
      'content-type': 'application/x-ndjson',
    });
    expect(reply.body).toMatchObject({ accepted: 2, errors: [{ index: 1, code: 'json-malformed', pointer: '/n' }] });
  });

  test('a malformed element of an array: nothing is accepted, since the framing is lost', async () => {
    const reply = await served.post('/events/a', '[{"n":1},{"n":},{"n":3}]');
    expect(reply).toMatchObject({
      status: 400,
      body: { accepted: 0, errors: [{ code: 'json-malformed', pointer: '/1/n' }] },
    });
  });
});
