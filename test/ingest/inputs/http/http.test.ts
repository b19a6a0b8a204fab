// What the HTTP input answers, and what it hands over.
import zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { parseEventLine } from '#core/event-line.ts';
import { cloudEvent, exchange, IDENTITY, NOW, serve } from './serve.ts';

const ndjson = { 'content-type': 'application/x-ndjson' };
const parsed = (line: string | undefined): Record<string, unknown> => JSON.parse(line ?? '') as Record<string, unknown>;
const hexUuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('what is taken', () => {
  test('a CloudEvent in JSON, with the place and the time of its arrival', async () => {
    await using served = await serve();
    const reply = await served.post(
      '/events',
      JSON.stringify(cloudEvent({ subject: 'x', trace: 'abc', level: 3, time: '2026-11-20T01:02:03.123456789+02:00' })),
    );
    expect(reply.status).toBe(200);
    expect(reply.body).toEqual({ level: 'disk', accepted: 1, receipts: `${IDENTITY}:1`, errors: [] });
    expect(parsed(served.lines()[0])).toEqual(
      cloudEvent({
        subject: 'x',
        trace: 'abc',
        level: 3,
        time: '2026-11-20T01:02:03.123456789+02:00',
        receivedat: '2026-11-23T14:00:00.000Z',
        host: 'web-1',
        site: 'chicago',
      }),
    );
  });

  test('what the sender left out is given: id, source, time', async () => {
    await using served = await serve();
    await served.post('/events', '{"specversion":"1.0","type":"a.b"}');
    expect(parsed(served.lines()[0])).toMatchObject({
      id: expect.stringMatching(hexUuid7),
      source: '/chicago/web-1/http',
      time: new Date(NOW).toISOString(),
    });
  });

  test('an array of CloudEvents: one group for each type, in order', async () => {
    await using served = await serve();
    const events = ['a', 'b', 'a', 'c', 'b'].map((type, n) => cloudEvent({ type, id: String(n) }));
    const reply = await served.post('/events', JSON.stringify(events));
    expect(reply.body).toEqual({ level: 'disk', accepted: 5, receipts: `${IDENTITY}:1-5`, errors: [] });
    expect(served.groups.map(({ type, count }) => [type, count])).toEqual([
      ['a', 2],
      ['b', 2],
      ['c', 1],
    ]);
    expect(served.lines().map((line) => parsed(line)['id'])).toEqual(['0', '2', '1', '4', '3']);
  });

  test('data posted to a type: object, array, NDJSON', async () => {
    await using served = await serve();
    await served.post('/events/shop.sold', ' {"n" : 0} ');
    await served.post('/events/shop.sold', '[{"n":1},\n {"n":2}]');
    await served.post('/events/shop.sold', '{"n":3}\r\n\n{"n":4}', ndjson);
    expect(served.groups.map(({ type, count }) => [type, count])).toEqual([
      ['shop.sold', 1],
      ['shop.sold', 2],
      ['shop.sold', 2],
    ]);
    expect(served.lines().map((line) => parsed(line)['data'])).toEqual([0, 1, 2, 3, 4].map((n) => ({ n })));
    expect(new Set(served.lines().map((line) => parsed(line)['id'])).size).toBe(5);
    expect(parsed(served.lines()[0])).toMatchObject({
      specversion: '1.0',
      type: 'shop.sold',
      datacontenttype: 'application/json',
      host: 'web-1',
      site: 'chicago',
    });
  });

  test('a path is a Fluentd tag; a form carries its record', async () => {
    await using served = await serve();
    await served.post('/app/access', '{"n":1}');
    await served.post('/app/access?time=1700000000.25', `json=${encodeURIComponent('{"text":"a b+ü"}')}`, {
      'content-type': 'application/x-www-form-urlencoded',
    });
    await served.post('/app/access', 'time=2026-11-20T00:00:00Z&json=%5B%7B%22n%22:2%7D,+%7B%22n%22:3%7D%5D', {
      'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
    });
    expect(served.lines().map((line) => [parsed(line)['type'], parsed(line)['time'], parsed(line)['data']])).toEqual([
      ['app.access', new Date(NOW).toISOString(), { n: 1 }],
      ['app.access', '2023-11-14T22:13:20.250Z', { text: 'a b+ü' }],
      ['app.access', '2026-11-20T00:00:00.000Z', { n: 2 }],
      ['app.access', '2026-11-20T00:00:00.000Z', { n: 3 }],
    ]);
  });

  test('rules map unruly names, and the original is kept as tag', async () => {
    await using served = await serve({ types: [{ match: 'kube.**', type: 'kube.log' }] });
    await served.post('/events/kube.pod%20%C3%BC', '{}');
    await served.post('/events', JSON.stringify(cloudEvent({ type: 'kube.x/y' })));
    expect(served.lines().map((line) => [parsed(line)['type'], parsed(line)['tag']])).toEqual([
      ['kube.log', 'kube.pod ü'],
      ['kube.log', 'kube.x/y'],
    ]);
  });

  test('data come out as they went in, byte for byte', async () => {
    await using served = await serve();
    const data =
      '{"big":9007199254740993,"huge":1e400,"money":1.10,"same":1,"same":2,"__proto__":{"a":1},"u":"\\u00fc\\/ü","z":-0.0}';
    await served.post('/events/a', data);
    await served.post('/events', `{"specversion":"1.0","type":"a","data":${data}}`);
    await served.post('/events/a', data, { 'content-type': 'application/json', ce: 'no' });
    await served.post('/events', data, {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-type': 'a',
      'ce-id': '1',
      'ce-source': '/x',
    });
    expect(served.lines()).toHaveLength(4);
    for (const line of served.lines()) {
      const span = parseEventLine(line)?.data;
      expect(
        Buffer.from(line)
          .subarray(...(span ?? []))
          .toString(),
      ).toBe(data);
    }
  });

  for (const [coding, compress] of [
    ['gzip', zlib.gzipSync],
    ['x-gzip', zlib.gzipSync],
    ['zstd', zlib.zstdCompressSync],
  ] as const)
    test(`bodies in ${coding}, several members or frames too`, async () => {
      await using served = await serve();
      const body = new Uint8Array(
        Buffer.concat([compress(Buffer.from('{"n":1}\n{"n"')), compress(Buffer.from(':2}\n'))]),
      );
      const reply = await served.post('/events/a', body, { ...ndjson, 'content-encoding': coding });
      expect(reply.body).toMatchObject({ accepted: 2, errors: [] });
      expect(served.lines().map((line) => parsed(line)['data'])).toEqual([{ n: 1 }, { n: 2 }]);
    });

  test('a request as a proxy sends it, with its host in the target', async () => {
    await using served = await serve();
    const head = 'POST http://a.example/events/a?level=site HTTP/1.1\r\nhost: a\r\nconnection: close\r\n';
    const rest = 'content-type: application/json\r\ncontent-length: 2\r\n\r\n{}';
    expect(await exchange(served.input.address, head + rest)).toMatch(/^HTTP\/1\.1 200 /);
    expect([served.groups[0]?.type, served.levels]).toEqual(['a', ['site']]);
  });

  test('a body in chunks, cut inside a character', async () => {
    await using served = await serve();
    const body = Buffer.from('{"text":"üüü"}');
    const chunks = [body.subarray(0, 10), body.subarray(10)].flatMap((part) => [
      Buffer.from(`${part.length.toString(16)}\r\n`),
      part,
      Buffer.from('\r\n'),
    ]);
    const answer = await exchange(
      served.input.address,
      'POST /events/a HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
      ...chunks,
      '0\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(parsed(served.lines()[0])['data']).toEqual({ text: 'üüü' });
  });
});

describe('levels', () => {
  test('the level asked for is passed on; the configured one by default', async () => {
    await using served = await serve({ level: 'memory' });
    for (const query of ['', '?level=disk', '?level=site', '?level=memory'])
      await served.post(`/events/a${query}`, '{}');
    expect(served.levels).toEqual(['memory', 'disk', 'site', 'memory']);
  });

  test('202 with the level reached where a site takes too long', async () => {
    await using served = await serve({
      outcome: async () => ({ kind: 'accepted', level: 'disk', receipts: [{ identity: IDENTITY, first: 8, last: 9 }] }),
    });
    const reply = await served.post('/events/a?level=site', '[{},{}]');
    expect([reply.status, reply.body]).toEqual([
      202,
      { level: 'disk', accepted: 2, receipts: `${IDENTITY}:8-9`, errors: [] },
    ]);
  });

  test('an unknown level: 400 and what is allowed', async () => {
    await using served = await serve();
    const reply = await served.post('/events/a?level=fsync', '{}');
    expect(reply.body.errors[0]).toMatchObject({
      code: 'level-invalid',
      message: expect.stringContaining('memory, disk or site'),
    });
  });
});

describe('methods', () => {
  for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])
    for (const path of ['/events', '/events/a', '/a/b', '/'])
      test(`${method} ${path}: 405, and Allow says POST`, async () => {
        await using served = await serve();
        const response = await fetch(`${served.input.address}${path}`, { method });
        expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
        expect(await response.text()).toContain(method === 'HEAD' ? '' : '"code":"method-unsupported"');
      });
});
