// The agent between HTTP and two federated sites: what it acknowledged is in the log of both, and once, whatever is killed.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { AgentConfig, Config } from '#core/config/config.ts';
import { connect } from 'amqplib';
import { amqpUrl } from '#topology/credentials.ts';
import { topologyReport } from '#topology/main.ts';
import { logStream, USER_TOPOLOGY } from '#topology/names.ts';
import { spoolCommand } from '../../ingest/spool-command/command.ts';
import { type TwoSites, startTwoSites, until } from '../containers.ts';
import { noInputs } from '../site-config.ts';
import { type AgentProcess, startAgentProcess } from './agent-process.ts';
import { followLog } from './log-oracle.ts';

const PARTITIONS = 2;
let sites: TwoSites;
const folders: string[] = [];

beforeAll(async () => {
  sites = await startTwoSites();
  const report = await topologyReport('declare', sites.config());
  expect(report.sites.map(({ error }) => error)).toEqual([null, null]);
});
afterAll(async () => {
  await sites?.[Symbol.asyncDispose]();
});
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function configWith(
  route: Partial<AgentConfig['route']> = {},
  spool: Partial<AgentConfig['spool']> = {},
): Promise<Config> {
  const path = await mkdtemp(join(tmpdir(), 'waggle-agent-'));
  folders.push(path);
  const { agent } = sites.config();
  return sites.config({
    log: { partitions: PARTITIONS },
    agent: {
      spool: { ...agent.spool, path, ...spool },
      inputs: {
        ...noInputs,
        http: { listen: '127.0.0.1:0', level: 'disk', maxBody: 8 * 1024 ** 2, maxEvent: 1024 ** 2 },
      },
      route: { ...agent.route, hysteresis: 1_000, ...route },
    },
  });
}

/** Posts events with these numbers. Resolves with the answer, or null where there was none. */
async function post(
  http: string,
  run: string,
  numbers: readonly number[],
  level = 'disk',
): Promise<{ status: number; body: { level?: string } } | null> {
  try {
    const body = numbers.map((n) => `{"run":"${run}","n":${n}}\n`).join('');
    const headers = { 'content-type': 'application/x-ndjson' };
    const response = await fetch(`${http}/events/test.numbered?level=${level}`, { method: 'POST', body, headers });
    return { status: response.status, body: (await response.json()) as { level?: string } };
  } catch {
    return null;
  }
}

const span = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

interface AdminStatus {
  readonly ledger: readonly {
    readonly route: string;
    readonly dropped: Readonly<Record<string, number>>;
    readonly spooled: number;
    readonly accepted: number;
    readonly confirmed: number;
    readonly imbalance: number;
  }[];
  readonly route: { readonly sites: readonly { readonly site: string; readonly state: string }[] };
}
const statusOf = async (agent: AgentProcess): Promise<AdminStatus> =>
  (await fetch(`${agent.admin}/status`)).json() as Promise<AdminStatus>;
const confirmedBy = async (agent: AgentProcess): Promise<Record<string, number>> =>
  Object.fromEntries((await statusOf(agent)).ledger.map(({ route, confirmed }) => [route, confirmed]));
const drained = (agent: AgentProcess): Promise<void> =>
  until('the spool is drained', async () => (await statusOf(agent)).ledger.every(({ spooled }) => spooled === 0));
const stateOf = async (agent: AgentProcess, site: string): Promise<string | undefined> =>
  (await statusOf(agent)).route.sites.find((each) => each.site === site)?.state;

/** In the log of both sites: each acknowledged number once; each that had no answer at most once; nothing else; no number of an identity is missing. */
async function expectExactlyOnce(
  run: string,
  acknowledged: readonly number[],
  unknown: readonly number[] = [],
): Promise<void> {
  for (const site of sites.sites) {
    await using oracle = await followLog(site, PARTITIONS);
    const counts = (): Map<number, number> => {
      const found = new Map<number, number>();
      for (const data of oracle.data.values()) {
        const event = data as { run: string; n: number };
        if (event.run === run) found.set(event.n, (found.get(event.n) ?? 0) + 1);
      }
      return found;
    };
    let last = counts();
    await until(`all that was acknowledged is in the log of ${site.name}`, () => {
      last = counts();
      return oracle.invalid.length > 0 || (acknowledged.every((n) => last.has(n)) && oracle.contiguous());
    });
    expect(oracle.invalid).toEqual([]);
    expect([...last.values()].every((count) => count === 1)).toBe(true);
    const allowed = new Set([...acknowledged, ...unknown]);
    expect([...last.keys()].filter((n) => !allowed.has(n))).toEqual([]);
  }
}

test('events of every level are in the log of both sites, and the ledger balances', async () => {
  await using agent = await startAgentProcess(await configWith());
  await until('ready', async () => (await fetch(`${agent.admin}/readyz`)).ok);
  for (const [index, level] of ['memory', 'disk', 'site'].entries()) {
    const answer = await post(agent.http, 'levels', span(index * 100 + 1, index * 100 + 100), level);
    expect(answer).toMatchObject({ status: 200, body: { level, accepted: 100 } });
  }
  await drained(agent);
  expect((await statusOf(agent)).ledger).toMatchObject([{ accepted: 300, confirmed: 300, spooled: 0, imbalance: 0 }]);
  const metrics = async (): Promise<string> => (await fetch(`${agent.admin}/metrics`)).text();
  expect(await metrics()).toMatch(/waggle_link_up\{site="chicago".*\} 1/);
  expect(await metrics()).toMatch(/waggle_ledger_imbalance\{.*\} 0/);
  await until('the confirmed events are counted', async () =>
    /waggle_events_total\{.*reason="confirmed".*\} 300/.test(await metrics()),
  );
  await expectExactlyOnce('levels', span(1, 300));
  expect(await agent.kill('SIGTERM')).toBe(0);
});

test('the agent is killed again and again under load: nothing acknowledged is lost, nothing is twice', async () => {
  const config = await configWith();
  const acknowledged: number[] = [];
  const unknown: number[] = [];
  let next = 1;
  for (let round = 0; round < 4; round++) {
    await using agent = await startAgentProcess(config);
    const killed = new AbortController();
    const posting = Array.from({ length: 4 }, async () => {
      while (!killed.signal.aborted) {
        const numbers = span(next, next + 49);
        next += 50;
        const answer = await post(agent.http, 'killed', numbers, round % 2 === 0 ? 'disk' : 'memory');
        (answer?.status === 200 ? acknowledged : unknown).push(...numbers);
      }
    });
    const before = acknowledged.length;
    await until('some are acknowledged', () => acknowledged.length > before + 1_500);
    await agent.kill('SIGKILL');
    killed.abort();
    await Promise.all(posting);
  }
  await using agent = await startAgentProcess(config);
  await drained(agent);
  expect((await statusOf(agent)).ledger[0]?.imbalance).toBe(0);
  await expectExactlyOnce('killed', acknowledged, unknown);
});

test('failover: the other site takes over at once, and gives back after the hysteresis', async () => {
  const config = await configWith({ mode: 'failover', prefer: 'chicago' });
  await using agent = await startAgentProcess(config);
  await until('chicago is linked', async () => (await stateOf(agent, 'chicago')) === 'ready');
  expect((await post(agent.http, 'failover', span(1, 100), 'site'))?.body.level).toBe('site');
  await sites.chicago.stop();
  expect((await post(agent.http, 'failover', span(101, 200), 'site'))?.body.level).toBe('site');
  expect(await stateOf(agent, 'chicago')).toBe('away');
  await sites.chicago.start();
  await until('chicago is preferred again', async () => (await stateOf(agent, 'chicago')) === 'ready');
  // What is published at chicago comes to us-east-1 by federation, and the other way round.
  await using east = await followLog(sites.east, PARTITIONS);
  await until(
    'the past of us-east-1 is read',
    () => [...east.data.values()].filter((data) => (data as { run: string }).run === 'failover').length >= 200,
  );
  expect((await post(agent.http, 'failover', span(201, 300), 'site'))?.body.level).toBe('site');
  const last = (): string[] =>
    [...east.data]
      .filter(([, data]) => (data as { run: string }).run === 'failover' && (data as { n: number }).n > 200)
      .map(([key]) => key);
  await until('the last hundred is there', () => last().length === 100);
  expect(last().filter((key) => east.local.has(key))).toEqual([]);
  await drained(agent);
  await expectExactlyOnce('failover', span(1, 300));
});

test('mirror: each site gets every event from the agent itself, and one that is away holds nobody up', async () => {
  const config = await configWith({ mode: 'mirror' });
  const acknowledged = span(1, 600);
  {
    await using agent = await startAgentProcess(config);
    await until('both are linked', async () =>
      (await statusOf(agent)).route.sites.every(({ state }) => state === 'ready'),
    );
    expect((await post(agent.http, 'mirror', span(1, 200), 'site'))?.body.level).toBe('site');
    await drained(agent);
    await sites.east.stop();
    expect((await post(agent.http, 'mirror', span(201, 400), 'site'))?.body.level).toBe('site');
    await until('chicago has confirmed them', async () => (await confirmedBy(agent))['mirror-chicago'] === 400);
    expect(await confirmedBy(agent)).toEqual({ 'mirror-chicago': 400, 'mirror-us-east-1': 200 });
    await agent.kill('SIGKILL');
  }
  await using agent = await startAgentProcess(config);
  expect(await post(agent.http, 'mirror', span(401, 600))).toMatchObject({ status: 200 });
  await sites.east.start();
  await drained(agent);
  expect((await statusOf(agent)).ledger.map(({ imbalance }) => imbalance)).toEqual([0, 0]);
  await expectExactlyOnce('mirror', acknowledged);
  for (const site of sites.sites) {
    await using oracle = await followLog(site, PARTITIONS);
    const mirrored = (): string[] =>
      [...oracle.data].filter(([, data]) => (data as { run: string }).run === 'mirror').map(([key]) => key);
    await until('all is read', () => mirrored().length === 600);
    // Nothing came over federation, so nothing came twice.
    expect(mirrored().filter((key) => !oracle.local.has(key))).toEqual([]);
  }
});

test('without any site it starts, takes events, says so, and delivers once a site is back', async () => {
  await Promise.all([sites.chicago.stop(), sites.east.stop()]);
  const config = await configWith();
  await using agent = await startAgentProcess(config);
  expect(await post(agent.http, 'alone', span(1, 500))).toMatchObject({ status: 200, body: { level: 'disk' } });
  const ready = await fetch(`${agent.admin}/readyz`);
  expect(ready.status).toBe(503);
  expect(JSON.stringify(await ready.json())).toContain('only spooled');
  await until('told', () => agent.log.some(({ fact }) => fact === 'site.unreachable'));
  expect((await statusOf(agent)).ledger).toMatchObject([{ accepted: 500, confirmed: 0, spooled: 500, imbalance: 0 }]);
  // Answered `disk` with 202, after 10 s, as no site confirms; begun before the sites are back.
  const late = post(agent.http, 'alone', span(501, 501), 'site');
  expect(await late).toMatchObject({ status: 202, body: { level: 'disk' } });
  await Promise.all([sites.chicago.start(), sites.east.start()]);
  await drained(agent);
  await expectExactlyOnce('alone', span(1, 501));
});

test('resend: a site that lost its log has it again out of the kept segments, while the agent goes on', async () => {
  const config = await configWith({}, { keep: 64 * 1024 ** 2 });
  await using agent = await startAgentProcess(config);
  expect((await post(agent.http, 'resent', span(1, 1_000), 'site'))?.body.level).toBe('site');
  await drained(agent);
  await expectExactlyOnce('resent', span(1, 1_000));
  const admin = await connect(amqpUrl(config, sites.chicago.config.nodes[0] ?? '', USER_TOPOLOGY));
  const channel = await admin.createChannel();
  for (let partition = 0; partition < PARTITIONS; partition++) await channel.deleteQueue(logStream(partition));
  await admin.close();
  await topologyReport('declare', sites.config());
  let out = '';
  const output = {
    print: (text: string | Buffer) => void (out += text.toString()),
    tell: (text: string) => void (out += text),
  };
  expect(await spoolCommand(config, 'resend', { site: 'chicago', yes: true }, output)).toBe(0);
  expect(out).toBe('1000 events confirmed by chicago\n');
  expect((await post(agent.http, 'resent', span(1_001, 1_100), 'site'))?.body.level).toBe('site');
  await expectExactlyOnce('resent', span(1, 1_100));
  expect((await statusOf(agent)).ledger).toMatchObject([{ accepted: 1_100, imbalance: 0 }]);
});

// The last one: from here on chicago's log has gaps.
test('mirror: beyond its limit a site misses what the other has, and each of these events is counted', async () => {
  const small = { max: 16 * 1024 ** 2, segment: 256 * 1024 };
  await using agent = await startAgentProcess(await configWith({ mode: 'mirror', behind: 1024 ** 2 }, small));
  await until('both are linked', async () =>
    (await statusOf(agent)).route.sites.every(({ state }) => state === 'ready'),
  );
  await sites.chicago.stop();
  let last = 0;
  const skipped = async (): Promise<number> =>
    (await statusOf(agent)).ledger.find(({ route }) => route === 'mirror-chicago')?.dropped['skipped'] ?? 0;
  await until('some are skipped', async () => {
    await post(agent.http, 'behind', span(last + 1, last + 1_000));
    last += 1_000;
    return (await skipped()) > 2_000;
  });
  await sites.chicago.start();
  await drained(agent);
  const missed = await skipped();
  expect((await statusOf(agent)).ledger.map(({ imbalance }) => imbalance)).toEqual([0, 0]);
  expect(agent.log.some(({ fact }) => fact === 'spool.skipped')).toBe(true);
  for (const [site, expected] of [
    [sites.east, last],
    [sites.chicago, last - missed],
  ] as const) {
    await using oracle = await followLog(site, PARTITIONS);
    const count = (): number =>
      [...oracle.data.values()].filter((data) => (data as { run: string }).run === 'behind').length;
    await until(`${expected} events at ${site.name}`, () => count() >= expected);
    expect(count()).toBe(expected);
  }
});
