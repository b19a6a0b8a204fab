// The whole system on real servers: two federated sites behind a wide-area link that can be cut, an S3 server behind a proxy that can fail, agents and
// sinks as processes of their own.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { Config, SiteConfig } from '#core/config/config.ts';
import type { S3SinkConfig } from '#core/config/sink-config.ts';
import { configFor, type S3, type Site, startS3, startTwoSites, type TwoSites } from '../containers.ts';
import { noInputs } from '../site-config.ts';
import { type FaultProxy, startFaultProxy } from '../fault-proxy.ts';
import { type AgentProcess, startAgentProcess } from '../ingest/agent-process.ts';
import { type ConsumerProcess, startConsumerProcess } from './consumer-process.ts';
import { startWan, type Wan } from './tcp-proxy.ts';
import { declared } from '../topology/broker.ts';

export interface System extends AsyncDisposable {
  readonly chicago: Site;
  readonly east: Site;
  readonly wan: Wan;
  readonly s3: S3;
  readonly proxy: FaultProxy;
  readonly config: Config;
  /** Makes the bucket of one of the declared sinks. */
  sink(name: string): Promise<SinkOf>;
}

/** A sink with a bucket of its own, which reads from the beginning of the streams. */
export interface SinkOf {
  readonly config: Config;
  /** Without the proxy, to read what is there. */
  readonly direct: S3SinkConfig;
  consumer(): ConsumerProcess;
}

export const PARTITIONS = 4;

/** Both sites, declared with these sinks. */
export async function startSystem(sinks: Readonly<Record<string, Partial<S3SinkConfig>>>): Promise<System> {
  await using stack = new AsyncDisposableStack();
  const [sites, s3] = await Promise.all([startTwoSites(), startS3()]);
  stack.use(sites);
  stack.use(s3);
  const wan = stack.use(await startWan(sites.network, hostsOf(sites)));
  const proxy = stack.use(await startFaultProxy(s3.endpoint));
  const { chicago, east } = sites;
  const directs = Object.entries(sinks).map(([name, parts]) => sinkConfig(name, s3, parts));
  const config = configFor([linked(wan, chicago), linked(wan, east)], {
    log: { partitions: PARTITIONS },
    sinks: directs.map((direct) => ({ ...direct, endpoint: proxy.endpoint })),
  });
  await declared(config);
  const ended = stack.move();
  return {
    chicago,
    east,
    wan,
    s3,
    proxy,
    config,
    async sink(name) {
      const direct = directs.find((candidate) => candidate.name === name);
      if (direct === undefined) throw new Error(`startSystem was not given the sink ${name}`);
      const { region, endpoint, credentials } = s3;
      const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials });
      await client.send(new CreateBucketCommand({ Bucket: direct.bucket }));
      return { config, direct, consumer: () => startConsumerProcess(config, name) };
    },
    [Symbol.asyncDispose]: () => ended.disposeAsync(),
  };
}

export const hostsOf = (sites: TwoSites): string[] =>
  sites.sites.flatMap((site) => site.nodes.map((node) => node.name));

export const sinkConfig = (name: string, s3: S3, parts: Partial<S3SinkConfig>): S3SinkConfig => ({
  kind: 's3',
  name,
  home: 'chicago',
  match: [`test.${name}`],
  mapping: null,
  rotate: { size: 8 * 1024 ** 2, count: 1_000, age: 1_000 },
  memory: 64 * 1024 ** 2,
  admin: '127.0.0.1:0',
  bucket: name,
  prefix: '',
  region: s3.region,
  endpoint: s3.endpoint,
  pathStyle: true,
  credentials: s3.credentials,
  ...parts,
});

export const linked = (wan: Wan, { config, nodes }: Site): SiteConfig => ({
  ...config,
  federation: nodes.map(({ name }) => wan.to(name)),
});

/** Nothing listens there, and fetch asks: it refuses some ports, the first among them, by itself. */
const CLOSED = 'http://127.0.0.1:2';

/** An agent whose spool outlives its process. */
export class AgentHost implements AsyncDisposable {
  starts = 0;
  readonly #config: Config;
  readonly #site: string;
  readonly #host: string;
  #folder: string | null = null;
  #agent: AgentProcess | null = null;
  #http = CLOSED;

  constructor(config: Config, site: string, host: string) {
    this.#config = config;
    this.#site = site;
    this.#host = host;
  }

  /** Where it listens; a closed port while it is away. */
  get http(): string {
    return this.#http;
  }

  /** Of its spool; '' before the first start. */
  get folder(): string {
    return this.#folder ?? '';
  }

  get admin(): string {
    return this.#agent?.admin ?? '';
  }

  async start(): Promise<void> {
    this.#folder ??= await mkdtemp(join(tmpdir(), `waggle-${this.#host}-`));
    const { agent } = this.#config;
    const http = { listen: '127.0.0.1:0', level: 'disk', maxBody: 8 * 1024 ** 2, maxEvent: 1024 ** 2 } as const;
    this.#agent = await startAgentProcess({
      ...this.#config,
      agent: {
        ...agent,
        site: this.#site,
        host: this.#host,
        inputs: { ...noInputs, http },
        spool: { ...agent.spool, path: this.#folder },
      },
    });
    this.#http = this.#agent.http;
    this.starts++;
  }

  async kill(): Promise<void> {
    this.#http = CLOSED;
    await this.#agent?.kill('SIGKILL');
  }

  /** Of /status. */
  async status(): Promise<{ readonly ledger?: object; readonly [key: string]: unknown }> {
    const response = await fetch(`${this.admin}/status`);
    return (await response.json()) as { ledger?: object };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (this.#folder !== null) await rm(this.#folder, { recursive: true, force: true });
  }
}
