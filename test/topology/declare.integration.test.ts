// What declaring must bear: being broken off at any step, running twice at once, and running while events flow.
import { createServer, request as forward, type Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeBatch } from '#core/batch.ts';
import type { Config } from '#core/config/config.ts';
import { startTwoSites, until, type TwoSites } from '../containers.ts';
import { batchOf, byHand, connectAs, readBatches, run, verified } from './broker.ts';
import { queueSink } from './sites.ts';

let sites: TwoSites;
/** In a virtual host of its own, so that each test begins with nothing. */
const configOf = (vhost: string, partitions = 2, connections = 2): Config =>
  sites.config({
    vhost,
    log: { partitions },
    sinks: [queueSink('search', 'chicago', { match: ['checkin.*'], connections })],
  });
beforeAll(async () => void (sites = await startTwoSites()));
afterAll(() => sites?.[Symbol.asyncDispose]());

/** Hands all on to the site; each change asks first whether it is made, and whether its answer comes back. */
async function gate(
  target: string,
  change: () => 'refused' | 'unanswered' | 'done',
): Promise<{ readonly url: string; readonly server: Server }> {
  const { hostname, port } = new URL(target);
  const server = createServer((request, response) => {
    const fate = request.method === 'GET' ? 'done' : change();
    if (fate === 'refused') {
      request.socket.destroy();
      return;
    }
    const { method, url, headers } = request;
    const onward = forward({ hostname, port, method, path: url, headers }, (answer) => {
      if (fate === 'unanswered') {
        request.socket.destroy();
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`, server };
}

test('broken off after every single step and run again, it ends in the same state', async () => {
  const config = configOf('steps');
  let left = 0;
  let turn = 0;
  // Of the one change a turn, half are made without an answer.
  const change = (): 'refused' | 'unanswered' | 'done' => {
    if (left-- <= 0) return 'refused';
    return turn % 2 === 0 ? 'done' : 'unanswered';
  };
  const gates = await Promise.all(config.sites.map((site) => gate(site.management[0] ?? '', change)));
  const through: Config = {
    ...config,
    sites: config.sites.map((site, index) => ({ ...site, management: [gates[index]?.url ?? ''] })),
  };
  const codes: number[] = [];
  let told = '';
  try {
    // By time, not by turns: until the broker's statistics tell that a permit lies in its queue, each turn puts it there once more.
    for (const deadline = performance.now() + 120_000; codes.at(-1) !== 0 && performance.now() < deadline; turn++) {
      left = 1;
      const { code, text } = await run('declare', through);
      codes.push(code);
      told = text;
    }
  } finally {
    for (const { server } of gates) server.close();
  }
  expect(codes.at(-1), told).toBe(0);
  const objects = (await byHand(sites.chicago.config).get('/api/queues/steps')) as unknown[];
  // Each broken off turn made one thing; there are more things than queues, at both sites.
  expect(codes.length).toBeGreaterThan(2 * objects.length);
  expect(new Set(codes.slice(0, -1))).toEqual(new Set([1]));
  expect((await run('plan', config)).code).toBe(0);
  await verified(config);
});

test('twice at once', async () => {
  const config = configOf('twice');
  const both = await Promise.all([run('declare', config), run('declare', config)]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  expect((await run('plan', config)).code).toBe(0);
  await verified(config);
});

test('while 20,000 events a second flow, passwords changed too: no error at a publisher, and every event is at both sites', async () => {
  const config = configOf('flow');
  expect((await run('declare', config)).code).toBe(0);
  const RATE = 200; // batches of 100 events
  const connection = await connectAs(config, sites.chicago.config, 'agent');
  const channel = await connection.createConfirmChannel();
  const errors: string[] = [];
  channel.on('error', (error: Error) => errors.push(error.message));
  channel.on('return', () => errors.push('returned'));
  const flowing = new AbortController();
  const sent: string[] = [];
  let confirmed = 0;
  const started = performance.now();
  const flow = (async () => {
    while (!flowing.signal.aborted) {
      while (sent.length < ((performance.now() - started) / 1000) * RATE) {
        const batch = batchOf(100, sent.length % 2, sent.length % 3 === 0 ? 'checkin.new' : 'test.event');
        const { routingKey, body, contentEncoding: _, ...properties } = encodeBatch(batch, 'identity');
        const options = { ...properties, mandatory: true, persistent: true };
        channel.publish('events', routingKey, body, options, (error: Error | null) => {
          if (error) errors.push(error.message);
          else confirmed++;
        });
        sent.push(batch.identity);
      }
      await delay(2);
    }
  })();
  // More partitions, more permits, another retention, other passwords of agents and links; then mended drift.
  const wide = configOf('flow', 4, 3);
  const wider = {
    ...wide,
    users: { ...wide.users, agent: { password: 'rotated-agent' }, federation: { password: 'rotated-federation' } },
    log: { ...config.log, partitions: 4, retention: 3_600_000 },
  };
  expect((await run('declare', wider)).code).toBe(0);
  const api = byHand(sites.chicago.config);
  await api.send('PUT', '/api/permissions/flow/agent', { configure: '.*', write: '.*', read: '.*' });
  await api.send('DELETE', '/api/policies/flow/waggle.sink', undefined);
  expect((await run('declare', wider)).code).toBe(0);
  await until('three seconds of flow', () => performance.now() - started > 3_000);
  flowing.abort();
  await flow;
  const seconds = (performance.now() - started) / 1000;
  await until('all confirmed', () => confirmed === sent.length || errors.length > 0);
  await connection.close();
  expect(errors).toEqual([]);
  // A connection that is open stays so under the old password; a new one needs the new.
  await expect(connectAs(config, sites.chicago.config, 'agent')).rejects.toThrow('ACCESS_REFUSED');
  await (await connectAs(wider, sites.chicago.config, 'agent')).close();
  expect((sent.length * 100) / seconds).toBeGreaterThan(19_000);
  for (const site of sites.sites) {
    const found = await readBatches(wider, site.config, new Set(sent));
    expect(new Set(found.map(({ identity }) => identity)).size).toBe(sent.length);
  }
});

test('fewer partitions: the old ones stay, are told, and go on being read', async () => {
  const wide = configOf('fewer', 3);
  expect((await run('declare', wide)).code).toBe(0);
  const narrow = configOf('fewer', 2);
  const declared = await run('declare', narrow);
  expect(declared.code).toBe(2);
  expect(declared.text).toMatch(
    /\? queue events\.log-2: .*holds 0 messages[^]*wait until every sink has read it to its end/,
  );
  // An agent that started before goes on with its partition.
  const connection = await connectAs(wide, sites.chicago.config, 'agent');
  const channel = await connection.createConfirmChannel();
  const batch = batchOf(10, 2);
  const { routingKey, body, contentEncoding: _, ...properties } = encodeBatch(batch, 'identity');
  channel.publish('events', routingKey, body, { ...properties, mandatory: true, persistent: true });
  await channel.waitForConfirms();
  await connection.close();
  for (const site of sites.sites)
    expect(await readBatches(wide, site.config, new Set([batch.identity]))).toHaveLength(1);
});
