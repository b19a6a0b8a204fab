// How long to wait before the same is tried again: jittered, growing, and never earlier than the target asked.

export interface Backoff {
  /** Milliseconds; the bound doubles from `first` to `most`. */
  readonly first: number;
  readonly most: number;
}

/** Of one request. */
export const RETRY: Backoff = { first: 200, most: 10_000 };
/** Of a whole sink that the target refuses, or that cannot reach it. */
export const PAUSE: Backoff = { first: 1_000, most: 15_000 };

/** No target is waited for longer on its word alone: who sends a Retry-After of a day is mistaken, and a sink must not stand still for it. */
const LONGEST_ASKED = 3_600_000;

/**
 * Milliseconds until attempt number `failures` + 1; `failures` >= 1. `after`: what the target asked for (Retry-After), null where it did not;
 * up to an hour of it is obeyed. The jitter is then added to it, so that those who were refused together do not come back together. `random`
 * is in [0, 1).
 */
export function backoff({ first, most }: Backoff, failures: number, after: number | null, random: number): number {
  const bound = Math.min(most, first * 2 ** Math.min(failures - 1, 20));
  const own = bound * (0.5 + random / 2);
  return after === null ? own : Math.min(after, LONGEST_ASKED) + (random * bound) / 2;
}
