// A log sink's process, as its data flows: streams of the home site -> reader -> a writer for each partition -> chain -> store.
import { randomBytes } from 'node:crypto';
import type { Config, LogSinkConfig, SiteConfig } from '#core/config/config.ts';
import { startAdmin } from '#core/io/admin.ts';
import { createTelemetry, type Telemetry } from '#core/io/telemetry.ts';
import { listCommitted as listChain, type CommittedObject, type ListQuery } from './chain/list.ts';
import { readChain } from './chain/machine.ts';
import { probe } from './chain/probe.ts';
import { DEFAULT_BACKOFF, runSteps } from './chain/run.ts';
import { DEFAULT_HORIZON, RECORDS_KEPT, SNAPSHOT_EVERY, type ChainSettings } from './chain/state.ts';
import type { ObjectStore } from './chain/store.ts';
import { Budget } from './drain/budget.ts';
import { openDeadLetters } from './drain/dead-letters.ts';
import { SiteReading } from './drain/site-reading.ts';
import { openSinkStore } from './stores.ts';

const EXIT_CONFIG = 78;
const CHAIN_SETTINGS = { horizon: DEFAULT_HORIZON, recordsKept: RECORDS_KEPT, snapshotEvery: SNAPSHOT_EVERY };
/** Of the 9 s that a stop may take. */
const DRAIN_MS = 6_000;

class ConfigurationError extends Error {}

/** Runs until the signal; 0, or 78 where the configuration or the store cannot do it. */
export async function runConsumer(config: Config, name: string, signal: AbortSignal): Promise<number> {
  const telemetry = createTelemetry(`consumer-${name}`);
  const sink = config.sinks.find((candidate) => candidate.name === name);
  if (sink === undefined) {
    const names = config.sinks.map((candidate) => candidate.name).join(', ');
    telemetry.log.error(`${config.file}: there is no sink "${name}"; there are: ${names}`);
    return EXIT_CONFIG;
  }
  const store = openSinkStore(sink);
  try {
    return await consume(config, sink, store, telemetry, signal);
  } catch (error) {
    if (signal.aborted) return 0;
    if (!(error instanceof ConfigurationError)) throw error;
    telemetry.log.error(error.message);
    return EXIT_CONFIG;
  } finally {
    await store.close();
  }
}

/** Exactly what is committed: `waggle consumer SINK --list`. */
export async function* listCommitted(
  config: Config,
  name: string,
  filter: ListQuery,
  signal: AbortSignal,
): AsyncGenerator<CommittedObject> {
  const sink = config.sinks.find((candidate) => candidate.name === name);
  if (sink === undefined) throw new RangeError(`${config.file}: there is no sink "${name}"`);
  const store = openSinkStore(sink);
  try {
    yield* listChain(store, name, filter, signal);
  } finally {
    await store.close();
  }
}

async function consume(
  config: Config,
  sink: LogSinkConfig,
  store: ObjectStore,
  telemetry: Telemetry,
  signal: AbortSignal,
): Promise<number> {
  const verdict = await probe(store, sink.name, freshName(), signal);
  if (verdict.kind === 'unsafe') {
    telemetry.fact('error', 'store.unsafe', { sink: sink.name }, verdict.message);
    return EXIT_CONFIG;
  }
  let readings: readonly SiteReading[] = [];
  await using _admin = await startAdmin({
    listen: sink.admin,
    registry: telemetry.metrics.registry,
    ready: () => {
      const reasons =
        readings.length === 0 ? ['the chains are being read'] : readings.flatMap((reading) => reading.ready().reasons);
      return { ok: reasons.length === 0, reasons };
    },
    status: () => ({ sink: sink.name, kind: sink.kind, sites: readings.map((reading) => reading.status()) }),
  });
  const settings = (partition: number): ChainSettings => ({
    ...CHAIN_SETTINGS,
    sink: sink.name,
    partition,
    home: sink.home,
  });
  const budget = new Budget(sink.memory);
  // Once more whenever a chain moved to another site: what was read and not committed is read again.
  while (!signal.aborted) {
    const moved = new AbortController();
    await using scope = new AsyncDisposableStack();
    readings = [...(await homes(config, sink, store, telemetry, settings, signal))].map(([name, partitions]) => {
      const site = siteOf(config, sink, name);
      const link = {
        site: name,
        nodes: site.nodes,
        user: sink.name,
        password: config.users[sink.name]?.password ?? '',
        vhost: config.vhost,
        name: `waggle ${sink.name} dead letters`,
      };
      return scope.use(
        new SiteReading({
          config,
          sink,
          site,
          partitions,
          settings,
          store,
          budget,
          telemetry,
          dead: scope.use(openDeadLetters(sink.name, link)),
          now: Date.now,
          random: Math.random,
          name: freshName,
          moved: () => moved.abort(),
        }),
      );
    });
    await aborted(AbortSignal.any([signal, moved.signal]));
    if (signal.aborted) {
      const deadline = AbortSignal.timeout(DRAIN_MS);
      await Promise.all(readings.map((reading) => reading.drain(deadline)));
    }
  }
  return 0;
}

const freshName = (): string => randomBytes(10).toString('hex');

/** Partitions by the site at which they are read: each chain knows its own. */
async function homes(
  config: Config,
  sink: LogSinkConfig,
  store: ObjectStore,
  telemetry: Telemetry,
  settings: (partition: number) => ChainSettings,
  signal: AbortSignal,
): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>();
  for (let partition = 0; partition < config.log.partitions; partition++) {
    const { state } = await runSteps(readChain(settings(partition)), store, {
      signal,
      concurrency: 4,
      trouble: (trouble) =>
        telemetry.fact('warn', 'store.trouble', { sink: sink.name, partition, ...trouble }, trouble.message),
      backoff: DEFAULT_BACKOFF,
    });
    found.set(state.home, [...(found.get(state.home) ?? []), partition]);
  }
  return found;
}

function siteOf(config: Config, sink: LogSinkConfig, name: string): SiteConfig {
  const site = config.sites.find((candidate) => candidate.name === name);
  if (site !== undefined) return site;
  throw new ConfigurationError(
    `${config.file}: the chain of sink "${sink.name}" is at home at "${name}", but sites names no such site`,
  );
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
