// From a filled spool through two federated sites to commits in S3, against the brokers alone: a publisher from memory at one site, a plain stream
// consumer at the other, the same batches, the same federation.
// Fair: both take turns on the same brokers, each in a virtual host of its own with the same topology; every event is published at us-east-1 and
// read at chicago, so that it passes the link; publisher and consumer are processes of their own on both sides. Ours is timed from the agent's link
// being up to the log line of the commit that makes the number of events whole.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { connect } from 'amqplib';
import { Offset } from 'rabbitmq-stream-js-client';
import { BATCH_EVENTS, encodeBatch } from '#core/batch.ts';
import type { Config } from '#core/config/config.ts';
import type { S3SinkConfig } from '#core/config/sink-config.ts';
import { amqpUrl } from '#topology/credentials.ts';
import { topologyReport } from '#topology/main.ts';
import { EVENTS, logStream, USER_AGENT } from '#topology/names.ts';
import { StreamConnection } from '../../consumers/source/stream-client.ts';
import { type S3, startS3, startTwoSites, until } from '../containers.ts';
import { type ConsumerProcess, startConsumerProcess } from '../system/consumer-process.ts';
import { end, processorTime, startAgent } from './agent-command.ts';
import { batchBodies, EVENT_BYTES, fillSpool, TYPE } from './backlog.ts';
import { amount, type Figure, figureOf, median } from './figure.ts';

const PARTITIONS = 2;
const WINDOW = 8 * 1024 ** 2;
const PUBLISHED_AT = 'us-east-1';
const READ_AT = 'chicago';
const SINK = 'bench';
const TURN_DEADLINE = 120_000;
/** As the log reader of a sink has it. */
const CREDIT = 4;

const identityOf = (partition: number): string => `01890000-0000-7000-8000-00000000000${partition}`;

/** `events` a turn, a multiple of 1,000. */
export async function benchPipeline(events: number, pairs: number): Promise<Figure[]> {
  await using sites = await startTwoSites();
  await using s3 = await startS3();
  const route = {
    mode: 'failover',
    prefer: PUBLISHED_AT,
    hysteresis: 2_000,
    behind: Infinity,
    window: WINDOW,
    linger: 10,
  } as const;
  const parts = { log: { partitions: PARTITIONS }, agent: { route }, sinks: [await sinkAt(s3, events)] };
  const config = sites.config(parts);
  const alone = sites.config({ ...parts, vhost: 'alone' });
  for (const each of [config, alone]) {
    const declared = await topologyReport('declare', each);
    if (declared.sites.some(({ error, checks }) => error !== null || checks.some(({ ok }) => !ok)))
      throw new Error(JSON.stringify(declared));
  }
  await using consumer = startConsumerProcess(config, SINK);
  await until(
    'the sink is active',
    () => PARTITIONS === consumer.log.filter(({ fact }) => fact === 'partition.active').length,
  );
  const ours: Turn[] = [];
  const baseline: Turn[] = [];
  for (let pair = -1; pair < pairs; pair++) {
    const brokersAlone = await baselineTurn(alone, events);
    const whole = await ourTurn(config, consumer, events);
    if (pair < 0) continue; // warm
    baseline.push(brokersAlone);
    ours.push(whole);
  }
  const processors = (turns: readonly Turn[]): string => {
    const [sending, taking] = [turns.map((turn) => turn.sender), turns.map((turn) => turn.taker)].map(median);
    return `${amount(sending ?? 0)} and ${amount(taking ?? 0)} µs`;
  };
  const described = {
    what: 'pipeline: spool, two sites, S3',
    unit: 'events/s',
    target: { kind: 'ratio', atLeast: 0.5 },
    detail: `CPU for an event of the agent and of the sink: ${processors(ours)}; of the baseline’s publisher and consumer: ${processors(baseline)}; the rest is the brokers’ and the S3 server’s`,
  } as const;
  return [
    figureOf(
      described,
      ours.map((turn) => turn.perSecond),
      baseline.map((turn) => turn.perSecond),
    ),
  ];
}

/** Events a second, and microseconds of processor time for an event. */
interface Turn {
  readonly perSecond: number;
  readonly sender: number;
  readonly taker: number;
}

/** Four windows a partition and turn, so that the last one is full when the last event is read; its age is for what does not add up. */
async function sinkAt({ endpoint, region, credentials }: S3, events: number): Promise<S3SinkConfig> {
  const bucket = 'bench';
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  return {
    kind: 's3',
    name: SINK,
    home: READ_AT,
    match: ['**'],
    mapping: null,
    rotate: { size: 64 * 1024 ** 2, count: events / PARTITIONS / 4, age: 500 },
    memory: 256 * 1024 ** 2,
    admin: '127.0.0.1:0',
    prefix: '',
    pathStyle: true,
    bucket,
    endpoint,
    region,
    credentials,
  };
}

const committed = ({ log }: ConsumerProcess): number =>
  log.reduce(
    (sum, { fact, events }) => sum + (fact === 'window.committed' && typeof events === 'number' ? events : 0),
    0,
  );

async function ourTurn(config: Config, consumer: ConsumerProcess, events: number): Promise<Turn> {
  const folder = await mkdtemp(join(tmpdir(), 'waggle-bench-pipeline-'));
  try {
    const path = join(folder, 'spool');
    await fillSpool({ path, events: events / PARTITIONS, identities: PARTITIONS });
    const { agent } = config;
    const before = committed(consumer);
    await using running = await startAgent(folder, {
      ...config,
      agent: { ...agent, spool: { ...agent.spool, path, max: 64 * 1024 ** 3 } },
    });
    const started = await running.linked;
    const work = [running, consumer.process].map((process) => processorTimer(process, events));
    await until('all events are committed', () => committed(consumer) - before >= events, TURN_DEADLINE).catch(
      (error: unknown) => {
        const last = consumer.log.slice(-5).map((entry) => JSON.stringify(entry));
        throw new Error(`${committed(consumer) - before} of ${events} events are committed; ${last.join('\n')}`, {
          cause: error,
        });
      },
    );
    const seconds = (performance.now() - started) / 1000;
    if (committed(consumer) - before > events) throw new Error('more events were committed than were spooled');
    return { perSecond: events / seconds, sender: work[0]?.() ?? 0, taker: work[1]?.() ?? 0 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Microseconds for an event, from now until it is asked. */
function processorTimer(process: { readonly pid?: number | undefined }, events: number): () => number {
  const before = processorTime(process);
  return () => (processorTime(process) - before) / events;
}

async function baselineTurn(config: Config, events: number): Promise<Turn> {
  const [publisher, consumer] = ['publish', 'consume'].map((role) => fork(import.meta.filename, [role]));
  if (publisher === undefined || consumer === undefined) throw new Error('no processes');
  const order: Order = { config, messages: events / BATCH_EVENTS };
  try {
    await Promise.all([publisher, consumer].map((child) => ask(child, order)));
    const work = [publisher, consumer].map((process) => processorTimer(process, events));
    const started = performance.now();
    const all = answer(consumer);
    await Promise.all([ask(publisher, 'go'), all]);
    const perSecond = (events * 1000) / (performance.now() - started);
    return { perSecond, sender: work[0]?.() ?? 0, taker: work[1]?.() ?? 0 };
  } finally {
    await Promise.all([publisher, consumer].map((child) => end(child, 'SIGKILL')));
  }
}

interface Order {
  readonly config: Config;
  readonly messages: number;
}

/** Rejects where the child ends instead. */
async function answer(child: ChildProcess): Promise<void> {
  const ended = new AbortController();
  const exit = (code: number | null): void => ended.abort(new Error(`a process of the benchmark ended with ${code}`));
  child.once('exit', exit);
  try {
    await once(child, 'message', { signal: AbortSignal.any([ended.signal, AbortSignal.timeout(TURN_DEADLINE)]) });
  } finally {
    child.off('exit', exit);
  }
}

function ask(child: ChildProcess, what: Order | 'go'): Promise<void> {
  const answered = answer(child);
  child.send(what);
  return answered;
}

const reply = (): void => void process.send?.('done');

/** The same batches as the agent makes of the spool, in its order: one identity after the other, at most a window unconfirmed. */
async function publish({ config, messages }: Order): Promise<void> {
  const site = config.sites.find(({ name }) => name === PUBLISHED_AT);
  const connection = await connect(amqpUrl(config, site?.nodes[0] ?? '', USER_AGENT), { noDelay: true });
  const channel = await connection.createConfirmChannel();
  const bodies = batchBodies();
  const flow = { unconfirmed: 0, writable: true };
  let wake: (() => void) | null = null;
  channel.on('drain', () => {
    flow.writable = true;
    wake?.();
  });
  channel.on('return', () => {
    throw new Error('a message was returned');
  });
  reply();
  await once(process, 'message');
  for (let i = 0; i < messages; i++) {
    while (flow.unconfirmed >= WINDOW || !flow.writable) await new Promise<void>((resolve) => (wake = resolve));
    const partition = Math.floor((i * PARTITIONS) / messages);
    const first = 1 + BATCH_EVENTS * (i - (partition * messages) / PARTITIONS);
    const body = bodies[i % bodies.length] ?? Buffer.alloc(0);
    const { routingKey, headers, contentType, appId, messageId } = encodeBatch(
      {
        identity: identityOf(partition),
        partition,
        type: TYPE,
        count: BATCH_EVENTS,
        body,
        ranges: [[first, first + BATCH_EVENTS - 1]],
      },
      'identity',
    );
    flow.unconfirmed += body.length;
    const options = { persistent: true, mandatory: true, headers, contentType, appId, messageId };
    flow.writable = channel.publish(EVENTS, routingKey, body, options, (error) => {
      if (error) throw error;
      flow.unconfirmed -= body.length;
      wake?.();
    });
  }
  await channel.waitForConfirms();
  reply();
}

/** Takes messages and looks at nothing in them. */
async function consume({ config, messages }: Order): Promise<void> {
  const site = config.sites.find(({ name }) => name === READ_AT);
  const node = site?.stream[0];
  if (node === undefined) throw new Error(`no stream node at ${READ_AT}`);
  const endpoint = { ...node, vhost: config.vhost, username: SINK, password: config.users[SINK]?.password ?? '' };
  const connection = await StreamConnection.connect(endpoint, 10_000, (why) => {
    throw new Error(why);
  });
  let bytes = 0;
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const subscribed = await connection.subscribe({
      stream: logStream(partition),
      offset: Offset.next(),
      single: null,
      borrows: true,
      chunk: (chunk) => {
        for (const { content } of chunk) bytes += content.length;
        subscribed.credit(1);
        if (bytes >= messages * BATCH_EVENTS * EVENT_BYTES) reply();
      },
    });
    subscribed.credit(CREDIT);
  }
  reply();
}

if (import.meta.main) {
  const [order] = (await once(process, 'message')) as [Order];
  await (process.argv[2] === 'publish' ? publish(order) : consume(order));
}
