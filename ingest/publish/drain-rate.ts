// Bytes confirmed a second over the last seconds, and the Retry-After that follows from it.

const SECONDS = 10;
/** Retry-After, in seconds: at least, at most, and where nothing drains. */
const SHORTEST = 1;
const LONGEST = 120;
const UNKNOWN = 30;

/** A moving window of one-second buckets. Times are milliseconds of a clock that never goes back. */
export class DrainRate {
  readonly #buckets = new Float64Array(SECONDS);
  readonly #start: number;
  #second: number;

  constructor(now: number) {
    this.#start = now;
    this.#second = Math.floor(now / 1000);
  }

  add(bytes: number, now: number): void {
    this.#advance(now);
    const slot = this.#second % SECONDS;
    this.#buckets[slot] = (this.#buckets[slot] ?? 0) + bytes;
  }

  /** Bytes a second. */
  rate(now: number): number {
    this.#advance(now);
    let sum = 0;
    for (const bytes of this.#buckets) sum += bytes;
    // The newest bucket is partly filled, and at the start there are fewer.
    const spanned = Math.min(now - this.#start, (SECONDS - 1) * 1000 + (now % 1000));
    return spanned <= 0 ? 0 : (sum * 1000) / Math.max(spanned, 1000);
  }

  #advance(now: number): void {
    const second = Math.floor(now / 1000);
    if (second - this.#second >= SECONDS) this.#buckets.fill(0);
    else for (let at = this.#second + 1; at <= second; at++) this.#buckets[at % SECONDS] = 0;
    if (second > this.#second) this.#second = second;
  }
}

/** Whole seconds until `bytes` have drained at `rate` bytes a second. */
export function retryAfter(bytes: number, rate: number): number {
  if (rate <= 0) return UNKNOWN;
  return Math.min(LONGEST, Math.max(SHORTEST, Math.ceil(bytes / rate)));
}
