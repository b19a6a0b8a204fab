// A site whose disk or memory is short: what agents do, what is told, and what the operator may do.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { startTwoSites, until, type TwoSites } from '../containers.ts';
import { followLog } from '../ingest/log-oracle.ts';
import { Generator } from '../system/generator.ts';
import { AgentHost } from '../system/system.ts';
import { batchOf, byHand, publishBatches, readBatches, run, verified } from './broker.ts';
import { expectAll, type Load } from './node-faults.ts';

let sites: TwoSites;
let config: Config;
beforeAll(async () => {
  sites = await startTwoSites();
  config = sites.config({ log: { partitions: 1 } });
  expect((await run('declare', config)).code).toBe(0);
});
afterAll(() => sites?.[Symbol.asyncDispose]());

const rabbitmqctl = (...args: readonly string[]): Promise<string> | undefined =>
  sites.chicago.nodes[0]?.exec(['rabbitmqctl', ...args]);
const verifySays = (text: string): Promise<void> =>
  until(text, async () => (await run('verify', config)).text.includes(text), 60_000);

const alarms = {
  disk: {
    on: ['set_disk_free_limit', '100000GB'],
    off: ['set_disk_free_limit', '50MB'],
  },
  memory: {
    on: ['set_vm_memory_high_watermark', 'absolute', '1MB'],
    off: ['set_vm_memory_high_watermark', '0.6'],
  },
} as const;

test.each(['disk', 'memory'] as const)(
  '%s alarm: the agents of that site publish at the other, and nothing accepted is lost',
  async (kind) => {
    await using host = new AgentHost(config, 'chicago', `alarm-${kind}`);
    await host.start();
    const stop = new AbortController();
    const generator = new Generator({
      target: () => host.http,
      name: kind,
      type: 'test.load',
      events: 1e9,
      batch: 20,
      pace: () => 10,
    });
    const running = generator.run(stop.signal);
    try {
      await until('events flow', () => generator.acknowledged.size > 200);
      await rabbitmqctl(...alarms[kind].on);
      await verifySays(
        `FAIL node rabbit@chicago-1: ${kind} alarm: publishers are blocked, and agents go to another site`,
      );
      await using east = await followLog(sites.east, 1);
      // Balance would have sent half of its identities to chicago: now all goes to us-east-1.
      const before = generator.acknowledged.size;
      await until('what is sent now is published at the other site', () =>
        [...east.local].some((key) => ((east.data.get(key) as { n?: number })?.n ?? 0) > before),
      );
    } finally {
      await rabbitmqctl(...alarms[kind].off);
    }
    stop.abort();
    await running;
    await verified(config);
    await expectAll(sites.sites, 1, [{ generator } as Load]);
  },
);

test('links obey no alarm: what is published at the other site goes on arriving; the link can be stopped, and everything is kept', async () => {
  await rabbitmqctl(...alarms.disk.on);
  try {
    await verifySays('links from other sites obey no alarm and go on writing to it. To stop them');
    const through = batchOf(10, 0);
    await publishBatches(config, sites.east.config, [through]);
    expect(await readBatches(config, sites.chicago.config, new Set([through.identity]))).toHaveLength(1);
    // As `verify` says.
    await rabbitmqctl('clear_policy', '--vhost', '/', 'waggle.federation');
    const buffer = '/api/queues/%2F/federation%3A%20events%20-%3E%20waggle%40chicago';
    const api = byHand(sites.east.config);
    await until(
      'the link is gone',
      async () => ((await api.get(buffer)) as { consumers?: number }).consumers === 0,
      20_000,
    );
    const held = Array.from({ length: 20 }, () => batchOf(10, 0));
    await publishBatches(config, sites.east.config, held);
    await until(
      'the buffer keeps them',
      async () => Number(((await api.get(buffer)) as { messages?: number }).messages) >= 20,
      20_000,
    );
    await rabbitmqctl(...alarms.disk.off);
    expect((await run('declare', config)).text).toContain('+ federation-policy waggle.federation');
    const identities = new Set(held.map(({ identity }) => identity));
    expect(await readBatches(config, sites.chicago.config, identities)).toHaveLength(20);
  } finally {
    await rabbitmqctl(...alarms.disk.off);
  }
  await verified(config);
});

test('a disk that is nearly full is told before the alarm', async () => {
  const [node] = (await byHand(sites.chicago.config).get('/api/nodes')) as { disk_free: number }[];
  await rabbitmqctl('set_disk_free_limit', String(Math.round((node?.disk_free ?? 0) / 1.5)));
  try {
    await verifySays('of its disk are free, and at');
  } finally {
    await rabbitmqctl(...alarms.disk.off);
  }
  await verified(config);
});
