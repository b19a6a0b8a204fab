// TCP proxies. A wide-area link between containers, in a container of its own, which can be cut (killed), frozen (half-open) and brought back; and
// one in this process that counts the connections to a server.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { GenericContainer, Wait } from 'testcontainers';
import type { TestNetwork } from '../docker.ts';

export interface Wan extends AsyncDisposable {
  /** `amqp://…` at which brokers of one site reach the other, by the other's host name. */
  readonly to: (host: string) => string;
  /** Connections are reset, and new ones refused. */
  cut(): Promise<void>;
  /** Connections stay open and silent. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  mend(): Promise<void>;
}

const FIRST_PORT = 7000;
const script = `
  const net = require('node:net');
  process.argv.slice(1).forEach((host, index) => net.createServer((near) => {
    const far = net.connect(5672, host);
    near.pipe(far).pipe(near);
    const end = () => { near.destroy(); far.destroy(); };
    for (const socket of [near, far]) socket.on('error', end).on('close', end).setNoDelay(true);
  }).listen(${FIRST_PORT} + index));`;

/** One listener for each host, on the sites' network. */
export async function startWan(network: TestNetwork, hosts: readonly string[]): Promise<Wan> {
  const container = await new GenericContainer('node:24-slim')
    .withNetworkMode(network.name)
    .withNetworkAliases('wan')
    .withLabels({ 'waggle.test': String(process.pid) })
    .withCommand(['node', '-e', script, ...hosts])
    .withWaitStrategy(Wait.forAll([]))
    .start();
  const docker = async (action: 'kill' | 'start' | 'pause' | 'unpause'): Promise<void> => {
    const { getContainerRuntimeClient } = await import('testcontainers');
    const { dockerode } = (await getContainerRuntimeClient()).container;
    await dockerode.getContainer(container.getId())[action]();
  };
  return {
    to: (host) => `amqp://wan:${FIRST_PORT + hosts.indexOf(host)}`,
    cut: () => docker('kill'),
    mend: () => docker('start'),
    freeze: () => docker('pause'),
    thaw: () => docker('unpause'),
    [Symbol.asyncDispose]: async () => void (await container.stop({ timeout: 0 })),
  };
}

export interface CountingProxy extends AsyncDisposable {
  readonly port: number;
  readonly open: number;
  /** Open at the same time, since this was set. */
  most: number;
}

/** Before the server at this port of loopback. */
export async function startCountingProxy(port: number): Promise<CountingProxy> {
  const open = new Set<Socket>();
  let most = 0;
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    const end = (): void => {
      open.delete(near);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on('error', end).on('end', end).on('close', end).setNoDelay(true);
    near.pipe(far).pipe(near);
    open.add(near);
    // What ended before this one came may be read after it, in the same turn of the event loop.
    setImmediate(() => (most = Math.max(most, open.size)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port, // listens on TCP
    get open() {
      return open.size;
    },
    get most() {
      return most;
    },
    set most(value) {
      most = value;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
