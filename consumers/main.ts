// A sink's process: which of the two kinds it is decides what runs.
import { setFlagsFromString } from 'node:v8';
import type { Config } from '#core/config/config.ts';
import { isQueueSink, type LogSinkConfig } from '#core/config/sink-config.ts';
import { EXIT_CONFIG } from '#core/io/config-file.ts';
import { createTelemetry } from '#core/io/telemetry.ts';
import { listCommitted as listChain, type CommittedObject, type ListQuery } from './chain/list.ts';
import { openSinkStore } from './stores.ts';

/** Runs until the signal; 0, or 78 where the configuration or the target cannot do it. */
export async function runConsumer(config: Config, name: string, signal: AbortSignal): Promise<number> {
  // What a sink holds lives for seconds; room for more garbage than that is memory that a host could use (docs/decisions.md).
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=80');
  const telemetry = createTelemetry(`consumer-${name}`);
  const sink = config.sinks.find((candidate) => candidate.name === name);
  if (sink === undefined) {
    const names = config.sinks.map((candidate) => candidate.name).join(', ');
    telemetry.log.error(`${config.file}: there is no sink "${name}"; there are: ${names}`);
    return EXIT_CONFIG;
  }
  // Each loads what it needs, and nothing of the other.
  if (isQueueSink(sink)) {
    const { runQueueSink } = await import('./queue-sink.ts');
    return runQueueSink(config, sink, telemetry, signal);
  }
  const { runLogSink } = await import('./log-sink.ts');
  return runLogSink(config, sink, telemetry, signal);
}

/** The log sink of that name. Throws RangeError where there is none. */
export function logSinkOf(config: Config, name: string): LogSinkConfig {
  const sink = config.sinks.find((candidate) => candidate.name === name);
  if (sink === undefined || isQueueSink(sink)) throw new RangeError(`${config.file}: there is no log sink "${name}"`);
  return sink;
}

/** Exactly what is committed: `waggle consumer SINK --list`. */
export async function* listCommitted(
  config: Config,
  name: string,
  filter: ListQuery,
  signal: AbortSignal,
): AsyncGenerator<CommittedObject> {
  const store = await openSinkStore(logSinkOf(config, name));
  try {
    yield* listChain(store, name, filter, signal);
  } finally {
    await store.close();
  }
}
