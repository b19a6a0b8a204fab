// log.partitions was lowered: what lies in the streams beyond it, and what old identities still write there, is read.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeBatch } from '#core/batch.ts';
import type { Config } from '#core/config/config.ts';
import { EVENTS_PARTITION, logStream } from '#topology/names.ts';
import type { LogSinkConfig } from '#core/config/sink-config.ts';
import { listCommitted, logSinkOf } from '../../consumers/main.ts';
import { oldPartitionsAt } from '../../consumers/old-partitions.ts';
import { openSinkStore } from '../../consumers/stores.ts';
import { ADMIN_PASSWORD, configFor, type Site, startSite, until } from '../containers.ts';
import { freePort } from '../docker.ts';
import { startConsumerProcess } from '../system/consumer-process.ts';
import { identityAt, makeMessage } from './drain/batches.ts';
import { declared } from '../topology/broker.ts';

const { signal } = new AbortController();
let site: Site;
let root: string;
let admin: ChannelModel;
let channel: ConfirmChannel;
beforeAll(async () => {
  [site, root] = await Promise.all([startSite('chicago'), mkdtemp(join(tmpdir(), 'waggle-partitions-'))]);
  const url = new URL(site.nodes[0]?.amqp ?? '');
  url.username = 'topology';
  url.password = ADMIN_PASSWORD;
  admin = await connect(url.href);
  channel = await admin.createConfirmChannel();
});
afterAll(async () => {
  await admin?.close();
  await site?.[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

const configWith = (partitions: number, address: string): Config => {
  const rotate = { size: 2 ** 20, count: 1000, age: 100 };
  const memory = 2 ** 26;
  const sink = {
    kind: 'folder',
    name: 'files',
    home: 'chicago',
    match: ['**'],
    mapping: null,
    rotate,
    memory,
    path: root,
  } as const;
  return configFor([site.config], { log: { partitions }, sinks: [{ ...sink, admin: address }] });
};

async function publish(partition: number, identity: string, n: number): Promise<void> {
  const { batch } = makeMessage(0, { identity, ranges: [[n, n]] });
  if (batch.kind !== 'batch') throw new Error(batch.message);
  const { body, headers, contentType, appId, messageId, routingKey } = encodeBatch({ ...batch, partition }, 'identity');
  channel.publish(EVENTS_PARTITION, routingKey, body, { headers, contentType, appId, messageId, persistent: true });
  await channel.waitForConfirms();
}

async function committed(config: Config): Promise<number[]> {
  await using store = { ...(await opened(logSinkOf(config, 'files'))) };
  const numbers: number[] = [];
  for await (const { key } of listCommitted(config, 'files', { from: null, to: null, type: () => true }, signal)) {
    const lines = zstdDecompressSync((await store.get(key)) ?? Buffer.alloc(0));
    for (const line of lines.toString().trimEnd().split('\n'))
      numbers.push((JSON.parse(line) as { data: { n: number } }).data.n);
  }
  return numbers.toSorted((x, y) => x - y);
}

async function opened(sink: LogSinkConfig) {
  const store = await openSinkStore(sink);
  return { get: (key: string) => store.get(key, signal), [Symbol.asyncDispose]: () => store.close() };
}

test('partitions beyond the configured number are read while their streams are there, and let go when they are deleted', async () => {
  const address = `127.0.0.1:${await freePort()}`;
  const four = configWith(4, address);
  await declared(four);
  const identity = identityAt(Date.now());
  // Partition 3 has a chain before the number is lowered, 2 has not.
  await publish(3, identity, 1);
  {
    await using consumer = startConsumerProcess(four, 'files');
    await until('1 is committed', async () => (await committed(four)).length === 1);
    expect(await consumer.kill('SIGTERM')).toBe(0);
  }
  await publish(3, identity, 2);
  await publish(2, identity, 3);
  const two = configWith(2, address);
  {
    await using consumer = startConsumerProcess(two, 'files');
    await publish(1, identity, 4);
    await until('all are committed', async () => (await committed(two)).length === 4);
    await publish(3, identity, 5);
    await until('what an old identity still writes is committed', async () => (await committed(two)).length === 5);
    expect(await committed(two)).toEqual([1, 2, 3, 4, 5]);
    expect(consumer.log.find(({ fact }) => fact === 'partitions.old')).toMatchObject({ partitions: [2, 3] });
    await until('it is ready', async () => (await fetch(`http://${address}/readyz`)).ok);
    expect(await consumer.kill('SIGTERM')).toBe(0);
  }
  await channel.deleteQueue(logStream(2));
  await channel.deleteQueue(logStream(3));
  await using _consumer = startConsumerProcess(two, 'files');
  await until('it is ready', async () => (await fetch(`http://${address}/readyz`)).ok);
  await publish(0, identity, 6);
  await until('the rest is read', async () => (await committed(two)).length === 6);
});

test('the streams that are there are told from those that are not, with the rights of a sink', async () => {
  const link = {
    site: 'chicago',
    nodes: site.config.nodes,
    user: 'files',
    password: 'test-files',
    vhost: '/',
    name: 'test',
  };
  expect(await oldPartitionsAt(link, 1, [7], signal)).toEqual(new Set([1]));
  expect(await oldPartitionsAt(link, 5, [0, 6], signal)).toEqual(new Set([0]));
  await expect(oldPartitionsAt({ ...link, password: 'wrong' }, 0, [], signal)).rejects.toThrow(/users in the config/);
});

test('a stop while the site is silent ends in time', async () => {
  const two = configWith(2, '127.0.0.1:0');
  await using consumer = startConsumerProcess(two, 'files');
  await until('it reads', () => consumer.log.some(({ fact }) => fact === 'partition.active'));
  await site.pause();
  const code = await consumer.kill('SIGTERM');
  await site.unpause();
  expect(code).toBe(0);
});
