// Which events of a batch a window takes: repeats are dropped, exactly, whatever way they came.
import type { NumberRange } from '#core/number-ranges.ts';
import type { Numbers } from './records.ts';
import { bornBefore, type ChainState } from './state.ts';

/**
 * Which numbers of a batch are new: neither committed nor in `taken` (what the window at hand holds already). Empty where all are
 * repeats. `forgotten`: the identity is unknown and older than what the chain remembers; its events go to the dead letters, durably,
 * and then their numbers into the window's `skipped`.
 */
export type Admission = { readonly kind: 'fresh' | 'forgotten'; readonly ranges: readonly NumberRange[] };

export function admit(state: ChainState, taken: Numbers, identity: string, ranges: readonly NumberRange[]): Admission {
  const known = state.seen.get(identity);
  const held = taken.get(identity);
  const unseen = known === undefined ? ranges : known.numbers.missing(ranges);
  const fresh = held === undefined ? unseen : held.missing(unseen);
  const forgotten = known === undefined ? bornBefore(identity, state.floor) : known.dead;
  return { kind: forgotten ? 'forgotten' : 'fresh', ranges: fresh };
}
