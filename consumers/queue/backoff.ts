// How long to wait before the same is tried again: jittered, growing, and never earlier than the target asked.

export interface Backoff {
  /** Milliseconds; the bound doubles from `first` to `most`. */
  readonly first: number;
  readonly most: number;
}

/** Of one request. */
export const RETRY: Backoff = { first: 200, most: 10_000 };
/** Of a whole sink that the target refuses, or that cannot reach it. */
export const PAUSE: Backoff = { first: 1_000, most: 60_000 };

/**
 * Milliseconds until attempt number `failures` + 1; `failures` >= 1. `after`: what the target asked for (Retry-After), null where it did not;
 * the jitter is then added to it, so that those who were refused together do not come back together. `random` is in [0, 1).
 */
export function backoff({ first, most }: Backoff, failures: number, after: number | null, random: number): number {
  const bound = Math.min(most, first * 2 ** Math.min(failures - 1, 20));
  const own = bound * (0.5 + random / 2);
  return after === null ? own : after + (random * bound) / 2;
}
