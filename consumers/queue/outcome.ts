// What an outcome means beyond its own words: whether it fits its request, and what it says about the load of the target.
import type { Outcome } from './contract.ts';

/** What is wrong with an outcome for a request of so many events ("it answered …"); null where it is one. Sinks may be a user's own, in plain JavaScript. */
export function outcomeFault(outcome: Outcome, events: number): string | null {
  switch (outcome?.kind) {
    case 'done':
    case 'retry':
    case 'rejected':
    case 'paused':
      return null;
    case 'partly': {
      const seen = new Set<number>();
      for (const index of [...outcome.retry, ...outcome.rejected.map((rejection) => rejection.index)]) {
        if (!Number.isInteger(index) || index < 0 || index >= events)
          return `with index ${index} for a request of ${events} events`;
        if (seen.has(index)) return `twice for the event at index ${index}`;
        seen.add(index);
      }
      return null;
    }
    default:
      return `with ${JSON.stringify(outcome)}, which is no outcome`;
  }
}

/** For adaptive concurrency. What the target refuses for good, or for its own reasons, tells nothing about its load. */
export function loadOf(outcome: Outcome): 'ok' | 'overload' | 'neutral' {
  const { kind } = outcome;
  switch (kind) {
    case 'done':
      return 'ok';
    case 'retry':
      return 'overload';
    case 'partly':
      return outcome.retry.length > 0 ? 'overload' : 'ok';
    case 'rejected':
    case 'paused':
      return 'neutral';
    default:
      return kind satisfies never;
  }
}
