// The agent on a disk that is full, a small tmpfs: it refuses with 503 and Retry-After, goes on draining, and recovers by itself.
import { join } from 'node:path';
import { GenericContainer } from 'testcontainers';
import { expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { topologyReport } from '#topology/main.ts';
import { type Site, configFor, startSite, until } from '../containers.ts';
import { noInputs } from '../site-config.ts';
import { followLog } from './log-oracle.ts';

const PARTITIONS = 1;
const MEBI = 1024 ** 2;

/** Inside the container: the brokers by their names on the network, the spool on the tmpfs. */
function insideConfig(site: Site): Config {
  const { agent } = configFor([site.config]);
  return configFor([{ ...site.config, nodes: site.config.federation }], {
    log: { partitions: PARTITIONS },
    agent: {
      admin: '0.0.0.0:9881',
      spool: { path: '/spool', max: 1024 * MEBI, share: 1, keep: 0, segment: 2 * MEBI },
      inputs: { ...noInputs, http: { listen: '0.0.0.0:9880', level: 'disk', maxBody: 8 * MEBI, maxEvent: MEBI } },
      route: { ...agent.route, hysteresis: 300 },
    },
  });
}

test('a full disk: refused with Retry-After, drained, and open again; what was acknowledged is there once', async () => {
  await using site = await startSite('chicago');
  const declared = await topologyReport('declare', configFor([site.config], { log: { partitions: PARTITIONS } }));
  expect(declared.sites.map(({ error }) => error)).toEqual([null]);
  const watermark = (value: string) => site.nodes[0]?.exec(['rabbitmqctl', 'set_vm_memory_high_watermark', value]);
  await watermark('0');

  await using agent = await new GenericContainer('node:24-slim')
    .withBindMounts([{ source: join(import.meta.dirname, '../..'), target: '/app', mode: 'ro' }])
    .withTmpFs({ '/spool': 'rw,size=24m' })
    .withNetworkMode(site.network.name)
    .withLabels({ 'waggle.test': String(process.pid) })
    .withCopyContentToContainer([{ content: JSON.stringify(insideConfig(site)), target: '/config.json', mode: 0o644 }])
    .withCommand(['sh', '-c', 'exec node /app/test/ingest/agent-process.ts < /config.json'])
    .start();
  const address = agent.getIpAddress(site.network.name);
  await until('the agent listens', async () => (await fetch(`http://${address}:9881/healthz`)).ok);

  const pad = 'x'.repeat(1_000);
  const acknowledged: number[] = [];
  const unknown: number[] = [];
  let next = 1;
  const post = async (): Promise<Response> => {
    const numbers = Array.from({ length: 100 }, (_, index) => next + index);
    next += 100;
    const body = numbers.map((n) => `{"n":${n},"pad":"${pad}"}\n`).join('');
    const response = await fetch(`http://${address}:9880/events/test.full`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/x-ndjson' },
    });
    (response.status === 200 ? acknowledged : unknown).push(...numbers);
    return response;
  };
  let refused = await post();
  await until('refused', async () => {
    for (let i = 0; i < 20 && refused.status === 200; i++) refused = await post();
    return refused.status !== 200;
  });
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(acknowledged.length).toBeGreaterThan(5_000);
  expect((await fetch(`http://${address}:9881/readyz`)).status).toBe(503);

  await watermark('0.6');
  await until('it takes events again', async () => (await post()).status === 200);
  await using oracle = await followLog(site, PARTITIONS);
  const counts = (): Map<number, number> => {
    const found = new Map<number, number>();
    for (const data of oracle.data.values()) {
      const { n } = data as { n: number };
      found.set(n, (found.get(n) ?? 0) + 1);
    }
    return found;
  };
  await until('all that was acknowledged is in the log', () => {
    const found = counts();
    return acknowledged.every((n) => found.has(n));
  });
  expect(oracle.invalid).toEqual([]);
  const found = counts();
  expect([...found.values()].every((count) => count === 1)).toBe(true);
  const allowed = new Set([...acknowledged, ...unknown]);
  expect([...found.keys()].every((n) => allowed.has(n))).toBe(true);
});
