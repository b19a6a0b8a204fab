// What untrusted senders try: each is told clearly, in bounded memory, and nobody beside it notices.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { APP, UNKNOWN, checkin, serveBee, type BeeParts, type ServedBee } from './serve-bee.ts';

let served: ServedBee | null = null;
afterEach(async () => {
  await served?.[Symbol.asyncDispose]();
  served = null;
});
const serving = async (parts: BeeParts = {}): Promise<ServedBee> => (served = await serveBee(parts));
const bytes = (buffer: Buffer): Uint8Array<ArrayBuffer> => new Uint8Array(buffer);
const auth = { authorization: `Bearer ${APP.key}`, 'content-type': 'application/json' };

async function socketTo(bee: ServedBee): Promise<Socket> {
  const { hostname, port } = new URL(bee.bee.address);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  return socket;
}
const allOf = async (socket: Socket): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  return String(Buffer.concat(parts));
};
/** Still serves, and quickly. */
const lives = async (bee: ServedBee): Promise<void> => {
  expect((await bee.send([checkin(`alive-${Math.random()}`)])).body).toMatchObject({ accepted: 1 });
};

const deep = (levels: number): string => `{"type":"checkin.created","data":${'['.repeat(levels)}${']'.repeat(levels)}}`;

describe('JSON that breaks others', () => {
  test.each([33, 5_000, 50_000, 100_000])('%i levels are 400, never 500', async (levels) => {
    const bee = await serving();
    const reply = await bee.send(deep(levels));
    expect(reply.status).toBe(400);
    expect(reply.body.error).toMatchObject({ code: 'json-too-deep' });
    await lives(bee);
  });

  test.each([
    ['a BOM', '\uFEFF{}', 'bom-present'],
    ['nothing', '', 'body-empty'],
    ['an empty batch', '[]', 'batch-empty'],
    ['half a batch', '[{"type":"a"}', 'json-malformed'],
    ['NaN', '[NaN]', 'json-malformed'],
    ['two values', '{}{}', 'json-malformed'],
  ])('%s is 400 with a code', async (_what, body, code) => {
    const bee = await serving();
    const reply = await bee.send(body);
    expect(reply).toMatchObject({ status: 400, body: { level: null, accepted: 0, error: { code } } });
    expect(bee.letters).toEqual([]);
  });

  test('invalid UTF-8 is 400, not U+FFFD with 200', async () => {
    const bee = await serving();
    const body = bytes(
      Buffer.concat([Buffer.from('{"type":"a","data":{"x":"'), Buffer.of(0xc3, 0x28), Buffer.from('"}}')]),
    );
    expect(await bee.post('/v1/events', body, auth)).toMatchObject({
      status: 400,
      body: { error: { code: 'utf8-invalid' } },
    });
  });

  test.each([
    ['9007199254740993 does not become ...992', '{"type":"purchase","data":{"n":9007199254740993}}', 'number-unsafe'],
    ['1e400 does not become null', '{"type":"purchase","data":{"n":1e400}}', 'number-overflow'],
    ['of duplicate keys none wins in silence', '{"type":"purchase","data":{"n":1,"n":2}}', 'member-duplicate'],
    ['a type may be called constructor', '{"type":"constructor","data":{}}', 'type-unknown'],
    ['__proto__ is a key like any other', '{"type":"__proto__","data":{}}', 'type-unknown'],
  ])('%s', async (_what, body, code) => {
    const bee = await serving();
    const { body: answer, status } = await bee.send(body);
    expect(status).toBe(200);
    expect(answer.verdicts[0]).toMatchObject({ verdict: 'rejected', code });
  });

  test('an answer never holds what was sent', async () => {
    const bee = await serving();
    const sent = 'VALUE-OF-THE-SENDER';
    const events = [
      checkin('1', { method: sent }),
      checkin('2', { [sent]: sent }),
      { type: sent.toLowerCase(), data: {} },
      { type: `${sent} !`, data: {} },
      checkin('3', { member_id: sent.repeat(30) }),
    ];
    const reply = await bee.send(events, '?changes=true');
    expect(reply.body.rejected).toBeGreaterThan(3);
    const told = reply.body.verdicts
      .filter(({ verdict }) => verdict === 'rejected')
      .map(({ message, code }) => `${message} ${code}`);
    expect(told.join().toUpperCase()).not.toContain(sent);
    const other = await bee.post(`/v1/events?${sent}=1`, '{}', auth);
    expect(other.text).not.toContain(sent);
  });
});

describe('bodies', () => {
  test('a bomb is refused where it bursts, and costs what the limit is: gzip, zstd, and many frames', async () => {
    const bee = await serving();
    const bomb = Buffer.alloc(200 * 2 ** 20, '[');
    const before = process.memoryUsage().rss;
    for (const [encoding, body] of [
      ['gzip', gzipSync(bomb)],
      ['zstd', zstdCompressSync(bomb)],
      ['zstd', Buffer.concat(Array.from({ length: 5000 }, () => zstdCompressSync(Buffer.alloc(0))))],
    ] as const) {
      const reply = await bee.post('/v1/events', bytes(body), { ...auth, 'content-encoding': encoding });
      expect([400, 413]).toContain(reply.status);
      expect(['body-inflated-too-large', 'encoding-corrupt']).toContain(reply.body.error?.code);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20);
    await lives(bee);
  });

  test('a bomb without a key is not even opened', async () => {
    const bee = await serving();
    const body = bytes(gzipSync(Buffer.alloc(2 ** 20, '[')));
    const reply = await bee.post('/v1/events', body, {
      'content-encoding': 'gzip',
      'content-type': 'application/json',
    });
    expect(reply).toMatchObject({ status: 401, body: { error: { code: 'key-missing' } } });
  });

  test.each([
    ['a body', { maxBody: 2000 }, JSON.stringify([checkin('a', { note: 'x'.repeat(3000) })]), 'body-too-large'],
    ['an event', { maxEvent: 300 }, JSON.stringify([checkin('a', { note: 'x'.repeat(400) })]), 'event-too-large'],
    ['a batch', { maxEvents: 2 }, JSON.stringify([checkin('a'), checkin('b'), checkin('c')]), 'batch-too-many'],
  ])('%s that is too large is 413, not 200 and then nothing', async (_what, parts, body, code) => {
    const bee = await serving(parts);
    expect(await bee.send(body)).toMatchObject({ status: 413, body: { error: { code } } });
    expect(bee.events()).toEqual([]);
  });

  test('one event that is too large does not spoil the batch', async () => {
    const bee = await serving({ maxEvent: 300 });
    const { status, body } = await bee.send([checkin('a'), checkin('b', { note: 'x'.repeat(400) }), checkin('c')]);
    expect(status).toBe(200);
    expect(body.verdicts.map(({ code }) => code)).toEqual([undefined, 'event-too-large', undefined]);
  });

  test.each([
    ['text/xml', 'content-type-unsupported'],
    ['text/plain', 'content-type-unsupported'],
    ['application/json; charset=utf-16', 'content-type-unsupported'],
  ])('%s is 415', async (type, code) => {
    const bee = await serving();
    const reply = await bee.post('/v1/events', '{}', { ...auth, 'content-type': type });
    expect(reply).toMatchObject({ status: 415, body: { error: { code } } });
  });

  test('an encoding that is not taken is 415, and says which are', async () => {
    const bee = await serving();
    const reply = await bee.post('/v1/events', '{}', { ...auth, 'content-encoding': 'br' });
    expect(reply).toMatchObject({ status: 415, body: { error: { code: 'encoding-unsupported' } } });
    expect(reply.headers.get('accept-encoding')).toBe('gzip, zstd');
  });

  test('a body that comes a byte at a time is 408, and its memory is free again', async () => {
    const bee = await serving({ limits: { request: 300, headers: 300 } });
    const socket = await socketTo(bee);
    socket.write(
      `POST /v1/events HTTP/1.1\r\nauthorization: Bearer ${APP.key}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n[`,
    );
    const dripping = setInterval(() => socket.writable && socket.write(' '), 50);
    const answer = await allOf(socket);
    clearInterval(dripping);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toContain('"code":"body-slow"');
    await lives(bee);
  });

  test('a head that comes a byte at a time is 408', async () => {
    const bee = await serving({ limits: { request: 300, headers: 300 } });
    const socket = await socketTo(bee);
    socket.write('POST /v1/events HTTP/1.1\r\nx: ');
    expect(await allOf(socket)).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('a body that ends early leaves nothing behind', async () => {
    const bee = await serving();
    const socket = await socketTo(bee);
    socket.write(
      `POST /v1/events HTTP/1.1\r\nauthorization: Bearer ${APP.key}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n[{}`,
    );
    socket.destroy();
    await expect.poll(() => bee.bee.admin && bee.telemetry.metrics.registry.metrics()).toContain('body-incomplete');
    expect(bee.events()).toEqual([]);
  });
});

describe('connections, keys and limits', () => {
  test('headers without end are 431', async () => {
    const bee = await serving();
    const socket = await socketTo(bee);
    socket.write(`POST /v1/events HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(await allOf(socket)).toMatch(/^HTTP\/1\.1 431 /);
    await lives(bee);
  });

  test('10,000 connections whose headers never end: memory is bounded, and it serves beside them and after', async () => {
    const bee = await serving({ limits: { request: 60_000, headers: 60_000, connections: 300 } });
    const { hostname, port } = new URL(bee.bee.address);
    const before = process.memoryUsage().rss;
    let refused = 0;
    for (let wave = 0; wave < 25; wave++) {
      const sockets = Array.from({ length: 400 }, () => connect(Number(port), hostname));
      let closedByBee = 0;
      const decided = sockets.map((socket) => {
        socket.on('error', () => undefined);
        socket.write(`POST /v1/events HTTP/1.1\r\nx: ${'x'.repeat(8000)}\r\n`);
        socket.once('close', () => closedByBee++);
        return Promise.race([once(socket, 'close'), once(socket, 'connect')]);
      });
      await Promise.allSettled(decided);
      await expect.poll(() => closedByBee, { interval: 5 }).toBeGreaterThanOrEqual(100);
      refused += closedByBee;
      const gone = sockets.filter((socket) => !socket.closed).map((socket) => once(socket, 'close'));
      for (const socket of sockets) socket.destroy();
      await Promise.all(gone);
    }
    expect(refused).toBeGreaterThanOrEqual(2500);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 2 ** 20);
    await expect
      .poll(() =>
        bee.send([checkin('a')]).then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(200);
  });

  test.each([
    ['no key', {}, 'key-missing'],
    ['another scheme', { authorization: 'Basic YTpi' }, 'key-missing'],
    ['a key that is not known', { authorization: `Bearer ${UNKNOWN.key}` }, 'key-unknown'],
    ['a name alone', { authorization: 'Bearer app.' }, 'key-unknown'],
    ['a key of another name', { authorization: `Bearer ${APP.key.replace('app.', 'narrow.')}` }, 'key-unknown'],
    ['a very long key', { authorization: `Bearer app.${'x'.repeat(10_000)}` }, 'key-unknown'],
    ['a name of the prototype', { authorization: 'Bearer constructor.x' }, 'key-unknown'],
  ])('%s is 401, and the body is not looked at', async (_what, headers, code) => {
    const bee = await serving();
    const reply = await bee.post('/v1/events', '{', { 'content-type': 'application/json', ...headers });
    expect(reply).toMatchObject({ status: 401, body: { error: { code } } });
  });

  test('the key is not taken from the query of /v1/events, whose addresses are logged', async () => {
    const bee = await serving();
    const reply = await bee.post(`/v1/events?key=${APP.key}`, '{}', { 'content-type': 'application/json' });
    expect(reply.status).toBe(401);
  });

  test('guessing keys: after the limit of the address 429, with Retry-After, and good keys of other addresses are served', async () => {
    const bee = await serving({ rate: { window: 60_000, key: 100_000, address: 20 }, trustedProxies: ['127.0.0.1'] });
    const guess = (i: number): Promise<{ status: number; headers: Headers }> =>
      bee.post('/v1/events', '{}', {
        authorization: `Bearer app.${i}`,
        'content-type': 'application/json',
        'x-forwarded-for': '192.0.2.1',
      });
    const statuses: number[] = [];
    for (let i = 0; i < 25; i++) statuses.push((await guess(i)).status);
    expect(statuses).toEqual([...Array.from({ length: 20 }, () => 401), ...Array.from({ length: 5 }, () => 429)]);
    const last = await guess(26);
    expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await bee.send([checkin('a')], '', { 'x-forwarded-for': '192.0.2.2' })).body).toMatchObject({
      accepted: 1,
    });
  });

  test('the limit of a key holds from whatever addresses, and its headers tell what is left', async () => {
    const bee = await serving({ rate: { window: 60_000, key: 2, address: 1000 } });
    const replies = [];
    for (let i = 0; i < 3; i++) replies.push(await bee.send([checkin(`a-${i}`)]));
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(replies.map(({ headers }) => headers.get('ratelimit-remaining'))).toEqual(['1', '0', '0']);
    expect(replies.map(({ headers }) => headers.get('ratelimit-limit'))).toEqual(['2', '2', '2']);
    expect(Number(replies[2]?.headers.get('ratelimit-reset'))).toBeGreaterThan(0);
    expect(replies[2]?.body.error).toMatchObject({ code: 'rate-exceeded' });
  });

  test('only a trusted proxy says where a request comes from', async () => {
    const direct = await serving();
    await direct.send([checkin('a')], '', { 'x-forwarded-for': '192.0.2.9' });
    expect(direct.events()[0]?.['address']).toBe('127.0.0.1');
    await direct[Symbol.asyncDispose]();
    const behind = await serving({ trustedProxies: ['127.0.0.0/8'] });
    await behind.send([checkin('a'), checkin('b')], '', { 'x-forwarded-for': '198.51.100.1, 192.0.2.9' });
    await behind.send([checkin('c')], '', { 'x-forwarded-for': 'forged", "x":"1' });
    expect(behind.events().map(({ address }) => address)).toEqual(['192.0.2.9', '192.0.2.9', '127.0.0.1']);
  });

  test.each(['GET', 'PUT', 'DELETE', 'PATCH'])('%s is 405', async (method) => {
    const bee = await serving();
    const response = await fetch(`${bee.bee.address}/v1/events`, { method });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
  });

  test('what is not there is 404, and says what is', async () => {
    const bee = await serving();
    expect(await bee.post('/events', '{}', auth)).toMatchObject({
      status: 404,
      body: { error: { code: 'path-unknown' } },
    });
  });
});
