// The limit of the spool in bytes: whether an append has room, and whether the spool refuses at the moment.
import type { SpoolEvent } from './contract.ts';
import type { SpoolClock } from './disk.ts';
import { SEGMENT_HEADER } from './format.ts';

export interface LimitOptions {
  readonly max: number;
  /** Bytes of a segment, about. */
  readonly segment: number;
  readonly clock: SpoolClock;
  readonly observe: (event: SpoolEvent) => void;
  /** On the disk. */
  readonly used: () => number;
  /** Of it, what may be removed at any time. */
  readonly removable: () => number;
  /** Appended, and perhaps not on the disk yet. */
  readonly pending: () => number;
}

export class Limit {
  readonly #options: LimitOptions;
  /** Since when appends are refused, and how many bytes of room end that. */
  #full: { readonly since: number; readonly bytes: number } | null = null;

  constructor(options: LimitOptions) {
    this.#options = options;
  }

  get fullSince(): number | null {
    return this.#full?.since ?? null;
  }

  /** Whether so many bytes have room, once what may be removed is. */
  room(bytes: number): boolean {
    const { max, segment, clock, observe } = this.#options;
    if (this.#fits(bytes)) {
      this.check();
      return true;
    }
    // With a segment's room it is not full, though a single request may want more, and perhaps more than there ever is.
    const enough = Math.min(bytes, segment);
    if (this.#fits(enough)) return false;
    if (this.#full === null)
      observe({ kind: 'refusing', reason: 'full', message: `The spool has reached spool.max, ${max} bytes.` });
    this.#full = { since: this.#full?.since ?? clock.now(), bytes: enough };
    return false;
  }

  /** Less than a segment is left before something must be removed. */
  crowded(bytes: number): boolean {
    return this.#full !== null || this.#with(bytes) > this.#options.max - this.#options.segment;
  }

  /** What was refused would have room now: it is not full any more. */
  check(): void {
    if (this.#full === null || !this.#fits(this.#full.bytes)) return;
    const milliseconds = this.#options.clock.now() - this.#full.since;
    this.#full = null;
    this.#options.observe({ kind: 'recovered', reason: 'full', milliseconds });
  }

  #fits(bytes: number): boolean {
    return this.#with(bytes) - this.#options.removable() <= this.#options.max;
  }

  #with(bytes: number): number {
    const { used, pending, segment } = this.#options;
    const unwritten = pending() + bytes;
    return used() + unwritten + SEGMENT_HEADER * (3 + Math.floor(unwritten / segment));
  }
}
