// Whatever is sent: an answer of one shape, never a 5xx, and every event is either accepted or has its error.
import zlib from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serve, type Served } from './serve.ts';

let served: Served;
beforeAll(async () => {
  served = await serve({ maxBody: 4096, maxEvent: 256 });
});
afterAll(async () => {
  expect(served.faults).toEqual([]);
  await served[Symbol.asyncDispose]();
});

const event = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .record(
        {
          specversion: fc.constantFrom('1.0', '0.3'),
          type: fc.oneof(fc.constantFrom('a', 'a.b', 'a b', ''), fc.string()),
          id: fc.string(),
          data: fc.jsonValue(),
        },
        { requiredKeys: ['specversion'] },
      )
      .map((value) => JSON.stringify(value)),
  },
  { weight: 1, arbitrary: fc.json() },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '[]',
      '{}',
      '"\\ud800"',
      '{"type":"a","type":"b"}',
      `"${'x'.repeat(300)}"`,
      `${'['.repeat(100)}${']'.repeat(100)}`,
    ),
  },
);
const paths = fc.oneof(
  fc.constantFrom('/events', '/events/a.b', '/a/b', '/events?level=site', '/a?time=1', '/events/', '/'),
  fc.webPath().map((path) => (path.startsWith('/') ? path : `/${path}`)),
);
const types = fc.constantFrom(
  'application/json',
  'application/x-ndjson',
  'application/cloudevents+json',
  'application/cloudevents-batch+json',
  'application/x-www-form-urlencoded',
  'text/plain',
  'application/json; charset=utf-16',
  'no type',
  ';',
);
const ce = fc.dictionary(fc.stringMatching(/^ce-[a-z0-9]{1,8}$/), fc.stringMatching(/^[\x20-\x7e]{0,20}$/), {
  maxKeys: 3,
});

async function check(path: string, body: Uint8Array<ArrayBuffer>, headers: Record<string, string>): Promise<void> {
  const before = served.groups.length;
  const counted = served.accepted;
  const { status, body: answer } = await served.post(path, body, headers);
  expect([200, 400, 404, 413, 415]).toContain(status);
  expect(status === 200).toBe(answer.accepted > 0);
  expect(served.accepted - counted).toBe(answer.accepted);
  const groups = served.groups.slice(before);
  expect(groups.reduce((sum, { count }) => sum + count, 0)).toBe(answer.accepted);
  const indexes = answer.errors.flatMap(({ index }) => index ?? []);
  expect(new Set(indexes).size).toBe(indexes.length);
  if (indexes.length > 0) expect(Math.max(...indexes)).toBeLessThan(answer.accepted + answer.errors.length);
  for (const { type, payload, count } of groups) {
    const lines = payload.toString().split('\n');
    expect(lines.pop()).toBe('');
    expect(lines).toHaveLength(count);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ specversion: '1.0', type });
  }
}

test(
  'any bytes',
  () =>
    fc.assert(
      fc.asyncProperty(paths, types, ce, fc.uint8Array({ maxLength: 300 }), (path, type, headers, bytes) =>
        check(path, new Uint8Array(bytes), { 'content-type': type, ...headers }),
      ),
      { numRuns: 300 },
    ),
  30_000,
);

test(
  'bytes that are almost right: one byte of a good batch is changed',
  () =>
    fc.assert(
      fc.asyncProperty(
        paths,
        types,
        fc.array(event, { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        fc.nat(),
        fc.nat({ max: 255 }),
        async (path, type, events, lines, at, byte) => {
          const bytes = new Uint8Array(Buffer.from(lines ? events.join('\n') : `[${events.join(',')}]`));
          bytes[at % bytes.length] = byte;
          await check(path, bytes, { 'content-type': type });
        },
      ),
      { numRuns: 300 },
    ),
  30_000,
);

test(
  'batches: accepted and errors together are the events',
  () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(event, { minLength: 1, maxLength: 12 }),
        fc.constantFrom('/events', '/events/a.b', '/x/y'),
        fc.boolean(),
        fc.constantFrom('', 'gzip', 'zstd'),
        async (events, path, lines, coding) => {
          const text = Buffer.from(lines ? events.join('\n') : `[${events.join(',')}]`);
          fc.pre(text.length <= 4096);
          const body = coding === 'gzip' ? zlib.gzipSync(text) : coding === 'zstd' ? zlib.zstdCompressSync(text) : text;
          const headers = {
            'content-type': lines ? 'application/x-ndjson' : 'application/json',
            ...(coding === '' ? {} : { 'content-encoding': coding }),
          };
          await check(path, new Uint8Array(body), headers);
          const { body: answer } = await served.post(path, new Uint8Array(body), headers);
          expect(answer.accepted + answer.errors.length).toBe(events.length);
          expect(answer.errors.every(({ index }) => index !== undefined)).toBe(true);
        },
      ),
      { numRuns: 200 },
    ),
  30_000,
);

test(
  'any compressed bytes',
  () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom('gzip', 'zstd'),
        fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 3 }),
        fc.nat(),
        fc.boolean(),
        async (coding, parts, at, cut) => {
          const whole = Buffer.concat(
            parts.map((part) => (coding === 'gzip' ? zlib.gzipSync(part) : zlib.zstdCompressSync(part))),
          );
          const bytes = new Uint8Array(cut ? whole.subarray(0, at % whole.length) : whole);
          if (!cut) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ (1 << (at % 8));
          await check('/events/a', bytes, { 'content-type': 'application/json', 'content-encoding': coding });
        },
      ),
      { numRuns: 200 },
    ),
  30_000,
);
