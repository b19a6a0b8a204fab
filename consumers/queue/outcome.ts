// What an outcome means beyond its own words: whether it fits its request, and what it says about the load of the target.
import type { Outcome } from './contract.ts';

/**
 * What is wrong with an outcome for a request of so many events ("it answered …"); null where it is one. Sinks may be a user's own, in plain
 * JavaScript: a count that is none would ack what is not delivered, and a wait that is none never ends.
 */
export function outcomeFault(outcome: Outcome, events: number): string | null {
  switch (outcome?.kind) {
    case 'done':
      return repeatedFault(outcome.repeated, events);
    case 'rejected':
      return textFault(outcome);
    case 'retry':
    case 'paused':
      return textFault(outcome) ?? afterFault(outcome.after);
    case 'partly': {
      const seen = new Set<number>();
      for (const index of [...outcome.retry, ...outcome.rejected.map((rejection) => rejection.index)]) {
        if (!Number.isInteger(index) || index < 0 || index >= events)
          return `with index ${index} for a request of ${events} events`;
        if (seen.has(index)) return `twice for the event at index ${index}`;
        seen.add(index);
      }
      const texts = [outcome, ...outcome.rejected].map(textFault).find((fault) => fault !== null);
      return texts ?? afterFault(outcome.after) ?? repeatedFault(outcome.repeated, events);
    }
    default:
      return `with ${JSON.stringify(outcome)}, which is no outcome`;
  }
}

const repeatedFault = (repeated: number, events: number): string | null =>
  Number.isInteger(repeated) && repeated >= 0 && repeated <= events
    ? null
    : `with repeated ${String(repeated)} for a request of ${events} events`;

const afterFault = (after: number | null): string | null =>
  after === null || after >= 0 ? null : `with after ${String(after)}, which is neither null nor milliseconds`;

/** Also of what `encode` refuses. */
export function textFault(said: { readonly code: unknown; readonly message: unknown }): string | null {
  const missing = (['code', 'message'] as const).find((name) => typeof said[name] !== 'string');
  return missing === undefined ? null : `with a ${missing} that is no text`;
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
