import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { runTap } from '../../../consumers/tap/tap.ts';
import { startSite, until, type Site } from '../../containers.ts';
import { configFor } from '../../site-config.ts';
import { declared, batchOf, byHand, connectAs, publishBatches, readBatches } from '../../topology/broker.ts';

let site: Site;
let config: Config;
beforeAll(async () => {
  site = await startSite('chicago');
  config = configFor([site.config]);
  await declared(config);
});
afterAll(() => site?.[Symbol.asyncDispose]());

interface Row {
  readonly name: string;
  readonly messages?: number;
  readonly message_bytes?: number;
}
const liveQueues = async (): Promise<readonly Row[]> =>
  ((await byHand(site.config).get('/api/queues/%2F?disable_stats=false')) as Row[]).filter(({ name }) =>
    name.startsWith('live.'),
  );

interface Tapping {
  readonly lines: string[];
  readonly said: string[];
  readonly ended: Promise<number>;
  readonly stop: () => void;
}

function tap(match: readonly string[], parts: { count?: number; gate?: () => Promise<void> } = {}): Tapping {
  const lines: string[] = [];
  const said: string[] = [];
  const stop = new AbortController();
  const options = {
    match,
    site: site.config,
    count: parts.count ?? null,
    print: async (bytes: Buffer) => {
      await parts.gate?.();
      lines.push(...bytes.toString().trimEnd().split('\n'));
      return true;
    },
    tell: (line: string) => void said.push(line),
  };
  return { lines, said, ended: runTap(config, options, stop.signal), stop: () => stop.abort() };
}

const types = (lines: readonly string[]): readonly string[] =>
  lines.map((line) => (JSON.parse(line) as { type: string }).type);

test('events are printed as they pass: by pattern, mirrored ones too, what waggle says of itself only if asked', async () => {
  const tapping = tap(['checkin.*', '**.error']);
  await until('attached', () => tapping.said.length > 0);
  const sent = ['checkin.new', 'other', 'app.error', 'waggle.error'].map((type) => batchOf(2, 0, type));
  await publishBatches(config, site.config, sent);
  await publishBatches(config, site.config, [batchOf(1, 1, 'checkin.mirrored')], 'events.mirror');
  await until('all are seen', () => tapping.lines.length >= 5);
  expect(types(tapping.lines)).toEqual(['checkin.new', 'checkin.new', 'app.error', 'app.error', 'checkin.mirrored']);
  tapping.stop();
  expect(await tapping.ended).toBe(0);
  await until('its queue is gone', async () => (await liveQueues()).length === 0);
});

test('it ends after so many events, in the middle of a batch', async () => {
  const tapping = tap(['counted'], { count: 3 });
  await until('attached', () => tapping.said.length > 0);
  await publishBatches(config, site.config, [batchOf(2, 0, 'counted'), batchOf(5, 0, 'counted')]);
  expect(await tapping.ended).toBe(0);
  expect(tapping.lines).toHaveLength(3);
});

test('a reader that stands still holds up nobody: the log has all, the tap the newest, and says so', async () => {
  const open = Promise.withResolvers<void>();
  const tapping = tap(['burst'], { gate: () => open.promise });
  await until('attached', () => tapping.said.length > 0);
  const sent = Array.from({ length: 1200 }, (_, index) => batchOf(10, index % 2, 'burst'));
  await publishBatches(config, site.config, sent);
  const all = await readBatches(config, site.config, new Set(sent.map(({ identity }) => identity)));
  expect(all).toHaveLength(1200);
  await until('it says so', () => tapping.said.some((line) => line.includes('the oldest are left out')));
  const [queue] = await liveQueues();
  expect(queue?.messages ?? 0).toBeLessThanOrEqual(500 + 10);
  open.resolve();
  await until('it keeps up again', () => tapping.said.some((line) => line.includes('keeping up again')));
  await until('the rest is there', () => tapping.lines.length >= 5_000);
  expect(tapping.lines.length).toBeLessThan(6_000);
  // The last one is there: what was dropped is the oldest.
  expect(tapping.lines.at(-1)).toBe(sent.at(-1)?.body.toString().trimEnd().split('\n').at(-1));
  tapping.stop();
  await tapping.ended;
});

test('a broker that restarts is come back to', async () => {
  const tapping = tap(['again']);
  await until('attached', () => tapping.said.length > 0);
  await site.nodes[0]?.exec(['rabbitmqctl', 'close_all_user_connections', 'tap', 'test']);
  await until('attached again', () => tapping.said.filter((line) => line.startsWith('tapping')).length === 2);
  await publishBatches(config, site.config, [batchOf(1, 0, 'again')]);
  await until('seen', () => tapping.lines.length === 1);
  tapping.stop();
  await tapping.ended;
});

test('the queue of an application is bounded by policy, whatever it asks for', async () => {
  const connection = await connectAs(config, site.config, 'tap');
  const channel = await connection.createChannel();
  await channel.assertQueue('live.dashboard', { arguments: { 'x-max-length': 1_000_000 } });
  await channel.bindQueue('live.dashboard', 'events.live', 'large');
  const body = Buffer.alloc(250_000, 'x');
  const publisher = await connectAs(config, site.config, 'agent');
  const confirming = await publisher.createConfirmChannel();
  for (let n = 0; n < 100; n++) confirming.publish('events', 'large', body, { headers: { partition: '0' } });
  await confirming.waitForConfirms();
  const kept = (await channel.checkQueue('live.dashboard')).messageCount;
  expect(kept).toBe(Math.floor((16 * 1024 ** 2) / body.length));
  await Promise.all([publisher.close(), connection.close()]);
});

test('the command: lines on standard output, what it does on standard error, and exit codes', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'waggle-tap-'));
  const file = join(folder, 'waggle.yaml');
  const [node] = site.nodes;
  const written = {
    version: 1,
    sites: { chicago: { nodes: [node?.amqp], stream: ['127.0.0.1:1'], management: node?.management } },
    users: Object.fromEntries(['topology', 'agent', 'tap'].map((name) => [name, { password: `test-${name}` }])),
    agent: { site: '${WAGGLE_SITE}' },
  };
  await writeFile(file, JSON.stringify(written));
  const waggle = (...args: readonly string[]) =>
    spawn(process.execPath, ['waggle.ts', 'tap', '--config', file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    const child = waggle('from.command', '--count', '2');
    let err = '';
    child.stderr.on('data', (part: Buffer) => (err += String(part)));
    await until('attached', () => err.includes('tapping from.command at chicago'));
    const out = text(child.stdout);
    const exit = once(child, 'exit');
    await publishBatches(config, site.config, [batchOf(2, 0, 'from.command')]);
    expect(await exit).toEqual([0, null]);
    expect(types((await out).trimEnd().split('\n'))).toEqual(['from.command', 'from.command']);
    for (const [args, why] of [
      [['a*'], /stand for whole words only/],
      [['--site', 'chicgo'], /there is no site "chicgo".*did you mean "chicago"/],
      [['--count', '0'], /--count: a whole number/],
    ] as const) {
      const wrong = waggle(...args);
      const [said, [code]] = await Promise.all([text(wrong.stderr), once(wrong, 'exit') as Promise<[number]>]);
      expect(code).toBe(64);
      expect(said).toMatch(why);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
