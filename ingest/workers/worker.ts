// One of several workers: a process that the first one (primary.ts) starts, tells, asks and ends. It reads no file of configuration and hears no
// signal: what it runs by comes from there, so that one that is started again runs as the others do.
import cluster from 'node:cluster';
import type { MetricObjectWithValues, MetricValue } from 'prom-client';
import type { Config } from '#core/config/config.ts';
import { createLog } from '#core/io/log.ts';
import { endOnUncaught } from '#core/io/process.ts';
import { createTelemetry } from '#core/io/telemetry.ts';
import { type Agent, startAgent } from '../agent.ts';
import type { InputAddresses } from '../inputs/start.ts';
import { LiveConfig } from '../reload.ts';
import type { AgentReport } from '../report.ts';

/** What a registry holds, as it goes from process to process. */
export type Metrics = readonly MetricObjectWithValues<MetricValue<string>>[];

export type ToWorker =
  /** The first message. `config`: of this worker (configOfWorker). */
  | { readonly kind: 'start'; readonly worker: number; readonly config: Config }
  | { readonly kind: 'config'; readonly config: Config }
  | { readonly kind: 'ask'; readonly question: number }
  | { readonly kind: 'stop' };

export type FromWorker =
  /** It hears messages now. */
  | { readonly kind: 'ready' }
  | ({ readonly kind: 'started'; readonly addresses: InputAddresses } & Told)
  /** It cannot start; for people. */
  | { readonly kind: 'refused'; readonly message: string }
  | ({ readonly kind: 'answer'; readonly question: number } & Told);

export interface Told {
  readonly report: AgentReport;
  readonly metrics: Metrics;
}

/** What the primary runs. */
export const workerProgram = import.meta.filename;

async function run({ worker, config }: ToWorker & { kind: 'start' }): Promise<void> {
  const log = createLog('agent').child({ worker });
  const crash = endOnUncaught(log);
  const telemetry = createTelemetry('agent', log);
  const live = new LiveConfig(config, telemetry);
  let agent: Agent;
  try {
    agent = await startAgent(live, worker, telemetry);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return send({ kind: 'refused', message });
  }
  agent.failed.catch(crash);
  const told = async (): Promise<Told> => ({
    report: agent.report(),
    metrics: await telemetry.metrics.registry.getMetricsAsJSON(),
  });
  process.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'ask':
        return void told().then((all) => send({ kind: 'answer', question: message.question, ...all }), crash);
      case 'config':
        return void live.take(message.config);
      case 'stop':
        return void agent[Symbol.asyncDispose]().then(() => process.exit(0), crash);
      case 'start':
        return undefined;
      default:
        return message satisfies never;
    }
  });
  send({ kind: 'started', addresses: agent.addresses, ...(await told()) });
}

/** Where the primary is gone, this process ends too, as node:cluster has it. */
function send(message: FromWorker): void {
  if (process.connected) process.send?.(message, () => undefined);
}

if (import.meta.main && cluster.isWorker) {
  // Of a terminal and of a service manager they come to all processes; the primary says what is to be done.
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM']) process.on(signal, () => undefined);
  process.once('message', (message: ToWorker) => {
    if (message.kind === 'start') void run(message);
  });
  send({ kind: 'ready' });
}
