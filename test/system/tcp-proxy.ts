// A wide-area link between containers: a TCP proxy in a container of its own, which can be cut (killed), frozen (half-open) and brought back.
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
