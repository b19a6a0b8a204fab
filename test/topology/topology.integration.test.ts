import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Client, Offset } from 'rabbitmq-stream-js-client';
import type { Batch } from '#core/batch.ts';
import type { Config, SiteConfig } from '#core/config/config.ts';
import { amqpUrl } from '#topology/credentials.ts';
import { management } from '#topology/management.ts';
import { startSite, startTwoSites, until, type TwoSites } from '../containers.ts';
import { configFor } from '../site-config.ts';
import { batchOf, byHand, connectAs, publishBatches, readBatches, readLog, run } from './broker.ts';

let sites: TwoSites;
let config: Config;
let chicago: SiteConfig;
let east: SiteConfig;

beforeAll(async () => {
  sites = await startTwoSites();
  const plain = sites.config();
  config = { ...plain, users: { ...plain.users, s3: { password: 'test-s3' } } };
  [chicago, east] = [sites.chicago.config, sites.east.config];
});
afterAll(() => sites?.[Symbol.asyncDispose]());

const order = (batches: readonly Batch[]): readonly Batch[] =>
  batches.toSorted((a, b) => (a.identity < b.identity ? -1 : 1));

// Each test leaves the sites declared; the first one makes them so.
describe('two new sites', () => {
  test('plan tells all and does nothing; declare makes it; verify sees the probe at both', async () => {
    const before = await run('plan', config);
    expect(before.code).toBe(2);
    expect(before.text).toContain('+ queue events.log-0');
    expect((await run('plan', config)).text).toBe(before.text);
    expect((await run('verify', config)).code).toBe(1);

    const declared = await run('declare', config);
    expect(declared).toMatchObject({
      code: 0,
      text: expect.stringContaining('ok   link us-east-1 -> chicago: running'),
    });
    const verified = await run('verify', config);
    expect(verified).toMatchObject({
      code: 0,
      text: expect.stringContaining('ok   probe chicago -> us-east-1: came out of all 2'),
    });
    expect(verified.text).toContain('ok   probe us-east-1 -> chicago: came out of all 2');
    expect(verified.text).not.toContain('FAIL');
  });

  test('a second declaration changes nothing', async () => {
    expect(await run('declare', config)).toMatchObject({
      code: 0,
      text: expect.stringContaining('declare: nothing differs'),
    });
    const { code, text } = await run('plan', config, true);
    expect(code).toBe(0);
    const report = JSON.parse(text) as { exit: number; sites: { site: string; changes: unknown[] }[] };
    expect(report.exit).toBe(0);
    expect(report.sites.map(({ site, changes }) => [site, changes])).toEqual([
      ['chicago', []],
      ['us-east-1', []],
    ]);
  });

  test('the diagram draws both sites, their links, and what they hold', async () => {
    const { code, text } = await run('diagram', config);
    expect(code).toBe(0);
    expect(text).toMatch(/^flowchart LR\n {2}subgraph s0\["chicago: rabbit@chicago-1"\]/);
    expect(text).toMatch(/events\.log-N<br>2 × stream, 1 member<br>\d+ messages/);
    expect(text).toMatch(/s1_events ==>\|"link: running<br>\d+ wait"\| s0_events/);
    const { sites: drawn } = JSON.parse((await run('diagram', config, true)).text) as {
      sites: { site: string; links: { from: string; status: string }[]; queues: { name: string }[] }[];
    };
    expect(drawn.map(({ site, links }) => [site, links[0]?.from, links[0]?.status])).toEqual([
      ['chicago', 'us-east-1', 'running'],
      ['us-east-1', 'chicago', 'running'],
    ]);
    expect(drawn[0]?.queues.map(({ name }) => name)).toContain('federation: events -> waggle@us-east-1');
    const away = { ...config, sites: [chicago, { ...east, management: ['http://127.0.0.1:1'] }] };
    const without = await run('diagram', away);
    expect(without).toMatchObject({
      code: 1,
      text: expect.stringMatching(/s1\["us-east-1: no management node answers/),
    });
  });

  test('a batch of 100 events published at either site is in both logs, once and whole', async () => {
    const sent = [batchOf(100, 0), batchOf(100, 1), batchOf(100, 0), batchOf(100, 1)];
    await publishBatches(config, chicago, sent.slice(0, 2));
    await publishBatches(config, east, sent.slice(2));
    const identities = new Set(sent.map(({ identity }) => identity));
    for (const site of [chicago, east]) {
      const found = await readBatches(config, site, identities);
      expect(order(found)).toMatchObject(order(sent));
    }
  });

  test('the mirror exchange is not federated: what is published there stays at its site', async () => {
    const mirrored = batchOf(5, 0);
    const marker = batchOf(5, 0);
    await publishBatches(config, chicago, [mirrored], 'events.mirror');
    await publishBatches(config, chicago, [marker]);
    const both = new Set([mirrored.identity, marker.identity]);
    expect(await readBatches(config, chicago, both)).toHaveLength(2);
    const there = (await readLog(config, east, new Set([marker.identity]))).map(({ identity }) => identity);
    expect(there).toContain(marker.identity);
    expect(there).not.toContain(mirrored.identity);
  });
});

describe('drift made by hand', () => {
  test('is found, told, and put right', async () => {
    const api = byHand(chicago);
    await api.send('DELETE', '/api/bindings/%2F/e/events.partition/q/events.log-1/~', undefined).catch(() => {});
    const [binding] = ((await api.get('/api/bindings/%2F/e/events.partition/q/events.log-1')) ?? []) as {
      properties_key: string;
    }[];
    if (binding) {
      await api.send(
        'DELETE',
        `/api/bindings/%2F/e/events.partition/q/events.log-1/${encodeURIComponent(binding.properties_key)}`,
        undefined,
      );
    }
    await api.send('PUT', '/api/policies/%2F/waggle.log', {
      pattern: '^events\\.log-\\d+$',
      'apply-to': 'streams',
      priority: 10,
      definition: { 'max-age': '1D' },
    });
    await api.send('PUT', '/api/permissions/%2F/agent', { configure: '.*', write: '.*', read: '.*' });
    await api.send('PUT', '/api/users/monitoring', { password: 'changed', tags: 'administrator' });

    const { code, text } = await run('plan', config);
    expect(code).toBe(2);
    expect(text).toContain('+ binding events.partition -> queue events.log-1');
    expect(text).toContain('~ policy waggle.log\n      definition: {"max-age":"1D"} -> {"max-age":"7D"');
    expect(text).toContain('~ permission agent\n      configure: ".*" -> "^$"');
    expect(text).toContain(
      '~ user monitoring\n      tags: ["administrator"] -> ["monitoring"]\n      password: (another) -> (as configured)',
    );
    expect(text).toContain('us-east-1\n  as configured');
    expect((await run('verify', config)).code).toBe(1);

    expect((await run('declare', config)).code).toBe(0);
    expect((await run('plan', config)).code).toBe(0);
  });

  test('in what cannot be changed is refused with steps, and nothing is deleted', async () => {
    const api = byHand(chicago);
    await api.send('DELETE', '/api/exchanges/%2F/sink', undefined);
    await api.send('PUT', '/api/exchanges/%2F/sink', {
      type: 'topic',
      durable: true,
      auto_delete: false,
      internal: false,
      arguments: {},
    });
    const declared = await run('declare', config);
    expect(declared.code).toBe(2);
    expect(declared.text).toContain(
      '! exchange sink: type is "topic", should be "direct"; the broker cannot change this in place\n      1. ',
    );
    expect(await api.get('/api/exchanges/%2F/sink')).toMatchObject({ type: 'topic' });
    await api.send('DELETE', '/api/exchanges/%2F/sink', undefined);
    expect((await run('declare', config)).code).toBe(0);
  });

  test('a new password is set once', async () => {
    const rotated = { ...config, users: { ...config.users, agent: { password: 'rotated-agent' } } };
    expect((await run('declare', rotated)).text).toContain('~ user agent');
    expect((await run('plan', rotated)).code).toBe(0);
    const connection = await connectAs(rotated, chicago, 'agent');
    await connection.close();
    expect((await run('declare', config)).code).toBe(0);
  });

  test('orphans are told', async () => {
    const api = byHand(chicago);
    await api.send('PUT', '/api/queues/%2F/federation%3A%20events%20-%3E%20waggle%40boston', {
      durable: true,
      arguments: { 'x-queue-type': 'quorum' },
    });
    const { code, text } = await run('plan', config);
    expect(code).toBe(2);
    expect(text).toContain(
      '? queue federation: events -> waggle@boston: no site of the configuration drains this buffer',
    );
    expect((await run('declare', config)).code).toBe(2);
    await api.send('DELETE', '/api/queues/%2F/federation%3A%20events%20-%3E%20waggle%40boston', undefined);
    expect((await run('plan', config)).code).toBe(0);
  });

  test('more partitions are added without touching the others', async () => {
    const sent = batchOf(3, 1);
    await publishBatches(config, chicago, [sent]);
    const wider = { ...config, log: { ...config.log, partitions: 3 } };
    const declared = await run('declare', wider);
    expect(declared.code).toBe(0);
    expect(declared.text).toContain('+ queue events.log-2');
    expect((await run('verify', wider)).code).toBe(0);
    expect(await readBatches(config, chicago, new Set([sent.identity]))).toHaveLength(1);
    // Back again, as a person would.
    expect((await run('plan', config)).text).toContain('? queue events.log-2: it is in no configuration');
    for (const site of [chicago, east]) await byHand(site).send('DELETE', '/api/queues/%2F/events.log-2', undefined);
    expect((await run('declare', config)).text).toContain('~ policy waggle.log');
    expect((await run('plan', config)).code).toBe(0);
  });
});

async function streamClient(username: string): Promise<Client> {
  const { host, port } = chicago.stream[0] ?? { host: '', port: 0 };
  const password = config.users[username]?.password ?? '';
  return Client.connect({ hostname: host, port, username, password, vhost: config.vhost, heartbeat: 0 });
}

describe('rights', () => {
  test('a log sink reads the super stream by the stream protocol; an agent does not', async () => {
    const sink = await streamClient('s3');
    try {
      expect(await sink.queryPartitions({ superStream: 'events.log' })).toEqual(['events.log-0', 'events.log-1']);
      const consumer = await sink.declareConsumer(
        {
          stream: 'events.log-0',
          offset: Offset.next(),
          singleActive: true,
          consumerRef: 's3',
          consumerUpdateListener: async () => Offset.next(),
        },
        () => {},
      );
      await consumer.close();
    } finally {
      await sink.close();
    }
    const agent = await streamClient('agent');
    try {
      await expect(agent.declareConsumer({ stream: 'events.log-0', offset: Offset.next() }, () => {})).rejects.toThrow(
        'not found',
      );
    } finally {
      await agent.close();
    }
  });

  test('a URL for tools connects', async () => {
    const url = new URL(amqpUrl(config, chicago.nodes[0] ?? '', 'agent'));
    expect([url.username, url.pathname]).toEqual(['agent', '/%2F']);
  });
});

describe('a link that does not run', () => {
  test('fails verify, and what was published meanwhile arrives when it runs again', async () => {
    const [node] = sites.chicago.nodes;
    const restart = async (): Promise<void> => {
      const links = (await byHand(chicago).get('/api/federation-links/%2F')) as { id: string }[];
      for (const { id } of links) await node?.exec(['rabbitmqctl', 'restart_federation_link', id]);
    };
    await node?.exec(['sh', '-c', 'echo "203.0.113.9 us-east-1-1" >> /etc/hosts']);
    await restart();
    const held = batchOf(10, 0);
    try {
      const failed = await run('verify', config);
      expect(failed.code).toBe(1);
      expect(failed.text).toContain('FAIL link us-east-1 -> chicago: not running');
      expect(failed.text).toContain('ok   link chicago -> us-east-1: running');
      expect(failed.text).toContain('FAIL probe: not sent');
      expect(failed.text).not.toContain(config.users['federation']?.password);
      await publishBatches(config, east, [held]);
    } finally {
      // In place: the file is a mount, and cannot be replaced.
      await node?.exec(['sh', '-c', 'sed "/203.0.113.9/d" /etc/hosts > /tmp/hosts && cat /tmp/hosts > /etc/hosts']);
    }
    await restart();
    await until('verified', async () => (await run('verify', config)).code === 0, 20_000);
    expect(await readBatches(config, chicago, new Set([held.identity]))).toHaveLength(1);
  });

  test('a cut between the sites loses nothing: both logs hold what was published at either side of it', async () => {
    const [here, there] = [batchOf(10, 0), batchOf(10, 1)];
    await sites.east.disconnect();
    try {
      await publishBatches(config, chicago, [here]);
      await publishBatches(config, east, [there]);
      await readBatches(config, chicago, new Set([here.identity]));
      await readBatches(config, east, new Set([there.identity]));
    } finally {
      await sites.east.connect();
    }
    const both = new Set([here.identity, there.identity]);
    for (const site of [chicago, east]) {
      // At least once: what was in flight at the cut may come again, and receivers drop it by its numbers.
      for (const { identity, body } of await readBatches(config, site, both)) {
        expect(body).toEqual(identity === here.identity ? here.body : there.body);
      }
    }
    await until('verified', async () => (await run('verify', config)).code === 0, 60_000);
  });

  test('a site that is down is told, and the other is still declared', async () => {
    await sites.east.stop();
    try {
      await byHand(chicago).send('DELETE', '/api/policies/%2F/waggle.dead', undefined);
      const plan = await run('plan', config);
      expect(plan.code).toBe(1);
      expect(plan.text).toContain('us-east-1\n  FAILED: no management node answers');
      expect(plan.text).toContain('chicago\n  + policy waggle.dead');
      const declared = await run('declare', config);
      expect(declared.code).toBe(1);
      expect(declared.text).toContain('  + policy waggle.dead');
      expect((await run('plan', config)).text).toContain('chicago\n  as configured');
    } finally {
      await sites.east.start();
    }
    await until('verified', async () => (await run('verify', config)).code === 0, 20_000);
  });
});

// Last: for a day from here, verify finds what was not routed.
test('what no partition takes is kept, and fails verify', async () => {
  const lost = { ...config, vhost: 'waggle' };
  expect((await run('declare', lost)).code).toBe(0);
  await publishBatches(lost, chicago, [batchOf(1, 99)]);
  const { code, text } = await run('verify', lost);
  expect(code).toBe(1);
  expect(text).toContain('FAIL unrouted at chicago: 1 messages');
});

test('a broker as out of the box: guest makes the administrator, and is deleted', async () => {
  await using site = await startSite('chicago', { admin: 'guest' });
  const own = configFor([site.config], { vhost: 'waggle' });
  const plan = await run('plan', own);
  expect(plan).toMatchObject({ code: 2, text: expect.stringContaining('logged in as guest') });
  expect(plan.text).toContain('- user guest');
  expect((await run('declare', own)).code).toBe(0);
  await expect(management(site.config.management, 'guest', 'guest').get('/api/whoami')).rejects.toThrow('401');
  expect(await run('verify', own)).toMatchObject({
    code: 0,
    text: expect.stringContaining('ok   probe chicago -> chicago'),
  });
  const refused = await run('plan', { ...own, users: { ...own.users, topology: { password: 'wrong-one' } } });
  expect(refused.code).toBe(1);
  expect(refused.text).toContain('refuses topology');
  expect(refused.text).not.toContain('wrong-one');
});
