// One site of three nodes; cluster.long.test.ts has two, and every role.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { startSite, until, type Site } from '../containers.ts';
import { configFor } from '../site-config.ts';
import { declared, byHand, run, verified } from './broker.ts';
import { expectAll, expectQueued, killed, nodeOf, startLoad } from './node-faults.ts';
import { queueSink } from './sites.ts';

let site: Site;
let config: Config;
beforeAll(async () => {
  site = await startSite('chicago', { nodes: 3 });
  const sinks = [queueSink('search', 'chicago', { match: ['test.**'], connections: 1 })];
  config = configFor([site.config], { log: { partitions: 1 }, sinks });
  await declared(config);
});
afterAll(() => site?.[Symbol.asyncDispose]());

const says = async (): Promise<string> => (await run('verify', config)).text;
test('every queue and stream has its three members', async () => {
  await verified(config);
  const queues = (await byHand(site.config).get('/api/queues/%2F')) as { name: string; members: string[] }[];
  const names = ['events.dead-letters', 'events.log-0'];
  const ofSink = ['sink.search', 'sink.search.instances', 'sink.search.permit-1', 'sink.search.short'];
  expect(queues.map(({ name, members }) => [name, members.length])).toEqual(
    [...names, ...ofSink].map((name) => [name, 3]),
  );
});

test('a queue with fewer members than nodes is told, with the command that mends it', async () => {
  const [first] = site.nodes;
  const member = { node: 'rabbit@chicago-3' };
  await byHand(site.config).send('DELETE', '/api/queues/quorum/%2F/sink.search/replicas/delete', member);
  const step = '1. On a node: rabbitmq-queues add_member --vhost "/" "sink.search" rabbit@chicago-3';
  await until('it is told', async () => (await says()).includes(step));
  await first?.exec(['rabbitmq-queues', 'add_member', '--vhost', '/', 'sink.search', 'rabbit@chicago-3']);
  await verified(config);
});

test('the leader of a stream killed under load: nothing lost, publishing goes on within 15 s; meanwhile the node is told', async () => {
  await using load = await startLoad(config, site, 'cluster');
  const node = await nodeOf(site, 'stream leader');
  const watching = until('the node is told', async () => {
    const { code, text } = await run('verify', config);
    return code === 1 && text.includes('! site chicago: 2 of the 3 configured nodes run');
  });
  const stood = await killed(load, node);
  await watching;
  expect(stood).toBeLessThan(15_000);
  await load.stop();
  await verified(config);
  expect(load.generator.acknowledged.size).toBeGreaterThan(500);
  await expectAll([site], 1, [load]);
  await expectQueued(config, site, [load]);
});
