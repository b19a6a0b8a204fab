// A log sink's process, as its data flows: streams of the home site -> reader -> a writer for each partition -> chain -> store.
import { randomBytes } from 'node:crypto';
import type { Config, SiteConfig } from '#core/config/config.ts';
import type { LogSinkConfig } from '#core/config/sink-config.ts';
import { aborted, unlessAborted } from '#core/io/abort.ts';
import { startAdmin } from '#core/io/admin.ts';
import type { AmqpLinkOptions } from '#core/io/amqp.ts';
import { EXIT_CONFIG } from '#core/io/config-file.ts';
import type { Telemetry } from '#core/io/telemetry.ts';
import { sinkPrefix } from './chain/keys.ts';
import { probe } from './chain/probe.ts';
import { DEFAULT_BACKOFF, runSteps, untilStore, type Trouble } from './chain/run.ts';
import { DEFAULT_HORIZON, RECORDS_KEPT, SNAPSHOT_EVERY, type ChainSettings } from './chain/state.ts';
import type { ObjectStore } from './chain/store.ts';
import { Budget } from './drain/budget.ts';
import { openDeadLetters } from './dead/write.ts';
import { SiteReading } from './drain/site-reading.ts';
import { homes } from './homes.ts';
import { watchOldPartitions } from './old-partitions.ts';
import { StartFacts } from './start-facts.ts';
import { openSinkStore } from './stores.ts';

const CHAIN_SETTINGS = { horizon: DEFAULT_HORIZON, recordsKept: RECORDS_KEPT, snapshotEvery: SNAPSHOT_EVERY };
/** Both within the 9 s that a stop may take (core/io/process.ts). */
const DRAIN_MS = 6_000;
const CLOSE_MS = 2_000;

class ConfigurationError extends Error {}

/** Runs until the signal; 0, or 78 where the configuration or the store cannot do it. */
export async function runLogSink(
  config: Config,
  sink: LogSinkConfig,
  telemetry: Telemetry,
  signal: AbortSignal,
): Promise<number> {
  const store = await openSinkStore(sink);
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

async function consume(
  config: Config,
  sink: LogSinkConfig,
  store: ObjectStore,
  telemetry: Telemetry,
  signal: AbortSignal,
): Promise<number> {
  let readings: readonly SiteReading[] = [];
  const facts = new StartFacts(telemetry, sink.name);
  await using _admin = await startAdmin({
    listen: sink.admin,
    registry: telemetry.metrics.registry,
    ready: () => {
      const reasons = [...facts.troubles(), ...readings.flatMap((reading) => reading.ready().reasons)];
      if (readings.length === 0 && reasons.length === 0) reasons.push('the chains are being read');
      return { ok: reasons.length === 0, reasons };
    },
    status: () => ({ sink: sink.name, kind: sink.kind, sites: readings.map((reading) => reading.status()) }),
  });
  const trouble = { signal, trouble: (found: Trouble) => facts.store(found), backoff: DEFAULT_BACKOFF };
  const verdict = await untilStore(
    { kind: 'create', key: sinkPrefix(sink.name) },
    () => probe(store, sink.name, freshName(), signal),
    trouble,
  );
  if (verdict.kind === 'unsafe') {
    telemetry.fact('error', 'store.unsafe', { sink: sink.name }, verdict.message);
    return EXIT_CONFIG;
  }
  const settings = (partition: number): ChainSettings => ({
    ...CHAIN_SETTINGS,
    sink: sink.name,
    partition,
    home: sink.home,
  });
  const budget = new Budget(sink.memory);
  const old = new Map<string, ReadonlySet<number>>();
  // Once more whenever a chain moved to another site, or an old stream was found or is gone: what was read and not committed is read again.
  while (!signal.aborted) {
    const moved = new AbortController();
    await using scope = new AsyncDisposableStack();
    const bySite = await homes({
      config,
      sink,
      settings,
      old,
      run: (steps, partition) =>
        runSteps(steps, store, { ...trouble, concurrency: 4, trouble: (found) => facts.store(found, partition) }),
      invalid: (partition, error) => facts.invalid(partition, error),
    });
    facts.storeAnswers();
    readings = [...bySite].map(([name, partitions]) => {
      const dead = openDeadLetters(sink.name, linkOf(config, sink, name, 'dead letters'), (why) =>
        facts.deadLetters(name, why),
      );
      return scope.use(
        new SiteReading({
          config,
          sink,
          site: siteOf(config, sink, name),
          partitions,
          settings,
          store,
          budget,
          telemetry,
          dead: scope.use(dead),
          now: Date.now,
          tick: () => performance.now(),
          random: Math.random,
          name: freshName,
          moved: () => moved.abort(),
        }),
      );
    });
    const over = AbortSignal.any([signal, moved.signal]);
    const watches = [...new Set([sink.home, ...bySite.keys()])].map((site) =>
      watchOldPartitions({
        link: linkOf(config, sink, site, 'partitions'),
        configured: config.log.partitions,
        assumed: old.get(site) ?? new Set(bySite.get(site)?.filter((partition) => partition >= config.log.partitions)),
        found: (there) => {
          facts.oldPartitions(site, there);
          old.set(site, there);
        },
        changed: () => moved.abort(),
        unknown: (why) => facts.oldPartitionsUnknown(site, why),
        signal: over,
      }),
    );
    scope.defer(async () => void (await Promise.all(watches)));
    await aborted(over);
    if (!signal.aborted) {
      await unlessAborted(scope.disposeAsync(), signal);
      continue;
    }
    const deadline = AbortSignal.timeout(DRAIN_MS);
    await Promise.all(readings.map((reading) => reading.drain(deadline)));
    // A site that says nothing must not turn a clean stop into a late one: nothing is lost by leaving it unsaid goodbye.
    await unlessAborted(scope.disposeAsync(), AbortSignal.timeout(CLOSE_MS)).catch(() => {});
  }
  return 0;
}

const freshName = (): string => randomBytes(10).toString('hex');

const linkOf = (config: Config, sink: LogSinkConfig, site: string, what: string): AmqpLinkOptions => ({
  site,
  nodes: siteOf(config, sink, site).nodes,
  tls: siteOf(config, sink, site).tls,
  user: sink.name,
  password: config.users[sink.name]?.password ?? '',
  vhost: config.vhost,
  name: `waggle ${sink.name} ${what}`,
});

function siteOf(config: Config, sink: LogSinkConfig, name: string): SiteConfig {
  const site = config.sites.find((candidate) => candidate.name === name);
  if (site !== undefined) return site;
  throw new ConfigurationError(
    `${config.file}: the chain of sink "${sink.name}" is at home at "${name}", but sites names no such site`,
  );
}
