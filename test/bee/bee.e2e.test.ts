// Phones -> Bee -> agent -> both sites -> S3 and the dead letters, each event counted; the agent is killed between, and a rule is mended at the end.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BeeConfig } from '#core/config/bee-config.ts';
import type { Config } from '#core/config/config.ts';
import { createLog } from '#core/io/log.ts';
import { createTelemetry } from '#core/io/telemetry.ts';
import { startBee, type Bee } from '../../bee/main.ts';
import { until } from '../containers.ts';
import { freePort } from '../docker.ts';
import { type AgentProcess, startAgentProcess } from '../ingest/agent-process.ts';
import { followLog } from '../ingest/log-oracle.ts';
import { noInputs } from '../site-config.ts';
import { readBucket } from '../system/committed.ts';
import { PARTITIONS, type SinkOf, startSystem, type System } from '../system/system.ts';
import { dead } from '../consumers/operator-bench.ts';
import { APP, beeConfig, type BeeReply } from './service/serve-bee.ts';

const EVENTS = 200;
/** Events from this number on break the rule, until it is mended. */
const LIMIT = 190;
const BATCH = 20;
const PHONE = 'phone';

const rule = (max: number): string => `type: test.phones
about: What the phones of this test send.
fields:
  g: id!
  n: { type: integer, required: true, min: 0, max: ${max} }
  password: { type: text, sanitize: [drop] }
examples:
  accepted:
    - { name: one, data: { g: a, n: 1 } }
  rejected:
    - { name: none, data: { g: a }, code: field-missing }
`;

let system: System;
let sink: SinkOf;
let folder: string;
let config: Config & { readonly bee: BeeConfig };
let agent: AgentProcess;
let bee: Bee;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waggle-bee-'));
  await writeFile(join(folder, 'test.phones.yaml'), rule(LIMIT - 1));
  system = await startSystem({ phones: {} });
  sink = await system.sink('phones');
  const [agentPort, beePort] = [await freePort(), await freePort()];
  const { agent: defaults } = sink.config;
  const http = {
    listen: `127.0.0.1:${agentPort}`,
    level: 'disk',
    maxBody: 8 * 1024 ** 2,
    maxEvent: 1024 ** 2,
  } as const;
  config = {
    ...sink.config,
    bee: beeConfig(`http://127.0.0.1:${agentPort}`, { listen: `127.0.0.1:${beePort}`, rules: folder }),
    agent: { ...defaults, inputs: { ...noInputs, http }, spool: { ...defaults.spool, path: join(folder, 'spool') } },
  };
  agent = await startAgentProcess(config);
  bee = await startBee(config, config.bee, createTelemetry('bee', createLog('bee', { write: () => undefined })));
});
afterAll(async () => {
  await bee?.[Symbol.asyncDispose]();
  await agent?.[Symbol.asyncDispose]();
  await system?.[Symbol.asyncDispose]();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** A phone: sends each batch until every event of it has a verdict. */
async function phone(first: number, last: number): Promise<Map<string, string>> {
  const verdicts = new Map<string, string>();
  for (let from = first; from <= last; from += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, last - from + 1) }, (_, i) => from + i);
    const events = numbers.map((n) => ({
      type: 'test.phones',
      id: `e-${n}`,
      data: { g: PHONE, n, password: 'hunter2' },
    }));
    await until(`a verdict for ${from} …`, async () => {
      const response = await fetch(`${bee.address}/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${APP.key}`, 'content-type': 'application/json' },
        body: JSON.stringify(events),
      });
      const { verdicts: told } = (await response.json()) as BeeReply['body'];
      for (const { id, verdict } of told) if (verdict !== 'retry') verdicts.set(id ?? '', verdict);
      return events.every(({ id }) => verdicts.has(id));
    });
  }
  return verdicts;
}

interface Letter {
  readonly id: string;
  readonly code: string;
  readonly attempts: number;
}
const letters = async (state: string): Promise<Letter[]> => {
  const { out } = await dead(config, ['list'], { sink: 'bee', state, json: true });
  return out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Letter]));
};
const name = (n: number): string => `${PHONE}:${n}`;
const range = (first: number, last: number): string[] =>
  Array.from({ length: last - first + 1 }, (_, i) => name(first + i));
const sorted = (names: Iterable<string>): string[] => [...names].toSorted((a, b) => (a < b ? -1 : 1));

test('each accepted event is at both sites and in S3 once, each rejected one in the dead letters; a mended rule lets them through', async () => {
  await using _consumer = sink.consumer();
  const verdicts = await phone(0, EVENTS - 1);
  expect([...verdicts.values()].filter((verdict) => verdict === 'accepted')).toHaveLength(LIMIT);
  // All once more, as a phone does that lost the answers: told the same, and nothing is twice.
  expect(await phone(0, EVENTS - 1)).toEqual(verdicts);

  await until('the books of the agent are settled', async () => {
    const { ledger } = (await (await fetch(`${agent.admin}/status`)).json()) as {
      ledger: { route: string; accepted: number; confirmed: number; imbalance: number }[];
    };
    expect(ledger.map(({ imbalance }) => imbalance)).toEqual([0, 0]);
    expect(ledger.find(({ route }) => route === 'dead')).toMatchObject({
      accepted: EVENTS - LIMIT,
      confirmed: EVENTS - LIMIT,
    });
    return true;
  });
  for (const site of [system.chicago, system.east]) {
    await using log = await followLog(site, PARTITIONS);
    await until(`all are in the log of ${site.name}`, () => log.data.size >= LIMIT);
    expect([log.repeats, log.invalid, log.data.size]).toEqual([0, [], LIMIT]);
    expect(JSON.stringify([...log.data.values()])).not.toContain('hunter2');
  }
  await until('all are in S3', async () => (await readBucket(sink.direct)).size >= LIMIT);
  const stored = await readBucket(sink.direct);
  expect(sorted(stored.keys())).toEqual(sorted(range(0, LIMIT - 1)));
  expect([...stored.values()].every((times) => times === 1)).toBe(true);

  const open = await letters('open');
  expect(open).toHaveLength(EVENTS - LIMIT);
  expect(open.every(({ code, attempts }) => code === 'number-out-of-range' && attempts === 1)).toBe(true);
  const shown = await dead(config, ['show', open[0]?.id ?? '']);
  expect(shown.out).toContain('/data/n');
  expect(shown.out).not.toContain('hunter2');

  // Not yet mended: refused again, and open still.
  const early = await dead(config, ['replay', open[0]?.id ?? ''], { yes: true });
  expect(early.code).toBe(1);
  await until('it is told as tried twice', async () =>
    (await letters('open')).some(({ id, attempts }) => id === open[0]?.id && attempts === 2),
  );
  expect(await letters('open')).toHaveLength(EVENTS - LIMIT);
  await writeFile(join(folder, 'test.phones.yaml'), rule(5_000));
  await until('the mended rule serves', async () =>
    (await (await fetch(`${bee.address}/rules`)).text()).includes('from 0 to 5000'),
  );
  const replayed = await dead(config, ['replay'], { sink: 'bee', yes: true });
  expect(replayed, `${replayed.out}${replayed.err}`).toMatchObject({ code: 0 });
  await until('no letter is open', async () => (await letters('open')).length === 0);
  await until('the replayed are in S3', async () => (await readBucket(sink.direct)).size >= EVENTS);
  expect(sorted((await readBucket(sink.direct)).keys())).toEqual(sorted(range(0, EVENTS - 1)));
});

test('the agent killed under the phones: they are told 503 meanwhile, and every accepted event arrives', async () => {
  await using _consumer = sink.consumer();
  const phones = [phone(300, 499), phone(500, 699)];
  for (let kills = 0; kills < 3; kills++) {
    const before = agent;
    await until('it took something', async () => {
      const { ledger } = (await (await fetch(`${before.admin}/status`)).json()) as { ledger: { accepted: number }[] };
      return (ledger[0]?.accepted ?? 0) > 0;
    });
    await before.kill('SIGKILL');
    const refused = await fetch(`${bee.address}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${APP.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'test.phones', data: { g: 'refused', n: 1 } }),
    });
    expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([503, true]);
    agent = await startAgentProcess(config);
  }
  const verdicts = (await Promise.all(phones)).flatMap((each) => [...each.values()]);
  expect(verdicts.filter((verdict) => verdict === 'accepted')).toHaveLength(400);
  await until('all are in S3', async () => {
    const stored = await readBucket(sink.direct);
    return range(300, 699).every((each) => stored.has(each));
  });
  // What was sent again because an answer was lost is a second event of the same id: by no more than the batches that kills can hit.
  const stored = await readBucket(sink.direct);
  expect([...stored.values()].filter((times) => times > 2)).toEqual([]);
  expect(stored.has('refused:1')).toBe(false);
});
