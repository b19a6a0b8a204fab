import { type ConsumeMessage, connect } from 'amqplib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runTopology } from '#topology/main.ts';
import { DEAD_STREAM } from '#topology/names.ts';
import { openDeadLetters } from '../../../consumers/drain/dead-letters.ts';
import { ADMIN_PASSWORD, configFor, type Site, startSite, until } from '../../containers.ts';

let site: Site;
beforeAll(async () => {
  site = await startSite('chicago');
  const rotate = { size: 1, count: 1, age: 1 };
  const files = {
    kind: 'folder',
    name: 'files',
    home: 'chicago',
    match: ['**'],
    rotate,
    memory: 1,
    admin: '',
    path: '',
  } as const;
  expect(await runTopology('declare', configFor([site.config], { sinks: [files] }), { json: true })).toBe(0);
});
afterAll(() => site?.[Symbol.asyncDispose]());

test('a dead letter is confirmed by the broker, with where it came from and why; one put while the site is away waits for it', async () => {
  const link = {
    site: 'chicago',
    nodes: site.config.nodes,
    user: 'files',
    password: 'test-files',
    vhost: '/',
    name: 'test',
  };
  await using dead = openDeadLetters('files', link);
  const { signal } = new AbortController();
  await dead.put(
    'chicago',
    1,
    [{ reason: 'invalid', message: 'no header v', offset: 7n, body: Buffer.from('one') }],
    signal,
  );
  await site.stop();
  const waiting = dead.put(
    'chicago',
    0,
    [{ reason: 'forgotten', message: 'too old', offset: 8n, body: Buffer.from('two') }],
    signal,
  );
  await site.start();
  await waiting;

  const url = new URL(site.nodes[0]?.amqp ?? '');
  url.username = 'topology';
  url.password = ADMIN_PASSWORD;
  const connection = await connect(url.href);
  const channel = await connection.createChannel();
  await channel.prefetch(10);
  const letters: ConsumeMessage[] = [];
  await channel.consume(DEAD_STREAM, (letter) => void (letter !== null && letters.push(letter)), {
    arguments: { 'x-stream-offset': 'first' },
  });
  await until('both letters', () => letters.length >= 2);
  await connection.close();
  expect(letters.map(({ content }) => content.toString())).toEqual(['one', 'two']);
  expect(letters[0]?.properties.headers).toMatchObject({
    sink: 'files',
    site: 'chicago',
    stream: 'events.log-1',
    offset: '7',
    reason: 'invalid',
    message: 'no header v',
  });
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
  await using dead = openDeadLetters('files', link);
  const stop = new AbortController();
  const put = dead.put(
    'nowhere',
    0,
    [{ reason: 'invalid', message: '', offset: 1n, body: Buffer.from('x') }],
    stop.signal,
  );
  stop.abort(new Error('stopped'));
  await expect(put).rejects.toThrow();
});
