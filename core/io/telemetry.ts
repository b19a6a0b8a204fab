// One call for an operational fact: the log line and the counter beside it.
import { createLog, type Log } from './log.ts';
import { createMetrics, type Metrics } from './metrics.ts';

export interface Telemetry {
  readonly log: Log;
  readonly metrics: Metrics;
  /**
   * Something happened that an operator may ask for. `name` is fixed in the code (`site.unreachable`, `segment.quarantined`), `fields` hold what varies.
   * It makes a log line with `fact: name`, and adds 1 to waggle_facts_total{fact}. Not for each event: those are counted, not logged.
   */
  readonly fact: (
    level: 'debug' | 'info' | 'warn' | 'error',
    name: `${string}.${string}`,
    fields: Readonly<Record<string, unknown>>,
    message?: string,
  ) => void;
}

export function createTelemetry(service: string, log: Log = createLog(service)): Telemetry {
  const metrics = createMetrics(service);
  return {
    log,
    metrics,
    fact(level, name, fields, message) {
      metrics.facts.inc({ fact: name });
      log[level]({ ...fields, fact: name }, message ?? name);
    },
  };
}
