// The oracle's first half: sends numbered events and remembers which were acknowledged. A request without an answer is unknown (its
// events may arrive or not) and is never sent again; a refusal is sent again, as a client would.
import { setTimeout as delay } from 'node:timers/promises';

export interface GeneratorOptions {
  /** Where the next request goes. */
  readonly target: () => string;
  readonly name: string;
  readonly type: string;
  readonly events: number;
  /** Events a request. */
  readonly batch: number;
  /** Milliseconds between the starts of requests, now. */
  readonly pace: () => number;
  readonly level?: 'memory' | 'disk' | 'site';
}

export class Generator {
  readonly acknowledged = new Set<number>();
  readonly unknown = new Set<number>();
  /** Answers that were neither taken nor a refusal to be repeated. */
  readonly surprises: string[] = [];
  refused = 0;
  readonly #options: GeneratorOptions;
  #next = 1;

  constructor(options: GeneratorOptions) {
    this.#options = options;
  }

  /** Events in requests begun. */
  get sent(): number {
    return this.#next - 1;
  }

  get events(): number {
    return this.#options.events;
  }

  get name(): string {
    return this.#options.name;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { events, batch, pace } = this.#options;
    while (this.#next <= events && !signal.aborted) {
      const numbers = Array.from({ length: Math.min(batch, events - this.#next + 1) }, (_, i) => this.#next + i);
      this.#next += numbers.length;
      await this.#send(numbers, signal);
      await delay(pace());
    }
  }

  async #send(numbers: readonly number[], signal: AbortSignal): Promise<void> {
    const { target, name, type, level = 'disk' } = this.#options;
    const body = JSON.stringify(numbers.map((n) => ({ g: name, n })));
    while (!signal.aborted) {
      let status: number;
      try {
        const response = await fetch(`${target()}/events/${type}?level=${level}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
          signal: AbortSignal.timeout(20_000),
        });
        const text = await response.text();
        status = response.status;
        if (status === 200 || status === 202) {
          const { accepted } = JSON.parse(text) as { accepted: number };
          if (accepted !== numbers.length) this.surprises.push(`accepted ${accepted} of ${numbers.length}: ${text}`);
          for (const n of numbers) this.acknowledged.add(n);
          return;
        }
        if (status !== 429 && status !== 503) {
          this.surprises.push(`${status}: ${text}`);
          return;
        }
      } catch (error) {
        // Never connected: nothing was sent, so this is no unknown. Anything else is.
        if (!neverSent(error)) {
          for (const n of numbers) this.unknown.add(n);
          return;
        }
      }
      this.refused++;
      await delay(100);
    }
  }
}

function neverSent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : null;
  return cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED';
}
