// How fast a queue sink empties its queue, against the bare client of the same target with the same bodies from memory.
// Fair: ours is the whole process (queue, decoding, encoding, acks, books), timed from its first message to the last event delivered; the
// baseline's bodies are encoded before its time counts. Both are started anew for each turn, so that both are compiled while they are measured; both
// have as many connections, and compress within their time. Between the turns the target is emptied, or given another place to write to.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BATCH_EVENTS } from '#core/batch.ts';
import type { SinkConfig } from '#core/config/sink-config.ts';
import { configFor, type Site, startSite, until } from '../containers.ts';
import { freePort } from '../docker.ts';
import { startConsumerProcess } from '../system/consumer-process.ts';
import { type Elasticsearch, startElasticsearch } from '../targets/elasticsearch.ts';
import { startHec } from '../targets/hec.ts';
import { startMongo } from '../targets/mongo.ts';
import { processorTime } from './agent-command.ts';
import { batchBodies } from './backlog.ts';
import { bareTurn, rateFigure, type Turn, type TurnPair } from './bare-process.ts';
import type { Figure, Target } from './figure.ts';
import { booksOf, declare, publishBacklog, sinksOf, withLog } from './sinks-setup.ts';
import type { QueueOrder } from './sinks-queue-bare.ts';

const BARE = join(import.meta.dirname, 'sinks-queue-bare.ts');
const NAME = 'bench';
const LOOK_MS = 100;
const TURN_DEADLINE = 120_000;

interface Part {
  readonly what: string;
  readonly target: Target;
  /** A multiple of 500. */
  readonly events: number;
  /** As waggle.yaml has it, with a place of its own for each turn. */
  readonly sink: (place: string) => object;
  readonly clear?: (place: string) => Promise<unknown>;
}

export async function benchElasticsearch(events: number, pairs: number): Promise<Figure[]> {
  await using stack = new AsyncDisposableStack();
  const [site, target] = await startBoth(stack, startElasticsearch());
  const part = {
    what: 'sink: Elasticsearch',
    target: { kind: 'ratio', atLeast: 0.8 },
    events,
    sink: (place: string) => ({ kind: 'elasticsearch', nodes: [target.endpoint], index: place }),
    clear: (place: string) => deleteIndices(target, place),
  } as const;
  return [await rate(site, part, pairs)];
}

export async function benchSplunk(events: number, pairs: number): Promise<Figure[]> {
  await using stack = new AsyncDisposableStack();
  const [site, { endpoint, token }] = await startBoth(stack, startHec());
  const part = {
    what: 'sink: Splunk HEC',
    target: { kind: 'ratio', atLeast: 0.8 },
    events,
    sink: () => ({ kind: 'splunk', endpoints: [endpoint], token }),
  } as const;
  return [await rate(site, part, pairs)];
}

export async function benchMongodb(events: number, pairs: number): Promise<Figure[]> {
  await using stack = new AsyncDisposableStack();
  const [site, { url }] = await startBoth(stack, startMongo());
  const part = {
    what: 'sink: MongoDB',
    target: { kind: 'beside' },
    events,
    sink: (place: string) => ({ kind: 'mongodb', uri: url, collection: place, batch: { count: 250 } }),
  } as const;
  return [await rate(site, part, pairs)];
}

async function startBoth<T extends AsyncDisposable>(
  stack: AsyncDisposableStack,
  target: Promise<T>,
): Promise<readonly [Site, T]> {
  const [site, server] = await Promise.all([startSite('chicago'), target]);
  return [stack.use(site), stack.use(server)];
}

async function deleteIndices(target: Elasticsearch, place: string): Promise<void> {
  const { body } = await target.call('GET', `/${place}-*/_settings/index.uuid`);
  for (const index of Object.keys(body as object)) await target.call('DELETE', `/${index}`);
}

async function rate(site: Site, { what, target, events, sink: sinkAt, clear }: Part, pairs: number): Promise<Figure> {
  const bodies = batchBodies(events / BATCH_EVENTS);
  const path = join(mkdtempSync(join(tmpdir(), 'waggle-bench-sink-')), 'events.ndjson');
  writeFileSync(path, Buffer.concat(bodies));
  const sinkFor = async (place: string): Promise<SinkConfig> => {
    const [sink] = sinksOf({ [NAME]: { ...sinkAt(place), admin: `127.0.0.1:${await freePort()}` } });
    if (sink === undefined) throw new Error('no sink');
    return sink;
  };
  await declare(configFor([site.config], { sinks: [await sinkFor('declared')] }));
  const measured: TurnPair[] = [];
  for (let pair = -1; pair < pairs; pair++) {
    const bareAt = `bare${pair + 1}`;
    const order = { sink: await sinkFor(bareAt), events: path } as QueueOrder;
    const bare = await bareTurn(BARE, order, events);
    await clear?.(bareAt);
    const ourAt = `ours${pair + 1}`;
    const ours = await ourTurn(site, await sinkFor(ourAt), bodies, events);
    await clear?.(ourAt);
    if (pair >= 0) measured.push({ ours, bare }); // the first warms the servers
  }
  return rateFigure(what, target, measured);
}

async function ourTurn(site: Site, sink: SinkConfig, bodies: readonly Buffer[], events: number): Promise<Turn> {
  const config = configFor([site.config], { sinks: [sink] });
  await publishBacklog(config, bodies, bodies.length);
  await using consumer = startConsumerProcess(config, NAME);
  const { pid } = consumer.process;
  const see = async (): Promise<Seen> => {
    const books = await booksOf(sink);
    const count = (reason: string): number => books.get(reason) ?? 0;
    const at = performance.now();
    return { read: count('read'), settled: count('delivered') + count('repeated'), at, cpu: processorTime({ pid }) };
  };
  const first = await seen(see, ({ read }) => read > 0).catch(withLog(consumer));
  const last = await seen(see, ({ settled }) => settled >= events).catch(withLog(consumer));
  if (last.settled > events) throw new Error('more events were delivered than waited');
  await consumer.kill('SIGTERM'); // its last acks go out
  return { perSecond: (events * 1000) / (last.at - first.at), cpuMicros: (last.cpu - first.cpu) / events };
}

interface Seen {
  readonly read: number;
  readonly settled: number;
  readonly at: number;
  readonly cpu: number;
}

/** Looks seldom: each look takes a millisecond of the sink's time. */
async function seen(see: () => Promise<Seen>, wanted: (seen: Seen) => boolean): Promise<Seen> {
  let last = await see();
  await until(
    'the sink’s books',
    async () => {
      if (wanted(last)) return true;
      await delay(LOOK_MS / 2); // and as much by `until`
      last = await see();
      return wanted(last);
    },
    TURN_DEADLINE,
  );
  return last;
}
