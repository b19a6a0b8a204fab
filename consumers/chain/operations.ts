// What the chain asks of a store: operations as values, and the few exchanges from which its steps are made.
import type { Created } from './store.ts';

/** `attempt`: how often this very create was tried before; the runner waits before a repeated one. */
export type Operation =
  | { readonly kind: 'create'; readonly key: string; readonly bytes: Buffer; readonly attempt: number }
  | { readonly kind: 'head'; readonly key: string }
  | { readonly kind: 'get'; readonly key: string }
  | { readonly kind: 'list'; readonly prefix: string; readonly after: string; readonly limit: number }
  | { readonly kind: 'remove'; readonly key: string };

export type Answer =
  | Created
  | { readonly kind: 'length'; readonly length: number | null }
  | { readonly kind: 'bytes'; readonly bytes: Buffer | null }
  | { readonly kind: 'keys'; readonly keys: readonly string[] }
  | { readonly kind: 'removed' };

/** Yields operations that may run at once and in any order; goes on with their answers, in the order of the operations. */
export type Steps<T> = Generator<readonly Operation[], T, readonly Answer[]>;

const mismatch = (wanted: string, answer: Answer | undefined): Error =>
  new Error(`the runner answered ${answer?.kind ?? 'nothing'} where ${wanted} was asked for`);

export function* getAll(keys: readonly string[]): Steps<(Buffer | null)[]> {
  if (keys.length === 0) return [];
  const answers = yield keys.map((key) => ({ kind: 'get', key }));
  return keys.map((_, i) => {
    const answer = answers[i];
    if (answer?.kind !== 'bytes') throw mismatch('bytes', answer);
    return answer.bytes;
  });
}

export function* list(prefix: string, after: string, limit: number): Steps<readonly string[]> {
  const [answer] = yield [{ kind: 'list', prefix, after, limit }];
  if (answer?.kind !== 'keys') throw mismatch('keys', answer);
  return answer.keys;
}

function created(answer: Answer | undefined): Created {
  if (answer?.kind === 'created' || answer?.kind === 'exists' || answer?.kind === 'unknown') return answer;
  throw mismatch('created, exists or unknown', answer);
}

/**
 * One record. `mine`: it holds these bytes, whichever of our tries made it (a lost answer, or a retry of the store's client that
 * lost to itself, looks like `exists`). `other`: it holds, or held, something else.
 */
export function* claim(key: string, bytes: Buffer): Steps<'mine' | 'other'> {
  for (let attempt = 0; ; attempt++) {
    const [answer] = yield [{ kind: 'create', key, bytes, attempt }];
    const result = created(answer);
    if (result.kind === 'created') return 'mine';
    const [there] = yield* getAll([key]);
    if (there) return there.equals(bytes) ? 'mine' : 'other';
    // It existed and is gone: its number is far below the head. Never create it anew.
    if (result.kind === 'exists') return 'other';
  }
}

export interface NamedBytes {
  readonly key: string;
  readonly bytes: Buffer;
}

/** Creates each object or finds it there; for each `created`, or the length of what is there (after a lost answer perhaps our own). */
export function* createEach(objects: readonly NamedBytes[]): Steps<('created' | number)[]> {
  const outcomes = new Map<string, 'created' | number>();
  let open = objects;
  for (let attempt = 0; open.length > 0; attempt++) {
    const answers = yield open.map(({ key, bytes }) => ({ kind: 'create', key, bytes, attempt }));
    const there: NamedBytes[] = [];
    for (const [i, object] of open.entries()) {
      if (created(answers[i]).kind === 'created') outcomes.set(object.key, 'created');
      else there.push(object);
    }
    const lengths = there.length === 0 ? [] : yield there.map(({ key }) => ({ kind: 'head', key }));
    open = there.filter(({ key }, i) => {
      const answer = lengths[i];
      if (answer?.kind !== 'length') throw mismatch('a length', answer);
      if (answer.length !== null) outcomes.set(key, answer.length);
      return answer.length === null; // never arrived
    });
  }
  return objects.map(({ key }) => outcomes.get(key) ?? 'created');
}

/** In the order given, some at a time: what is left after a crash is a contiguous rest. */
export function* removeAll(keys: readonly string[]): Steps<void> {
  for (let i = 0; i < keys.length; i += 100) yield keys.slice(i, i + 100).map((key) => ({ kind: 'remove', key }));
}
