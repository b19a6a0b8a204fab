// The publisher against one real site in trouble: what is not confirmed is sent again, and nothing counts as delivered that is not in the log.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from 'amqplib';
import { amqpOptions, amqpUrl } from '#topology/credentials.ts';
import { topologyReport } from '#topology/main.ts';
import { EVENTS, EVENTS_LIVE, EVENTS_PARTITION, USER_AGENT, USER_TOPOLOGY } from '#topology/names.ts';
import { MESSAGE_BYTES } from '../../../ingest/message-limit.ts';
import { Publisher, type PublisherEvents } from '../../../ingest/publish/publisher.ts';
import { type Site, configFor, startSite, until } from '../../containers.ts';
import { followLog } from '../log-oracle.ts';
import { memoryLog } from './memory-log.ts';

let site: Site;
let identities = 0;
const freshIdentity = (): string => `01936f00-0000-7000-8000-${String(++identities).padStart(12, '0')}`;
const config = () => configFor([site.config]);

beforeAll(async () => {
  site = await startSite('chicago');
  const report = await topologyReport('declare', config());
  expect(report.sites.map(({ error }) => error)).toEqual([null]);
  // A node writes the names of its Raft members (names.dets) some seconds after the first stream is declared: killed before, it comes back
  // with a new stream coordinator that knows no stream, and refuses every publish ("Stream not found"). Stopped in order, it has them.
  await site.stop();
  await site.start();
});
afterAll(async () => {
  await site?.[Symbol.asyncDispose]();
});

const watermark = (value: string) => site.nodes[0]?.exec(['rabbitmqctl', 'set_vm_memory_high_watermark', value]);

interface Run extends AsyncDisposable {
  readonly publisher: Publisher;
  readonly told: string[];
}

function run(
  log: ReturnType<typeof memoryLog>,
  options: { password?: string; confirmTimeout?: number; window?: number } = {},
): Run {
  const told: string[] = [];
  const events: PublisherEvents = {
    linked: () => told.push('linked'),
    lost: (_site, fault) => told.push(`lost ${fault}`),
    unreachable: (_site, reason) => told.push(`unreachable ${reason}`),
    blocked: () => told.push('blocked'),
    unblocked: () => told.push('unblocked'),
    moved: (_site, state) => told.push(state),
    confirmed: () => {},
    dropped: (batch, reason) => told.push(`dropped ${reason} ${batch.body.length}`),
  };
  const link = amqpOptions(config(), site.config, USER_AGENT, 'test');
  const publisher = new Publisher(
    log,
    {
      links: [options.password === undefined ? link : { ...link, password: options.password }],
      route: {
        mode: 'balance',
        prefer: 'chicago',
        hysteresis: 300,
        behind: Infinity,
        window: options.window ?? 256 * 1024,
        linger: 10,
      },
      confirmTimeout: options.confirmTimeout ?? 30_000,
    },
    events,
  );
  const stop = new AbortController();
  const running = publisher.run(stop.signal);
  return {
    publisher,
    told,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

/** Every number of the identity is in the log, with its own data. */
async function expectWhole(identity: string, events: number): Promise<void> {
  await using oracle = await followLog(site, config().log.partitions);
  const has = (number: number): boolean => oracle.data.has(`${identity}:${number}`);
  await until(`${events} events of ${identity} in the log`, () => {
    if (oracle.invalid.length > 0) return true;
    for (let number = 1; number <= events; number++) if (!has(number)) return false;
    return true;
  });
  expect(oracle.invalid).toEqual([]);
  for (let number = 1; number <= events; number++) {
    expect(oracle.data.get(`${identity}:${number}`)).toMatchObject({ n: number });
  }
  expect(has(events + 1)).toBe(false);
}

test('a backlog, and then a lone event', async () => {
  const log = memoryLog(freshIdentity(), 1);
  log.offer(20_000);
  await using running = run(log);
  await log.drained();
  expect(running.publisher.drainRate).toBeGreaterThan(0);
  log.offer(1);
  await log.drained();
  await expectWhole(log.identity, 20_001);
  expect(running.told).toEqual(['linked', 'ready']);
});

test('the broker is killed under load: all of it arrives', async () => {
  const log = memoryLog(freshIdentity(), 0);
  await using running = run(log);
  log.offer(150_000);
  await until('a part is confirmed', () => log.confirmed > 10_000);
  await site.kill();
  expect(log.confirmed).toBeLessThan(150_000);
  await site.start();
  await log.drained();
  const steps = running.told.filter((each) => !each.startsWith('unreachable'));
  expect(steps.slice(0, 6)).toEqual(['linked', 'ready', 'lost connection', 'away', 'linked', 'returning']);
  await expectWhole(log.identity, 150_000);
});

test('a broker that falls silent is away after the time allowed for a confirm', async () => {
  const log = memoryLog(freshIdentity(), 1);
  await using running = run(log, { confirmTimeout: 1_500 });
  await until('linked', () => running.publisher.isLinked);
  await site.pause();
  try {
    log.offer(100);
    await until('given up', () => running.told.includes('lost silent'));
    expect(log.confirmed).toBe(0);
  } finally {
    await site.unpause();
  }
  await log.drained();
  await expectWhole(log.identity, 100);
});

test('an alarm of the broker is obeyed, and over when it is over', async () => {
  const log = memoryLog(freshIdentity(), 0);
  await using running = run(log);
  await until('linked', () => running.publisher.isLinked);
  await watermark('0');
  // Longer than the window: it cannot all be sent before the broker says so.
  log.offer(20_000);
  await until('blocked', () => running.told.includes('blocked'));
  expect(running.publisher.isLinked).toBe(false);
  expect(running.publisher.status[0]?.unconfirmedBytes).toBeLessThanOrEqual(2 * 256 * 1024);
  expect(log.confirmed).toBeLessThan(20_000);
  await watermark('0.6');
  await log.drained();
  expect(running.told).toContain('unblocked');
  await expectWhole(log.identity, 20_000);
});

test('a returned message is an alarm, is not confirmed, and arrives once somebody takes it', async () => {
  const admin = await connect(amqpUrl(config(), site.config.nodes[0] ?? '', USER_TOPOLOGY));
  const channel = await admin.createChannel();
  await channel.unbindExchange(EVENTS_PARTITION, EVENTS, '#');
  await channel.unbindExchange(EVENTS_LIVE, EVENTS, '#');
  const log = memoryLog(freshIdentity(), 1);
  await using running = run(log);
  log.offer(5_000);
  await until('returned, and tried again', () => running.told.filter((each) => each === 'lost returned').length >= 3);
  expect(log.confirmed).toBe(0);
  await channel.bindExchange(EVENTS_PARTITION, EVENTS, '#');
  await channel.bindExchange(EVENTS_LIVE, EVENTS, '#');
  await admin.close();
  await log.drained();
  await expectWhole(log.identity, 5_000);
});

test('what the broker nacks is sent again until it is taken', async () => {
  const admin = await connect(amqpUrl(config(), site.config.nodes[0] ?? '', USER_TOPOLOGY));
  const channel = await admin.createChannel();
  const full = 'test.full';
  await channel.assertQueue(full, { arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } });
  await channel.bindQueue(full, EVENTS, '#');
  const log = memoryLog(freshIdentity(), 1);
  await using running = run(log);
  log.offer(5_000);
  await until('nacked, and tried again', () => running.told.filter((each) => each === 'lost nacked').length >= 3);
  expect(log.confirmed).toBeLessThan(5_000);
  await channel.deleteQueue(full);
  await admin.close();
  await log.drained();
  await expectWhole(log.identity, 5_000);
});

test('an event too long for the wire is given up, and what stands behind it arrives', async () => {
  const log = memoryLog(freshIdentity(), 0);
  await using running = run(log);
  log.offer(1, MESSAGE_BYTES);
  log.offer(1, MESSAGE_BYTES + 1);
  log.offer(100);
  await log.drained();
  expect(log.dropped).toEqual([['too-large', 2, 2]]);
  expect(log.confirmed).toBe(101);
  // Given up before there was a site, and nothing was lost on the way.
  expect(running.told).toEqual([`dropped too-large ${MESSAGE_BYTES + 1}`, 'linked', 'ready']);
});

test('a wrong password is told, and nothing ends', async () => {
  const log = memoryLog(freshIdentity(), 1);
  log.offer(10);
  await using running = run(log, { password: 'wrong' });
  await until('told', () => running.told.some((each) => each.startsWith('unreachable')));
  expect(running.told.find((each) => each.startsWith('unreachable'))).toMatch(
    /site chicago.*agent.*(ACCESS_REFUSED|403)/,
  );
  expect(running.publisher.isLinked).toBe(false);
  expect(log.confirmed).toBe(0);
});
