// Every sink at once on real servers: two federated sites with an agent at each, S3, HDFS, Elasticsearch, HEC, MongoDB, and consumers as
// processes of their own. The targets that permits protect are reached through proxies that count connections.
import { setTimeout as delay } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import type { Config } from '#core/config/config.ts';
import type { SinkConfig } from '#core/config/sink-config.ts';
import { elasticsearchConfig } from '../consumers/elasticsearch/elasticsearch-config.ts';
import { hdfsSink } from '../consumers/hdfs/hdfs-sink.ts';
import { mongodbConfig } from '../consumers/mongodb/mongodb-config.ts';
import { splunkConfig } from '../consumers/splunk/splunk-config.ts';
import { configFor, type Site, startS3, startTwoSites } from '../containers.ts';
import { freePort, type Server } from '../docker.ts';
import { startElasticsearch } from '../targets/elasticsearch.ts';
import { startHdfs } from '../targets/hdfs.ts';
import { startHec, type Hec } from '../targets/hec.ts';
import { startMongo } from '../targets/mongo.ts';
import { judge, type Stored, type Verdict } from './committed.ts';
import { type ConsumerProcess, startConsumerProcess } from './consumer-process.ts';
import { Generator, type GeneratorOptions } from './generator.ts';
import { bucketReader, elasticsearchReader, hdfsReader, hecReader, mongodbReader, type Reader } from './stored.ts';
import { AgentHost, hostsOf, linked, sinkConfig } from './system.ts';
import { type CountingProxy, startCountingProxy, startWan, type Wan } from './tcp-proxy.ts';
import { declared } from '../topology/broker.ts';

export const LOG_SINKS = ['s3', 'hdfs'] as const;
export const QUEUE_SINKS = ['search', 'splunk', 'documents'] as const;
export const SINKS = [...LOG_SINKS, ...QUEUE_SINKS] as const;
export type SinkName = (typeof SINKS)[number];
export type QueueSinkName = (typeof QUEUE_SINKS)[number];

/** Connections of a queue sink, and partitions of the log: as many as four instances can share. */
export const SHARES = 4;
const WINDOW_AGE = 1_000;
const LOOK_MS = 200;
const STALLED_MS = 120_000;

export interface Target extends Reader {
  readonly sink: SinkName;
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface Instance extends ConsumerProcess {
  readonly sink: SinkName;
  /** Its readiness, its status and the end of its log. */
  told(): Promise<string>;
  ready(): Promise<{ readonly ok: boolean; readonly reasons: readonly string[] }>;
  /** Permits held, or partitions read; 0 before it listens. */
  share(): Promise<number>;
  /** Sites at which a log sink reads. */
  sites(): Promise<readonly string[]>;
}

export interface AllSinks extends AsyncDisposable {
  readonly chicago: Site;
  readonly wan: Wan;
  readonly config: Config;
  readonly hec: Hec;
  readonly targets: Readonly<Record<SinkName, Target>>;
  readonly proxies: Readonly<Record<QueueSinkName, CountingProxy>>;
  /** `config`: with another sink than the system's own. */
  consumer(sink: SinkName, config?: Config): Instance;
  /** By SIGKILL. */
  endConsumers(): Promise<void>;
  /** What the running consumers of a sink say, and how many messages are in its queue: for the errors of tests. */
  told(sink: SinkName): Promise<string>;
}

export async function startAllSinks(): Promise<AllSinks> {
  await using stack = new AsyncDisposableStack();
  const started = await Promise.all([
    startTwoSites(),
    startS3(),
    startHdfs(),
    startElasticsearch(),
    startHec(),
    startMongo(),
  ]);
  for (const each of started) stack.use(each);
  const [sites, s3, hdfs, elasticsearch, hec, mongo] = started;
  const wan = stack.use(await startWan(sites.network, hostsOf(sites)));
  const before = async (url: string): Promise<CountingProxy> =>
    stack.use(await startCountingProxy(Number(new URL(url).port)));
  const proxies = {
    search: await before(elasticsearch.endpoint),
    splunk: await before(hec.endpoint),
    documents: await before(mongo.url),
  };
  const bucket = sinkConfig('s3', s3, {
    bucket: 'events',
    match: ['test.**'],
    rotate: { size: 8 * 1024 ** 2, count: 1_000, age: WINDOW_AGE },
  });
  const files = hdfsSink({
    nameNodes: [hdfs.endpoint],
    match: ['test.**'],
    rotate: bucket.rotate,
    path: '/events/all',
  });
  const shared = {
    home: 'chicago',
    match: ['test.**'],
    memory: 32 * 1024 ** 2,
    connections: SHARES,
    batch: { size: 64 * 1024, count: 200, age: 100 },
    timeout: 10_000,
  };
  const documents = { ...mongodbConfig(`mongodb://127.0.0.1:${proxies.documents.port}`, 'all'), ...shared };
  const sinks: SinkConfig[] = [
    bucket,
    files,
    elasticsearchConfig({ ...shared, nodes: [`http://127.0.0.1:${proxies.search.port}`] }),
    splunkConfig({
      ...shared,
      endpoints: [`http://127.0.0.1:${proxies.splunk.port}`],
      token: hec.token,
      ack: { enabled: true, poll: 500, timeout: 5_000 },
    }),
    documents,
  ];
  const config = configFor(
    [sites.chicago, sites.east].map((site) => linked(wan, site)),
    { log: { partitions: SHARES }, sinks },
  );
  const { region, endpoint, credentials } = s3;
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials });
  await client.send(new CreateBucketCommand({ Bucket: bucket.bucket }));
  await declared(config);
  const nodes = [hdfs.nameNode, ...hdfs.dataNodes];
  const targets = {
    s3: targetOf('s3', [s3], bucketReader(bucket)),
    hdfs: targetOf('hdfs', nodes, hdfsReader(hdfs, files.path)),
    search: targetOf('search', [elasticsearch], elasticsearchReader(elasticsearch, 'waggle-*')),
    splunk: targetOf('splunk', [hec], hecReader(hec)),
    documents: targetOf('documents', [mongo], stack.use(mongodbReader(mongo.url, documents))),
  };
  const instances: Instance[] = [];
  const endConsumers = async (): Promise<void> => {
    await Promise.all(instances.splice(0).map((instance) => instance.kill('SIGKILL')));
  };
  stack.defer(endConsumers);
  const ports: number[] = [];
  for (let n = 0; n < MOST_STARTS; n++) ports.push(await freePort());
  const ended = stack.move();
  return {
    chicago: sites.chicago,
    wan,
    config,
    hec,
    targets,
    proxies,
    consumer(sink, own = config) {
      const port = ports.pop();
      if (port === undefined) throw new Error(`more than ${MOST_STARTS} consumers were started`);
      const instance = startInstance(own, sink, `127.0.0.1:${port}`);
      instances.push(instance);
      return instance;
    },
    endConsumers,
    async told(sink) {
      const running = instances.filter((instance) => instance.sink === sink && instance.process.exitCode === null);
      const says = await Promise.all(running.map((instance) => instance.told()));
      const queues = await sites.chicago.nodes[0]?.exec([
        'rabbitmqctl',
        '--silent',
        'list_queues',
        'name',
        'messages_ready',
        'messages_unacknowledged',
        'consumers',
      ]);
      const own = String(queues)
        .split('\n')
        .filter((line) => line.startsWith(`sink.${sink}`) || line.includes('dead'));
      return [...says, ...own].join('\n');
    },
    [Symbol.asyncDispose]: () => ended.disposeAsync(),
  };
}

const targetOf = (sink: SinkName, servers: readonly Server[], reader: Reader): Target => ({
  sink,
  stored: () => reader.stored(),
  count: () => reader.count(),
  anew: () => reader.anew(),
  stop: async () => void (await Promise.all(servers.map((server) => server.stop()))),
  start: async () => void (await Promise.all(servers.map((server) => server.start()))),
});

/** Each has a port of its own for its endpoints. */
const MOST_STARTS = 200;

function startInstance(config: Config, name: SinkName, admin: string): Instance {
  const sinks = config.sinks.map((sink) => (sink.name === name ? { ...sink, admin } : sink));
  const ask = async (path: string): Promise<unknown> => (await fetch(`http://${admin}${path}`)).json();
  const status = async (): Promise<Status> => (await ask('/status').catch(() => ({}))) as Status;
  const running = startConsumerProcess({ ...config, sinks }, name);
  return {
    ...running,
    sink: name,
    async told() {
      const answers = await Promise.all(['/readyz', '/status'].map((path) => ask(path).catch(String)));
      return [running.process.pid, ...answers, ...running.log.slice(-5)].map((each) => JSON.stringify(each)).join(' ');
    },
    ready: async () => (await ask('/readyz')) as { ok: boolean; reasons: string[] },
    async share() {
      const { permits, sites = [] } = await status();
      return permits ?? sites.flatMap(({ partitions }) => partitions.filter(({ active }) => active)).length;
    },
    sites: async () => ((await status()).sites ?? []).map(({ site }) => site),
  };
}

/** Of /status: what a queue sink says, or a log sink. */
interface Status {
  readonly permits?: number;
  readonly sites?: readonly {
    readonly site: string;
    readonly partitions: readonly { readonly active: boolean }[];
  }[];
}

interface Load {
  readonly generators: readonly [Generator, Generator];
  /** Resolves once the last request is answered. */
  stop(): Promise<void>;
}

/** An agent at each site, and generators for them. */
export class Flow implements AsyncDisposable {
  readonly hosts: readonly [AgentHost, AgentHost];

  constructor({ config }: AllSinks) {
    const at = (site: string, host: string): AgentHost => {
      // Each publishes at its own site, so that it is known where events come from.
      const route = { ...config.agent.route, mode: 'failover', prefer: site } as const;
      return new AgentHost({ ...config, agent: { ...config.agent, route } }, site, host);
    };
    this.hosts = [at('chicago', 'api-1'), at('us-east-1', 'api-2')];
  }

  async start(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.start()));
  }

  /** One for each agent; `events` altogether. */
  generators(name: string, options: Pick<GeneratorOptions, 'events' | 'batch' | 'pace'>): [Generator, Generator] {
    const [chicago, east] = this.hosts;
    const { events, ...rest } = options;
    const one = (host: AgentHost, at: string): Generator =>
      new Generator({ ...rest, target: () => host.http, name: `${name}-${at}`, type: 'test.all', events: events / 2 });
    return [one(chicago, 'chicago'), one(east, 'east')];
  }

  /** Sends `batch` events from each agent every `pace` milliseconds until it is stopped. */
  load(name: string, batch: number, pace: number): Load {
    const end = new AbortController();
    const generators = this.generators(name, { events: 2_000_000, batch, pace: () => pace });
    const sending = Promise.all(generators.map((generator) => generator.run(end.signal)));
    return {
      generators,
      async stop() {
        end.abort();
        await sending;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.hosts) await host[Symbol.asyncDispose]();
  }
}

const namesOf = (generators: readonly Generator[]): ReadonlySet<string> => new Set(generators.map(({ name }) => name));

/** Of what is at the target, that which these generators sent. */
async function storedOf(target: Target, generators: readonly Generator[]): Promise<Stored> {
  const names = namesOf(generators);
  return new Map([...(await target.stored())].filter(([event]) => names.has(event.slice(0, event.lastIndexOf(':')))));
}

const toldOf = ({ name, sent, acknowledged, unknown, refused, surprises }: Generator): string =>
  `${name}: ${sent} sent, ${acknowledged.size} acknowledged, ${unknown.size} unknown, ${refused} times refused; surprises: ${surprises.length} ${surprises[0] ?? ''}`;

/** Waits until all that was acknowledged is there, for as long as more and more comes: a stand-in may be slow. */
async function arrived(system: AllSinks, sink: SinkName, generators: readonly Generator[]): Promise<void> {
  const target = system.targets[sink];
  const acknowledged = generators.reduce((sum, { acknowledged: { size } }) => sum + size, 0);
  let most = 0;
  for (let grew = performance.now(), last = ''; ;) {
    try {
      const count = await target.count();
      if (count > most) grew = performance.now();
      most = Math.max(most, count);
      if (count >= acknowledged && judge(await storedOf(target, generators), generators).lost.length === 0) return;
    } catch (error) {
      last = String(error); // it was just started again
    }
    if (performance.now() - grew > STALLED_MS)
      throw new Error(
        `${sink}: ${acknowledged} events are to be there, ${most} are with those of before, and no more for ${STALLED_MS} ms ${last}\n${[...generators.map(toldOf), await system.told(sink)].join('\n')}`,
      );
    await delay(LOOK_MS);
  }
}

/** Waits until all that was acknowledged is everywhere, and then once more for what should not come. */
async function verdicts(
  system: AllSinks,
  generators: readonly Generator[],
  sinks: readonly SinkName[] = SINKS,
): Promise<ReadonlyMap<SinkName, Verdict>> {
  await Promise.all(sinks.map((sink) => arrived(system, sink, generators)));
  // A repeat would be committed with the age of a window, or come with the next request.
  await delay(2 * WINDOW_AGE);
  const found = new Map<SinkName, Verdict>();
  for (const sink of sinks) found.set(sink, judge(await storedOf(system.targets[sink], generators), generators));
  return found;
}

/** Exactly once in all, but for Splunk, where nothing is lost; answers how many events it has more than once. */
export async function expectAll(
  system: AllSinks,
  generators: readonly Generator[],
  sinks: readonly SinkName[] = SINKS,
): Promise<number> {
  const found = await verdicts(system, generators, sinks);
  const begun = generators.reduce((sum, { sent }) => sum + sent, 0);
  for (const [sink, verdict] of found) {
    const { repeated, ...rest } = verdict;
    expect({ sink, ...rest }).toMatchObject({ sink, lost: [], invented: [] });
    expect({ sink, repeated: sink === 'splunk' ? [] : repeated }).toEqual({ sink, repeated: [] });
    expect(verdict.acknowledged + verdict.unknown).toBe(begun);
  }
  expect(generators.flatMap(({ surprises }) => surprises)).toEqual([]);
  return found.get('splunk')?.repeated.length ?? 0;
}
