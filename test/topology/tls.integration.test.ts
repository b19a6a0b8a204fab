// Two sites that speak TLS and nothing else, both ends showing a certificate: AMQP, streams, management, and the links between them.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Offset } from 'rabbitmq-stream-js-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { connectAmqp } from '#core/io/amqp.ts';
import { amqpOptions } from '#topology/credentials.ts';
import { StreamConnection } from '../../consumers/source/stream-client.ts';
import { clientCertificates, startTwoSites, until, type TwoSites } from '../containers.ts';
import { declared, batchOf, publishBatches, readBatches, run } from './broker.ts';

const script = new URL('../../deploy/make-certificates.sh', import.meta.url).pathname;
let folder = '';
let sites: TwoSites;
let config: Config;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'waggle-tls-'));
  execFileSync(script, [folder, 'chicago-1', 'us-east-1-1', 'client']);
  sites = await startTwoSites({ tls: folder });
  const plain = sites.config();
  config = { ...plain, users: { ...plain.users, s3: { password: 'test-s3' } } };
});
afterAll(async () => {
  await sites?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test('declare, links and the probe of verify: all by TLS', async () => {
  await declared(config);
  await until('verified', async () => (await run('verify', config)).code === 0);
  expect(await run('plan', config)).toMatchObject({ code: 0 });
  const sent = [batchOf(10, 0), batchOf(10, 1)];
  await publishBatches(config, sites.chicago.config, sent);
  const there = await readBatches(config, sites.east.config, new Set(sent.map(({ identity }) => identity)));
  expect(there).toHaveLength(2);
});

test('a consumer reads a stream by TLS', async () => {
  const [node] = sites.chicago.config.stream;
  const { tls } = sites.chicago.config;
  const endpoint = { host: '127.0.0.1', port: node?.port ?? 0, username: 's3', password: 'test-s3', vhost: '/', tls };
  await using connection = await StreamConnection.connect(endpoint, 10_000, () => {});
  let messages = 0;
  const subscribed = await connection.subscribe({
    stream: 'events.log-0',
    offset: Offset.first(),
    single: null,
    borrows: false,
    chunk: (chunk) => void (messages += chunk.length),
  });
  subscribed.credit(10);
  await until('it has come', () => messages > 0);
});

test.each([
  [
    'without a certificate of its own',
    (tls: Tls) => ({ ...tls, cert: null, key: null }),
    /certificate required|ECONNRESET|socket/i,
  ],
  ['that does not trust the authority', (tls: Tls) => ({ ...tls, ca: null }), /self-signed|unable to verify/i],
] as const)('a client %s is refused, and told why', async (_, change, why) => {
  const site = { ...sites.chicago.config, tls: change(clientCertificates(folder)) };
  const refused = { ...config, sites: [site, sites.east.config] };
  const { code, text } = await run('plan', refused);
  expect(code).toBe(1);
  expect(text).toMatch(/chicago\n {2}FAILED: no management node answers/);
  await expect(connectAmqp(amqpOptions(refused, site, 'agent', 'test'))).rejects.toThrow(why);
});
type Tls = ReturnType<typeof clientCertificates>;
