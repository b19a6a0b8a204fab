// How long it takes from accept at the agent until an event can be found in Elasticsearch: agent, RabbitMQ, sink, a refresh each second.
// First the capacity of the whole way: hundreds posted as fast as the agent takes them, until the sink has delivered all. Then half of that,
// evenly, and of every hundred one event is looked for: from the agent's `receivedat` to the answer of the first search that finds it, by one clock.
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '#core/config/config.ts';
import { configFor, startSite, until } from '../containers.ts';
import { freePort } from '../docker.ts';
import { startConsumerProcess } from '../system/consumer-process.ts';
import { type Elasticsearch, startElasticsearch } from '../targets/elasticsearch.ts';
import { startAgent } from './agent-command.ts';
import { share } from './bare-process.ts';
import { amount, type Figure, figureOf, quantile } from './figure.ts';
import { booksOf, declare, sinksOf, withLog } from './sinks-setup.ts';

const TYPE = 'bench.event';
const HUNDRED = 100;
/** The agent answers after an fdatasync: so many requests at once keep it busy. */
const AT_ONCE = 8;
const LOOK_MS = 20;
const MOST_HITS = 10_000;
const DEADLINE = 120_000;
const NOTE = 'x'.repeat(80);

export interface SearchLoad {
  /** Hundreds of events by which the capacity is measured. */
  readonly hundreds: number;
  /** Of half the capacity, so often. */
  readonly seconds: number;
  readonly rounds: number;
}

export async function benchSearch({ hundreds, seconds, rounds }: SearchLoad): Promise<Figure[]> {
  await using stack = new AsyncDisposableStack();
  const [site, elasticsearch] = await Promise.all([
    startSite('chicago').then((each) => stack.use(each)),
    startElasticsearch().then((each) => stack.use(each)),
  ]);
  const admin = `127.0.0.1:${await freePort()}`;
  const sinks = sinksOf({ search: { kind: 'elasticsearch', nodes: [elasticsearch.endpoint], admin } });
  const [sink] = sinks;
  if (sink === undefined) throw new Error('no sink');
  const config = configFor([site.config], { sinks });
  await declare(config);
  const consumer = stack.use(startConsumerProcess(config, sink.name));
  const sender = await startSender(stack, config);
  const delivered = async (): Promise<boolean> => ((await booksOf(sink)).get('delivered') ?? 0) >= sender.sent;
  const settled = (): Promise<void> => until('all is delivered', delivered, DEADLINE).catch(withLog(consumer));
  // The first make the index, and let everything be compiled.
  await sender.blast(Math.ceil(hundreds / 4));
  await settled();
  await elasticsearch.call('PUT', '/waggle-*/_settings', { index: { refresh_interval: '1s' } });
  const started = performance.now();
  await sender.blast(hundreds);
  await settled();
  const capacity = (hundreds * HUNDRED * 1000) / (performance.now() - started);
  const times: number[][] = [];
  for (let round = 0; round < rounds; round++) {
    const sent = sender.pace(capacity / 2, seconds);
    times.push(await search(elasticsearch, sender, sent));
  }
  const all = times.flat();
  return [
    figureOf(
      {
        what: 'accept to searchable, p99',
        unit: 's',
        target: { kind: 'below', value: 2 },
        detail: `p50 ${amount(quantile(all, 0.5) / 1000)} s, greatest ${amount(Math.max(...all) / 1000)} s, of ${amount(all.length)} events, one of each hundred; they came at ${amount(capacity / 2)} events/s, half of the capacity of the whole way: ${amount(capacity)} events/s from the first request until all were delivered`,
      },
      times.map((each) => quantile(each, 0.99) / 1000),
      null,
    ),
  ];
}

/** Posts hundreds of events to an agent. */
interface Sender {
  /** Events so far. */
  readonly sent: number;
  /** Events so far that are looked for: their `data.probe` is 0, 1, … */
  readonly probes: number;
  blast(hundreds: number): Promise<void>;
  /** At an even rate, events a second, whatever the agent's answers take. */
  pace(perSecond: number, seconds: number): Promise<void>;
}

async function startSender(stack: AsyncDisposableStack, config: Config): Promise<Sender> {
  const folder = mkdtempSync(join(tmpdir(), 'waggle-bench-search-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const spool = { ...config.agent.spool, path: join(folder, 'spool') };
  const running = stack.use(await startAgent(folder, { ...config, agent: { ...config.agent, spool } }));
  await running.linked;
  const agent = new http.Agent({ keepAlive: true });
  stack.defer(() => agent.destroy());
  const counts = { sent: 0, probes: 0 };
  const post = async (probe: number | null): Promise<void> => {
    const first = counts.sent;
    counts.sent += HUNDRED;
    const events = Array.from({ length: HUNDRED }, (_, i) => {
      const data = { user: (first + i) * 7919, venue: 'The Map Room', note: NOTE };
      return probe === null || i > 0 ? data : { ...data, probe };
    });
    const body = Buffer.from(JSON.stringify(events));
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const url = `${running.http}/events/${TYPE}?level=disk`;
    const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
      http.request(url, { agent, method: 'POST', headers }, resolve).once('error', reject).end(body);
    });
    const text = (await buffer(answer)).toString();
    if (!text.includes(`"accepted":${HUNDRED}`)) throw new Error(`unexpected answer: ${text}`);
  };
  return {
    get sent() {
      return counts.sent;
    },
    get probes() {
      return counts.probes;
    },
    blast: (hundreds) => share(Array.from({ length: hundreds }), AT_ONCE, () => post(null)),
    async pace(perSecond, seconds) {
      const started = performance.now();
      const posts: Promise<void>[] = [];
      for (let i = 0; i < (perSecond * seconds) / HUNDRED; i++) {
        await delay(Math.max(0, started + (i * HUNDRED * 1000) / perSecond - performance.now()));
        posts.push(post(counts.probes++));
      }
      await Promise.all(posts);
    },
  };
}

/** Milliseconds of each probe that was not found before, until all that were sent are found. */
async function search(target: Elasticsearch, sender: Sender, sent: Promise<void>): Promise<number[]> {
  const first = sender.probes;
  const state = { over: false };
  const ended = sent.finally(() => (state.over = true));
  ended.catch(() => {}); // told below
  const times = new Map<number, number>();
  let lowest = first;
  const deadline = performance.now() + DEADLINE;
  while (!state.over || lowest < sender.probes) {
    if (performance.now() > deadline) throw new Error(`probe ${lowest} of ${sender.probes} is not found`);
    const { body } = await target.call('POST', '/waggle-*/_search', {
      size: MOST_HITS,
      query: { range: { 'data.probe': { gte: lowest } } },
      _source: false,
      fields: ['data.probe', { field: 'event.created', format: 'epoch_millis' }],
    });
    const now = Date.now();
    for (const { fields } of (body as Answer).hits.hits) {
      const probe = Number(fields['data.probe']?.[0]);
      if (!times.has(probe)) times.set(probe, now - Number(fields['event.created']?.[0]));
    }
    while (times.has(lowest)) lowest++;
    await delay(LOOK_MS);
  }
  await ended;
  return [...times.values()];
}

interface Answer {
  readonly hits: { readonly hits: readonly { readonly fields: Readonly<Record<string, readonly unknown[]>> }[] };
}
