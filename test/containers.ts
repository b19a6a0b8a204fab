// Real servers for tests: RabbitMQ sites of one or three nodes, their network, and the S3 server, in containers that clean up after a crash.
//
//   await using sites = await startTwoSites();            // chicago and us-east-1, one node each, federation by container names
//   const config = sites.config({ log: { partitions: 4 } });
//   await using site = await startSite('chicago', { nodes: 3 });
//   await sites.east.disconnect();                        // cuts the federation, leaves the published ports
//   await using s3 = await startS3();
//
// Every port is published on loopback under a number chosen before the start, so a broker that was stopped or killed comes back at its address;
// its data stay in its volume until the end. `stop`, `kill`, `pause` and `start` exist for a node and for a whole site; `start` resolves once the
// node answers again. Containers and networks carry the label `waggle.test=<pid>`; what a dead process left is swept at the next start.
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import type { Config, SiteConfig } from '#core/config/config.ts';
import {
  freePort,
  joinNetwork,
  leaveNetwork,
  Published,
  remove,
  serverOf,
  startNetwork,
  sweep,
  type Server,
  type TestNetwork,
} from './docker.ts';
import { configFor, type ConfigParts } from './site-config.ts';

export { configFor } from './site-config.ts';

const RABBITMQ = 'rabbitmq:4.3-management';
const VERSITYGW = 'versity/versitygw:v1.8.0';
/** The administrator that every site starts with: `users.topology` of `configFor`. */
export const ADMIN_PASSWORD = 'test-topology';

export interface SiteNode extends Server {
  /** `amqp://127.0.0.1:port`, without credentials. */
  readonly amqp: string;
  readonly stream: { readonly host: string; readonly port: number };
  readonly management: string;
  readonly prometheus: string;
}

export interface Site extends AsyncDisposable {
  readonly name: string;
  readonly nodes: readonly SiteNode[];
  readonly network: TestNetwork;
  readonly config: SiteConfig;
  /** All nodes at once. */
  stop(): Promise<void>;
  kill(): Promise<void>;
  pause(): Promise<void>;
  unpause(): Promise<void>;
  start(): Promise<void>;
  /** Takes the nodes off the sites' network: the federation is cut (of a cluster the nodes too), while the published ports go on. */
  disconnect(): Promise<void>;
  /** Back onto the network, under the same names. */
  connect(): Promise<void>;
}

export interface TwoSites extends AsyncDisposable {
  readonly chicago: Site;
  readonly east: Site;
  readonly sites: readonly [Site, Site];
  readonly network: TestNetwork;
  config(parts?: ConfigParts): Config;
}

export interface SiteOptions {
  /** Who administers the new broker: `topology` with ADMIN_PASSWORD unless given, or as out of the box. */
  readonly admin?: 'guest';
  /** Unless given: 1, or as the project of tests says (vitest.config.ts, `ha`). */
  readonly nodes?: 1 | 3;
  readonly network?: TestNetwork;
  /** A folder of deploy/make-certificates.sh with a certificate for each node, and one `client`: TLS everywhere, and nothing else. */
  readonly tls?: string;
  /** More environment of the brokers. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface S3 extends Server, AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** Starts a RabbitMQ site with an empty volume: `nodes` containers named `<name>-1` …, in one cluster. */
export async function startSite(name: string, options: SiteOptions = {}): Promise<Site> {
  const network = options.network ?? (await startNetwork());
  const names = Array.from(
    { length: options.nodes ?? Number(process.env['WAGGLE_TEST_NODES'] ?? 1) },
    (_, index) => `${name}-${index + 1}`,
  );
  const nodes = await Promise.all(names.map((node) => startNode(node, names, network, options)));
  const all = (action: (node: SiteNode) => Promise<void>) => async (): Promise<void> => {
    await Promise.all(nodes.map(action));
  };
  return {
    name,
    nodes,
    network,
    config: {
      name,
      nodes: nodes.map((node) => node.amqp),
      stream: nodes.map((node) => node.stream),
      management: nodes.map((node) => node.management),
      federation: names.map((node) => (options.tls === undefined ? `amqp://${node}:5672` : `amqps://${node}:5671`)),
      tls: options.tls === undefined ? null : clientCertificates(options.tls),
      linkCertificates: '/etc/rabbitmq/tls',
    },
    stop: all((node) => node.stop()),
    kill: all((node) => node.kill()),
    pause: all((node) => node.pause()),
    unpause: all((node) => node.unpause()),
    start: all((node) => node.start()),
    disconnect: all((node) => leaveNetwork(network, node)),
    connect: all((node) => joinNetwork(network, node)),
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => remove(node.containerId)));
      if (!options.network) await network[Symbol.asyncDispose]();
    },
  };
}

/** Two sites on one network that reach each other by name. Nothing is declared yet. */
export async function startTwoSites(options: Pick<SiteOptions, 'nodes' | 'tls'> = {}): Promise<TwoSites> {
  const network = await startNetwork();
  const [chicago, east] = await Promise.all([
    startSite('chicago', { ...options, network }),
    startSite('us-east-1', { ...options, network }),
  ]);
  return {
    chicago,
    east,
    sites: [chicago, east],
    network,
    config: (parts) => configFor([chicago.config, east.config], parts),
    async [Symbol.asyncDispose]() {
      await Promise.all([chicago[Symbol.asyncDispose](), east[Symbol.asyncDispose]()]);
      await network[Symbol.asyncDispose]();
    },
  };
}

/** versitygw over a folder of its container (facts of its behaviour: docs); path-style addressing. No bucket yet. */
export async function startS3(): Promise<S3> {
  await sweep();
  const port = await freePort();
  const credentials = { accessKeyId: 'test-access', secretAccessKey: 'test-secret-key' };
  const endpoint = `http://127.0.0.1:${port}`;
  const container = await new Published(VERSITYGW)
    .publish(new Map([[7070, port]]))
    .withEnvironment({ ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey })
    .withEntrypoint(['sh', '-c', 'mkdir -p /data && exec versitygw "$@"', 'versitygw'])
    .withCommand(['--port', ':7070', '--health', '/health', '--quiet', 'posix', '/data'])
    .start();
  const ready = () => until(`S3 at ${endpoint}`, async () => (await fetch(`${endpoint}/health`)).ok);
  await ready();
  return {
    ...(await serverOf('s3', container.getId(), ready)),
    endpoint,
    region: 'us-east-1',
    credentials,
    [Symbol.asyncDispose]: () => remove(container.getId()),
  };
}

/** Waits for a condition: tests use it instead of sleeping. Rejects with the last error after `timeout` ms. */
export async function until(
  what: string,
  condition: () => Promise<boolean> | boolean,
  timeout = 60_000,
): Promise<void> {
  const deadline = Date.now() + timeout;
  for (let last: unknown = 'not yet'; ;) {
    try {
      if (await condition()) return;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeout} ms (${String(last)})`);
    await delay(50);
  }
}

async function startNode(
  name: string,
  cluster: readonly string[],
  network: TestNetwork,
  { admin, tls, environment = {} }: SiteOptions,
): Promise<SiteNode> {
  const [amqp, stream, management, prometheus] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const container = await new Published(RABBITMQ)
    .publish(
      new Map([
        [tls === undefined ? 5672 : 5671, amqp],
        [tls === undefined ? 5552 : 5551, stream],
        [tls === undefined ? 15672 : 15671, management],
        [15692, prometheus],
      ]),
    )
    .withHostname(name)
    .withNetworkMode(network.name)
    .withNetworkAliases(name)
    .withEnvironment({
      RABBITMQ_NODENAME: `rabbit@${name}`,
      RABBITMQ_ERLANG_COOKIE: 'waggle-test',
      ...(admin !== 'guest' && { RABBITMQ_DEFAULT_USER: 'topology', RABBITMQ_DEFAULT_PASS: ADMIN_PASSWORD }),
      ...environment,
      WAGGLE_STREAM_HOST: '127.0.0.1',
      WAGGLE_STREAM_PORT: String(stream),
      // Two cores for everything: busy schedulers of idle brokers would take them from the code under test.
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+sbwt none +sbwtdcpu none +sbwtdio none',
    })
    .withCopyContentToContainer([
      { content: settings(cluster), target: '/etc/rabbitmq/conf.d/90-test.conf', mode: 0o644 },
      { content: deployed('enabled_plugins'), target: '/etc/rabbitmq/enabled_plugins', mode: 0o644 },
      { content: deployed('rabbitmq.conf'), target: '/etc/rabbitmq/conf.d/20-waggle.conf', mode: 0o644 },
      ...(tls === undefined ? [] : tlsFiles(tls, name)),
    ])
    .withStartupTimeout(120_000)
    .start();
  const ready = () =>
    until(
      `RabbitMQ ${name} at 127.0.0.1:${amqp}`,
      () => (tls === undefined ? speaksAmqp(amqp) : speaksTls(amqp, tls)),
      120_000,
    );
  await ready();
  return {
    ...(await serverOf(name, container.getId(), ready)),
    amqp: `${tls === undefined ? 'amqp' : 'amqps'}://127.0.0.1:${amqp}`,
    stream: { host: '127.0.0.1', port: stream },
    management: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${management}`,
    prometheus: `http://127.0.0.1:${prometheus}`,
  };
}

/** What differs from the project's own broker settings: little disk is asked for, and the nodes of a cluster find each other. */
function settings(cluster: readonly string[]): string {
  const lines = ['disk_free_limit.absolute = 50MB'];
  if (cluster.length > 1) {
    lines.push('cluster_formation.peer_discovery_backend = classic_config');
    cluster.forEach((node, index) =>
      lines.push(`cluster_formation.classic_config.nodes.${index + 1} = rabbit@${node}`),
    );
  }
  return `${lines.join('\n')}\n`;
}

const deployed = (file: string): string => readFileSync(new URL(`../deploy/rabbitmq/${file}`, import.meta.url), 'utf8');

function tlsFiles(folder: string, node: string): { content: string; target: string; mode: number }[] {
  const files = ['ca', 'cert', 'key'].map((name) => ({
    content: readFileSync(join(folder, node, `${name}.pem`), 'utf8'),
    target: `/etc/rabbitmq/tls/${name}.pem`,
    mode: 0o644,
  }));
  return [...files, { content: deployed('tls.conf'), target: '/etc/rabbitmq/conf.d/30-tls.conf', mode: 0o644 }];
}

export function clientCertificates(folder: string): { ca: string; cert: string; key: string } {
  const read = (name: string): string => readFileSync(join(folder, 'client', `${name}.pem`), 'utf8');
  return { ca: read('ca'), cert: read('cert'), key: read('key') };
}

/** The handshake is refused or reset until the broker listens. */
async function speaksTls(port: number, folder: string): Promise<boolean> {
  const socket = tlsConnect({ host: '127.0.0.1', port, ...clientCertificates(folder) });
  socket.on('error', () => {});
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(2_000) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Docker's proxy accepts before the broker does, so the broker's first frame (connection.start, AMQP 0-9-1 section 4.2.2) is waited for. */
function speaksAmqp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2_000, () => done(false));
    socket.once('error', () => done(false));
    socket.once('close', () => done(false));
    socket.once('connect', () => socket.write(Buffer.from('AMQP\0\0\x09\x01', 'latin1')));
    socket.once('data', (data) => done(data[0] === 1));
  });
}
