// A worker of the agent (the only one, unless agent.workers says otherwise), as its data flow: inputs -> accept -> spool -> reader -> batches ->
// route -> a publisher for each site; confirms go back to the spool.
import { randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Telemetry } from '#core/io/telemetry.ts';
import { createAccept } from './accept.ts';
import type { Accept } from './inputs/contract.ts';
import { type StartedInputs, startInputs } from './inputs/start.ts';
import { createLedger } from './ledger.ts';
import { openLetters, shareSpool } from './letters.ts';
import type { LiveConfig } from './reload.ts';
import { addStats, type AgentReport } from './report.ts';
import { createRoutes, routeNames } from './routes.ts';
import type { SpoolStats } from './spool/contract.ts';
import { crashDisk } from './spool/crash-disk.ts';
import { nodeDisk, systemClock } from './spool/node-disk.ts';
import { openSpool } from './spool/spool.ts';
import { spoolObserver } from './spool-events.ts';
import { withTransforms } from './transforms.ts';
import { drainLeftovers } from './workers/leftovers.ts';

const REFRESH = 1_000;
/** How long requests in flight are given at the end, and of it those that wait for a site. */
const CLOSE_INPUTS = 2_000;
const CLOSE_WAITERS = 1_000;

const clock = (): number => performance.now();

/** Closing: no new events, the spool synced, confirms in flight given a short time. Idempotent. */
export interface Agent extends AsyncDisposable {
  readonly addresses: StartedInputs['addresses'];
  readonly report: () => AgentReport;
  /** Rejects where a spool can no longer be read. */
  readonly failed: Promise<never>;
}

/**
 * Resolves once it listens; whether a site can be reached is no matter. Rejects with an error for people. `live`: of this worker (configOfWorker);
 * the caller tells it of changes.
 */
export async function startAgent(live: LiveConfig, worker: number, telemetry: Telemetry): Promise<Agent> {
  const config = live.now;
  const { agent, log } = config;
  await using started = new AsyncDisposableStack();

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

  const letters = config.bee && started.use(await openLetters(live, agent.spool, config.bee.token, telemetry));
  // One process looks after what workers have left that are no more.
  const leftovers = worker === 0 ? started.use(await drainLeftovers(live, telemetry)) : null;
  const stats = (): SpoolStats =>
    addStats([spool.stats(), ...(letters ? [letters.stats()] : []), ...(leftovers?.stats() ?? [])]);

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
      worker,
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

  live.onChange(() => (accept = transformed()));
  const { addresses } = inputs;
  const opened = started.move();
  const unreadable = Promise.race(
    [failed, letters?.failed, leftovers?.failed].filter((each) => each !== undefined && each !== null),
  );
  unreadable.catch(() => {}); // Whoever waits for it is told.
  let closed: Promise<void> | null = null;
  return {
    addresses,
    report: () => ({
      inputs: inputs.status(),
      stats: stats(),
      sites: routes.sites,
      isLinked: routes.isLinked,
      drainRate: routes.drainRate,
    }),
    failed: unreadable,
    [Symbol.asyncDispose]: () => (closed ??= opened.disposeAsync()),
  };
}

/** As a kill from outside: nothing of this process runs after it. */
function die(): never {
  process.kill(process.pid, 'SIGKILL');
  for (;;);
}
