// Two workers on one port before a real broker: what was acknowledged is in the log once, whichever worker is killed, and the books are one.
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { LETTERS_PATH, letterId, recordLine } from '#core/dead-letter.ts';
import { topologyReport } from '#topology/main.ts';
import { beeConfig } from '../../bee/service/serve-bee.ts';
import { configFor, type Site, startSite, until } from '../../containers.ts';
import { noInputs } from '../../site-config.ts';
import { type AgentProcess, startAgentProcess } from '../agent-process.ts';
import { followLog } from '../log-oracle.ts';

const PARTITIONS = 2;
let site: Site;
let folder: string;
const folders: string[] = [];

beforeAll(async () => {
  site = await startSite('chicago');
  const report = await topologyReport('declare', configFor([site.config], { log: { partitions: PARTITIONS } }));
  expect(report.sites.map(({ error }) => error)).toEqual([null]);
});
afterAll(async () => {
  await site?.[Symbol.asyncDispose]();
});
afterEach(async () => {
  for (const each of folders.splice(0)) await rm(each, { recursive: true, force: true });
});

/** `nodes`: of the site, unless it can be reached. */
async function configWith(workers: number, nodes = site.config.nodes, bee: Config['bee'] = null): Promise<Config> {
  if (folders.length === 0) folders.push((folder = await mkdtemp(join(tmpdir(), 'waggle-workers-'))));
  const at = { ...site.config, nodes };
  const { agent } = configFor([at]);
  return configFor([at], {
    log: { partitions: PARTITIONS },
    bee,
    agent: {
      ...agent,
      workers,
      // All stays on the disk, so that the books of a worker that is started again begin with all it had.
      spool: { ...agent.spool, path: folder, keep: 512 * 1024 ** 2 },
      inputs: {
        ...noInputs,
        http: { listen: '127.0.0.1:0', level: 'disk', maxBody: 8 * 1024 ** 2, maxEvent: 1024 ** 2 },
      },
    },
  });
}

interface Status {
  readonly ledger: readonly {
    readonly route: string;
    readonly accepted: number;
    readonly spooled: number;
    readonly imbalance: number;
  }[];
  readonly workers: readonly {
    readonly state: string;
    readonly pid: number;
    readonly accepted: number;
    readonly spooled: number;
  }[];
}
const statusOf = async (agent: AgentProcess): Promise<Status> =>
  (await fetch(`${agent.admin}/status`)).json() as Promise<Status>;

/** Resolves with whether it was acknowledged; rejects where nobody answers nor closes the connection. */
async function post(http: string, run: string, numbers: readonly number[]): Promise<boolean> {
  try {
    const body = numbers.map((n) => `{"run":"${run}","n":${n}}\n`).join('');
    // A connection each, so that both workers have some.
    const headers = { 'content-type': 'application/x-ndjson', connection: 'close' };
    const signal = AbortSignal.timeout(60_000);
    return (await fetch(`${http}/events/test.numbered`, { method: 'POST', body, headers, signal })).status === 200;
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') throw error;
    return false;
  }
}

const counted = (metrics: string, reason: string): number =>
  Number(new RegExp(`waggle_events_total\\{.*reason="${reason}".*\\} (\\d+)`).exec(metrics)?.[1]);

const span = (first: number, count: number): number[] => Array.from({ length: count }, (_, index) => first + index);

/** Each of `acknowledged` once, of others only `unknown` and those once; the numbers of each identity are 1 … n. Resolves with all that came. */
async function expectOnce(
  run: string,
  acknowledged: readonly number[],
  unknown: readonly number[] = [],
): Promise<{ readonly events: number; readonly identities: number }> {
  await using oracle = await followLog(site, PARTITIONS);
  const found = (): [key: string, n: number][] =>
    [...oracle.data].flatMap(([key, data]) => {
      const event = data as { run: string; n: number };
      return event.run === run ? [[key, event.n]] : [];
    });
  await until('all that was acknowledged is in the log', () => {
    const numbers = new Set(found().map(([, n]) => n));
    return oracle.invalid.length > 0 || (acknowledged.every((n) => numbers.has(n)) && oracle.contiguous());
  });
  expect(oracle.invalid).toEqual([]);
  const numbers = found().map(([, n]) => n);
  expect(new Set(numbers).size).toBe(numbers.length);
  const allowed = new Set([...acknowledged, ...unknown]);
  expect(numbers.filter((n) => !allowed.has(n))).toEqual([]);
  return { events: numbers.length, identities: new Set(found().map(([key]) => key.split(':')[0])).size };
}

test('a worker is killed under load: the other goes on, it comes back, and nothing is lost or twice', async () => {
  await using agent = await startAgentProcess(await configWith(2));
  const acknowledged: number[] = [];
  const unknown: number[] = [];
  let next = 1;
  const enough = new AbortController();
  const posting = Array.from({ length: 4 }, async () => {
    while (!enough.signal.aborted) {
      const numbers = span(next, 50);
      next += 50;
      ((await post(agent.http, 'killed', numbers)) ? acknowledged : unknown).push(...numbers);
    }
  });
  await until('both have taken some', async () => {
    const { workers } = await statusOf(agent);
    return acknowledged.length > 1_000 && workers.every(({ accepted }) => accepted > 500);
  });
  const victim = (await statusOf(agent)).workers[1]?.pid ?? 0;
  process.kill(victim, 'SIGKILL');
  const ended = (): boolean => agent.log.some(({ fact, workerPid }) => fact === 'worker.ended' && workerPid === victim);
  await until('it is told', ended);
  let atReturn = 0;
  await until('it runs again', async () => {
    const worker = (await statusOf(agent)).workers[1];
    atReturn = worker?.accepted ?? 0;
    return worker?.state === 'running' && worker.pid !== victim;
  });
  await until('it takes more', async () => ((await statusOf(agent)).workers[1]?.accepted ?? 0) > atReturn + 500);
  enough.abort();
  await Promise.all(posting);
  await until('the spools are drained', async () => {
    const { ledger, workers } = await statusOf(agent);
    return ledger[0]?.spooled === 0 && workers.every(({ spooled }) => spooled === 0);
  });

  // The books of both workers are those of one agent: what is in the log was accepted, and confirmed, and nothing else.
  const { events, identities } = await expectOnce('killed', acknowledged, unknown);
  expect(identities).toBe(3);
  expect((await statusOf(agent)).ledger).toMatchObject([
    { accepted: events, confirmed: events, spooled: 0, imbalance: 0 },
  ]);
  await until('the metrics say the same', async () => {
    const metrics = await (await fetch(`${agent.admin}/metrics`)).text();
    return counted(metrics, 'accepted') === events && counted(metrics, 'confirmed') === events;
  });
  expect(await agent.kill('SIGTERM')).toBe(0);
});

test('two workers become one: what the other had spooled is sent, and its folder goes', async () => {
  let events = 0;
  {
    await using agent = await startAgentProcess(await configWith(2, ['amqp://127.0.0.1:1']));
    await until('both have taken some', async () => {
      expect(await post(agent.http, 'fewer', span(events + 1, 10))).toBe(true);
      events += 10;
      return (await statusOf(agent)).workers.every(({ spooled }) => spooled > 50);
    });
    expect((await statusOf(agent)).ledger).toMatchObject([{ accepted: events, spooled: events, imbalance: 0 }]);
    expect(await agent.kill('SIGTERM')).toBe(0);
  }
  expect(existsSync(join(folder, 'workers/1'))).toBe(true);
  await using agent = await startAgentProcess(await configWith(1));
  await until('the folder is gone', () => !existsSync(join(folder, 'workers/1')));
  expect(await expectOnce('fewer', span(1, events))).toEqual({ events, identities: 2 });
  await until('the books are those of both', async () => {
    const { ledger } = await statusOf(agent);
    return ledger[0]?.accepted === events && ledger[0].spooled === 0 && ledger[0].imbalance === 0;
  });
  expect(agent.log.filter(({ fact }) => fact === 'leftover.drained')).toMatchObject([{ removed: true }]);
});

test('letters that Bee handed to a worker that is no more are sent, too', async () => {
  const bee = beeConfig('http://127.0.0.1:1');
  const headers = {
    authorization: `Bearer ${bee.token}`,
    'content-type': 'application/x-ndjson',
    connection: 'close',
  };
  let letters = 0;
  {
    await using agent = await startAgentProcess(await configWith(2, ['amqp://127.0.0.1:1'], bee));
    await until('worker 1 has letters', async () => {
      const letter = letterId('bee', ['/a', String(++letters)]);
      const line = recordLine({ headers: { v: '1', record: 'letter', letter, sink: 'bee' }, body: Buffer.from('{}') });
      const answer = await fetch(`${agent.http}${LETTERS_PATH}`, { method: 'POST', body: `${line}\n`, headers });
      expect(answer.status).toBe(200);
      return readdirSync(join(folder, 'workers/1/letters')).some((name) => name.endsWith('.seg'));
    });
    expect(await agent.kill('SIGTERM')).toBe(0);
  }
  await using agent = await startAgentProcess(await configWith(1, site.config.nodes, bee));
  await until('the folder is gone', () => !existsSync(join(folder, 'workers/1')));
  await until('all are confirmed', async () => {
    const dead = (await statusOf(agent)).ledger.find(({ route }) => route === 'dead');
    return dead?.accepted === letters && dead.spooled === 0 && dead.imbalance === 0;
  });
});
