// Requests that are slow, broken off, or no HTTP: an answer where one can be given, and nothing left behind.
import { expect, test } from 'vitest';
import { exchange, serve } from './serve.ts';

const head = (more: string): string =>
  `POST /events HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n${more}\r\n\r\n`;

test('a slow body: 408', async () => {
  await using served = await serve({ limits: { request: 300, headers: 300 } });
  const answer = await exchange(served.input.address, head('content-length: 100'), '{"type":');
  expect(answer).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
  expect(answer).toContain('"code":"body-slow","pointer":""');
  expect(answer).toContain('"retry":true');
  expect(served.refused).toContain('body-slow');
  expect(served.groups).toEqual([]);
});

test('a slow header: 408', async () => {
  await using served = await serve({ limits: { request: 300, headers: 300 } });
  expect(await exchange(served.input.address, 'POST /events HTTP/1.1\r\n')).toMatch(/^HTTP\/1\.1 408 /);
});

test('a body that is announced too large is refused before it is sent', async () => {
  await using served = await serve();
  expect(await exchange(served.input.address, head(`content-length: ${2 ** 30}`))).toMatch(/^HTTP\/1\.1 413 /);
});

test('a body in chunks beyond the limit: 413, and the sender gets to read it', async () => {
  await using served = await serve();
  const chunks = Array.from({ length: 40 }, () => `10000\r\n${'x'.repeat(0x10000)}\r\n`);
  const answer = await exchange(served.input.address, head('transfer-encoding: chunked'), ...chunks, '0\r\n\r\n');
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).toContain('"code":"body-too-large"');
});

test('no HTTP: 400', async () => {
  await using served = await serve();
  const answer = await exchange(served.input.address, 'hello\r\n\r\n');
  expect(answer).toMatch(/^HTTP\/1\.1 400 [^]*"code":"request-malformed"/);
});

test('a header beyond 16 KiB: 431', async () => {
  await using served = await serve();
  expect(await exchange(served.input.address, head(`a: ${'x'.repeat(20_000)}`))).toMatch(/^HTTP\/1\.1 431 /);
});

test('a sender that goes away in mid-body leaves nothing behind', async () => {
  await using served = await serve();
  const controller = new AbortController();
  const body = new ReadableStream<Uint8Array>({
    pull: (stream) => {
      stream.enqueue(Buffer.from('{'));
      controller.abort();
    },
  });
  const headers = { 'content-type': 'application/json' };
  const init = { method: 'POST', body, headers, duplex: 'half', signal: controller.signal } as const;
  await expect(fetch(`${served.input.address}/events`, init)).rejects.toThrow(/abort/);
  expect((await served.post('/events/a', '{}')).body.accepted).toBe(1);
  expect(served.lines()).toHaveLength(1);
  expect(served.faults).toEqual([]);
});
