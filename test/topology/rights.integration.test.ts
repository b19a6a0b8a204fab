// A user of each kind tries everything; what is not in its list must be refused.
import type { ChannelModel, ConfirmChannel } from 'amqplib';
import { Client, Offset } from 'rabbitmq-stream-js-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { startSite, type Site } from '../containers.ts';
import { configFor } from '../site-config.ts';
import { declared, connectAs, run } from './broker.ts';
import { queueSink } from './sites.ts';

let site: Site;
let config: Config;
beforeAll(async () => {
  site = await startSite('chicago');
  const sinks = [queueSink('search', 'chicago', { connections: 1 }), queueSink('other', 'chicago', { connections: 1 })];
  const plain = configFor([site.config], { sinks });
  config = { ...plain, users: { ...plain.users, s3: { password: 'test-s3' } } };
  await declared(config);
  const admin = await connectAs(config, site.config, 'topology');
  const channel = await admin.createChannel();
  // What a link makes at the site it copies from, and a tap of somebody else.
  await channel.assertQueue('federation: events -> waggle@us-east-1', { arguments: { 'x-queue-type': 'quorum' } });
  await channel.assertQueue('live.somebody');
  await admin.close();
});
afterAll(() => site?.[Symbol.asyncDispose]());

const BUFFER = 'federation: events -> waggle@us-east-1';
type Try = (channel: ConfirmChannel) => Promise<unknown>;
const publish = (exchange: string): readonly [string, Try] => [
  `publish to ${exchange || 'the default exchange'}`,
  async (channel) => {
    channel.publish(exchange, 'waggle.probe', Buffer.from('x'), { headers: { partition: '0' } });
    await channel.waitForConfirms();
  },
];
const read = (queue: string): readonly [string, Try] => [
  `read ${queue}`,
  async (channel) => {
    await channel.prefetch(1);
    const { consumerTag } = await channel.consume(queue, () => {}, {
      arguments: queue.startsWith('events') ? { 'x-stream-offset': 'last' } : {},
    });
    await channel.cancel(consumerTag);
  },
];
const bind = (queue: string, exchange: string): readonly [string, Try] => [
  `bind ${queue} to ${exchange}`,
  (channel) => channel.bindQueue(queue, exchange, 'x'),
];

const byAmqp: readonly (readonly [string, Try])[] = [
  ...[
    'events',
    'events.mirror',
    'events.dead',
    'events.partition',
    'events.log',
    'events.unrouted',
    'events.live',
    'sink',
    'amq.topic',
    '',
  ].map(publish),
  ...[
    'events.log-0',
    'events.dead-letters',
    'sink.search',
    'sink.search.permit-1',
    'sink.search.instances',
    'sink.other',
    'live.somebody',
    BUFFER,
  ].map(read),
  ['declare a queue', (channel) => channel.assertQueue('mine')],
  ['declare a queue live.mine', (channel) => channel.assertQueue('live.mine')],
  ['declare a queue xlive.mine', (channel) => channel.assertQueue('xlive.mine')],
  ['declare a stream', (channel) => channel.assertQueue('events.log-9', { arguments: { 'x-queue-type': 'stream' } })],
  ['declare an exchange', (channel) => channel.assertExchange('events.mine', 'topic')],
  ['declare a buffer', (channel) => channel.assertQueue(BUFFER, { arguments: { 'x-queue-type': 'quorum' } })],
  bind('live.somebody', 'events.live'),
  bind('live.somebody', 'events'),
  bind('events.log-0', 'events'),
  bind('sink.search', 'events'),
  bind(BUFFER, 'events'),
  ['purge a queue', (channel) => channel.purgeQueue('sink.other')],
  ['delete a stream', (channel) => channel.deleteQueue('events.log-1')],
  ['delete an exchange', (channel) => channel.deleteExchange('events.unrouted')],
];
const byHttp: readonly (readonly [string, string, string, unknown?])[] = [
  ['see the overview', 'GET', '/api/overview'],
  ['see the queues', 'GET', '/api/queues/%2F'],
  ['see the links', 'GET', '/api/federation-links/%2F'],
  ['see the users', 'GET', '/api/users'],
  ['see the upstreams', 'GET', '/api/parameters/federation-upstream/%2F'],
  ['change a policy', 'PUT', '/api/policies/%2F/waggle.log', { pattern: 'x', definition: { 'max-age': '1s' } }],
  ['change its rights', 'PUT', '/api/permissions/%2F/agent', { configure: '.*', write: '.*', read: '.*' }],
  ['make a user', 'PUT', '/api/users/eve', { password: 'x', tags: 'administrator' }],
  ['delete a queue by the API', 'DELETE', '/api/queues/%2F/events.log-1'],
  [
    'publish by the API',
    'POST',
    '/api/exchanges/%2F/sink/publish',
    { properties: {}, routing_key: 'search', payload: 'x', payload_encoding: 'string' },
  ],
  ['close connections', 'DELETE', '/api/connections/username/agent'],
];
const everything = [
  ...byAmqp.map(([name]) => name),
  ...byHttp.map(([name]) => name),
  'read a stream by its protocol',
  'declare a stream by its protocol',
];

const may: Readonly<Record<string, readonly string[]>> = {
  agent: ['publish to events', 'publish to events.mirror', 'publish to events.dead'],
  s3: ['publish to events.dead', 'read events.log-0', 'read a stream by its protocol'],
  search: ['publish to events.dead', 'read sink.search', 'read sink.search.permit-1', 'read sink.search.instances'],
  federation: [`read ${BUFFER}`, 'declare a buffer', `bind ${BUFFER} to events`],
  operator: [
    'publish to sink',
    'publish to events.dead',
    'read events.log-0',
    'read events.dead-letters',
    'read a stream by its protocol',
  ],
  tap: ['read live.somebody', 'declare a queue live.mine', 'bind live.somebody to events.live'],
  // Passwords of upstreams are for administrators and policymakers.
  monitoring: ['see the overview', 'see the queues', 'see the links'],
};

async function triedByAmqp(user: string): Promise<readonly string[]> {
  let connection: ChannelModel;
  try {
    connection = await connectAs(config, site.config, user);
  } catch (error) {
    expect(String(error)).toMatch(/ConnectionClose|not allowed|403/i);
    return [];
  }
  const done: string[] = [];
  for (const [name, attempt] of byAmqp) {
    const channel = await connection.createConfirmChannel();
    const refused = new Promise<string>((resolve) => channel.on('error', (error: Error) => resolve(error.message)));
    const outcome = await attempt(channel).then(
      () => 'done',
      () => refused,
    );
    if (outcome === 'done') done.push(name);
    else expect(outcome, `${user}: ${name}`).toContain('ACCESS_REFUSED');
    await channel.close().catch(() => {});
  }
  await connection.close();
  return done;
}

async function triedByHttp(user: string): Promise<readonly string[]> {
  const authorization = `Basic ${Buffer.from(`${user}:${config.users[user]?.password}`).toString('base64')}`;
  const done: string[] = [];
  for (const [name, method, path, body] of byHttp) {
    const response = await fetch((site.config.management[0] ?? '') + path, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const said = await response.text();
    if (response.ok) done.push(name);
    // Hidden from who has no rights in the vhost; 400 is what publishing without the right is answered.
    else if (response.status !== 404)
      expect(said, `${user}: ${name}`).toMatch(/not_authori[sz]ed|ACCESS_REFUSED|not_authorised/i);
  }
  return done;
}

async function triedByStream(user: string): Promise<readonly string[]> {
  const { host, port } = site.config.stream[0] ?? { host: '', port: 0 };
  // Version 1.0.0 of the client leaves a refused handshake unanswered: who may not open the vhost is told by AMQP.
  if (user === 'monitoring') return [];
  const password = config.users[user]?.password ?? '';
  const client = await Client.connect({
    hostname: host,
    port,
    username: user,
    password,
    vhost: config.vhost,
    heartbeat: 0,
  });
  const done: string[] = [];
  try {
    await client
      .declareConsumer({ stream: 'events.log-0', offset: Offset.next() }, () => {})
      .then(
        () => done.push('read a stream by its protocol'),
        () => {},
      );
    await client.createStream({ stream: 'events.log-8', arguments: {} }).then(
      () => done.push('declare a stream by its protocol'),
      () => {},
    );
  } finally {
    await client.close();
  }
  return done;
}

test.each(Object.keys(may))('%s may do what it must, and nothing else', async (user) => {
  const done = [...(await triedByAmqp(user)), ...(await triedByHttp(user)), ...(await triedByStream(user))];
  expect(done).toEqual(everything.filter((each) => may[user]?.includes(each)));
  expect(done).toHaveLength(may[user]?.length ?? 0);
});

test('every kind of user was tried, and nobody changed anything', async () => {
  const kinds = Object.keys(config.users).filter((user) => !['topology', 'other'].includes(user));
  expect(Object.keys(may).toSorted()).toEqual(kinds.toSorted());
  const differs = (await run('plan', config)).text.split('\n').filter((line) => /^ {2}[+~!?-]/.test(line));
  // What this test made as administrator.
  expect(differs.filter((line) => !line.includes(BUFFER))).toEqual([]);
});
