// Connections that are slow, greedy, hostile or mute: bounded, and closed with a counted reason.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import type { Accepted } from '../../../../ingest/inputs/contract.ts';
import { connect, entries, pack, packed, serveForward } from './forward-client.ts';

const good = (chunk: string): Buffer => pack(['a', 1_700_000_000, { n: 1 }, { chunk }]);

test('a message that does not go on: closed, others are served', async () => {
  await using served = await serveForward({ limits: { patience: 60 } });
  await using slow = await connect(served.port);
  slow.send(good('c').subarray(0, 9));
  await slow.ended();
  expect(served.recorder.closed).toEqual({ 'message-slow': 1 });
  await using client = await connect(served.port);
  client.send(good('c'));
  expect(await client.answered(1)).toEqual([{ ack: 'c' }]);
});

test('a message that is announced too long: closed at once, and nothing reserved for it', async () => {
  await using served = await serveForward();
  await using client = await connect(served.port);
  client.send(good('before'), Buffer.from('92a161c6ffffffff', 'hex'));
  await client.ended();
  expect(client.answers).toEqual([{ ack: 'before' }]);
  expect(served.recorder.closed).toEqual({ 'message-too-large': 1 });
});

test('bytes that are no msgpack: closed, once what came before is acknowledged', async () => {
  await using served = await serveForward();
  const held = served.recorder.hold();
  await using client = await connect(served.port);
  client.send(Buffer.concat([good('before'), Buffer.of(0xc1)]));
  await held.asked;
  held.release();
  await client.ended();
  expect(client.answers).toEqual([{ ack: 'before' }]);
  expect(served.recorder.closed).toEqual({ 'message-malformed': 1 });
});

test('bytes of unfinished messages are bounded over all connections', async () => {
  await using served = await serveForward({ maxChunk: 32 * 2 ** 20 }); // so the budget is 64 MiB
  const head = Buffer.from('92a161c601f00000', 'hex'); // 31.5 MiB are announced
  const clients = await Promise.all([0, 1, 2, 3].map(() => connect(served.port)));
  for (const client of clients) client.send(head, Buffer.alloc(28 * 2 ** 20));
  await vi.waitFor(() => expect(served.recorder.closed['no-room'] ?? 0).toBeGreaterThan(0), { timeout: 15_000 });
  expect(served.recorder.refused['full']).toBe(served.recorder.closed['no-room']);
  for (const client of clients) await client[Symbol.asyncDispose]();
  // All is given back.
  await using client = await connect(served.port);
  client.send(packed(pack('a'), pack(entries({ t: 'x'.repeat(60_000) })), pack({ chunk: 'c' })));
  expect(await client.answered(1)).toEqual([{ ack: 'c' }]);
});

test('a client that sends on while nothing is stored is held back, and all of it arrives later', async () => {
  await using served = await serveForward({ maxEvent: 2 ** 20 });
  const waiting: ((value: Accepted | null) => void)[] = [];
  served.recorder.outcome = () => new Promise((resolve) => waiting.push(resolve));
  await using client = await connect(served.port);
  const record = { t: 'x'.repeat(500_000) };
  for (let n = 0; n < 60; n++) client.send(pack(['a', 1, record, { chunk: String(n) }]));
  await vi.waitFor(() => expect(waiting.length).toBeGreaterThan(6));
  const heldBack = waiting.length;
  expect(heldBack).toBeLessThan(30); // of 30 MB it has taken little more than 4
  served.recorder.outcome = null;
  for (const reach of waiting) reach(null);
  expect((await client.answered(60)).length).toBe(60);
  expect(served.recorder.accepted).toBe(60);
});

test('a client that reads no answers goes on being served', async () => {
  await using served = await serveForward();
  await using client = await connect(served.port);
  client.socket.pause();
  const chunk = 'c'.repeat(60_000);
  for (let n = 0; n < 150; n++) client.send(pack(['a', 1, {}, { chunk }]));
  await vi.waitFor(() => expect(served.recorder.accepted).toBe(150), { timeout: 15_000 });
  expect(served.input.status?.()).toMatchObject({ connections: 1 });
  const status = served.input.status?.() as { answersUnread: number } | undefined;
  expect(status?.answersUnread).toBeGreaterThan(0);
});

test('closing: what was taken is answered, nothing new is', async () => {
  const served = await serveForward();
  const held = served.recorder.hold();
  await using client = await connect(served.port);
  client.send(good('c'));
  await held.asked;
  const closed = served[Symbol.asyncDispose]();
  client.send(good('late'));
  held.release();
  await client.ended();
  await closed;
  expect(client.answers).toEqual([{ ack: 'c' }]);
  expect(served.recorder.accepted).toBe(1);
  await expect(connect(served.port)).rejects.toThrow('ECONNREFUSED');
});

test('whatever bytes come, cut wherever: no fault, and the next client is served', async () => {
  await using served = await serveForward({ maxChunk: 4096, maxEvent: 512, limits: { patience: 5_000 } });
  const piece = fc.oneof(
    { weight: 2, arbitrary: fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes)) },
    { weight: 1, arbitrary: fc.constantFrom('["a",1,{}]', '{"a":[', '[[', '"').map((text) => Buffer.from(text)) },
    { weight: 3, arbitrary: fc.constant(good('c')) },
    {
      weight: 2,
      arbitrary: fc.tuple(fc.nat(), fc.nat({ max: 255 })).map(([at, byte]) => {
        const bytes = packed(pack('a'), pack(entries({ n: 1 }, { t: 'text' })), pack({ chunk: 'c' }));
        bytes[at % bytes.length] = byte;
        return bytes;
      }),
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 6 }), fc.nat(), async (pieces, at) => {
      const bytes = Buffer.concat(pieces);
      await using client = await connect(served.port);
      client.send(bytes.subarray(0, at % (bytes.length + 1)));
      await new Promise((resolve) => setImmediate(resolve));
      client.send(bytes.subarray(at % (bytes.length + 1)));
      client.socket.end();
      await client.ended();
    }),
    { numRuns: 250 },
  );
  expect(served.recorder.faults).toEqual([]);
  for (const line of served.recorder.lines()) JSON.parse(line);
  expect(served.recorder.accepted).toBe(served.recorder.lines().length);
  await using client = await connect(served.port);
  client.send(good('c'));
  expect(await client.answered(1)).toEqual([{ ack: 'c' }]);
}, 30_000);
