// The partitions of a log sink that are read at one site: a reader, and a writer for each partition.
import type { Config, SiteConfig } from '#core/config/config.ts';
import type { LogSinkConfig } from '#core/config/sink-config.ts';
import type { Readiness } from '#core/io/admin.ts';
import type { Telemetry } from '#core/io/telemetry.ts';
import { compileMapping } from '#core/mapping.ts';
import { matcher } from '#core/patterns.ts';
import type { ChainSettings } from '../chain/state.ts';
import type { ObjectStore } from '../chain/store.ts';
import { LogReader } from '../source/log-reader.ts';
import { StreamConnection } from '../source/stream-client.ts';
import type { Budget } from './budget.ts';
import type { DeadLetters } from '../dead/write.ts';
import { PartitionWriter } from './partition-writer.ts';
import { SinkTelemetry } from './sink-telemetry.ts';

export interface SiteReadingOptions {
  readonly config: Config;
  readonly sink: LogSinkConfig;
  readonly site: SiteConfig;
  readonly partitions: readonly number[];
  readonly settings: (partition: number) => ChainSettings;
  readonly store: ObjectStore;
  readonly budget: Budget;
  readonly dead: DeadLetters;
  readonly telemetry: Telemetry;
  readonly now: () => number;
  readonly tick: () => number;
  readonly random: () => number;
  /** A fresh name of 16 or more of a-z 0-9. */
  readonly name: () => string;
  /** A chain's home is another site now: all homes must be looked at again. */
  readonly moved: () => void;
}

const TICK_MS = 250;
/** How often an active writer asks whether its chain went on without it: a move, of which an idle stream tells nothing. */
const LOOK_MS = 60_000;

export class SiteReading implements AsyncDisposable {
  readonly #options: SiteReadingOptions;
  readonly #writers = new Map<number, PartitionWriter>();
  readonly #reader: LogReader;
  readonly #facts: SinkTelemetry;
  readonly #timers: readonly NodeJS.Timeout[];

  constructor(options: SiteReadingOptions) {
    this.#options = options;
    const { config, sink, site, partitions, telemetry, now } = options;
    this.#facts = new SinkTelemetry(telemetry, sink.name, config.log.retention);
    const matches = matcher(sink.match);
    const mapping = sink.mapping === null ? null : compileMapping(sink.mapping);
    for (const partition of partitions) {
      const writer = new PartitionWriter({
        settings: options.settings(partition),
        site: site.name,
        store: options.store,
        rotate: sink.rotate,
        matches,
        mapping,
        budget: options.budget,
        dead: options.dead,
        now,
        tick: options.tick,
        name: options.name,
        observe: (event) => {
          this.#facts.writer(event);
          if (event.kind === 'moved-away') options.moved();
        },
        credit: () => this.#reader.credit(partition, 1),
        restart: () => this.#reader.restart(partition),
      });
      this.#writers.set(partition, writer);
    }
    this.#reader = new LogReader({
      site,
      vhost: config.vhost,
      username: sink.name,
      password: config.users[sink.name]?.password ?? '',
      sink: sink.name,
      partitions,
      random: options.random,
      connect: (...endpoint) => StreamConnection.connect(...endpoint),
      observe: (event) => this.#facts.reader(event),
      listener: {
        activated: async (partition) => this.#of(partition).activated(),
        deactivated: (partition) => this.#of(partition).deactivated(),
        positionLost: (partition, wanted, found) => this.#facts.positionLost(partition, site.name, wanted, found),
        gap: (partition, missing) => this.#facts.gap(partition, site.name, missing),
        message: (message) => this.#of(message.partition).message(message),
        chunkEnd: (partition) => this.#of(partition).chunkEnd(),
      },
    });
    this.#timers = [setInterval(() => this.#tick(), TICK_MS), setInterval(() => this.#look(), LOOK_MS)];
  }

  ready(): Readiness {
    const reasons = [...this.#facts.troubles()];
    return { ok: reasons.length === 0, reasons };
  }

  status(): object {
    const { site, now } = this.#options;
    return {
      site: site.name,
      connected: this.#facts.connected,
      partitions: [...this.#writers].map(([partition, writer]) => ({
        partition,
        active: writer.active,
        committed: writer.committed,
        open_bytes: writer.open,
        lag_seconds: writer.oldest === null ? 0 : (now() - writer.oldest) / 1000,
      })),
    };
  }

  /** Writes what is open, until the signal; then gives the partitions up. */
  async drain(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#writers.values()].map((writer) => writer.drain(signal)));
  }

  /** Drops what is not committed; it is read again. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#reader[Symbol.asyncDispose]();
    for (const writer of this.#writers.values()) writer.close();
  }

  #tick(): void {
    for (const [partition, writer] of this.#writers) {
      writer.tick();
      this.#facts.lag(partition, writer.active, writer.oldest, this.#options.now());
    }
  }

  #look(): void {
    for (const writer of this.#writers.values()) writer.look();
  }

  #of(partition: number): PartitionWriter {
    const writer = this.#writers.get(partition);
    if (writer === undefined) throw new Error(`partition ${partition} is not read here`);
    return writer;
  }
}
