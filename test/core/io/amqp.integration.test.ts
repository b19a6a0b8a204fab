import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ChannelModel } from 'amqplib';
import { connectAmqp, openAmqpLink, reconnectDelay, type AmqpHandlers, type AmqpLinkOptions } from '#core/io/amqp.ts';
import { ADMIN_PASSWORD, startSite, until, type Site, type SiteNode } from '../../containers.ts';

let site: Site;
let node: SiteNode;
beforeAll(async () => {
  site = await startSite('chicago');
  [node] = site.nodes as [SiteNode];
});
afterAll(() => site?.[Symbol.asyncDispose]());

const options = (nodes: readonly string[] = [node.amqp]): AmqpLinkOptions => ({
  site: 'chicago',
  nodes,
  user: 'topology',
  password: ADMIN_PASSWORD,
  vhost: '/',
  name: 'amqp test',
});

/** Writes down every call, in order. */
function recorder(): AmqpHandlers & { readonly calls: string[]; connection: ChannelModel | null } {
  const calls: string[] = [];
  const record = {
    calls,
    connection: null as ChannelModel | null,
    onUp: (connection: ChannelModel, at: string) => {
      record.connection = connection;
      calls.push(`up ${at}`);
    },
    onDown: (reason: string) => void calls.push(`down ${reason}`),
    onBlocked: (reason: string) => void calls.push(`blocked ${reason}`),
    onUnblocked: () => void calls.push('unblocked'),
  };
  return record;
}

const waiting = (): AbortSignal => AbortSignal.timeout(60_000);
const within = (milliseconds: number): AbortSignal => AbortSignal.timeout(milliseconds);

/** Accepts and says nothing, as a frozen broker behind a proxy does. */
async function silentServer(): Promise<{
  readonly url: string;
  readonly server: Server;
  readonly sockets: Set<Socket>;
}> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  return { url: `amqp://127.0.0.1:${address.port}`, server, sockets };
}

describe('a link to a site', () => {
  test('comes up, makes channels, and closes in order; closing again is nothing', async () => {
    const seen = recorder();
    const link = openAmqpLink(options(), seen);
    const connection = await link.up(waiting());
    expect(link.state).toEqual({ kind: 'up', node: node.amqp });
    const channel = await connection.createConfirmChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    channel.sendToQueue(queue, Buffer.from('x'));
    await channel.waitForConfirms();
    await Promise.all([link.close(), link.close()]);
    expect(link.state).toEqual({ kind: 'closed' });
    expect(seen.calls).toEqual([`up ${node.amqp}`, expect.stringMatching(/^down /)]);
    await expect(link.up(waiting())).rejects.toThrow('closed');
  });

  test('drains before it says goodbye', async () => {
    const order: string[] = [];
    const link = openAmqpLink(options(), {
      onUp: (connection) => void connection.on('close', () => order.push('closed')),
      onDown: () => void order.push('down'),
      drain: async () => void order.push('drained'),
    });
    await link.up(waiting());
    await link.close();
    expect(order).toEqual(['drained', 'closed', 'down']);
  });

  test('comes back after the broker was killed, with a new connection, and says what went', async () => {
    const seen = recorder();
    await using link = openAmqpLink(options(), seen);
    const before = await link.up(waiting());
    await node.kill();
    await until('down', () => seen.calls.length === 2);
    expect(link.state.kind === 'down' || link.state.kind === 'connecting').toBe(true);
    await node.start();
    const after = await link.up(waiting());
    expect(after).not.toBe(before);
    expect(seen.calls).toEqual([`up ${node.amqp}`, expect.stringMatching(/^down /), `up ${node.amqp}`]);
  });

  test('goes on to the next node where one refuses or is silent', async () => {
    const silent = await silentServer();
    const seen = recorder();
    // Two of three turns fail at least once, wherever it begins.
    await using link = openAmqpLink(options(['amqp://127.0.0.1:1', silent.url, node.amqp]), seen);
    await link.up(waiting());
    expect(seen.calls).toEqual([`up ${node.amqp}`]);
    silent.server.close();
  });

  test('leaves no socket behind when it is closed while a node is silent', async () => {
    const silent = await silentServer();
    const link = openAmqpLink(options([silent.url]), recorder());
    await until('a connection', () => silent.sockets.size === 1);
    await link.close();
    await until('no connection', () => silent.sockets.size === 0);
    silent.server.close();
  });

  test('reconnects at once when its owner finds it silent, although the broker is frozen', async () => {
    const seen = recorder();
    await using link = openAmqpLink(options(), seen);
    await link.up(waiting());
    await node.pause();
    link.reconnect('no confirm for 30 s');
    await until('down', () => seen.calls.length === 2);
    expect(seen.calls[1]).toBe('down no confirm for 30 s');
    await node.unpause();
    await link.up(waiting());
  });

  test('an owner that throws is made again on a new connection', async () => {
    const seen = recorder();
    let tries = 0;
    await using link = openAmqpLink(options(), {
      ...seen,
      onUp(connection, at) {
        seen.onUp(connection, at);
        if (++tries === 1) throw new Error('half made');
      },
    });
    await until('twice up', () => tries === 2);
    expect(seen.calls).toEqual([`up ${node.amqp}`, expect.stringContaining('half made'), `up ${node.amqp}`]);
    expect(link.state.kind).toBe('up');
  });

  test('tells a wrong password, for people and without the password, and keeps trying', async () => {
    await using link = openAmqpLink({ ...options(), password: 'not-the-password' }, recorder());
    await until('refused', () => 'error' in link.state && link.state.error !== null);
    const text = JSON.stringify(link.state);
    expect(text).toContain(`site chicago: ${node.amqp} as topology`);
    expect(text).toContain('ACCESS_REFUSED');
    expect(text).not.toContain('not-the-password');
  });

  test('tells that the broker takes no publishes, and when it does again', async () => {
    const seen = recorder();
    await using link = openAmqpLink(options(), seen);
    const connection = await link.up(waiting());
    const channel = await connection.createConfirmChannel();
    await node.exec(['rabbitmqctl', 'set_vm_memory_high_watermark', '0.0000001']);
    // A broker says so to who publishes.
    channel.publish('', 'nowhere', Buffer.from('x'));
    await until('blocked', () => link.state.kind === 'blocked');
    await node.exec(['rabbitmqctl', 'set_vm_memory_high_watermark', '0.6']);
    await until('unblocked', () => link.state.kind === 'up');
    await channel.waitForConfirms();
    expect(seen.calls.slice(1)).toEqual([expect.stringMatching(/^blocked .*memory/), 'unblocked']);
  });

  test('a wait ends with its signal, and leaves the link as it is', async () => {
    await using link = openAmqpLink(options(['amqp://127.0.0.1:1']), recorder());
    await expect(link.up(within(50))).rejects.toThrow(/abort|timeout/i);
    expect(link.state.kind).not.toBe('closed');
  });
});

describe('one connection', () => {
  test('takes the first node that answers', async () => {
    const connection = await connectAmqp(options(['amqp://127.0.0.1:1', node.amqp]));
    await connection.close();
  });

  test('names every node that did not', async () => {
    await expect(connectAmqp(options(['amqp://127.0.0.1:1', 'amqp://127.0.0.1:2']))).rejects.toThrow(
      /127\.0\.0\.1:1 .*127\.0\.0\.1:2 /,
    );
  });
});

test('pauses grow to their bound, by chance below it', () => {
  expect([0, 1, 2, 3].map((attempt) => reconnectDelay(attempt, 0.5))).toEqual([50, 100, 200, 400]);
  expect(reconnectDelay(100, 0.999)).toBeLessThan(5_000);
  expect(reconnectDelay(100, 0)).toBe(0);
});
