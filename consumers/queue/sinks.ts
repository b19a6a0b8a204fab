// From a queue sink's configuration to its target: the one table. Each is loaded only where it is used, so that a process holds its own target's
// client and no other.
import type { QueueSinkConfig } from '#core/config/sink-config.ts';
import type { Telemetry } from '#core/io/telemetry.ts';
import type { QueueSink } from './contract.ts';

/** Rejects with SinkConfigInvalid where the configuration cannot work. */
export async function openQueueSink(sink: QueueSinkConfig, { log }: Telemetry): Promise<QueueSink> {
  const { kind } = sink;
  switch (kind) {
    case 'elasticsearch': {
      const { openElasticsearchSink } = await import('../elasticsearch/index.ts');
      return openElasticsearchSink(sink, (message) => log.warn(message));
    }
    case 'splunk': {
      const { openSplunkSink } = await import('../splunk/index.ts');
      return openSplunkSink(sink);
    }
    case 'mongodb': {
      const { openMongodbSink } = await import('../mongodb/index.ts');
      return openMongodbSink(sink);
    }
    case 'module': {
      const { loadModuleSink } = await import('./module-sink.ts');
      return loadModuleSink(sink);
    }
    default:
      return kind satisfies never;
  }
}
