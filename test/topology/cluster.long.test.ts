import { expect, test } from 'vitest';
import { startTwoSites } from '../containers.ts';
import { declared, verified } from './broker.ts';
import { expectAll, expectQueued, killed, nodeOf, startLoad, type Role } from './node-faults.ts';
import { queueSink } from './sites.ts';

test('two sites of three nodes, a node with each role killed under load and brought back: nothing lost, publishing goes on within 15 s', async () => {
  await using sites = await startTwoSites({ nodes: 3 });
  const { chicago, east } = sites;
  const sinks = [queueSink('search', 'chicago', { match: ['test.**'], connections: 1 })];
  const config = sites.config({ log: { partitions: 1 }, sinks });
  const started = performance.now();
  await declared(config);
  console.log(`declared two empty sites of three nodes in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  await verified(config);
  await using here = await startLoad(config, chicago, 'here');
  await using there = await startLoad(config, east, 'there');
  const roles: readonly Role[] = ['stream leader', 'queue leader', 'link', 'buffer leader'];
  for (const role of roles) {
    const node = await nodeOf(chicago, role, east.name);
    const stood = await killed(here, node);
    console.log(
      `${role} (${node.name}) killed: an event waited ${(stood / 1000).toFixed(1)} s for its confirm at most`,
    );
    expect(stood, role).toBeLessThan(15_000);
    await verified(config);
  }
  await here.stop();
  await there.stop();
  await verified(config);
  const repeats = await expectAll([chicago, east], 1, [here, there]);
  await expectQueued(config, chicago, [here, there]);
  console.log(
    `${here.generator.acknowledged.size + there.generator.acknowledged.size} events; ${repeats} batches came twice`,
  );
});
