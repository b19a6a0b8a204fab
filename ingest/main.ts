// `waggle agent`: one worker in this process, or several behind it; and the administration endpoints that tell of all of it.
import type { Config } from '#core/config/config.ts';
import { startAdmin } from '#core/io/admin.ts';
import { EXIT_CONFIG } from '#core/io/config-file.ts';
import { createTelemetry, type Telemetry } from '#core/io/telemetry.ts';
import { type Agent, startAgent } from './agent.ts';
import type { InputAddresses } from './inputs/start.ts';
import { LiveConfig } from './reload.ts';
import { readinessOf, statusOf } from './report.ts';

interface Running extends AsyncDisposable {
  /** Rejects where it cannot go on. */
  readonly failed: Promise<never>;
}

/** Runs until the signal aborts. Resolves with the exit code: 0, or 78 where it cannot start. Rejects where it cannot go on. */
export async function runAgent(
  config: Config,
  signal: AbortSignal,
  telemetry = createTelemetry('agent'),
): Promise<number> {
  let running: Running;
  try {
    running = await start(config, telemetry);
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
    await Promise.race([running.failed, new Promise<void>((resolve) => onAbort(signal, resolve))]);
  } finally {
    await running[Symbol.asyncDispose]();
  }
  return 0;
}

/** Resolves once it listens. Rejects with an error for people. */
async function start(config: Config, telemetry: Telemetry): Promise<Running> {
  await using started = new AsyncDisposableStack();
  const live = started.use(new LiveConfig(config, telemetry));
  const { registry } = telemetry.metrics;
  const listen = config.agent.admin;
  let addresses: InputAddresses;
  let failed: Promise<never>;
  let admin: string;
  if (config.agent.workers === 1) {
    const agent: Agent = started.use(await startAgent(live, 0, telemetry));
    ({ addresses, failed } = agent);
    const ready = (): ReturnType<typeof readinessOf> => readinessOf(agent.report());
    const status = (): object => statusOf(config.agent, agent.report());
    admin = started.use(await startAdmin({ listen, registry, ready, status })).address;
  } else {
    const { startWorkers } = await import('./workers/primary.ts');
    const workers = started.use(await startWorkers(live, telemetry));
    ({ addresses, failed } = workers);
    const { ready, status, metrics } = workers;
    const all = { contentType: registry.contentType, metrics };
    admin = started.use(await startAdmin({ listen, registry: all, ready, status })).address;
  }
  live.watch();
  telemetry.fact(
    'info',
    'agent.started',
    { http: addresses.http ?? null, inputs: addresses, admin: `http://${admin}`, spool: config.agent.spool.path },
    `listening for events at ${Object.values(addresses).join(', ') || 'no input'}`,
  );
  const opened = started.move();
  return { failed, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

function onAbort(signal: AbortSignal, then: () => void): void {
  if (signal.aborted) then();
  else signal.addEventListener('abort', then, { once: true });
}
