// Containers for tests: published at fixed loopback ports, labelled, swept when their process is gone.
import { createServer } from 'node:net';
import { GenericContainer, Wait, getContainerRuntimeClient } from 'testcontainers';

// What is started here is labelled and swept here, so testcontainers needs no reaper (whose image may be out of reach).
process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';

export const TEST_LABEL = 'waggle.test';

/** One container with published ports that outlive a stop. */
export interface Server {
  /** Its name on the network. */
  readonly name: string;
  readonly containerId: string;
  /** SIGTERM, then SIGKILL after 30 s. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Freezes all processes: connections stay open and silent. */
  pause(): Promise<void>;
  unpause(): Promise<void>;
  /** After `stop` or `kill`; resolves once it answers at its old address. */
  start(): Promise<void>;
  /** What it printed; rejects where it ends with another code than 0. */
  exec(command: readonly string[]): Promise<string>;
  logs(): Promise<string>;
}

export interface TestNetwork extends AsyncDisposable {
  readonly name: string;
}

export class Published extends GenericContainer {
  /** Ports of the container on loopback at fixed ports of this machine (testcontainers' own binding is to every address). */
  publish(ports: ReadonlyMap<number, number>): this {
    this.withExposedPorts(...ports.keys());
    this.hostConfig.PortBindings = Object.fromEntries(
      Array.from(ports, ([inside, outside]) => [`${inside}/tcp`, [{ HostIp: '127.0.0.1', HostPort: String(outside) }]]),
    );
    // Readiness is ours to tell, by the protocol itself, at the start and at each later one.
    return this.withLabels({ [TEST_LABEL]: String(process.pid) }).withWaitStrategy(Wait.forAll([]));
  }
}

/** `ready` resolves once it answers at its address; called after each start. */
export async function serverOf(name: string, id: string, ready: () => Promise<void>): Promise<Server> {
  const client = await getContainerRuntimeClient();
  const container = client.container.getById(id);
  return {
    name,
    containerId: id,
    stop: async () => void (await container.stop({ t: 30 })),
    kill: async () => void (await container.kill()),
    pause: async () => void (await container.pause()),
    unpause: async () => void (await container.unpause()),
    async start() {
      await container.start();
      await ready();
    },
    async exec(command) {
      const { exitCode, output } = await client.container.exec(container, [...command]);
      if (exitCode !== 0) throw new Error(`${name}: ${command.join(' ')} ended with ${exitCode}: ${output}`);
      return output;
    },
    logs: async () => plainLog(await container.logs({ stdout: true, stderr: true, follow: false })),
  };
}

/** A bridge network; dispose of it when its containers are gone. */
export async function startNetwork(): Promise<TestNetwork> {
  await sweep();
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const name = `waggle-test-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const network = await dockerode.createNetwork({
    Name: name,
    CheckDuplicate: true,
    Labels: { [TEST_LABEL]: String(process.pid) },
  });
  return {
    name,
    [Symbol.asyncDispose]: async () => void (await network.remove().catch(ignoreMissing)),
  };
}

export async function leaveNetwork(network: TestNetwork, { containerId }: Server): Promise<void> {
  const { dockerode } = (await getContainerRuntimeClient()).container;
  await dockerode.getNetwork(network.name).disconnect({ Container: containerId });
}

export async function joinNetwork(network: TestNetwork, { containerId, name }: Server): Promise<void> {
  const { dockerode } = (await getContainerRuntimeClient()).container;
  await dockerode.getNetwork(network.name).connect({ Container: containerId, EndpointConfig: { Aliases: [name] } });
}

export async function remove(id: string): Promise<void> {
  const client = await getContainerRuntimeClient();
  await client.container.getById(id).remove({ force: true, v: true }).catch(ignoreMissing);
}

function ignoreMissing(error: unknown): void {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : null;
  // Gone already, or being removed by somebody else.
  if (status !== 404 && status !== 409) throw error;
}

/** Docker frames each piece of output: a byte for the stream, three zeros, four bytes of length (Engine API, ContainerAttach). */
function plainLog(framed: Buffer): string {
  const pieces: string[] = [];
  for (let at = 0; at + 8 <= framed.length;) {
    const end = at + 8 + framed.readUInt32BE(at + 4);
    pieces.push(framed.toString('utf8', at + 8, end));
    at = end;
  }
  return pieces.join('');
}

let swept: Promise<void> | null = null;

/** Removes containers and networks of test processes that are no more; once a process. */
export function sweep(): Promise<void> {
  swept ??= sweepNow();
  return swept;
}

async function sweepNow(): Promise<void> {
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const filters = { label: [TEST_LABEL] };
  const orphan = (labels: Record<string, string> | undefined): boolean => !isAlive(Number(labels?.[TEST_LABEL]));
  for (const found of await dockerode.listContainers({ all: true, filters })) {
    if (orphan(found.Labels)) await remove(found.Id);
  }
  for (const found of await dockerode.listNetworks({ filters })) {
    if (orphan(found.Labels)) await dockerode.getNetwork(found.Id).remove().catch(ignoreMissing);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

const given = new Set<number>();

/** Below the range from which the kernel takes ports for outgoing connections: else a stopped broker could find its port taken at its return. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 1000; tries++) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      return port;
    }
  }
  throw new Error('no free port between 12000 and 32000');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
