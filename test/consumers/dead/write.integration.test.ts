import { type ChannelModel, type ConsumeMessage, connect } from 'amqplib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { letterId, type DeadLetter } from '#core/dead-letter.ts';
import { DEAD_STREAM } from '#topology/names.ts';
import { openDeadLetters } from '../../../consumers/dead/write.ts';
import { ADMIN_PASSWORD, configFor, type Site, startSite, until } from '../../containers.ts';
import { declared } from '../../topology/broker.ts';

let site: Site;
let config: Config;
beforeAll(async () => {
  site = await startSite('chicago');
  const rotate = { size: 1, count: 1, age: 1 };
  const files = {
    kind: 'folder',
    name: 'files',
    home: 'chicago',
    match: ['**'],
    mapping: null,
    rotate,
    memory: 1,
    admin: '',
    path: '',
  } as const;
  config = configFor([site.config], { sinks: [files] });
  await declared(config);
});
afterAll(() => site?.[Symbol.asyncDispose]());

function connectAdmin(): Promise<ChannelModel> {
  const url = new URL(site.nodes[0]?.amqp ?? '');
  url.username = 'topology';
  url.password = ADMIN_PASSWORD;
  return connect(url.href);
}

async function lettersThere(count: number): Promise<ConsumeMessage[]> {
  const connection = await connectAdmin();
  const channel = await connection.createChannel();
  await channel.prefetch(10);
  const letters: ConsumeMessage[] = [];
  await channel.consume(DEAD_STREAM, (letter) => void (letter !== null && letters.push(letter)), {
    arguments: { 'x-stream-offset': 'first' },
  });
  await until('the letters', () => letters.length >= count);
  await connection.close();
  return letters;
}

const letterOf = (body: string): DeadLetter => ({
  letter: letterId('files', [body]),
  sink: 'files',
  site: 'chicago',
  reason: 'invalid',
  code: 'no-batch',
  message: 'no header v',
  first: 1_000,
  last: 2_000,
  attempts: 1,
  content: 'message',
  event: null,
  position: { stream: 'events.log-1', offset: 7n },
  body: Buffer.from(body),
});

test('a dead letter is confirmed by the broker, with where it came from and why; one put while the site is away waits for it', async () => {
  const link = {
    site: 'chicago',
    nodes: site.config.nodes,
    user: 'files',
    password: 'test-files',
    vhost: '/',
    name: 'test',
  };
  await using dead = openDeadLetters('files', link, () => {});
  const { signal } = new AbortController();
  await dead.put('chicago', [letterOf('one')], signal);
  await site.stop();
  const waiting = dead.put('chicago', [letterOf('two')], signal);
  await site.start();
  await waiting;

  const letters = await lettersThere(2);
  expect(letters.map(({ content }) => content.toString())).toEqual(['one', 'two']);
  expect(letters[0]?.properties.headers).toMatchObject({
    sink: 'files',
    site: 'chicago',
    stream: 'events.log-1',
    offset: '7',
    reason: 'invalid',
    message: 'no header v',
    attempts: '1',
    last: '1970-01-01T00:00:02.000Z',
  });
});

test('a dead letter that no queue takes is told, and waits until the topology is declared', async () => {
  const connection = await connectAdmin();
  const channel = await connection.createChannel();
  await channel.deleteQueue(DEAD_STREAM);
  await connection.close();
  const link = {
    site: 'chicago',
    nodes: site.config.nodes,
    user: 'files',
    password: 'test-files',
    vhost: '/',
    name: 'test',
  };
  const told: (string | null)[] = [];
  await using dead = openDeadLetters('files', link, (why) => told.push(why));
  const { signal } = new AbortController();
  let put = false;
  const waiting = dead.put('chicago', [letterOf('three')], signal).then(() => (put = true));
  await until('it is told twice', () => told.length >= 2);
  expect(put).toBe(false);
  expect(told[0]).toMatch(/1 of 1 were returned: .*waggle topology declare/);
  await declared(config);
  await waiting;
  expect(told.at(-1)).toBeNull();
  const [letter] = await lettersThere(1);
  expect(letter?.content.toString()).toBe('three');
});

test('an abort ends the wait for a broker that takes nothing', async () => {
  const watermark = (value: string): Promise<unknown> =>
    site.nodes[0]?.exec(['rabbitmqctl', 'set_vm_memory_high_watermark', value]) ?? Promise.reject(new Error('no node'));
  const link = {
    site: 'chicago',
    nodes: site.config.nodes,
    user: 'files',
    password: 'test-files',
    vhost: '/',
    name: 'test',
  };
  await using dead = openDeadLetters('files', link, () => {});
  await watermark('0');
  const stop = new AbortController();
  const put = dead.put('chicago', [letterOf('x')], stop.signal);
  const outcome = put.then(
    () => 'put',
    () => 'given up',
  );
  // The broker says that it is under an alarm once something was published.
  expect(await Promise.race([outcome, new Promise((resolve) => setTimeout(resolve, 1_000, 'waiting'))])).toBe(
    'waiting',
  );
  stop.abort();
  expect(await outcome).toBe('given up');
  await watermark('0.6');
});

test('an abort ends the wait for a site that is away', async () => {
  const link = {
    site: 'nowhere',
    nodes: ['amqp://127.0.0.1:1'],
    user: 'files',
    password: '',
    vhost: '/',
    name: 'test',
  };
  await using dead = openDeadLetters('files', link, () => {});
  const stop = new AbortController();
  const put = dead.put('nowhere', [letterOf('x')], stop.signal);
  stop.abort(new Error('stopped'));
  await expect(put).rejects.toThrow();
});
