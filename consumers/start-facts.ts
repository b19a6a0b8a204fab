// What happens to a sink outside the partitions that it reads, as facts: at its start, and with what all its partitions share.
import type { Telemetry } from '#core/io/telemetry.ts';
import type { RecordInvalid } from './chain/record-codec.ts';
import type { Trouble } from './chain/run.ts';

export class StartFacts {
  readonly #telemetry: Telemetry;
  readonly #sink: string;
  /** Why the sink does not do its work now, by what. */
  readonly #troubles = new Map<string, string>();

  constructor(telemetry: Telemetry, sink: string) {
    this.#telemetry = telemetry;
    this.#sink = sink;
  }

  troubles(): Iterable<string> {
    return this.#troubles.values();
  }

  store(trouble: Trouble, partition: number | null = null): void {
    this.#troubles.set('store', `store ${trouble.kind}: ${trouble.message}`);
    const fields = { sink: this.#sink, ...trouble, ...(partition === null ? {} : { partition }) };
    if (trouble.kind === 'refused') {
      const message = `${trouble.message} It is tried again by itself: no restart is needed once this is mended.`;
      this.#telemetry.fact('error', 'store.refused', fields, message);
    } else this.#telemetry.fact('warn', 'store.trouble', fields, trouble.message);
  }

  storeAnswers(): void {
    this.#troubles.delete('store');
  }

  /** Its writer is not ready either as long as that is so, and says it again. */
  invalid(partition: number, error: RecordInvalid): void {
    const message = `${error.message}. Partition ${partition} waits, and goes on by itself once this is mended.`;
    this.#telemetry.fact('error', 'chain.invalid', { sink: this.#sink, partition, key: error.key }, message);
  }

  deadLetters(site: string, why: string | null): void {
    if (why === null) {
      this.#troubles.delete(`dead letters ${site}`);
      return;
    }
    this.#troubles.set(`dead letters ${site}`, why);
    this.#telemetry.fact('error', 'dead-letters.refused', { sink: this.#sink, site }, why);
  }

  oldPartitions(site: string, there: ReadonlySet<number>): void {
    if (there.size === 0) return;
    const partitions = [...there].toSorted((x, y) => x - y);
    const message = `log.partitions is lower than it was: the streams of the partitions ${partitions.join(', ')} are still at ${site} and are read too, until they are deleted by hand (waggle topology plan says when)`;
    this.#telemetry.fact('warn', 'partitions.old', { sink: this.#sink, site, partitions }, message);
  }

  oldPartitionsUnknown(site: string, why: string): void {
    const message = `whether ${site} has streams beyond log.partitions is not known yet: ${why}`;
    this.#telemetry.fact('warn', 'partitions.unknown', { sink: this.#sink, site }, message);
  }
}
