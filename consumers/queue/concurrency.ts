// How many requests of one instance may be open at the target at once: additive increase, multiplicative decrease, on what the target's
// answers say. Pure; no clock. After Vector's adaptive request concurrency (vectordotdev/vector, src/sinks/util/adaptive_concurrency), with
// its ratios; its interval of one mean round trip is here as many answers as the limit allows at once, which is the same under load.
// As there, the average follows slow changes: a target that answers unevenly and never refuses may be given more at once than does it good
// (its rate does not suffer, its latency does), up to `most`. Size of batches changes latency too, so no fixed floor would do better.
//
// Invariants:
// 1. 0 <= limit <= most; limit >= 1 where most >= 1.
// 2. The limit changes at the end of a round alone, by +1 or to floor(0.9 · limit), or by the owner's setting of `most`. Until it first
//    falls, and up to 4, it is doubled instead (TCP's slow start, RFC 5681); further, and it would overshoot a knee that it cannot tell then.
// 3. No rise in a round in which the target was overloaded, or in which the limit was never reached (nothing is known of more).
// 4. Latency alone lowers it only where the limit was reached: else it is not our requests that make it slow.
// 5. Neutral answers change nothing.

/** `ok`: the target did the work, so that its latency counts. `overload`: it was too much for it, or it timed out. `neutral`: neither. */
export type End = 'ok' | 'overload' | 'neutral';

/** As far as it is doubled. */
const START = 4;
const DECREASE_RATIO = 0.9;
/** Weight of the newest round in the moving average. */
const EWMA_ALPHA = 0.4;
/** Deviations above the average from which on latency counts as overload. */
const DEVIATIONS = 2.5;
/** And at least so far above it, as a share of the average: a target that answers evenly has no deviation to speak of. */
const LEAST_RISE = 0.1;

export class Concurrency {
  /** The most that is allowed: the permits held. */
  most = 0;
  #limit = 1;
  /** It never fell. */
  #starting = true;
  /** Of the rounds until now; null before the first. */
  #past: { readonly mean: number; readonly variance: number } | null = null;
  #answers = 0;
  #latencies = 0;
  #latencySum = 0;
  #overloaded = false;
  #reached = false;

  get limit(): number {
    return Math.min(this.#limit, this.most);
  }

  /** One answer. `latencyMs` >= 0, of this request alone; `inFlight`: requests open when it ended, itself included. */
  observe(end: End, latencyMs: number, inFlight: number): void {
    if (end === 'neutral') return;
    this.#answers++;
    if (inFlight >= this.limit) this.#reached = true;
    if (end === 'overload') this.#overloaded = true;
    else {
      this.#latencies++;
      this.#latencySum += latencyMs;
    }
    if (this.#answers >= this.limit) this.#endRound();
  }

  #endRound(): void {
    const mean = this.#latencies > 0 ? this.#latencySum / this.#latencies : null;
    const past = this.#past;
    if (this.#overloaded || (this.#reached && isSlower(mean, past))) {
      this.#limit = Math.max(1, Math.floor(this.limit * DECREASE_RATIO));
      this.#starting = false;
    } else if (this.#reached && this.#starting && mean !== null && this.#limit < Math.min(START, this.most)) {
      this.#limit = Math.min(2 * this.#limit, START, this.most);
    } else if (this.#reached && mean !== null && past !== null && mean <= past.mean && this.#limit < this.most) {
      this.#limit++;
    }
    if (mean !== null) this.#past = averaged(past, mean);
    this.#answers = this.#latencies = this.#latencySum = 0;
    this.#overloaded = this.#reached = false;
  }
}

type Average = { readonly mean: number; readonly variance: number };

function isSlower(mean: number | null, past: Average | null): boolean {
  if (mean === null || past === null) return false;
  return mean > past.mean + Math.max(DEVIATIONS * Math.sqrt(past.variance), LEAST_RISE * past.mean);
}

/** Exponentially weighted moving average and variance (Finch, "Incremental calculation of weighted mean and variance", section 9). */
function averaged(past: Average | null, value: number): Average {
  if (past === null) return { mean: value, variance: 0 };
  const difference = value - past.mean;
  const increment = EWMA_ALPHA * difference;
  return { mean: past.mean + increment, variance: (1 - EWMA_ALPHA) * (past.variance + difference * increment) };
}
