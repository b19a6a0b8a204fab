// A node of a cluster killed under load, at the role that hurts: agents publish, the node with the role gets SIGKILL, and comes back.
// The oracle is contiguous numbers: nothing that an agent acknowledged may be missing in any log, nor in the queue of a sink.
import { expect } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { bufferQueue, logStream, sinkQueue } from '#topology/names.ts';
import { decodeBatch } from '#core/batch.ts';
import { until, type Site, type SiteNode } from '../containers.ts';
import { followLog } from '../ingest/log-oracle.ts';
import { Generator } from '../system/generator.ts';
import { AgentHost } from '../system/system.ts';
import { byHand, connectAs } from './broker.ts';

export type Role = 'stream leader' | 'queue leader' | 'link' | 'buffer leader';

const at = (queue: string): string => `/api/queues/%2F/${encodeURIComponent(queue)}`;

/** The node of the site that has the role; `other`: the site at the far end of the link. */
export async function nodeOf(site: Site, role: Role, other = ''): Promise<SiteNode> {
  const api = byHand(site.config);
  const leader = async (queue: string): Promise<string> => ((await api.get(at(queue))) as { leader: string }).leader;
  const links = async (): Promise<string> =>
    ((await api.get('/api/federation-links/%2F')) as { node: string }[])[0]?.node ?? '';
  const names: Record<Role, () => Promise<string>> = {
    'stream leader': () => leader(logStream(0)),
    'queue leader': () => leader(sinkQueue('search')),
    link: links,
    'buffer leader': () => leader(bufferQueue(other)),
  };
  const name = await names[role]();
  const node = site.nodes.find((each) => `rabbit@${each.name}` === name);
  if (!node) throw new Error(`${site.name}: no node has the role ${role} (${name})`);
  return node;
}

export interface Load extends AsyncDisposable {
  readonly generator: Generator;
  /** Milliseconds until an event sent now is confirmed by the site. */
  confirmed(): Promise<number>;
  stop(): Promise<void>;
  /** Of the agent's spool, which keeps what was confirmed. */
  readonly spool: string;
}

/** An agent that knows this site alone, so that no other can help it, or mirrors to all; and a generator of `test.load`. */
export async function startLoad(
  config: Config,
  site: Site,
  name: string,
  pace = 10,
  mode: 'balance' | 'mirror' = 'balance',
): Promise<Load> {
  const { agent } = config;
  const own: Config = {
    ...config,
    sites: mode === 'mirror' ? config.sites : config.sites.filter((each) => each.name === site.name),
    agent: {
      ...agent,
      spool: { ...agent.spool, keep: 256 * 1024 ** 2 },
      route: { ...agent.route, mode, prefer: site.name },
    },
  };
  const host = new AgentHost(own, site.name, name);
  await host.start();
  const stop = new AbortController();
  const generator = new Generator({
    target: () => host.http,
    name,
    type: 'test.load',
    events: 1e9,
    batch: 20,
    pace: () => pace,
  });
  const running = generator.run(stop.signal);
  return {
    generator,
    get spool() {
      return host.folder;
    },
    async confirmed() {
      const started = performance.now();
      await until(`${site.name} confirms`, async () => {
        const response = await fetch(`${host.http}/events/test.confirmed?level=site`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{}',
        });
        return ((await response.json()) as { level?: string }).level === 'site';
      });
      return performance.now() - started;
    },
    async stop() {
      stop.abort();
      await running;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
      await host[Symbol.asyncDispose]();
    },
  };
}

/** Kills the node under load, and starts it again; answers the longest that one event waited for its confirm meanwhile, in milliseconds. */
export async function killed(load: Load, node: SiteNode): Promise<number> {
  const over = new AbortController();
  let longest = 0;
  let count = 0;
  const asking = (async () => {
    for (; !over.signal.aborted; count++) longest = Math.max(longest, await load.confirmed());
  })();
  await until('events are confirmed', () => count > 20);
  const before = load.generator.acknowledged.size;
  await node.kill();
  const then = count;
  await until('more are confirmed', () => count > then + 20 && load.generator.acknowledged.size > before + 500);
  await node.start();
  over.abort();
  await asking;
  return longest;
}

/** Everything acknowledged is in the log of each site; answers how many batches came twice. */
export async function expectAll(sites: readonly Site[], partitions: number, loads: readonly Load[]): Promise<number> {
  const wanted = new Set(
    loads.flatMap(({ generator }) => [...generator.acknowledged].map((n) => `${generator.name} ${n}`)),
  );
  let repeats = 0;
  for (const site of sites) {
    await using log = await followLog(site, partitions);
    const missing = (): ReadonlySet<string> => wanted.difference(new Set([...log.data.values()].map(keyOf)));
    await until(`${site.name} has all ${wanted.size}`, () => missing().size === 0, 120_000).catch(() => {});
    expect(missing().size, `lost at ${site.name}`).toBe(0);
    expect(log.invalid).toEqual([]);
    repeats += log.repeats;
  }
  for (const { generator } of loads) expect(generator.surprises).toEqual([]);
  return repeats;
}

/** The queue of the sink holds everything acknowledged too. */
export async function expectQueued(config: Config, site: Site, loads: readonly Load[]): Promise<void> {
  const wanted = new Set(
    loads.flatMap(({ generator }) => [...generator.acknowledged].map((n) => `${generator.name} ${n}`)),
  );
  const connection = await connectAs(config, site.config, 'search');
  try {
    const channel = await connection.createChannel();
    await channel.prefetch(200);
    const found = new Set<string>();
    await channel.consume(sinkQueue('search'), (message) => {
      if (!message) return;
      const { properties, content } = message;
      const batch = decodeBatch({ ...properties, headers: properties.headers ?? {}, body: content });
      if (batch.kind === 'batch')
        for (const line of batch.body.toString().trimEnd().split('\n'))
          found.add(keyOf((JSON.parse(line) as { data: unknown }).data));
      channel.ack(message);
    });
    await until(`the queue had all ${wanted.size}`, () => wanted.isSubsetOf(found));
  } finally {
    await connection.close();
  }
}

function keyOf(data: unknown): string {
  const { g, n } = data as { g?: string; n?: number };
  return `${g} ${n}`;
}
