import { expect, test } from 'vitest';
import { startSite } from '../containers.ts';
import { configFor } from '../site-config.ts';
import { byHand, run } from './broker.ts';

// The short form of cluster.long.test.ts.
test('a site of three nodes: every stream has its three replicas, and a node that is away is told', async () => {
  await using site = await startSite('chicago', { nodes: 3 });
  const config = configFor([site.config], { log: { partitions: 3 } });
  expect((await run('declare', config)).code).toBe(0);
  expect(await run('verify', config)).toMatchObject({ code: 0 });
  const queues = (await byHand(site.config).get('/api/queues/%2F')) as {
    name: string;
    members: string[];
    leader: string;
  }[];
  expect(queues.map(({ name, members }) => [name, members.length])).toEqual(
    ['events.dead-letters', 'events.log-0', 'events.log-1', 'events.log-2'].map((name) => [name, 3]),
  );
  await site.nodes[0]?.kill();
  // The first management address is gone with the node: the next one answers.
  const without = await run('verify', config);
  expect(without).toMatchObject({
    code: 1,
    text: expect.stringContaining('! site chicago: 2 of the 3 configured nodes run'),
  });
});
