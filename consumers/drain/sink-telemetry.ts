// What a log sink says about itself: named facts (a log line and a counter each) and the gauges of its lag.
import type { Telemetry } from '#core/io/telemetry.ts';
import type { Position } from '../source/contract.ts';
import type { ReaderEvent } from '../source/log-reader.ts';
import type { WriterEvent } from './writer-event.ts';

export class SinkTelemetry {
  readonly #telemetry: Telemetry;
  readonly #sink: string;
  /** Milliseconds. */
  readonly #retention: number;
  /** Why the sink does not do its work now, by what: `site`, `partition 3`. */
  readonly #troubles = new Map<string, string>();
  #connected = false;

  constructor(telemetry: Telemetry, sink: string, retention: number) {
    this.#telemetry = telemetry;
    this.#sink = sink;
    this.#retention = retention;
    this.#troubles.set('site', 'not connected yet');
  }

  get connected(): boolean {
    return this.#connected;
  }

  troubles(): Iterable<string> {
    return this.#troubles.values();
  }

  reader(event: ReaderEvent): void {
    const { kind, site } = event;
    switch (kind) {
      case 'connected':
        this.#connected = true;
        this.#troubles.delete('site');
        this.#telemetry.metrics.linkUp.set({ site }, 1);
        this.#telemetry.fact('info', 'stream.connected', { sink: this.#sink, ...event });
        return;
      case 'disconnected':
        this.#connected = false;
        this.#troubles.set('site', `no stream connection to ${site} (${event.node}): ${event.why}`);
        this.#telemetry.metrics.linkUp.set({ site }, 0);
        this.#telemetry.fact('warn', 'stream.disconnected', { sink: this.#sink, ...event });
        return;
      case 'stream-missing':
        this.#troubles.set(event.stream, `${event.stream} at ${site}: ${event.why}`);
        this.#telemetry.fact('warn', 'stream.missing', { sink: this.#sink, ...event });
        return;
      case 'activation-failed':
        this.#troubles.set(`partition ${event.partition}`, event.why);
        this.#telemetry.fact('error', 'partition.activation-failed', { sink: this.#sink, ...event }, event.why);
        return;
      case 'stream-there':
        this.#troubles.delete(event.stream);
        return;
      default:
        kind satisfies never;
    }
  }

  writer(event: WriterEvent): void {
    const sink = this.#sink;
    const { kind, partition } = event;
    const { events } = this.#telemetry.metrics;
    switch (kind) {
      case 'recovered':
        this.#troubles.delete(`partition ${partition}`);
        this.#telemetry.fact('info', 'partition.active', {
          sink,
          partition,
          n: event.n,
          position: event.position?.offset.toString() ?? 'first',
        });
        return;
      case 'committed':
        this.#troubles.delete(`partition ${partition}`);
        events.inc({ stage: 'settle', route: sink, reason: 'committed' }, event.events);
        events.inc({ stage: 'settle', route: sink, reason: 'repeated' }, event.repeated);
        events.inc({ stage: 'settle', route: sink, reason: 'filtered' }, event.filtered);
        events.inc({ stage: 'settle', route: sink, reason: 'dead' }, event.dead);
        this.#telemetry.fact('info', 'window.committed', { sink, ...event });
        return;
      case 'fine':
        this.#troubles.delete(`partition ${partition}`);
        return;
      case 'superseded':
        this.#telemetry.fact(
          'warn',
          'partition.superseded',
          { sink, partition },
          'another instance writes this partition; reading again from its last commit',
        );
        return;
      case 'moved-away':
        this.#telemetry.fact('info', 'partition.moved', { sink, partition, home: event.home });
        return;
      case 'trouble': {
        const { trouble } = event;
        this.#troubles.set(`partition ${partition}`, `store ${trouble.kind}: ${trouble.message}`);
        const level = trouble.kind === 'refused' ? 'error' : 'warn';
        this.#telemetry.fact(level, `store.${trouble.kind}`, { sink, partition, ...trouble }, trouble.message);
        return;
      }
      case 'failed':
        this.#troubles.set(`partition ${partition}`, message(event.error));
        this.#telemetry.fact('error', 'partition.failed', { sink, partition, error: message(event.error) });
        return;
      default:
        kind satisfies never;
    }
  }

  /** The committed message is not where it was: the stream is another one. Nothing is repeated, but what only the old stream held is gone. */
  positionLost(partition: number, site: string, wanted: Position, found: string): void {
    const fields = {
      sink: this.#sink,
      partition,
      site,
      offset: wanted.offset.toString(),
      wanted: `${wanted.identity}:${wanted.first}`,
      found,
    };
    this.#telemetry.fact(
      'error',
      'stream.position-lost',
      fields,
      'the stream is not the one that was read: reading it from its first message',
    );
  }

  /** Retention deleted messages before they were read. */
  gap(partition: number, site: string, missing: bigint): void {
    this.#telemetry.metrics.events.inc(
      { stage: 'read', route: this.#sink, reason: 'messages-lost-to-retention' },
      Number(missing),
    );
    const fields = { sink: this.#sink, partition, site, messages: missing.toString() };
    this.#telemetry.fact(
      'error',
      'stream.retention-overtook',
      fields,
      'retention deleted messages that this sink had not read',
    );
  }

  lag(partition: number, active: boolean, oldest: number | null, now: number): void {
    const labels = { sink: this.#sink, partition: String(partition) };
    const { sinkLagSeconds, streamRetentionLeftSeconds } = this.#telemetry.metrics;
    if (!active) {
      sinkLagSeconds.remove(labels);
      streamRetentionLeftSeconds.remove(labels);
      return;
    }
    const lag = oldest === null ? 0 : Math.max(0, now - oldest);
    sinkLagSeconds.set(labels, lag / 1000);
    streamRetentionLeftSeconds.set(labels, (this.#retention - lag) / 1000);
  }
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));
