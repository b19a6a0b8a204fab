// How long the sender of a lone event waits for `disk` and for `site`: one event after the other over one connection, as a quiet host sends.
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { connect } from 'amqplib';
import { encodeBatch } from '#core/batch.ts';
import type { Config } from '#core/config/config.ts';
import { amqpUrl } from '#topology/credentials.ts';
import { topologyReport } from '#topology/main.ts';
import { EVENTS, USER_AGENT } from '#topology/names.ts';
import { configFor, startSite } from '../containers.ts';
import { startAgent } from './agent-command.ts';
import { batchBodies, EVENT_BYTES, TYPE } from './backlog.ts';
import { amount, type Figure, figureOf, median, quantile } from './figure.ts';
import { syncTimes } from './machine.ts';

const IDENTITY = '01890000-0000-7000-8000-000000000000';
const WARM_UP = 500;

export interface Samples {
  readonly disk: number;
  readonly site: number;
  readonly rounds: number;
}

/** Milliseconds from the first byte sent to the answer whole. */
async function post(agent: http.Agent, url: string, body: Buffer): Promise<number> {
  const started = performance.now();
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
    http.request(url, { agent, method: 'POST', headers }, resolve).once('error', reject).end(body);
  });
  const text = (await buffer(answer)).toString();
  const level = new URL(url).searchParams.get('level');
  if (answer.statusCode !== 200 || !text.includes(`"level":"${level}"`)) throw new Error(`unexpected answer: ${text}`);
  return performance.now() - started;
}

async function oneByOne(count: number, once: () => Promise<number>): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) times.push(await once());
  return times;
}

/** Publishes one event with a confirm, as amqplib alone would. */
async function confirms(config: Config, count: number): Promise<number[]> {
  const connection = await connect(amqpUrl(config, config.sites[0]?.nodes[0] ?? '', USER_AGENT), { noDelay: true });
  const channel = await connection.createConfirmChannel();
  const body = batchBodies()[0]?.subarray(0, EVENT_BYTES) ?? Buffer.alloc(0);
  let number = 0;
  const times = await oneByOne(count, async () => {
    number++;
    const started = performance.now();
    const batch = { identity: IDENTITY, partition: 0, type: TYPE, count: 1, ranges: [[number, number]], body } as const;
    const { routingKey, headers, contentType, appId, messageId } = encodeBatch(batch, 'identity');
    const options = { persistent: true, mandatory: true, headers, contentType, appId, messageId };
    await new Promise<void>((resolve, reject) => {
      channel.publish(EVENTS, routingKey, body, options, (error) => (error ? reject(error) : resolve()));
    });
    return performance.now() - started;
  });
  await connection.close();
  return times;
}

const p99 = (rounds: readonly number[][]): number[] => rounds.map((each) => quantile(each, 0.99));
const p50 = (rounds: readonly number[][]): string => `${amount(median(rounds.map((each) => quantile(each, 0.5))))} ms`;

export async function benchLatency(samples: Samples): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'waggle-bench-latency-'));
  await using site = await startSite('bench');
  const config = configFor([site.config]);
  const declared = await topologyReport('declare', config);
  if (declared.sites.some(({ error }) => error !== null)) throw new Error(JSON.stringify(declared));
  const sender = new http.Agent({ keepAlive: true, maxSockets: 1 });
  try {
    const { agent } = config;
    await using running = await startAgent(folder, {
      ...config,
      agent: { ...agent, spool: { ...agent.spool, path: join(folder, 'spool') } },
    });
    await running.linked;
    const event = Buffer.from(JSON.stringify({ user: 9_007_199_254_740, venue: 'The Map Room', note: 'x'.repeat(90) }));
    const send = (level: string) => (): Promise<number> =>
      post(sender, `${running.http}/events/${TYPE}?level=${level}`, event);
    await oneByOne(Math.min(WARM_UP, samples.disk), send('disk'));
    await oneByOne(Math.min(WARM_UP, samples.site) / 5, send('site'));
    const times = { disk: [] as number[][], sync: [] as number[][], site: [] as number[][], confirm: [] as number[][] };
    for (let round = 0; round < samples.rounds; round++) {
      times.sync.push(syncTimes(folder, samples.disk, Buffer.alloc(2 * EVENT_BYTES)));
      times.disk.push(await oneByOne(samples.disk, send('disk')));
      times.confirm.push(await confirms(config, samples.site));
      times.site.push(await oneByOne(samples.site, send('site')));
    }
    return [
      figureOf(
        {
          what: 'lone event to `disk`, p99',
          unit: 'ms',
          target: { kind: 'below', value: 10 },
          detail: `p50 ${p50(times.disk)}; of a write and fdatasync alone ${p50(times.sync)}`,
        },
        p99(times.disk),
        p99(times.sync),
      ),
      figureOf(
        {
          what: 'lone event to `site`, p99',
          unit: 'ms',
          target: { kind: 'below', value: 50 },
          detail: `p50 ${p50(times.site)}, of which a batch may linger 10 ms; of a confirm to amqplib alone ${p50(times.confirm)}`,
        },
        p99(times.site),
        p99(times.confirm),
      ),
    ];
  } finally {
    sender.destroy();
    await rm(folder, { recursive: true, force: true });
  }
}
