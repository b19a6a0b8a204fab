// `npm start`: brings the system up, sends sample events through it, and says where they arrived, what to open and what to try next.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '#core/config/config.ts';
import { needsOfConsumer } from '#core/config/needs.ts';
import { loadConfig } from '#core/io/config-file.ts';
import { readComposition, up, type Composition } from './compose.ts';
import { CommittedCount, followSite, SAMPLES_PER_AGENT, sendSamples, type SiteCount } from './samples.ts';

const SINK = 's3';
const CONSUMER = 'consumer-s3';
/** By site: the broker that the host reaches, and the agent. */
const SITES: readonly { readonly site: string; readonly broker: string; readonly agent: string }[] = [
  { site: 'chicago', broker: 'chicago-1', agent: 'agent-chicago' },
  { site: 'us-east-1', broker: 'us-east-1', agent: 'agent-us-east' },
];
const EXPECTED = SITES.length * SAMPLES_PER_AGENT;
/** Beside the age at which the sink writes its objects. */
const PATIENCE = 60_000;

const say = (text: string): void => console.log(`start: ${text}`);
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

async function main(): Promise<void> {
  const started = performance.now();
  const composition = await readComposition();
  say('bringing the services up (about half a minute the first time)');
  await up(CONSUMER, say);
  say(`all services are ready (${seconds(started)})`);
  await showSamples(composition, configOfHost(composition));
  console.log(`\n${addresses(composition)}\n\n${tryNext(composition)}\n`);
  say(`done (${seconds(started)}); npm stop ends all of it`);
}

/** The consumer's configuration, with S3 where this machine reaches it. */
function configOfHost(composition: Composition): Config {
  Object.assign(process.env, composition.environment(CONSUMER), {
    WAGGLE_S3_ENDPOINT: `http://${composition.address('s3', 7070)}`,
  });
  return loadConfig(join(import.meta.dirname, '../waggle.yaml'), needsOfConsumer(SINK));
}

async function showSamples(composition: Composition, config: Config): Promise<void> {
  const mark = randomUUID().slice(0, 8);
  await using scope = new AsyncDisposableStack();
  const sites: (readonly [string, SiteCount])[] = [];
  for (const { site, broker } of SITES) {
    const node = `amqp://${composition.address(broker, 5672)}`;
    sites.push([site, scope.use(await followSite(config, site, node, SINK, mark))]);
  }
  const committed = scope.use(new CommittedCount(config, SINK, mark));
  for (const { agent } of SITES) {
    await sendSamples(composition.address(agent, 9880), mark);
    say(`${SAMPLES_PER_AGENT} sample events accepted by ${agent}, marked "sample":"${mark}"`);
  }

  const sent = performance.now();
  const age = config.sinks.find(({ name }) => name === SINK)?.rotate.age ?? 0;
  const deadline = AbortSignal.timeout(PATIENCE + age);
  const waiting = new Map(sites.map(([site, count]) => [site, () => count.arrived]));
  waiting.set('S3', () => committed.arrived);
  while (waiting.size > 0) {
    await committed.look(deadline).catch((error: unknown) => {
      if (!deadline.aborted) throw error;
    });
    for (const [place, arrived] of waiting) {
      if (arrived() > EXPECTED)
        throw new Error(
          `${place} holds ${arrived()} of ${EXPECTED} sample events: some are repeated. Please report it.`,
        );
      if (arrived() < EXPECTED) continue;
      waiting.delete(place);
      say(`all of them are at ${place} (${seconds(sent)})`);
    }
    if (deadline.aborted && waiting.size > 0) throw new Error(missing(waiting));
    await delay(200);
  }

  console.log('\nWhere the sample events are');
  for (const [site, { arrived, federated }] of sites)
    console.log(
      `  ${site.padEnd(12)}${arrived} of ${EXPECTED} in its log streams: ${arrived - federated} published there, ${federated} by federation`,
    );
  const bucket = config.sinks
    .flatMap((sink) => (sink.kind === 's3' && sink.name === SINK ? [sink.bucket] : []))
    .join('');
  console.log(
    `  ${'S3'.padEnd(12)}${committed.arrived} of ${EXPECTED}, in ${committed.objects.length} objects of the bucket ${bucket}:`,
  );
  for (const [key, count] of committed.objects) console.log(`${String(count).padStart(16)}  ${key}`);
}

function missing(waiting: ReadonlyMap<string, () => number>): string {
  const services: Readonly<Record<string, string>> = { S3: CONSUMER };
  return [
    `the services run, but not all of the ${EXPECTED} sample events arrived in time:`,
    ...[...waiting].map(([place, arrived]) => {
      const service = services[place] ?? SITES.find(({ site }) => site === place)?.broker ?? '';
      return `  ${place}: ${arrived()} of ${EXPECTED}; look at: docker compose logs --tail 30 ${service}`;
    }),
    'Accepted events are not lost: they are on the disks of the agents, or in the streams. Whether both sites are as they should be:',
    '  docker compose run --rm topology node waggle.ts topology verify',
  ].join('\n');
}

/** The defaults of docker-compose.yml are no secrets. */
const secretOf = (environment: Readonly<Record<string, string>>, name: string, byDefault: string): string =>
  environment[name] === byDefault ? byDefault : `as you set ${name}`;
const line = (address: string, what: string): string => `  http://${address.padEnd(18)}${what}`;

function addresses(composition: Composition): string {
  const topology = composition.environment('topology');
  const s3 = composition.environment('bucket');
  const monitoring = secretOf(topology, 'WAGGLE_MONITORING_PASSWORD', 'waggle-monitoring');
  return [
    'Addresses',
    ...SITES.map(({ site, broker }) =>
      line(composition.address(broker, 15672), `RabbitMQ at ${site}: user monitoring, password ${monitoring}`),
    ),
    ...SITES.flatMap(({ site, agent }) => [
      line(composition.address(agent, 9880), `agent at ${site}: POST /events, POST /events/{type}`),
      line(composition.address(agent, 9881), `  its /status, /metrics, /readyz, /healthz`),
    ]),
    line(
      composition.address('s3', 7070),
      `S3: access key ${secretOf(s3, 'WAGGLE_S3_ACCESS_KEY_ID', 'waggle')}, secret ${secretOf(s3, 'WAGGLE_S3_SECRET_ACCESS_KEY', 'waggle-secret')}, region us-east-1`,
    ),
  ].join('\n');
}

const tryNext = (composition: Composition): string =>
  [
    'Try next',
    `  curl --json '{"user":42}' http://${composition.address('agent-chicago', 9880)}/events/checkin.visit`,
    '      an event of your own; some seconds later it is in the list below',
    `  docker compose exec ${CONSUMER} node waggle.ts consumer ${SINK} --list`,
    '      what is in S3: each committed object, and its number of events',
    '  docker compose run --rm topology node waggle.ts topology verify',
    '      proves that both sites are as waggle.yaml says, and that an event sent to either comes out at both',
  ].join('\n');

try {
  await main();
} catch (error) {
  for (const part of (error instanceof Error ? error.message : String(error)).split('\n'))
    console.error(`start: ${part}`);
  process.exitCode = 1;
}
