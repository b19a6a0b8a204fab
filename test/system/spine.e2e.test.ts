// Exactly once, from acceptance to S3, whatever dies in between. The oracle is contiguous numbers: lost 0, repeated 0.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../containers.ts';
import { Generator } from './generator.ts';
import { CLEAN, settled, storm } from './storm.ts';
import { deleteStreams, publishAgain, readStreams } from './streams.ts';
import { AgentHost, PARTITIONS, startSystem, type System } from './system.ts';
import { declared } from '../topology/broker.ts';

let system: System;
beforeAll(async () => {
  const small = { rotate: { size: 8 * 1024 ** 2, count: 50, age: 1_000 } };
  system = await startSystem({
    storm: {},
    away: {},
    'away-east': { home: 'us-east-1', match: ['test.away'] },
    'paused-intent': small,
    'paused-data': small,
    'paused-commit': small,
    trouble: small,
    'rebuilt-running': {},
    'rebuilt-stopped': {},
  });
});
afterAll(() => system?.[Symbol.asyncDispose]());

/** Of a path-style request, without its bucket. */
const keyOf = (path: string): string => decodeURIComponent(path.split('?', 1)[0]?.split('/').slice(2).join('/') ?? '');

describe('exactly once', () => {
  test('20,000 events, two agents killed seven times each, the sink killed five times and scaled, brokers restarted, the link cut', () =>
    storm(system, 'storm', 20_000, 20));

  test('a site away throughout: agents move, and once it is back both sites hold everything', async () => {
    const sink = await system.sink('away');
    await system.east.stop();
    await using agent = new AgentHost(sink.config, 'us-east-1', 'api-3');
    await agent.start();
    const generator = new Generator({
      target: () => agent.http,
      name: 'away',
      type: 'test.away',
      events: 3_000,
      batch: 50,
      pace: () => 5,
    });
    await using _consumer = sink.consumer();
    await generator.run(new AbortController().signal);
    expect(await settled(sink, [generator], 60_000)).toMatchObject({ ...CLEAN, acknowledged: 3_000 });
    await system.east.start();
    const second = await system.sink('away-east');
    await using _reader = second.consumer();
    expect(await settled(second, [generator], 60_000)).toMatchObject({ lost: [], repeated: [] });
  });
});

describe('a writer paused', () => {
  test.each([
    ['intent', /\.intent\.json$/],
    ['data', /^type=/],
    ['commit', /\.commit\.json$/],
  ])('behind its %s, while another takes over, and woken', async (step, key) => {
    const sink = await system.sink(`paused-${step}`);
    await using agent = new AgentHost(sink.config, 'chicago', 'api-4');
    await agent.start();
    const generator = new Generator({
      target: () => agent.http,
      name: step,
      type: `test.paused-${step}`,
      events: 400,
      batch: 10,
      pace: () => 20,
    });
    const old = sink.consumer();
    await using _old = old;
    await until('the sink reads', () => old.log.some(({ fact }) => fact === 'partition.active'));
    const release = Promise.withResolvers<void>();
    const paused = new Promise<void>((resolve) => {
      system.proxy.rule = (method, path) => {
        if (method !== 'PUT' || path.includes('probe') || !key.test(keyOf(path))) return 'pass';
        // The store takes it; the writer is stopped before it can hear so.
        old.process.kill('SIGSTOP');
        system.proxy.rule = () => 'pass';
        resolve();
        return { until: release.promise };
      };
    });
    await generator.run(new AbortController().signal);
    await paused;
    await using young = sink.consumer();
    // The broker notices the silence of the old one by its heartbeats; a test need not wait so long.
    await system.chicago.nodes[0]?.exec(['rabbitmqctl', 'close_all_user_connections', sink.direct.name, 'test']);
    await until('another took over', () => young.log.filter(({ fact }) => fact === 'window.committed').length > 0);
    old.process.kill('SIGCONT');
    release.resolve();
    expect(await settled(sink, [generator], 60_000)).toMatchObject({ ...CLEAN, acknowledged: 400 });
  });
});

describe('a stream deleted and declared anew', () => {
  test.each([
    ['under a running sink', true],
    ['while the sink is stopped', false],
  ])('%s: alarm, reread, no repeat, nothing stalls', async (_, running) => {
    const name = running ? 'rebuilt-running' : 'rebuilt-stopped';
    const sink = await system.sink(name);
    await using agent = new AgentHost(sink.config, 'chicago', 'api-6');
    await agent.start();
    const generator = new Generator({
      target: () => agent.http,
      name,
      type: `test.${name}`,
      events: 900,
      batch: 30,
      pace: () => 2,
    });
    const first = sink.consumer();
    await using _first = first;
    const half = new AbortController();
    const sending = generator.run(half.signal);
    await until('half is sent', () => generator.acknowledged.size >= 450);
    half.abort();
    await sending;
    expect(await settled(sink, [generator], 60_000)).toMatchObject(CLEAN);
    if (!running) expect(await first.kill('SIGTERM')).toBe(0);
    // What the old streams held comes again in the new ones, in another order: shorter than the committed offsets, and all repeats.
    const copies = await readStreams(system.chicago, PARTITIONS);
    await deleteStreams(system.chicago, PARTITIONS);
    await declared(system.config);
    await publishAgain(system.chicago, copies.filter(({ type }) => type === `test.${name}`).toReversed());
    const second = running ? first : sink.consumer();
    await using _second = second;
    await generator.run(new AbortController().signal);
    expect(await settled(sink, [generator], 90_000)).toMatchObject({ ...CLEAN, acknowledged: 900 });
    expect(second.log.map(({ fact }) => fact)).toContain('stream.position-lost');
  });
});

describe('S3 trouble', () => {
  test('500, SlowDown, 409, hanging, resets and lost answers: no loss, no repeat, the backlog drains', async () => {
    const sink = await system.sink('trouble');
    await using agent = new AgentHost(sink.config, 'chicago', 'api-5');
    await agent.start();
    const generator = new Generator({
      target: () => agent.http,
      name: 'trouble',
      type: 'test.trouble',
      events: 4_000,
      batch: 20,
      pace: () => 50,
    });
    const faults = [500, 503, 409, 'torn', 'never', 'lose', 'hang'] as const;
    await using _consumer = sink.consumer();
    let turn = 0;
    let hung = 0;
    system.proxy.rule = () => {
      const fault = turn++ % 3 === 0 ? (faults[Math.floor(turn / 3) % faults.length] ?? 'pass') : 'pass';
      // Each hanging request costs a deadline: a few will do.
      return fault === 'hang' && hung++ >= 2 ? 'pass' : fault;
    };
    await generator.run(new AbortController().signal);
    system.proxy.rule = () => 'pass';
    expect(await settled(sink, [generator], 120_000)).toMatchObject({ ...CLEAN, acknowledged: 4_000 });
    for (const fault of faults) expect(system.proxy.met.get(fault), String(fault)).toBeGreaterThan(0);
  });
});
