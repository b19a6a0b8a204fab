// `npm start`: brings the system up, sends sample events through it, and says where they arrived, what to open and what to try next.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '#core/config/config.ts';
import { needsOfConsumer } from '#core/config/needs.ts';
import { isQueueSink } from '#core/config/sink-config.ts';
import { loadConfig } from '#core/io/config-file.ts';
import { readComposition, up, type Composition } from './compose.ts';
import { beeSample, DEMO_KEY, sendThroughBee } from './bee-sample.ts';
import { followSite, SAMPLES_PER_AGENT, sendSamples, type SiteCount } from './samples.ts';
import { elasticsearchCount, logSinkCount, splunkCount, type SinkCount } from './sink-counts.ts';

/** Its user may read the log streams, and its environment is taken over for that. */
const READER = { sink: 's3', service: 'consumer-s3' };
/** By site: the broker that the host reaches, and the agent. */
const SITES: readonly {
  readonly site: string;
  readonly broker: string;
  readonly agent: string;
  readonly bee: string;
}[] = [
  { site: 'chicago', broker: 'chicago-1', agent: 'agent-chicago', bee: 'bee-chicago' },
  { site: 'us-east-1', broker: 'us-east-1', agent: 'agent-us-east', bee: 'bee-us-east' },
];
const EXPECTED = SITES.length * SAMPLES_PER_AGENT;
/** Beside the age at which log sinks write. */
const PATIENCE = 60_000;
const POLL_MS = 250;

const tell = (place: string, text: string): void =>
  console.log(`  ${place.padEnd(14)}${EXPECTED} of ${EXPECTED} ${text}`);
const say = (text: string): void => console.log(`start: ${text}`);
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

async function main(): Promise<void> {
  const started = performance.now();
  const composition = await readComposition();
  say('bringing the services up (about a minute the first time)');
  await up(say);
  say(`all services are ready (${seconds(started)})`);
  await showSamples(composition, configOfReader(composition));
  console.log(`\n${addresses(composition)}\n\n${tryNext(composition)}\n`);
  say(`done (${seconds(started)}); npm stop ends all of it`);
}

/** What the reader of the log streams needs of the configuration. */
function configOfReader(composition: Composition): Config {
  Object.assign(process.env, composition.environment(READER.service));
  return loadConfig(join(import.meta.dirname, '../waggle.yaml'), needsOfConsumer(READER.sink));
}

async function showSamples(composition: Composition, config: Config): Promise<void> {
  const mark = randomUUID().slice(0, 8);
  await using scope = new AsyncDisposableStack();
  const sites: (readonly [string, SiteCount])[] = [];
  for (const { site, broker } of SITES) {
    const node = `amqp://${composition.address(broker, 5672)}`;
    sites.push([site, scope.use(await followSite(config, site, node, READER.sink, mark))]);
  }
  const stop = new AbortController();
  scope.defer(() => stop.abort());
  const sinks = sinkCounts(composition, config, mark, stop.signal);
  for (const { agent } of SITES) {
    await sendSamples(composition.address(agent, 9880), mark);
    say(`${SAMPLES_PER_AGENT} sample events accepted by ${agent}, marked "sample":"${mark}"`);
  }

  const throughBee = await Promise.all(SITES.map(({ bee }) => sendThroughBee(composition, bee)));

  await arrivals(sites, sinks, patienceOf(config));

  console.log('\nWhere the sample events are');
  for (const [site, { arrived, federated }] of sites)
    tell(site, `in its log streams: ${arrived - federated} published there, ${federated} by federation`);
  for (const { name, where } of sinks) tell(name, where);
  for (const text of throughBee) console.log(`  ${'Bee'.padEnd(14)}${text}`);
}

const patienceOf = ({ sinks }: Config): number =>
  PATIENCE + Math.max(...sinks.map((sink) => (isQueueSink(sink) ? 0 : sink.rotate.age)));

function sinkCounts(composition: Composition, config: Config, mark: string, signal: AbortSignal): readonly SinkCount[] {
  const common = { mark, expected: EXPECTED, patience: patienceOf(config) };
  const s3 = { ...common, name: 'S3', sink: 's3', service: 'consumer-s3', what: 'objects of the bucket' };
  const hdfs = { ...common, name: 'HDFS', sink: 'hdfs', service: 'consumer-hdfs', what: 'files of its folder' };
  return [
    logSinkCount(s3, signal),
    logSinkCount(hdfs, signal),
    elasticsearchCount(composition, 'consumer-elasticsearch', mark),
    splunkCount('hec', 'consumer-splunk', mark),
  ];
}

/** Resolves once all samples are everywhere, saying so of each place. */
async function arrivals(
  sites: readonly (readonly [string, SiteCount])[],
  sinks: readonly SinkCount[],
  patience: number,
): Promise<void> {
  const sent = performance.now();
  const deadline = AbortSignal.timeout(patience);
  const waiting = new Set([
    ...sites.map(([name, count]) => {
      const service = SITES.find(({ site }) => site === name)?.broker ?? '';
      return { name, service, arrived: () => count.arrived, look: async () => {} };
    }),
    ...sinks.map((sink) => {
      const { name, service } = sink;
      return { name, service, arrived: () => sink.arrived, look: () => sink.look(deadline) };
    }),
  ]);
  while (waiting.size > 0) {
    await Promise.all([...waiting].map(({ look }) => look())).catch((error: unknown) => {
      if (!deadline.aborted) throw error;
    });
    for (const place of waiting) {
      const arrived = place.arrived();
      if (arrived > EXPECTED)
        throw new Error(
          `${place.name} holds ${arrived} of ${EXPECTED} sample events: some are repeated. Please report it.`,
        );
      if (arrived < EXPECTED) continue;
      waiting.delete(place);
      say(`all of them are at ${place.name} (${seconds(sent)})`);
    }
    if (deadline.aborted && waiting.size > 0) throw new Error(missing([...waiting]));
    if (waiting.size > 0) await delay(POLL_MS);
  }
}

function missing(
  places: readonly { readonly name: string; readonly service: string; readonly arrived: () => number }[],
): string {
  return [
    `the services run, but not all of the ${EXPECTED} sample events arrived in time:`,
    ...places.map(
      ({ name, service, arrived }) =>
        `  ${name}: ${arrived()} of ${EXPECTED}; look at: docker compose logs --tail 30 ${service}`,
    ),
    'Accepted events are not lost: they are on the disks of the agents, or in the streams and queues. Whether both sites are as they should be:',
    '  docker compose run --rm topology node waggle.ts topology verify',
  ].join('\n');
}

/** Of docker-compose.yml. */
const ELASTIC = 'waggle-elasticsearch';
const HEC_TOKEN = '11111111-1111-1111-1111-111111111111';
/** The defaults of docker-compose.yml are no secrets. */
const secretOf = (environment: Readonly<Record<string, string>>, name: string, byDefault: string): string =>
  environment[name] === byDefault ? byDefault : `as you set ${name}`;
const line = (address: string, what: string): string => `  http://${address.padEnd(18)}${what}`;

function addresses(composition: Composition): string {
  const topology = composition.environment('topology');
  const s3 = composition.environment('bucket');
  const elasticsearch = composition.environment('consumer-elasticsearch');
  const splunk = composition.environment('consumer-splunk');
  const monitoring = secretOf(topology, 'WAGGLE_MONITORING_PASSWORD', 'waggle-monitoring');
  return [
    'Addresses',
    ...SITES.map(({ site, broker }) =>
      line(composition.address(broker, 15672), `RabbitMQ at ${site}: user monitoring, password ${monitoring}`),
    ),
    ...SITES.map(({ site, bee }) =>
      line(composition.address(bee, 9890), `Bee at ${site}: POST /v1/events, and /rules for people`),
    ),
    ...SITES.flatMap(({ site, agent }) => [
      line(composition.address(agent, 9880), `agent at ${site}: POST /events, POST /events/{type}`),
      line(composition.address(agent, 9881), `  its /status, /metrics, /readyz, /healthz`),
    ]),
    line(
      composition.address('s3', 7070),
      `S3: access key ${secretOf(s3, 'WAGGLE_S3_ACCESS_KEY_ID', 'waggle')}, secret ${secretOf(s3, 'WAGGLE_S3_SECRET_ACCESS_KEY', 'waggle-secret')}, region us-east-1`,
    ),
    line(composition.address('hdfs-namenode', 9870), 'HDFS: WebHDFS below /webhdfs/v1, user.name waggle'),
    line(
      composition.address('elasticsearch', 9200),
      `Elasticsearch: user elastic, password ${secretOf(elasticsearch, 'WAGGLE_ELASTICSEARCH_PASSWORD', ELASTIC)}`,
    ),
    line(
      composition.address('hec', 8088),
      `Splunk HEC (an OpenTelemetry Collector): token ${secretOf(splunk, 'WAGGLE_HEC_TOKEN', HEC_TOKEN)}`,
    ),
  ].join('\n');
}

const tryNext = (composition: Composition): string => {
  const elasticsearch = `http://${composition.address('elasticsearch', 9200)}`;
  const isDefault = composition.environment('consumer-elasticsearch')['WAGGLE_ELASTICSEARCH_PASSWORD'] === ELASTIC;
  return [
    'Try next',
    `  curl --json '{"user":42}' http://${composition.address('agent-chicago', 9880)}/events/checkin.visit`,
    '      an event of your own; the answer comes when it is on the disk of the agent',
    `  curl -su 'elastic:${isDefault ? ELASTIC : 'PASSWORD'}' '${elasticsearch}/waggle-*/_search?q=data.user:42&pretty'`,
    '      a second later, it is found in Elasticsearch',
    `  curl -H 'authorization: Bearer ${DEMO_KEY}' --json '${beeSample}' http://${composition.address('bee-chicago', 9890)}/v1/events`,
    '      as a phone sends it, through Bee; change it and see what Bee says',
    '  docker compose exec consumer-s3 node waggle.ts consumer s3 --list',
    '      what is in S3: each committed object, and its number of events (consumer-hdfs: the same of HDFS)',
  ].join('\n');
};

try {
  await main();
} catch (error) {
  for (const part of (error instanceof Error ? error.message : String(error)).split('\n'))
    console.error(`start: ${part}`);
  process.exitCode = 1;
}
