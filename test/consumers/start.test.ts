// A sink whose store cannot serve yet: it says so, stays up, and goes on by itself.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { recordKey } from '../../consumers/chain/keys.ts';
import { until } from '../containers.ts';
import { freePort } from '../docker.ts';
import { configFor } from '../site-config.ts';
import { startConsumerProcess } from '../system/consumer-process.ts';

const root = await mkdtemp(join(tmpdir(), 'waggle-start-'));
afterAll(() => rm(root, { recursive: true }));

/** No broker stands at this site. */
async function configOf(path: string): Promise<{ config: Config; ready: () => Promise<{ reasons: string[] }> }> {
  const site = {
    name: 'chicago',
    nodes: ['amqp://127.0.0.1:1'],
    stream: [{ host: '127.0.0.1', port: 1 }],
    management: [],
    federation: [],
    tls: null,
    linkCertificates: '/etc/rabbitmq/tls',
  };
  const admin = `127.0.0.1:${await freePort()}`;
  const rotate = { size: 2 ** 20, count: 1000, age: 1000 };
  const files = {
    kind: 'folder',
    name: 'files',
    home: 'chicago',
    match: ['**'],
    mapping: null,
    rotate,
    memory: 2 ** 20,
    admin,
    path,
  } as const;
  const ready = async (): Promise<{ reasons: string[] }> => {
    const answer = await fetch(`http://${admin}/readyz`);
    expect(answer.status).toBe(503);
    return (await answer.json()) as { reasons: string[] };
  };
  return { config: configFor([site], { sinks: [files] }), ready };
}

test('a store that refuses is an alarm and not ready, and needs no restart once it is mended', async () => {
  const path = join(root, 'plain-file');
  await writeFile(path, 'in the way');
  const { config, ready } = await configOf(path);
  await using consumer = startConsumerProcess(config, 'files');
  await until('the alarm', () => consumer.log.some(({ fact }) => fact === 'store.refused'));
  expect(consumer.log.find(({ fact }) => fact === 'store.refused')).toMatchObject({
    level: 'error',
    msg: expect.stringMatching(/file stands where a folder must be.*no restart is needed/),
  });
  expect((await ready()).reasons).toEqual([expect.stringMatching(/^store refused: /)]);
  await rm(path);
  await until('it reads', async () => (await ready()).reasons.every((reason) => !reason.startsWith('store ')));
  expect(await consumer.kill('SIGTERM')).toBe(0);
});

test('a chain that cannot be read is an alarm, not the end', async () => {
  const path = join(root, 'broken');
  const key = recordKey({ sink: 'files', partition: 1 }, 1, 'commit');
  await mkdir(join(path, key, '..'), { recursive: true });
  await writeFile(join(path, key), 'no record');
  const { config, ready } = await configOf(path);
  await using consumer = startConsumerProcess(config, 'files');
  await until('the alarm', () => consumer.log.some(({ fact }) => fact === 'chain.invalid'));
  expect(consumer.log.find(({ fact }) => fact === 'chain.invalid')).toMatchObject({ partition: 1, key });
  await until('it reads', async () => (await ready()).reasons.some((reason) => reason.includes('stream connection')));
  expect(await consumer.kill('SIGTERM')).toBe(0);
});

test('a stop ends the wait for the store', async () => {
  const path = join(root, 'stopped');
  await writeFile(path, 'in the way');
  const { config } = await configOf(path);
  await using consumer = startConsumerProcess(config, 'files');
  await until('the alarm', () => consumer.log.some(({ fact }) => fact === 'store.refused'));
  expect(await consumer.kill('SIGTERM')).toBe(0);
});
