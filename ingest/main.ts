// The agent, as its data flow: inputs -> accept -> spool -> reader -> batches -> route -> a publisher for each site; confirms go back to the spool.
import { randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Config } from '#core/config/config.ts';
import { type Readiness, startAdmin } from '#core/io/admin.ts';
import { EXIT_CONFIG } from '#core/io/config-file.ts';
import { type Telemetry, createTelemetry } from '#core/io/telemetry.ts';
import { createAccept } from './accept.ts';
import { type StartedInputs, startInputs } from './inputs/start.ts';
import { createLedger, imbalance } from './ledger.ts';
import type { Accept } from './inputs/contract.ts';
import { openLetters, shareSpool } from './letters.ts';
import { LiveConfig } from './reload.ts';
import { createRoutes, routeNames, type Routes } from './routes.ts';
import type { SpoolStats } from './spool/contract.ts';
import { crashDisk } from './spool/crash-disk.ts';
import { nodeDisk, systemClock } from './spool/node-disk.ts';
import { openSpool } from './spool/spool.ts';
import { spoolObserver } from './spool-events.ts';
import { withTransforms } from './transforms.ts';

const REFRESH = 1_000;
/** How long requests in flight are given at the end, and of it those that wait for a site. */
const CLOSE_INPUTS = 2_000;
const CLOSE_WAITERS = 1_000;

const clock = (): number => performance.now();

/** Closing: no new events, the spool synced, confirms in flight given a short time. Idempotent. */
interface Agent extends AsyncDisposable {
  /** Rejects where the spool can no longer be read. */
  readonly failed: Promise<never>;
}

/** Runs until the signal aborts. Resolves with the exit code: 0, or 78 where it cannot start. Rejects where it cannot go on. */
export async function runAgent(
  config: Config,
  signal: AbortSignal,
  telemetry = createTelemetry('agent'),
): Promise<number> {
  let agent: Agent;
  try {
    agent = await startAgent(config, telemetry);
  } catch (error) {
    telemetry.fact(
      'error',
      'agent.cannot-start',
      { err: error },
      error instanceof Error ? error.message : String(error),
    );
    return EXIT_CONFIG;
  }
  try {
    await Promise.race([agent.failed, new Promise<void>((resolve) => onAbort(signal, resolve))]);
  } finally {
    await agent[Symbol.asyncDispose]();
  }
  return 0;
}

/** Resolves once it listens; whether a site can be reached is no matter. Rejects with an error for people. */
async function startAgent(config: Config, telemetry: Telemetry): Promise<Agent> {
  const { agent, log } = config;
  await using started = new AsyncDisposableStack();
  const live = started.use(new LiveConfig(config, telemetry));

  const spool = started.use(
    await openSpool({
      ...agent.spool,
      max: shareSpool(agent.spool.max, config.bee !== null).events,
      partitions: log.partitions,
      behind: agent.route.behind,
      routes: routeNames(config),
      disk: crashDisk(nodeDisk, process.env['WAGGLE_CRASH_AT'], die),
      clock: systemClock,
      random: randomFillSync,
      observe: spoolObserver(telemetry),
      holder: `waggle agent ${agent.host}, process ${process.pid}`,
    }),
  );

  const routes = createRoutes(live, spool, telemetry);
  const stop = new AbortController();
  const running = routes.run(stop.signal);
  const failed = running.then(() => new Promise<never>(() => {}));
  failed.catch(() => {}); // Whoever waits for it is told.
  started.defer(async () => {
    stop.abort();
    await running.catch(() => {});
  });

  const letters = config.bee && started.use(await openLetters(live, config.bee.token, telemetry));
  const stats = (): SpoolStats => withLetters(spool.stats(), letters?.stats() ?? null);

  const ledger = createLedger(telemetry);
  ledger(stats());
  const refresh = setInterval(() => {
    ledger(stats());
    for (const each of routes.waiters) each.expire(clock());
    letters?.expire();
  }, REFRESH);
  started.defer(() => clearInterval(refresh));

  const taken = createAccept({
    spool,
    waiters: routes.waiters,
    clock,
    drainRate: () => routes.drainRate,
    segment: agent.spool.segment,
  });
  const transformed = (): Accept =>
    withTransforms(taken, live.now.agent, (reason, events) =>
      telemetry.metrics.events.inc({ stage: 'accept', route: '', reason }, events),
    );
  let accept = transformed();
  const inputs = started.use(
    await startInputs(
      agent,
      { accept: (...asked) => accept(...asked), letters, notes: () => spool.notes() },
      telemetry,
      CLOSE_INPUTS,
    ),
  );
  const giveUp = (): void => {
    for (const each of routes.waiters) each.giveUp();
    letters?.giveUp();
  };
  started.defer(() => void setTimeout(giveUp, CLOSE_WAITERS).unref());

  const admin = started.use(
    await startAdmin({
      listen: agent.admin,
      registry: telemetry.metrics.registry,
      ready: () => readiness(stats(), routes),
      status: () => status(config, inputs, stats(), routes),
    }),
  );

  live.watch(() => (accept = transformed()));

  const opened = started.move();
  const address = `http://${admin.address}`;
  telemetry.fact(
    'info',
    'agent.started',
    { http: inputs.addresses.http ?? null, inputs: inputs.addresses, admin: address, spool: agent.spool.path },
    `listening for events at ${Object.values(inputs.addresses).join(', ') || 'no input'}`,
  );
  let closed: Promise<void> | null = null;
  return {
    failed: letters === null ? failed : Promise.race([failed, letters.failed]),
    [Symbol.asyncDispose]: () => (closed ??= opened.disposeAsync()),
  };
}

/** One spool to whoever looks: letters are a route of the ledger beside that of events. */
function withLetters(events: SpoolStats, letters: SpoolStats | null): SpoolStats {
  if (letters === null) return events;
  return {
    ...events,
    routes: [...events.routes, ...letters.routes],
    bytes: events.bytes + letters.bytes,
    kept: events.kept + letters.kept,
    max: events.max + letters.max,
    segments: events.segments + letters.segments,
    pendingEvents: events.pendingEvents + letters.pendingEvents,
    pendingBytes: events.pendingBytes + letters.pendingBytes,
    refusing: events.refusing ?? letters.refusing,
    refusingSince: events.refusingSince ?? letters.refusingSince,
  };
}

function readiness({ refusing }: SpoolStats, routes: Routes): Readiness {
  const reasons: string[] = [];
  if (refusing !== null) reasons.push(`the spool refuses events: ${refusing}`);
  if (!routes.isLinked) {
    const why = routes.sites.map(({ site, state, trouble }) => trouble ?? `site ${site} is ${state}`);
    reasons.push(`no site takes events, they are only spooled: ${why.join('; ')}`);
  }
  return { ok: reasons.length === 0, reasons };
}

function status(config: Config, inputs: StartedInputs, stats: SpoolStats, routes: Routes): object {
  return {
    site: config.agent.site,
    host: config.agent.host,
    inputs: inputs.status(),
    route: {
      mode: config.agent.route.mode,
      bytesPerSecond: Math.round(routes.drainRate),
      sites: routes.sites,
    },
    ledger: stats.routes.map((route) => ({ ...route, imbalance: imbalance(route) })),
    spool: { ...stats, routes: undefined },
  };
}

/** As a kill from outside: nothing of this process runs after it. */
function die(): never {
  process.kill(process.pid, 'SIGKILL');
  for (;;);
}

function onAbort(signal: AbortSignal, then: () => void): void {
  if (signal.aborted) then();
  else signal.addEventListener('abort', then, { once: true });
}
