// Every metric of waggle, declared once. Labels are bounded: sites, sinks, partitions, and reasons out of closed tables; never types or identities.
import { type Aggregator, Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

export interface Metrics {
  readonly registry: Registry;
  /** Events by what became of them. `stage`: accept, spool, publish, read, write, settle. */
  readonly events: Counter<'stage' | 'route' | 'reason'>;
  /** Events at the inputs, before the ledger. `reason`: accepted, a code of core/errors.ts, or `lost-` and why. */
  readonly inputEvents: Counter<'input' | 'reason'>;
  /** Connections that an input closed, other than at the end of the agent. */
  readonly inputClosed: Counter<'input' | 'reason'>;
  /** accepted − (confirmed + spooled + quarantined + dropped); anything but 0 is a bug. */
  readonly ledgerImbalance: Gauge<'route'>;
  readonly spoolBytes: Gauge;
  readonly oldestUnconfirmedSeconds: Gauge<'route'>;
  readonly sinkLagSeconds: Gauge<'sink' | 'partition'>;
  /** Time until retention overtakes the reader. */
  readonly streamRetentionLeftSeconds: Gauge<'sink' | 'partition'>;
  /** What a queue sink has taken from its queue and not settled. `unit`: events, messages. */
  readonly sinkHeld: Gauge<'sink' | 'unit'>;
  /** `kind`: permitted (permits held), usable (as many as its concurrency lets it use now), busy. */
  readonly sinkConnections: Gauge<'sink' | 'kind'>;
  readonly sinkQueueMessages: Gauge<'sink'>;
  /** `outcome`: as a sink answers: done, retry, partly, rejected, paused. */
  readonly sinkRequestSeconds: Histogram<'sink' | 'outcome'>;
  /** 1 while the connection to the site is up. */
  readonly linkUp: Gauge<'site'>;
  /** `waggle topology watch`: 1 while the management API of the site answers. */
  readonly siteUp: Gauge<'site'>;
  /** 1 while a node of the site blocks publishers. `kind`: memory, disk. */
  readonly siteAlarm: Gauge<'site' | 'kind'>;
  readonly diskLeftBytes: Gauge<'site'>;
  readonly federationUp: Gauge<'from' | 'to'>;
  readonly bufferBytes: Gauge<'site' | 'to'>;
  readonly bufferFullSeconds: Gauge<'site' | 'to'>;
  /** Operational facts by name: the counter beside each log line of `Telemetry.fact`. */
  readonly facts: Counter<'fact'>;
}

/** A registry of its own for each service, so that two in one process (tests) do not meet. */
export function createMetrics(service: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  /** `aggregator`: of several workers on one page. */
  const gauge = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    aggregator: Aggregator = 'sum',
  ) => new Gauge<L>({ name, help, labelNames, registers, aggregator });
  return {
    registry,
    events: new Counter({
      name: 'waggle_events_total',
      help: 'Events, by stage, route and reason.',
      labelNames: ['stage', 'route', 'reason'],
      registers,
    }),
    inputEvents: new Counter({
      name: 'waggle_input_events_total',
      help: 'Events at an agent’s inputs: accepted, refused (by code, also requests refused as a whole), or lost.',
      labelNames: ['input', 'reason'],
      registers,
    }),
    inputClosed: new Counter({
      name: 'waggle_input_closed_total',
      help: 'Connections that an input closed, by reason.',
      labelNames: ['input', 'reason'],
      registers,
    }),
    ledgerImbalance: gauge(
      'waggle_ledger_imbalance',
      'Accepted less confirmed, spooled, quarantined and dropped; not 0 is a bug.',
      ['route'],
    ),
    spoolBytes: new Gauge({ name: 'waggle_spool_bytes', help: 'Bytes of the spool on the disk.', registers }),
    oldestUnconfirmedSeconds: gauge(
      'waggle_oldest_unconfirmed_seconds',
      'Age of the oldest event that no site has confirmed.',
      ['route'],
      'max',
    ),
    sinkLagSeconds: gauge('waggle_sink_lag_seconds', 'Age of the oldest event read and not yet committed.', [
      'sink',
      'partition',
    ]),
    streamRetentionLeftSeconds: gauge(
      'waggle_stream_retention_left_seconds',
      'Time until retention deletes what the sink has not committed.',
      ['sink', 'partition'],
    ),
    sinkHeld: gauge('waggle_sink_held', 'What a queue sink took from its queue and has not settled.', ['sink', 'unit']),
    sinkConnections: gauge('waggle_sink_connections', 'Connections of a queue sink to its target.', ['sink', 'kind']),
    sinkQueueMessages: gauge('waggle_sink_queue_messages', 'Messages in the queue of a queue sink.', ['sink']),
    sinkRequestSeconds: new Histogram({
      name: 'waggle_sink_request_seconds',
      help: 'Requests of a queue sink to its target, by outcome.',
      labelNames: ['sink', 'outcome'],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300],
      registers,
    }),
    linkUp: gauge('waggle_link_up', '1 while the connection to the site is up, else 0.', ['site'], 'min'),
    siteUp: gauge('waggle_site_up', '1 while the management API of the site answers, else 0.', ['site']),
    siteAlarm: gauge('waggle_site_alarm', '1 while a node of the site blocks publishers, by kind.', ['site', 'kind']),
    diskLeftBytes: gauge('waggle_site_disk_left_bytes', 'Free disk of a site’s fullest node, above its alarm.', [
      'site',
    ]),
    federationUp: gauge('waggle_federation_up', '1 while the link that copies events runs, else 0.', ['from', 'to']),
    bufferBytes: gauge('waggle_federation_buffer_bytes', 'Bytes that a site keeps for another.', ['site', 'to']),
    bufferFullSeconds: gauge(
      'waggle_federation_buffer_full_seconds',
      'Time until that buffer has filled the disk, at the present rate; +Inf while it does not grow.',
      ['site', 'to'],
    ),
    facts: new Counter({
      name: 'waggle_facts_total',
      help: 'Operational facts, by name.',
      labelNames: ['fact'],
      registers,
    }),
  };
}
