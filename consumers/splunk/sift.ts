// The events of a request that the collector will never take are found and taken out, so that all others arrive. Pure but for its posts.
//
// A refusal names one event at most, and numbers differ (classify.ts), so it is tried alone: only what is refused alone is at fault.
import type { Outcome, Rejection } from '../queue/contract.ts';
import { suspects, type Suspect, type Verdict } from './classify.ts';

export interface Posts {
  /** Events by index, together; answers once the target has them. */
  send(indexes: readonly number[]): Promise<Outcome | Suspect>;
  /** One event, to see whether it is taken. */
  tryAlone(index: number): Promise<Verdict>;
  /** Whether what was taken when tried is there for good; else it is sent again with the others. */
  readonly takenIsDone: boolean;
}

/** Each costs two requests, one of them with everything. Where more are at fault, halves are quicker. */
const MOST = 4;

/** `partly` with nothing to be sent again, where some were at fault; `rejected` where it pays to look in halves. */
export async function sift(count: number, posts: Posts): Promise<Outcome> {
  let rest = [...Array(count).keys()];
  const rejected: Rejection[] = [];
  for (;;) {
    const outcome = rest.length === 0 ? DONE : await posts.send(rest);
    if (outcome.kind !== 'suspect') return together(outcome, rejected, rest, count);
    const { code, message } = outcome;
    if (rejected.length === MOST) return { kind: 'rejected', code, message };
    const found = await prove(outcome, rest, posts);
    if (found.kind !== 'proven') return together(found, rejected, rest, count);
    rejected.push(found.rejection);
    rest = rest.filter((index) => index !== found.rejection.index && !found.done.includes(index));
  }
}

const DONE: Outcome = { kind: 'done', repeated: 0 };

interface Proven {
  readonly kind: 'proven';
  readonly rejection: Rejection;
  /** Tried alone before, and delivered. */
  readonly done: readonly number[];
}

async function prove(
  { near, code, message }: Suspect,
  rest: readonly number[],
  posts: Posts,
): Promise<Proven | Outcome> {
  const done: number[] = [];
  for (const at of suspects(near, rest.length)) {
    const index = rest[at] ?? 0; // within
    const verdict = await posts.tryAlone(index);
    if (verdict.kind === 'retry' || verdict.kind === 'paused') return verdict;
    if (verdict.kind !== 'taken') return { kind: 'proven', rejection: { index, ...said(verdict) }, done };
    if (posts.takenIsDone) done.push(index);
  }
  return { kind: 'rejected', code, message };
}

const said = ({ code, message }: { readonly code: string; readonly message: string }) => ({ code, message });

/** What became of the whole: `outcome` is that of `rest`. */
function together(outcome: Outcome, rejected: readonly Rejection[], rest: readonly number[], count: number): Outcome {
  if (rest.length === count) return outcome;
  const none = { kind: 'partly', rejected, retry: [], code: '', message: '', after: null, repeated: 0 } as const;
  if (outcome.kind === 'done') return none;
  if (outcome.kind === 'retry') return { ...none, retry: rest, ...said(outcome), after: outcome.after };
  const last = rest[0];
  // Nobody else can be at fault.
  if (outcome.kind === 'rejected' && rest.length === 1 && last !== undefined)
    return { ...none, rejected: [...rejected, { index: last, ...said(outcome) }] };
  return outcome;
}
