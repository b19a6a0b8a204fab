// What the HTTP input does when there is no room, and when it closes.
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { Accepted } from '../../../../ingest/inputs/contract.ts';
import { IDENTITY, serve } from './serve.ts';

describe('capacity is all or nothing', () => {
  const cases = [
    { reason: 'full', status: 429 },
    { reason: 'disk', status: 503 },
    { reason: 'closing', status: 503 },
  ] as const;
  for (const { reason, status } of cases)
    test(`${reason}: ${status} with Retry-After`, async () => {
      await using served = await serve({
        outcome: async () => ({ kind: 'refused', reason, message: 'because', retryAfter: 17 }),
      });
      const reply = await served.post('/events/a', '[{},{},1]');
      expect([reply.status, reply.headers.get('retry-after')]).toEqual([status, '17']);
      expect(reply.body).toMatchObject({
        level: null,
        accepted: 0,
        receipts: '',
        errors: [{ code: reason, pointer: '', retry: true }],
      });
      expect(served.groups).toEqual([]);
    });

  test('a fault of our own: 503 that does not tell its cause', async () => {
    await using served = await serve({ outcome: () => Promise.reject(new Error('secret')) });
    const reply = await served.post('/events/a', '{}');
    expect(reply.status).toBe(503);
    expect(JSON.stringify(reply.body)).not.toContain('secret');
    expect(served.faults).toEqual([new Error('secret')]);
  });

  test('bodies in flight are bounded in bytes: 429, and what was there before is served', async () => {
    await using served = await serve({ maxBody: 2 ** 20 });
    const agent = new http.Agent({ keepAlive: false });
    // 80 bodies of 1 MiB, each but for its last byte, do not fit into 64 MiB.
    const body = Buffer.from(`{"x":"${'x'.repeat(2 ** 20 - 100)}"}`);
    const requests = Array.from({ length: 80 }, () => {
      const request = http.request(`${served.input.address}/events/a`, {
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/json', 'content-length': body.length },
      });
      const status = new Promise<number>((resolve, reject) =>
        request.on('response', (response) => resolve(response.resume().statusCode ?? 0)).on('error', reject),
      );
      request.write(body.subarray(0, -1));
      return { request, status };
    });
    await expect.poll(() => served.refused.length, { timeout: 10_000 }).toBe(80 - 64);
    for (const { request } of requests) request.end(body.subarray(-1));
    const statuses = await Promise.all(requests.map(({ status }) => status));
    // The held ones are beyond max_event, and say so.
    expect(statuses.filter((status) => status === 429)).toHaveLength(16);
    expect(statuses.filter((status) => status === 413)).toHaveLength(64);
    expect((await served.post('/events/a', '{}')).status).toBe(200);
  });
});

test('what a body held is given back, whatever the answer: none is refused for lack of room', async () => {
  await using served = await serve();
  const large = Buffer.from(`{"x":"${'x'.repeat(2 ** 20 - 100)}"}`);
  const sent: readonly (readonly [path: string, body: Buffer, coding: string, status: number])[] = [
    ['/events/a', large, 'identity', 413],
    ['/events/a', zlib.gzipSync(large), 'gzip', 413],
    ['/events/a', Buffer.from(`[{},${large.toString()}]`), 'identity', 200],
    ['/events/a', large, 'gzip', 400],
    ['/events/a', large, 'br', 415],
    ['/events/a', large.subarray(1), 'identity', 400],
    ['/events?level=x', large, 'identity', 400],
  ];
  for (let round = 0; round < 12; round++)
    for (const [path, body, coding, status] of sent) {
      const headers = { 'content-type': 'application/json', 'content-encoding': coding };
      expect((await served.post(path, new Uint8Array(body), headers)).status).toBe(status);
    }
});

describe('closing', () => {
  test('lets requests in flight be answered', async () => {
    const gate = Promise.withResolvers<Accepted>();
    const entered = Promise.withResolvers<void>();
    const served = await serve({ outcome: () => (entered.resolve(), gate.promise) });
    const inFlight = served.post('/events/a', '{}');
    await entered.promise;
    const closed = served.input[Symbol.asyncDispose]();
    expect(served.input[Symbol.asyncDispose]()).toBe(closed);
    await expect
      .poll(() =>
        fetch(served.input.address).then(
          () => 'open',
          () => 'closed',
        ),
      )
      .toBe('closed');
    gate.resolve({ kind: 'accepted', level: 'disk', receipts: [{ identity: IDENTITY, first: 1, last: 1 }] });
    const reply = await inFlight;
    expect([reply.status, reply.headers.get('connection')]).toEqual([200, 'close']);
    await closed;
  });

  test('answers 503 to a request that comes while it closes, over a connection that is open', async () => {
    const served = await serve();
    const { hostname, port } = new URL(served.input.address);
    const socket = net.connect(Number(port), hostname);
    const head = 'POST /events/a HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n';
    const answers: string[] = [];
    socket.on('data', (chunk: Buffer) => answers.push(chunk.toString()));
    // A whole request and half of the next in one segment: the answer to the first tells that the half is there.
    socket.write(`${head}\r\n{}${head}`);
    await expect.poll(() => answers.join('')).toMatch(/^HTTP\/1\.1 200 /);
    const closed = served.input[Symbol.asyncDispose]();
    const ended = once(socket, 'end');
    socket.write('\r\n{}');
    await Promise.all([ended, closed]);
    expect(answers.join('')).toMatch(
      /HTTP\/1\.1 503 [^]*retry-after: 1\r\n[^]*connection: close\r\n[^]*"code":"closing"/i,
    );
    expect(served.lines()).toHaveLength(1);
  });

  test('ends by its deadline even where a request is never answered', async () => {
    const entered = Promise.withResolvers<void>();
    const served = await serve({
      limits: { close: 200 },
      outcome: () => (entered.resolve(), new Promise(() => undefined)),
    });
    const answer = served.post('/events/a', '{}').catch(() => 'cut');
    await entered.promise;
    await served.input[Symbol.asyncDispose]();
    expect(await answer).toBe('cut');
  });
});
