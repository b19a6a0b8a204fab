// What each service holds while its target is down and a million events wait for it: all five at one site, each with the defaults of its kind.
// They start with their targets up and nothing to do. Then the targets are killed, and the events come. Each takes what it takes: a log sink as
// much as `memory` lets it hold, a queue sink until it gives up for a time and gives all back. The figure is the peak since the process started.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { BATCH_EVENTS } from '#core/batch.ts';
import type { Config } from '#core/config/config.ts';
import { isQueueSink, type SinkConfig } from '#core/config/sink-config.ts';
import { configFor, startS3, startSite, until } from '../containers.ts';
import { freePort, type Server } from '../docker.ts';
import type { ConsumerProcess } from '../system/consumer-process.ts';
import { startElasticsearch } from '../targets/elasticsearch.ts';
import { startHdfs } from '../targets/hdfs.ts';
import { startHec } from '../targets/hec.ts';
import { startMongo } from '../targets/mongo.ts';
import { memoryOf } from './agent-command.ts';
import { batchBodies } from './backlog.ts';
import { amount, type Figure, figureOf } from './figure.ts';
import { fileOf, startConsumerCommand } from './sinks-command.ts';
import { declare, publishBacklog, sinksOf, withLog } from './sinks-setup.ts';

const MB = 1e6;
const BUCKET = 'bench';
const NAMES: Readonly<Record<string, string>> = {
  s3: 'S3',
  hdfs: 'HDFS',
  elasticsearch: 'Elasticsearch',
  splunk: 'Splunk HEC',
  mongodb: 'MongoDB',
};
/** A queue sink holds its messages for 30 s before it pauses; a log sink tries again after 30 s at most. */
const WAIT = 150_000;
/** So many attempts at a target that is down are waited for. */
const ATTEMPTS = 6;
const PAUSES = 2;

interface Targets {
  /** As waggle.yaml has them. */
  readonly sinks: Readonly<Record<string, object>>;
  readonly kill: () => Promise<void>;
}

/** `events`: a multiple of 500. */
export async function benchSinkMemory(events: number): Promise<Figure[]> {
  await using stack = new AsyncDisposableStack();
  const [site, targets] = await Promise.all([
    startSite('chicago').then((each) => stack.use(each)),
    startTargets(stack),
  ]);
  const config = configFor([site.config], { sinks: sinksOf(targets.sinks) });
  await declare(config);
  const folder = mkdtempSync(join(tmpdir(), 'waggle-bench-sinks-'));
  const file = join(folder, 'waggle.yaml');
  writeFileSync(file, JSON.stringify(fileOf(config, targets.sinks))); // JSON is YAML
  for (const service of await start(stack, config, file)) await service.process.kill('SIGTERM');
  const services = await start(stack, config, file);
  const idle = services.map(({ process }) => memoryOf(process.process.pid ?? 0).resident / MB);
  await targets.kill();
  await publishBacklog(config, batchBodies(), events / BATCH_EVENTS);
  for (const { sink, process } of services)
    await until(`${sink.name} has tried and tried again`, () => hasTried(sink, process), WAIT).catch(withLog(process));
  return services.map(({ sink, process: { process } }, i) =>
    figureOf(
      {
        what: `sink: memory, ${NAMES[sink.kind] ?? sink.kind} down`,
        unit: 'MB',
        target: { kind: 'below', value: 200 },
        detail: `of which ${amount(idle[i] ?? 0)} MB before the events came; at the end ${amount(memoryOf(process.pid ?? 0).resident / MB)} MB; sinks.*.memory is ${amount(sink.memory / 1024 ** 2)} MiB`,
      },
      [memoryOf(process.pid ?? 0).peak / MB],
      null,
    ),
  );
}

interface Service {
  readonly sink: SinkConfig;
  readonly process: ConsumerProcess;
}

async function start(
  stack: AsyncDisposableStack,
  { sinks, log: { partitions } }: Config,
  file: string,
): Promise<Service[]> {
  const services = sinks.map((sink) => ({ sink, process: stack.use(startConsumerCommand(file, sink.name)) }));
  for (const { sink, process } of services)
    await until(`${sink.name} is ready`, () => isReady(sink, process, partitions), WAIT).catch(withLog(process));
  return services;
}

async function startTargets(stack: AsyncDisposableStack): Promise<Targets> {
  const [s3, hdfs, elasticsearch, hec, mongo] = await Promise.all([
    startS3().then((each) => stack.use(each)),
    startHdfs().then((each) => stack.use(each)),
    startElasticsearch().then((each) => stack.use(each)),
    startHec().then((each) => stack.use(each)),
    startMongo().then((each) => stack.use(each)),
  ]);
  const { endpoint, region, credentials } = s3;
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  client.destroy();
  const keys = { access_key_id: credentials.accessKeyId, secret_access_key: credentials.secretAccessKey };
  // The last events would else wait for five minutes before the sink looks for its store.
  const rotate = { age: '1s' };
  const servers: readonly Server[] = [s3, hdfs.nameNode, ...hdfs.dataNodes, elasticsearch, hec, mongo];
  const targets: Readonly<Record<string, object>> = {
    s3: { kind: 's3', bucket: BUCKET, region, endpoint, credentials: keys, rotate },
    hdfs: { kind: 'hdfs', name_nodes: [hdfs.endpoint], path: hdfs.folder, user: hdfs.user, rotate },
    elasticsearch: { kind: 'elasticsearch', nodes: [elasticsearch.endpoint] },
    splunk: { kind: 'splunk', endpoints: [hec.endpoint], token: hec.token },
    mongodb: { kind: 'mongodb', uri: mongo.url },
  };
  const sinks: Record<string, object> = {};
  for (const [name, sink] of Object.entries(targets)) sinks[name] = { ...sink, admin: `127.0.0.1:${await freePort()}` };
  return {
    sinks,
    kill: async () => void (await Promise.all(servers.map((server) => server.kill()))),
  };
}

async function isReady(sink: SinkConfig, { log }: ConsumerProcess, partitions: number): Promise<boolean> {
  const active = log.filter(({ fact }) => fact === 'partition.active').length;
  if (!isQueueSink(sink) && active < partitions) return false;
  return (await fetch(`http://${sink.admin}/readyz`)).ok;
}

/** A log sink: what it holds grows no more, and it tried often. A queue sink: it paused that often. */
async function hasTried(sink: SinkConfig, { log }: ConsumerProcess): Promise<boolean> {
  const told = (what: string): number => log.filter(({ fact }) => String(fact).startsWith(what)).length;
  if (isQueueSink(sink)) return told('target.paused') >= PAUSES;
  // store.unavailable, store.unknown: each time with the wait until the next attempt.
  if (told('store.') < ATTEMPTS) return false;
  const before = await openBytes(sink);
  await delay(1_000);
  return (await openBytes(sink)) === before;
}

async function openBytes({ admin }: SinkConfig): Promise<number> {
  const status = (await (await fetch(`http://${admin}/status`)).json()) as Status;
  return status.sites.flatMap(({ partitions }) => partitions).reduce((sum, each) => sum + each.open_bytes, 0);
}

interface Status {
  readonly sites: readonly { readonly partitions: readonly { readonly open_bytes: number }[] }[];
}
