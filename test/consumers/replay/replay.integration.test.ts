// History replayed out of real log streams to a real queue: what arrived within a time, under its own numbers, also through a kill.
import { randomFillSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChannelModel } from 'amqplib';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Batch } from '#core/batch.ts';
import type { Config } from '#core/config/config.ts';
import { ownEventLine, parseEventLine } from '#core/event-line.ts';
import { uuidGenerator } from '#core/uuid.ts';
import { sinkQueue } from '#topology/names.ts';
import { decodeProgress } from '../../../consumers/replay/progress.ts';
import { configFor, type Site, startSite, until } from '../../containers.ts';
import { connectAdmin, depth, publishBatches, replay, takeEvents } from '../operator-bench.ts';
import { files, search } from '../sinks.ts';
import { startCommand } from '../operator-process.ts';
import { declared } from '../../topology/broker.ts';

const HOUR = 3_600_000;
const noon = Date.parse('2026-11-23T12:00:00Z');
const window = { from: '2026-11-23T12:00', to: '2026-11-23T13:00' };
const ids = uuidGenerator(Date.now, randomFillSync);

let site: Site;
let config: Config;
let admin: ChannelModel;
let folder: string;
let file: string;
/** Ids of what arrived from noon on for an hour, by type. */
const wanted = new Map<string, Set<string>>();

/** 40 events of one identity: of each four, one a while before noon, two within the hour, one after it. */
function batchOf(identity: string, partition: number, type: string, first: number): Batch {
  const lines: Buffer[] = [];
  for (let n = 0; n < 40; n++) {
    const receivedAt = noon + ([-HOUR / 2, 0, HOUR - 1, HOUR][n % 4] ?? 0);
    const line = ownEventLine(type, { receivedAt, host: 'host', site: 'chicago', source: '/s' }, ids, { n: first + n });
    if (receivedAt >= noon && receivedAt < noon + HOUR) {
      const known = wanted.get(type) ?? new Set();
      wanted.set(type, known.add(parseEventLine(line)?.id ?? ''));
    }
    lines.push(line);
  }
  return {
    kind: 'batch',
    identity,
    partition,
    type,
    count: 40,
    ranges: [[first, first + 39]],
    body: Buffer.concat(lines),
  };
}

function* batches(): Generator<Batch> {
  for (let identity = 0; identity < 4; identity++) {
    const name = ids.next();
    for (let n = 0; n < 100; n++)
      yield batchOf(name, identity % 2, ['checkin.visit', 'card.tapped', 'web.click'][n % 3] ?? '', 1 + 40 * n);
  }
}

beforeAll(async () => {
  site = await startSite('chicago');
  config = configFor([site.config], { sinks: [files, search] });
  await declared(config);
  admin = await connectAdmin(site);
  admin.on('error', () => {}); // the last test stops the site
  folder = await mkdtemp(join(tmpdir(), 'waggle-replay-'));
  file = join(folder, 'progress.json');
  await publishBatches(admin, batches());
});
beforeEach(async () => {
  const channel = await admin.createChannel();
  await channel.purgeQueue(sinkQueue('search'));
  await channel.close();
  await rm(file, { force: true });
});
afterAll(async () => {
  await admin?.close().catch(() => {}); // gone with its site
  await site?.[Symbol.asyncDispose]();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const all = (): Set<string> => new Set([...(wanted.get('checkin.visit') ?? []), ...(wanted.get('card.tapped') ?? [])]);

test('a plan publishes nothing and leaves no progress', async () => {
  const { code, err } = await replay(config, { ...window, progress: file });
  expect(code).toBe(0);
  expect(err).toContain('out of 400 messages in 2 partitions');
  expect(err).toContain('add --yes');
  expect(await depth(admin, 'search')).toBe(0);
  expect(existsSync(file)).toBe(false);
});

test('what arrived within the time and is of the sink’s types comes once more, under the numbers it has in the log', async () => {
  const { code, err } = await replay(config, { ...window, progress: file, yes: true });
  expect(code).toBe(0);
  expect(err).toMatch(/search: 100 % of 400 messages read, \d+ events published/);
  const taken = await takeEvents(admin, 'search', all().size);
  expect(taken).toHaveLength(all().size);
  expect(new Set(taken.map(({ id }) => id))).toEqual(all());
  for (const { line, number } of taken) expect(line).toContain(`"n":${number}}`);
  // A quorum queue counts acks a moment later.
  await until('nothing more to be there', async () => (await depth(admin, 'search')) === 0);
  expect(existsSync(file)).toBe(false);
});

test('--match takes fewer types, and never more than the sink does', async () => {
  expect((await replay(config, { ...window, match: 'card.* web.**', progress: file, yes: true })).code).toBe(0);
  const cards = wanted.get('card.tapped') ?? new Set();
  const taken = await takeEvents(admin, 'search', cards.size);
  expect(new Set(taken.map(({ id }) => id))).toEqual(cards);
});

test('a time of which the log holds nothing ends at once, before the log and after it', async () => {
  for (const [from, to] of [
    ['2020-01-01', '2020-01-02'],
    ['2100-01-01', '2100-01-02'],
  ] as const)
    expect((await replay(config, { from, to, progress: file, yes: true })).code).toBe(0);
  expect(await depth(admin, 'search')).toBe(0);
});

test('killed in its midst and started again it goes on where it was: nothing is lost, and little comes twice', async () => {
  const options = { sink: 'search', ...window, progress: file, yes: true, rate: '500' };
  const killed = startCommand({ config, args: null, options });
  // Once it has confirmed some, and said so.
  await until('its progress', async () => (decodeProgress(await readFile(file, 'utf8'))?.events ?? 0) > 0);
  killed.process.kill('SIGKILL');
  expect(await killed.exited).toBeNull();
  const before = await depth(admin, 'search');
  expect(before).toBeGreaterThan(0);
  expect(decodeProgress(await readFile(file, 'utf8'))?.events).toBeLessThan(all().size);

  const other = await replay(config, { ...options, to: '2026-11-23T14:00' });
  expect(other.code).toBe(1);
  expect(other.err).toContain('holds the progress of another replay');
  // As if the log had been made anew, and were as long again.
  const progress = await readFile(file, 'utf8');
  await writeFile(file, progress.replace(/"mark": "[0-9a-f]{8}/, '"mark": "00000000'));
  await expect(replay(config, options)).resolves.toMatchObject({
    code: 1,
    err: expect.stringMatching(/not the one that was read \(events\.log-\d: it holds other messages\)/) as unknown,
  });
  await writeFile(file, progress);
  const rest = await replay(config, { ...options, rate: '50000' });
  expect(rest.code).toBe(0);
  expect(rest.err).toContain(`goes on from ${file}`);
  expect(existsSync(file)).toBe(false);

  const taken = await takeEvents(admin, 'search', all().size);
  expect(new Set(taken.map(({ id }) => id))).toEqual(all());
  // What was published in the second before the kill, or a little longer.
  expect(taken.length - all().size).toBeLessThan(2_000);
});

test('a progress file that is none of ours is left alone', async () => {
  await writeFile(file, '{"mine":1}');
  const { code, err } = await replay(config, { ...window, progress: file, yes: true });
  expect(code).toBe(1);
  expect(err).toContain('is no progress of a replay');
  expect(await readFile(file, 'utf8')).toBe('{"mine":1}');
});

test('a log sink is told what to do instead; a queue that is not there is told', async () => {
  expect((await replay(config, { ...window, sink: 'files' })).code).toMatch(/waggle sink move files --to SITE/);
  const other = { ...config, sinks: [{ ...search, name: 'other' }] };
  const { code, err } = await replay(other, { ...window, sink: 'other', progress: file, yes: true });
  expect(code).toBe(1);
  expect(err).toContain('no queue sink.other takes what is published');
});

test('a site that goes away in the midst ends it with what to do, and it goes on once the site is back', async () => {
  const options = { ...window, match: 'card.*', progress: file, yes: true, rate: '200' };
  const running = replay(config, options);
  await until('its progress', async () => (decodeProgress(await readFile(file, 'utf8'))?.events ?? 0) > 0);
  await site.stop();
  const { code, err } = await running;
  expect(code).toBe(1);
  expect(err).toContain(`the same command goes on from ${file}`);
  await site.start();
  await until('the site to be back', async () => (await replay(config, { ...options, rate: '50000' })).code === 0);
  const again = await connectAdmin(site);
  const cards = wanted.get('card.tapped') ?? new Set();
  const taken = await takeEvents(again, 'search', cards.size);
  expect(new Set(taken.map(({ id }) => id))).toEqual(cards);
  await again.close();
  expect(existsSync(file)).toBe(false);
});
