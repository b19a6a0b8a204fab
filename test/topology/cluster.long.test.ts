import { expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { startTwoSites, until } from '../containers.ts';
import { batchOf, publishBatches, readBatches, run } from './broker.ts';

test('two sites of three nodes: one node of each is lost and comes back, and nothing confirmed is', async () => {
  await using sites = await startTwoSites({ nodes: 3 });
  const config: Config = sites.config({ log: { partitions: 4 } });
  expect((await run('declare', config)).code).toBe(0);
  await until('verified', async () => (await run('verify', config)).code === 0);
  expect(await run('plan', config)).toMatchObject({ code: 0 });

  const [chicago, east] = [sites.chicago, sites.east];
  const sent = Array.from({ length: 40 }, (_, index) => batchOf(100, index % 4));
  await publishBatches(config, chicago.config, sent.slice(0, 10));
  await Promise.all([chicago.nodes[0]?.kill(), east.nodes[1]?.kill()]);

  const without = await run('verify', config);
  expect(without.code).toBe(1);
  expect(without.text).toContain('FAIL node rabbit@chicago-1: it does not run');
  expect(without.text).toContain('! site chicago: 2 of the 3 configured nodes run');

  // Two of three nodes confirm, once the leaders that were lost are elected anew; a batch whose confirm was lost may be there twice.
  const resend = async (site: typeof chicago, from: number, to: number): Promise<void> => {
    await until(`confirmed at ${site.name}`, async () => {
      await publishBatches(config, site.config, sent.slice(from, to));
      return true;
    });
  };
  await resend(chicago, 10, 20);
  await resend(east, 20, 30);
  await Promise.all([chicago.nodes[0]?.start(), east.nodes[1]?.start()]);
  await resend(east, 30, 40);
  await until('verified', async () => (await run('verify', config)).code === 0, 120_000);

  const identities = new Set(sent.map(({ identity }) => identity));
  for (const site of [chicago, east]) {
    const found = await readBatches(config, site.config, identities);
    const bodies = new Map(found.map((batch) => [batch.identity, batch.body]));
    for (const batch of sent) expect(bodies.get(batch.identity)).toEqual(batch.body);
  }
});
