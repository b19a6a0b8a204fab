// A connection that ends in the very piece of bytes that opens it, before anybody can listen: no real broker does it when asked, so bytes stand in.
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { openAmqpLink } from '#core/io/amqp.ts';

/** AMQP 0-9-1, section 4.2.3: a method frame on channel 0. */
function method(classId: number, methodId: number, fields: Buffer): Buffer {
  const head = Buffer.alloc(11);
  head[0] = 1;
  head.writeUInt32BE(4 + fields.length, 3);
  head.writeUInt16BE(classId, 7);
  head.writeUInt16BE(methodId, 9);
  return Buffer.concat([head, fields, Buffer.from([0xce])]);
}

const longString = (text: string): Buffer => {
  const bytes = Buffer.alloc(4 + text.length);
  bytes.writeUInt32BE(text.length);
  bytes.write(text, 4);
  return bytes;
};
const START = method(
  10,
  10,
  Buffer.concat([Buffer.from([0, 9]), longString(''), longString('PLAIN'), longString('en_US')]),
);
const TUNE = method(10, 30, Buffer.from([0, 10, 0, 2, 0, 0, 0, 0]));
const OPEN_OK = method(10, 41, Buffer.from([0]));
/** 320 CONNECTION_FORCED, no text. */
const CLOSE = method(10, 50, Buffer.from([1, 64, 0, 0, 0, 0, 0]));

let server: Server;
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

async function broker(afterOpen: readonly Buffer[]): Promise<{ node: string; connections: () => number }> {
  let connections = 0;
  server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    const answers = [START, TUNE, Buffer.concat(afterOpen)];
    // The header, start-ok, and tune-ok with open: each answered by the next.
    socket.on('data', () => {
      const answer = answers.shift();
      if (answer) socket.write(answer);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { node: `amqp://127.0.0.1:${(server.address() as AddressInfo).port}`, connections: () => connections };
}

const options = (node: string) => ({ site: 's', nodes: [node], user: 'u', password: 'p', vhost: '/', name: 'test' });

test('the owner that finds no channel gets another connection, and closing ends', { timeout: 10_000 }, async () => {
  const { node, connections } = await broker([OPEN_OK, CLOSE]);
  const downs: string[] = [];
  const link = openAmqpLink(options(node), {
    onUp: (connection) => {
      connection.createConfirmChannel().catch((error: unknown) => link.reconnect(`no channel: ${String(error)}`));
    },
    onDown: (reason) => downs.push(reason),
  });
  await expect.poll(connections, { timeout: 5_000 }).toBeGreaterThan(1);
  expect(downs[0]).toMatch(/no channel/);
  await link.close();
  expect(link.state.kind).toBe('closed');
});

test('closing ends where a connection is lost and nobody was told', { timeout: 10_000 }, async () => {
  const { node } = await broker([OPEN_OK, CLOSE]);
  const up = Promise.withResolvers<void>();
  const link = openAmqpLink(options(node), { onUp: () => up.resolve(), onDown: () => {} });
  await up.promise;
  await link.close();
  expect(link.state.kind).toBe('closed');
});
