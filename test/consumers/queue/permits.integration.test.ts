import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChannelModel } from 'amqplib';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { permitQueue } from '#topology/names.ts';
import { Permits } from '../../../consumers/queue/permits.ts';
import { configFor, startSite, until, type Site } from '../../containers.ts';
import { declared, byHand, connectAs } from '../../topology/broker.ts';
import { queueSink } from '../../topology/sites.ts';

const SINK = 'search';
const CONNECTIONS = 5;
const CLOSING_MS = 30;
let site: Site;
let config: Config;

beforeAll(async () => {
  site = await startSite('chicago');
  config = configFor([site.config], { sinks: [queueSink(SINK, 'chicago', { connections: CONNECTIONS })] });
  await declared(config);
});
afterAll(() => site?.[Symbol.asyncDispose]());

/** Who has a connection open for which permit, over all instances of a test; what must never be is in `faults`. */
const open = new Map<number, string>();
const faults: string[] = [];
let granted = 0;
let moved = 0;
beforeEach(() => {
  open.clear();
  faults.length = 0;
  granted = 0;
});

function opened(permit: number, who: string): void {
  const holder = open.get(permit);
  if (holder !== undefined) faults.push(`permit ${permit} of ${holder} granted to ${who} too`);
  open.set(permit, who);
  granted++;
  moved = Date.now();
}

function closed(permit: number, who: string): void {
  if (open.get(permit) !== who) faults.push(`permit ${permit} revoked from ${who}, who has it not`);
  open.delete(permit);
}

interface Instance extends AsyncDisposable {
  readonly permits: Permits;
  readonly troubles: (string | null)[];
  /** Loses its connection as the service does, and gets another. */
  reconnect(): Promise<void>;
}

async function start(name: string, connections = CONNECTIONS): Promise<Instance> {
  const troubles: (string | null)[] = [];
  const permits = new Permits({
    sink: SINK,
    connections,
    granted: (permit) => opened(permit, name),
    async revoked(permit) {
      await delay(CLOSING_MS); // A target takes time to say goodbye.
      closed(permit, name);
    },
    trouble: (why) => void troubles.push(why),
  });
  let connection: ChannelModel;
  let stopping = false;
  const connect = async (): Promise<void> => {
    const made = (connection = await connectAs(config, site.config, SINK));
    made.on('close', () => {
      permits.detach();
      if (!stopping) void connect();
    });
    permits.attach(made);
  };
  await connect();
  return {
    permits,
    troubles,
    async reconnect() {
      const lost = connection;
      await lost.close();
      await until('another connection', () => connection !== lost);
    },
    async [Symbol.asyncDispose]() {
      stopping = true;
      await permits[Symbol.asyncDispose]();
      await connection.close().catch(() => {});
    },
  };
}

/** Within bounded time every permit is held, and everybody has a fair share. */
async function fair(...instances: readonly Instance[]): Promise<void> {
  const [least, most] = [Math.floor(CONNECTIONS / instances.length), Math.ceil(CONNECTIONS / instances.length)];
  await until(
    `fair shares of ${instances.length}`,
    () => {
      const held = instances.map(({ permits }) => permits.held);
      if (open.size === CONNECTIONS && held.every((each) => each >= least && each <= most)) return true;
      throw new Error(`${held.join(', ')}; open ${open.size}`);
    },
    30_000,
  );
}

/** No permit changes hands for so many milliseconds. */
const stillFor = (ms: number): Promise<void> => until('nothing moves', () => Date.now() - moved > ms, ms + 15_000);

test('1, 2, 4, 10 instances for 5 permits, up and down: fair shares, never two connections for a permit, and nothing moves without need', async () => {
  await using a = await start('a');
  await fair(a);
  {
    await using b = await start('b');
    await fair(a, b);
    {
      await using c = await start('c');
      await using d = await start('d');
      await fair(a, b, c, d);
      {
        await using more = new AsyncDisposableStack();
        const six = await Promise.all(Array.from('efghij', async (name) => more.use(await start(name))));
        await fair(a, b, c, d, ...six);
        await stillFor(6_000); // Longer than anybody takes to look.
        await fair(a, b, c, d, ...six);
      }
      await fair(a, b, c, d);
    }
    await fair(a, b);
  }
  await fair(a);
  await a[Symbol.asyncDispose]();
  expect(open.size).toBe(0);
  expect(faults).toEqual([]);
});

test('connections lost and connections cut by the broker: the permits come back, to one at a time', async () => {
  await using a = await start('a');
  await using b = await start('b');
  await fair(a, b);
  await a.reconnect();
  await fair(a, b);
  const api = byHand(site.config);
  let cut = 0;
  await until('both are cut by the broker', async () => {
    const connections = (await api.get('/api/connections')) as { name: string; user: string }[];
    const ours = connections.filter(({ user }) => user === SINK);
    if (ours.length < 2) return false;
    for (const { name } of ours) await api.send('DELETE', `/api/connections/${encodeURIComponent(name)}`, undefined);
    cut += ours.length;
    return true;
  });
  expect(cut).toBeGreaterThanOrEqual(2);
  await until('permits were lost', () => open.size < CONNECTIONS);
  await fair(a, b);
  expect(faults).toEqual([]);
});

test('a process that is killed: the others have all its permits, after its end', async () => {
  await using a = await start('a');
  await fair(a);
  const child = startChild();
  try {
    await until('the child has its share', () => [...open.values()].filter((who) => who === 'child').length >= 2);
    await until('all are held', () => open.size === CONNECTIONS);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    for (const [permit, who] of open) if (who === 'child') open.delete(permit);
    await fair(a);
    expect(faults).toEqual([]);
  } finally {
    child.kill('SIGKILL');
  }
});

function startChild(): ChildProcess {
  const child = spawn(process.execPath, [new URL('permits-child.ts', import.meta.url).pathname], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify({ config, sink: SINK, connections: CONNECTIONS }));
  createInterface(child.stdout).on('line', (line) => {
    const [what, permit] = line.split(' ');
    (what === 'granted' ? opened : closed)(Number(permit), 'child');
  });
  return child;
}

test('a queue that is deleted costs its permit alone; declared again, it comes back by itself', async () => {
  await using a = await start('a');
  await fair(a);
  const queue = permitQueue(SINK, 3);
  await byHand(site.config).send('DELETE', `/api/queues/%2F/${queue}`, undefined);
  await until(
    'told',
    () => a.troubles.at(-1)?.includes(`queue ${queue}: there is none: declare the topology`) === true,
  );
  expect([...open.keys()].toSorted((x, y) => x - y)).toEqual([1, 2, 4, 5]);
  await declared(config);
  await fair(a);
  expect(a.troubles.at(-1)).toBeNull();
  expect(granted).toBe(CONNECTIONS + 1);
  expect(faults).toEqual([]);
});

const put = (queue: string): Promise<void> =>
  byHand(site.config).send('POST', '/api/exchanges/%2F/amq.default/publish', {
    properties: { delivery_mode: 2 },
    routing_key: queue,
    payload: 'permit',
    payload_encoding: 'string',
  });

test('a permit that is missing is told by whoever is alone; a second one in a queue gives nobody a connection more', async () => {
  const queue = permitQueue(SINK, 1);
  const api = byHand(site.config);
  await api.send('DELETE', `/api/queues/%2F/${queue}/contents`, undefined);
  await using a = await start('a');
  await until('told', () => a.troubles.at(-1)?.includes(`queue ${queue}: it holds no permit`) === true);
  await put(queue);
  await fair(a);
  expect(a.troubles.at(-1)).toBeNull();
  await put(queue);
  await using b = await start('b');
  await fair(a, b);
  await a[Symbol.asyncDispose]();
  await fair(b);
  expect(faults).toEqual([]);
});

test('one that has waited for longer than a permit is held at most keeps those that come to it', async () => {
  const connection = await connectAs(config, site.config, SINK);
  let taken = 0;
  for (let permit = 1; permit <= CONNECTIONS; permit++) {
    const channel = await connection.createChannel();
    await channel.prefetch(1);
    await channel.consume(permitQueue(SINK, permit), () => void taken++);
  }
  await until('another has all', () => taken === CONNECTIONS);
  await using b = await start('b');
  await until('it waits', () => b.troubles.at(-1)?.includes('it holds no permit') === true, 30_000);
  const now = Date.now.bind(Date);
  const later = vi.spyOn(Date, 'now').mockImplementation(() => now() + 13 * 3_600_000);
  try {
    await connection.close();
    await fair(b);
    await stillFor(6_000);
    expect(granted).toBe(CONNECTIONS);
    expect(faults).toEqual([]);
  } finally {
    later.mockRestore();
  }
});

test('a broker that falls silent: every connection is closed before it can give the permits to others', async () => {
  await using a = await start('a');
  await fair(a);
  await site.pause();
  const since = Date.now();
  try {
    await until('all are closed', () => open.size === 0 && a.permits.held === 0, 30_000);
  } finally {
    await site.unpause();
  }
  expect(Date.now() - since).toBeLessThan(20_000); // RabbitMQ gives up on a peer after two missed heartbeats of 10 s, at the earliest.
  await fair(a);
  expect(faults).toEqual([]);
});
