// A disk that takes nothing at the moment: why, since when, and when it is tried again.
import type { SpoolEvent } from './contract.ts';
import { isFull, type SpoolClock } from './disk.ts';

const RETRY_FIRST = 100;
const RETRY_LAST = 5000;

export interface Down {
  readonly since: number;
  readonly code: string;
  readonly message: string;
}

export class Outage {
  readonly #clock: SpoolClock;
  readonly #observe: (event: SpoolEvent) => void;
  #down: Down | null = null;
  #cancel: (() => void) | null = null;
  #delay = RETRY_FIRST;

  constructor(clock: SpoolClock, observe: (event: SpoolEvent) => void) {
    this.#clock = clock;
    this.#observe = observe;
  }

  get down(): Down | null {
    return this.#down;
  }

  /** Nothing is tried: until the timer, or until room was made. */
  get waiting(): boolean {
    return this.#cancel !== null;
  }

  begin(code: string, cause: string): void {
    const message = isFull(code)
      ? `The disk of the spool is full (${cause}). What is spooled goes on to the sites; make room on the disk, and new events are taken again.`
      : `The disk of the spool fails (${cause}). See the agent's log, and the kernel's.`;
    if (!this.#down) this.#observe({ kind: 'refusing', reason: 'disk', message });
    this.#down = { since: this.#down?.since ?? this.#clock.now(), code, message };
  }

  /** Later each time. */
  wait(retry: () => void): void {
    this.#cancel?.();
    this.#cancel = this.#clock.after(this.#delay, () => {
      this.#cancel = null;
      retry();
    });
    this.#delay = Math.min(this.#delay * 2, RETRY_LAST);
  }

  /** True where it was waiting. */
  stopWaiting(): boolean {
    if (!this.#cancel) return false;
    this.#cancel();
    this.#cancel = null;
    return true;
  }

  end(): void {
    if (this.#down)
      this.#observe({ kind: 'recovered', reason: 'disk', milliseconds: this.#clock.now() - this.#down.since });
    this.#down = null;
    this.#delay = RETRY_FIRST;
  }
}
