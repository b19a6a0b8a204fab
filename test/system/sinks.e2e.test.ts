// Every sink at once: what is promised holds in each while consumers die, targets are away, instances come and go, sites change.
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { isQueueSink } from '#core/config/sink-config.ts';
import { until } from '../containers.ts';
import { connectAdmin, dead, depth } from '../consumers/operator-bench.ts';
import { moveSink } from '../../consumers/move-sink.ts';
import { logSinkOf } from '../../consumers/main.ts';
import type { CommandOptions } from '../../consumers/operator-command.ts';
import {
  expectAll,
  Flow,
  LOG_SINKS,
  QUEUE_SINKS,
  SHARES,
  SINKS,
  startAllSinks,
  type AllSinks,
  type Instance,
  type SinkName,
} from './all-sinks.ts';
import { expectedLetters, holdsSamples, listLetters, publishPoison } from './poison.ts';
import type { Generator } from './generator.ts';
import { outages } from './outages.ts';
import { Instances } from './storm.ts';

let system: AllSinks;
beforeAll(async () => {
  system = await startAllSinks();
}, 300_000);
// None that a failed test has left.
afterEach(() => system?.endConsumers());
afterAll(() => system?.[Symbol.asyncDispose]());

test('20,000 events to all sinks from agents killed seven times each; then each consumer is killed three times, each target stopped for 20 s', () =>
  outages(system, 20_000, 20));

test('a target down throughout: the other sinks have everything, its queue grows, and drains once it is up', async () => {
  await using admin = Object.assign(await connectAdmin(system.chicago), {
    [Symbol.asyncDispose]: (): Promise<void> => Promise.resolve(),
  });
  await using flow = new Flow(system);
  await flow.start();
  await system.targets.search.stop();
  const consumers = new Map(SINKS.map((sink) => [sink, system.consumer(sink)]));
  const down = consumers.get('search');
  if (down === undefined) throw new Error('no consumer');
  const load = flow.load('away', 20, 50);
  await until('the reason at /readyz', async () => {
    const { ok, reasons } = await down.ready();
    return !ok && reasons.some((reason) => reason.startsWith('paused: connection'));
  });
  const before = await depth(admin, 'search');
  await until('its queue grows', async () => (await depth(admin, 'search')) >= before + 100);
  await load.stop();
  // Splunk has no key by which it drops a repeat: none must be sent where nothing but another target is away.
  expect(await expectAll(system, load.generators, ['s3', 'hdfs', 'splunk', 'documents'])).toBe(0);
  await system.targets.search.start();
  await expectAll(system, load.generators);
  await until('its queue is empty', async () => (await depth(admin, 'search')) === 0);
  await until('it is ready', async () => (await down.ready()).ok);
  for (const consumer of consumers.values()) expect(await consumer.kill('SIGTERM')).toBe(0);
  await admin.close();
});

test('1, 2, 4 instances of each sink, up and down under load: never more connections than permits, nothing lost or repeated', async () => {
  await using flow = new Flow(system);
  await flow.start();
  for (const sink of QUEUE_SINKS) system.proxies[sink].most = 0;
  const load = flow.load('scaled', 10, 100);
  await Promise.all(SINKS.map((sink) => scaled(sink)));
  await load.stop();
  const last = SINKS.map((sink) => system.consumer(sink));
  await expectAll(system, load.generators);
  const most = QUEUE_SINKS.map((sink) => [sink, system.proxies[sink].most]);
  // Beside each connection the driver of MongoDB has one to watch the server.
  expect(most).toEqual([
    ['search', SHARES],
    ['splunk', SHARES],
    ['documents', 2 * SHARES],
  ]);
  for (const consumer of last) expect(await consumer.kill('SIGTERM')).toBe(0);
});

async function scaled(sink: SinkName): Promise<void> {
  const instances = new Instances<Instance>({ consumer: () => system.consumer(sink) });
  for (const count of [1, 2, 4, 2, 1]) {
    await instances.scale(count);
    await shared(sink, instances.running);
    if (count !== 4) continue;
    await instances.killOldest();
    await instances.scale(count);
    await shared(sink, instances.running);
  }
  await instances.scale(0);
}

/** All of it. */
async function shared(sink: SinkName, running: readonly Instance[]): Promise<void> {
  let shares: readonly number[] = [];
  try {
    await until(
      `${running.length} instances of ${sink} to share`,
      async () => {
        shares = await Promise.all(running.map((instance) => instance.share()));
        return isShared(shares, sink);
      },
      90_000,
    );
  } catch (error) {
    throw new Error(`${sink}: ${shares.join(' ')}`, { cause: error });
  }
}

/**
 * Permits are shared evenly. Partitions go to instances by the order in which these came, which two that come together can have differently at
 * each partition: so all of them are read, and of four instances two at least read.
 */
function isShared(shares: readonly number[], sink: SinkName): boolean {
  const all = shares.reduce((sum, each) => sum + each, 0);
  const even = shares.every((each) => each === SHARES / shares.length);
  const isLogSink = LOG_SINKS.some((name) => name === sink);
  const readers = shares.filter((each) => each > 0).length;
  return even || (isLogSink && all === SHARES && readers >= (shares.length === 4 ? 2 : 1));
}

test('log sinks moved to the other site under load, and back while the federation is cut: nothing lost or repeated', async () => {
  await using flow = new Flow(system);
  await flow.start();
  const consumers = LOG_SINKS.map((sink) => system.consumer(sink));
  const load = flow.load('moved', 10, 50);
  const moved = async (to: string): Promise<void> => {
    for (const sink of LOG_SINKS)
      expect(await moveSink(system.config, logSinkOf(system.config, sink), to, () => {})).toBe(0);
    await until(
      `both are read at ${to}`,
      async () => (await Promise.all(consumers.map((each) => each.sites()))).every((sites) => sites.join() === to),
      120_000,
    );
  };
  const [chicago, east] = load.generators;
  const stored = (generator: Generator, after: number): Promise<void> =>
    until(`events of ${generator.name} after ${after}`, async () => {
      const all = await Promise.all(LOG_SINKS.map((sink) => system.targets[sink].stored()));
      return all.every((events) => [...events.keys()].some((name) => numberOf(name, generator.name) > after));
    });
  await Promise.all([stored(chicago, 0), stored(east, 0)]);
  await moved('us-east-1');
  await system.wan.cut();
  // What an agent sends from now on is at its own site alone, but for what is on its way.
  await stored(east, east.sent + 300);
  await moved('chicago');
  await stored(chicago, chicago.sent + 300);
  await system.wan.mend();
  await load.stop();
  await expectAll(system, load.generators, LOG_SINKS);
  for (const consumer of consumers) expect(await consumer.kill('SIGTERM')).toBe(0);
});

const numberOf = (name: string, generator: string): number =>
  name.startsWith(`${generator}:`) ? Number(name.slice(generator.length + 1)) : 0;

test('poison of each kind: in the dead letters, what came with it delivered; replayed after a fix, and resolved', async () => {
  const consumers = new Map(SINKS.map((sink) => [sink, system.consumer(sink)]));
  await publishPoison(system);
  const expected = expectedLetters(SINKS);
  // Behind whatever the queues still hold.
  let found = '';
  try {
    await until(
      'the dead letters',
      async () => {
        const open = await listLetters(system.config, 'open');
        found = open.map(({ sink, code }) => `${sink} ${code}`).join(', ');
        return open.length >= expected.length;
      },
      180_000,
    );
  } catch (error) {
    const says = await Promise.all(QUEUE_SINKS.map((sink) => system.told(sink)));
    throw new Error(`${found}\n${says.join('\n')}`, { cause: error });
  }
  const letters = await listLetters(system.config, 'open');
  expect(letters.map(({ sink, code }) => `${sink} ${CONFLICTS.includes(code) ? 'conflict' : code}`).toSorted()).toEqual(
    expected,
  );
  for (const letter of letters)
    expect(letter).toMatchObject({ reason: REASONS[letter.code], message: expect.stringMatching(/./) as string });
  await Promise.all(SINKS.map((sink) => holdsSamples(system, sink, false)));
  for (const sink of QUEUE_SINKS) expect(await consumers.get(sink)?.kill('SIGTERM')).toBe(0);
  // Larger requests, and another name for one of two fields that are at odds.
  const sinks = system.config.sinks.map((sink) => {
    if (!isQueueSink(sink)) return sink;
    const mapping =
      sink.name === 'search' ? { drop: [], rename: { '/data/user': '/data/user_number' }, set: {} } : null;
    return { ...sink, mapping, batch: { ...sink.batch, size: 1024 ** 2 } };
  });
  const mended = { ...system.config, sinks };
  for (const sink of QUEUE_SINKS) consumers.set(sink, system.consumer(sink, mended));
  const replayed = async (ids: readonly string[], options: CommandOptions): Promise<void> => {
    expect(await dead(mended, ['replay', ...ids], { yes: true, ...options })).toMatchObject({ code: 0 });
  };
  await replayed([], { code: 'too-large' });
  for (const code of CONFLICTS.filter((each) => letters.some((letter) => letter.code === each)))
    await replayed([], { code });
  const unencodable = letters.find(({ code }) => code === 'name-with-nul');
  await using folder = await mkdtempDisposable(join(tmpdir(), 'waggle-mended-'));
  const event = join(folder.path, 'event.json');
  await writeFile(event, '{"g":"poison","n":6,"ab":1}');
  await replayed([unencodable?.id ?? ''], { event });
  await Promise.all(SINKS.map((sink) => holdsSamples(system, sink, true)));
  const others = await dead(mended, ['replay'], { code: 'no-batch', yes: true });
  expect(others.out).toContain(`${SINKS.length} letters left out: it is no event`);
  expect(await dead(mended, ['discard'], { code: 'no-batch', yes: true })).toMatchObject({ code: 0 });
  expect(await listLetters(mended, 'open')).toEqual([]);
  const resolved = await listLetters(mended, 'all');
  expect(resolved).toHaveLength(letters.length);
  for (const { code, state, resolution } of resolved)
    expect({ code, state, resolution }).toMatchObject({
      state: 'resolved',
      resolution: { reason: code === 'no-batch' ? 'discarded' : 'replayed' },
    });
  for (const consumer of consumers.values()) expect(await consumer.kill('SIGTERM')).toBe(0);
});

/** How Elasticsearch calls a conflict with a mapping that was there, and with one that the same bulk makes. */
const CONFLICTS = ['document_parsing_exception', 'illegal_argument_exception'];

const REASONS: Readonly<Record<string, string>> = {
  'too-large': 'unencodable',
  'name-with-nul': 'unencodable',
  document_parsing_exception: 'rejected',
  illegal_argument_exception: 'rejected',
  'no-batch': 'invalid',
};
