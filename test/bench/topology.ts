// What one site carries, and how long two empty ones take to declare.
// Capacity: batches of 100 events (33 kB) from memory with confirms, published as an agent does, into the log streams alone or a sink's queue beside
// them; baseline: the same bodies straight into one bare stream, or one bare quorum queue. Both take turns on the same brokers; what a turn left is
// dropped before the next.
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import type { ConfirmChannel } from 'amqplib';
import { encodeBatch } from '#core/batch.ts';
import type { Config } from '#core/config/config.ts';
import type { QueueSinkConfig } from '#core/config/sink-config.ts';
import { connectAmqp } from '#core/io/amqp.ts';
import { uuidGenerator } from '#core/uuid.ts';
import { amqpOptions } from '#topology/credentials.ts';
import { topologyReport } from '#topology/main.ts';
import { EVENTS, sinkQueue, USER_AGENT, USER_TOPOLOGY } from '#topology/names.ts';
import { configFor, startSite, startTwoSites, type Site } from '../containers.ts';
import { figureOf, type Figure } from './figure.ts';

const EVENTS_A_BATCH = 100;
const WINDOW = 200;
const TIME = '2026-11-23T14:00:00.000Z';
const uuids = uuidGenerator(Date.now, randomFillSync);

function bodyOf(type: string): Buffer {
  const head = `{"specversion":"1.0","type":"${type}","receivedat":"${TIME}","time":"${TIME}","id":"0","source":"/bench","host":"h","site":"s","datacontenttype":"application/json","data":"`;
  return Buffer.from(`${head}${'x'.repeat(330 - head.length - 3)}"}\n`.repeat(EVENTS_A_BATCH));
}

const search: QueueSinkConfig = {
  kind: 'mongodb',
  name: 'search',
  home: 'bench',
  match: ['bench.queued'],
  mapping: null,
  admin: '127.0.0.1:0',
  memory: 64 * 1024 ** 2,
  connections: 1,
  batch: { size: 1024 ** 2, count: 1000, age: 1000 },
  timeout: 30_000,
  uri: 'mongodb://127.0.0.1:1',
  database: 'events',
  collection: 'search',
};

async function declared(config: Config): Promise<void> {
  const { sites } = await topologyReport('declare', config);
  const failed = sites.find(({ error, changes }) => error !== null || changes.length > 0);
  if (failed) throw new Error(JSON.stringify(failed));
}

/** Of a first declaration, users and cluster names included. */
export async function benchDeclare(): Promise<readonly Figure[]> {
  await using sites = await startTwoSites({ nodes: 3 });
  const config = sites.config({ log: { partitions: 8 }, sinks: [{ ...search, home: 'chicago', connections: 4 }] });
  const started = performance.now();
  await declared(config);
  const seconds = (performance.now() - started) / 1000;
  const parts = {
    what: 'topology declare, two empty sites of three nodes',
    unit: 's',
    target: { kind: 'below', value: 20 },
  } as const;
  const detail = '8 partitions, a queue sink with 4 connections; until both links run and every permit is counted';
  return [figureOf({ ...parts, detail }, [seconds], null)];
}

/** Of a site with one node or three. */
export async function benchCapacity(nodes: 1 | 3, seconds: number, pairs: number): Promise<readonly Figure[]> {
  await using site = await startSite('bench', { nodes });
  const config = configFor([site.config], { log: { partitions: 4, maxBytes: 4 * 1024 ** 3 }, sinks: [search] });
  await declared(config);
  const figures: Figure[] = [];
  const into = [
    ['log streams', 'bench.logged', 'stream'],
    ['log streams and a sink’s queue', 'bench.queued', 'quorum'],
  ] as const;
  for (const [what, type, bare] of into) {
    const ours: number[] = [];
    const baseline: number[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      baseline.push(await bareTurn(config, site, bare, bodyOf(type), seconds));
      ours.push(await ourTurn(config, site, type, seconds));
    }
    const head = { what: `site of ${nodes} ${nodes === 1 ? 'node' : 'nodes'}: ${what}`, unit: 'events/s' } as const;
    const detail = `baseline: one bare ${bare === 'stream' ? 'stream' : 'quorum queue'}`;
    figures.push(figureOf({ ...head, target: { kind: 'beside' }, detail }, ours, baseline));
  }
  return figures;
}

async function ourTurn(config: Config, site: Site, type: string, seconds: number): Promise<number> {
  const body = bodyOf(type);
  const batches = Array.from({ length: 4 }, (_, partition) =>
    encodeBatch(
      { identity: uuids.next(), partition, type, count: EVENTS_A_BATCH, ranges: [[1, EVENTS_A_BATCH]], body },
      'identity',
    ),
  );
  const rate = await published(config, site, USER_AGENT, seconds, (channel, n, done) => {
    const { routingKey, body: bytes, contentEncoding: _, ...properties } = batches[n % 4] as (typeof batches)[number]; // of four
    return channel.publish(EVENTS, routingKey, bytes, { ...properties, mandatory: true, persistent: true }, done);
  });
  await withAdmin(config, site, (channel) => channel.purgeQueue(sinkQueue('search')));
  return rate;
}

async function bareTurn(config: Config, site: Site, type: string, body: Buffer, seconds: number): Promise<number> {
  const queue = `bare-${type}`;
  await withAdmin(config, site, (channel) =>
    channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': type } }),
  );
  const rate = await published(config, site, USER_TOPOLOGY, seconds, (channel, _, done) =>
    channel.publish('', queue, body, { persistent: true, mandatory: true }, done),
  );
  await withAdmin(config, site, (channel) => channel.deleteQueue(queue));
  return rate;
}

type Publish = (channel: ConfirmChannel, n: number, done: (error: Error | null) => void) => boolean;

/** Confirmed events a second. */
async function published(config: Config, site: Site, user: string, seconds: number, publish: Publish): Promise<number> {
  const connection = await connectAmqp(amqpOptions(config, site.config, user, 'bench'));
  const channel = await connection.createConfirmChannel();
  const flow = { open: 0, confirmed: 0, failure: null as Error | null, wake: Promise.withResolvers<void>() };
  channel.on('return', () => (flow.failure = new Error('returned')));
  const done = (error: Error | null): void => {
    flow.failure ??= error;
    flow.open--;
    flow.confirmed++;
    flow.wake.resolve();
  };
  const started = performance.now();
  for (let n = 0; performance.now() - started < seconds * 1000 && flow.failure === null; n++) {
    flow.open++;
    if (!publish(channel, n, done)) await once(channel, 'drain');
    while (flow.open >= WINDOW) {
      flow.wake = Promise.withResolvers<void>();
      await flow.wake.promise;
    }
  }
  await channel.waitForConfirms();
  const rate = (flow.confirmed * EVENTS_A_BATCH * 1000) / (performance.now() - started);
  await connection.close();
  if (flow.failure !== null) throw flow.failure;
  return rate;
}

async function withAdmin(
  config: Config,
  site: Site,
  work: (channel: ConfirmChannel) => Promise<unknown>,
): Promise<void> {
  const connection = await connectAmqp(amqpOptions(config, site.config, USER_TOPOLOGY, 'bench'));
  await work(await connection.createConfirmChannel());
  await connection.close();
}
