// TCP proxies. A wide-area link between containers, in a container of its own, which can be cut (killed), frozen (half-open), slowed down and brought back; and
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
  /** So many milliseconds later, and at most so many bytes a second each way; 0 and 0: as it is. */
  shape(delay: number, bytesPerSecond: number): Promise<void>;
}

const FIRST_PORT = 7000;
// Each direction of each connection by itself: a chunk goes on when those before it are through the narrow line, and a delay later. What waits is
// bounded, as by a socket's window.
const script = `
  const net = require('node:net');
  const fs = require('node:fs');
  let delay = 0, rate = Infinity;
  fs.watchFile('/tmp/shape', { interval: 100 }, () => {
    if (!fs.existsSync('/tmp/shape')) return;
    const [ms, bytes] = fs.readFileSync('/tmp/shape', 'utf8').split(' ').map(Number);
    delay = ms || 0; rate = bytes || Infinity;
  });
  const pass = (from, to) => {
    let free = 0, waiting = 0;
    from.on('data', (chunk) => {
      if (delay === 0 && rate === Infinity && waiting === 0) {
        if (!to.write(chunk)) { from.pause(); to.once('drain', () => from.resume()); }
        return;
      }
      free = Math.max(free, Date.now()) + (1000 * chunk.length) / rate;
      waiting += chunk.length;
      if (waiting > 65536) from.pause();
      setTimeout(() => {
        to.write(chunk);
        waiting -= chunk.length;
        if (waiting <= 65536) from.resume();
      }, free - Date.now() + delay);
    });
  };
  process.argv.slice(1).forEach((host, index) => net.createServer((near) => {
    const far = net.connect(5672, host);
    pass(near, far);
    pass(far, near);
    const end = () => { near.destroy(); far.destroy(); };
    for (const socket of [near, far]) socket.on('error', end).on('end', end).on('close', end).setNoDelay(true);
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
    async shape(delay, bytesPerSecond) {
      await container.exec(['sh', '-c', `echo "${delay} ${bytesPerSecond}" > /tmp/shape`]);
    },
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
