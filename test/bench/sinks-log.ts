// How fast a log sink writes what lies in the streams, against the bare client of the same store with the same objects from memory.
// Fair: ours is the whole process (stream client, chain, three objects a window, each after the other), timed from the first active partition to
// the commit that makes the number of events whole. The baseline compresses within its time and puts one object for each window, as many at once
// as there are partitions. Both are started anew for each turn, and read or write from the beginning: a turn has a chain of its own.
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { BATCH_EVENTS } from '#core/batch.ts';
import { isQueueSink, type LogSinkConfig } from '#core/config/sink-config.ts';
import { configFor, type Site, startS3, startSite, until } from '../containers.ts';
import { type ConsumerProcess, startConsumerProcess } from '../system/consumer-process.ts';
import { startHdfs } from '../targets/hdfs.ts';
import { processorTime } from './agent-command.ts';
import { batchBodies } from './backlog.ts';
import { bareTurn, rateFigure, type Turn, type TurnPair } from './bare-process.ts';
import type { Figure } from './figure.ts';
import type { LogOrder } from './sinks-log-bare.ts';
import { declare, publishBacklog, sinksOf, withLog } from './sinks-setup.ts';

const BARE = join(import.meta.dirname, 'sinks-log-bare.ts');
const NAME = 'bench';
const PARTITIONS = 2;
const BUCKET = 'bench';
const TURN_DEADLINE = 120_000;

/** `window`: events of an object. Each partition writes `windows` of them a turn. */
export interface LogSize {
  readonly window: number;
  readonly windows: number;
}

export async function benchS3(size: LogSize, pairs: number): Promise<Figure[]> {
  const [site, s3] = await Promise.all([startSite('chicago'), startS3()]);
  await using stack = new AsyncDisposableStack();
  stack.use(site);
  const { endpoint, region, credentials } = stack.use(s3);
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  client.destroy();
  const sink = (place: string): object => ({
    kind: 's3',
    bucket: BUCKET,
    prefix: `${place}/`,
    region,
    endpoint,
    credentials: { access_key_id: credentials.accessKeyId, secret_access_key: credentials.secretAccessKey },
  });
  return [await rate(site, 'sink: S3', sink, size, pairs)];
}

export async function benchHdfs(size: LogSize, pairs: number): Promise<Figure[]> {
  const [site, hdfs] = await Promise.all([startSite('chicago'), startHdfs()]);
  await using stack = new AsyncDisposableStack();
  stack.use(site);
  const { endpoint, user, folder } = stack.use(hdfs);
  const sink = (place: string): object => ({ kind: 'hdfs', name_nodes: [endpoint], path: `${folder}/${place}`, user });
  return [await rate(site, 'sink: HDFS', sink, size, pairs)];
}

async function rate(
  site: Site,
  what: string,
  sinkAt: (place: string) => object,
  { window, windows }: LogSize,
  pairs: number,
): Promise<Figure> {
  const events = window * windows * PARTITIONS;
  const sinkFor = (place: string): LogSinkConfig => {
    // The last windows are full when the last event is read; age is for what does not add up.
    const rotate = { count: window, age: '1s' };
    const [sink] = sinksOf({ [NAME]: { ...sinkAt(place), rotate, admin: '127.0.0.1:0' } });
    if (sink === undefined || isQueueSink(sink)) throw new Error('no log sink');
    return sink;
  };
  const configOf = (sink: LogSinkConfig) =>
    configFor([site.config], { log: { partitions: PARTITIONS }, sinks: [sink] });
  const declared = configOf(sinkFor('declared'));
  await declare(declared);
  await publishBacklog(declared, batchBodies(), events / BATCH_EVENTS);
  const measured: TurnPair[] = [];
  for (let pair = -1; pair < pairs; pair++) {
    const order: LogOrder = {
      sink: sinkFor(`bare${pair + 1}`),
      objects: windows * PARTITIONS,
      batches: window / BATCH_EVENTS,
      workers: PARTITIONS,
    };
    const bare = await bareTurn(BARE, order, events);
    await using consumer = startConsumerProcess(configOf(sinkFor(`ours${pair + 1}`)), NAME);
    const ours = await ourTurn(consumer, events);
    await consumer.kill('SIGTERM');
    if (pair >= 0) measured.push({ ours, bare }); // the first warms the servers
  }
  return rateFigure(what, { kind: 'ratio', atLeast: 0.7 }, measured);
}

async function ourTurn(consumer: ConsumerProcess, events: number): Promise<Turn> {
  const active = () => consumer.log.find(({ fact }) => fact === 'partition.active');
  await until('a partition is active', () => active() !== undefined).catch(withLog(consumer));
  const before = processorTime(consumer.process);
  const all = () => consumer.log.filter(({ fact }) => fact === 'window.committed');
  const committed = (): number => all().reduce((sum, entry) => sum + Number(entry['events']), 0);
  await until('all events are committed', () => committed() >= events, TURN_DEADLINE).catch(withLog(consumer));
  const cpuMicros = (processorTime(consumer.process) - before) / events;
  if (committed() > events) throw new Error('more events were committed than lie in the streams');
  const seconds = (timeOf(all().at(-1)) - timeOf(active())) / 1000;
  return { perSecond: events / seconds, cpuMicros };
}

/** Of a line of its log, milliseconds. */
const timeOf = (entry: Readonly<Record<string, unknown>> | undefined): number => Date.parse(String(entry?.['time']));
