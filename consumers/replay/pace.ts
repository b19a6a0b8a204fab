// A bounded rate of events.
import { setTimeout as delay } from 'node:timers/promises';

/** Shorter waits are saved up: timers are no finer, and one for each event would be the bound. */
const SHORTEST_MS = 5;

export class Pace {
  readonly #perEvent: number;
  readonly #now: () => number;
  readonly #wait: (ms: number) => Promise<unknown>;
  #due = 0;

  /** `rate`: events a second. `now`: a clock that never steps, milliseconds. */
  constructor(
    rate: number,
    now: () => number = () => performance.now(),
    wait: (ms: number) => Promise<unknown> = delay,
  ) {
    this.#perEvent = 1000 / rate;
    this.#now = now;
    this.#wait = wait;
  }

  /** Resolves when so many events may go. Time that nobody used is not saved up. */
  async take(events: number): Promise<void> {
    const now = this.#now();
    const at = Math.max(this.#due, now);
    this.#due = at + events * this.#perEvent;
    if (at - now >= SHORTEST_MS) await this.#wait(at - now);
  }
}
