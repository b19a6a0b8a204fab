// Runs the chain's steps against a store: some operations at once, trouble retried with backoff until the signal aborts.
import { setTimeout as delay } from 'node:timers/promises';
import { backoff, type Backoff } from '../backoff.ts';
import type { Answer, Operation, Steps } from './operations.ts';
import { StoreRefused, StoreUnavailable, type ObjectStore } from './store.ts';

/** Why an operation is tried again. `refused`: configuration or rights, which somebody has to mend: an alarm. */
export interface Trouble {
  readonly kind: 'unavailable' | 'refused' | 'unknown';
  readonly message: string;
  readonly operation: Operation['kind'];
  readonly key: string;
  /** Milliseconds until the next try. */
  readonly wait: number;
}

export interface RunOptions {
  readonly signal: AbortSignal;
  /** Operations at once. */
  readonly concurrency: number;
  /** Called before each wait, for logs, metrics and readiness. */
  readonly trouble: (trouble: Trouble) => void;
  /** First and longest wait, milliseconds. */
  readonly backoff: Backoff;
}

export const DEFAULT_BACKOFF = { first: 200, most: 30_000 };

/**
 * Store trouble never ends the steps: a window that is half written goes on where it stood once the store is back. Rejects with the
 * signal's reason, with RecordInvalid, or with what the steps throw.
 */
export async function runSteps<T>(steps: Steps<T>, store: ObjectStore, options: RunOptions): Promise<T> {
  const run = { ...options, lost: new Map<string, string>() };
  let next = steps.next();
  while (next.done !== true) {
    options.signal.throwIfAborted();
    next = steps.next(await performAll(next.value, store, run));
  }
  return next.value;
}

interface Run extends RunOptions {
  /** By key, why the last create had no answer. */
  readonly lost: Map<string, string>;
}

async function performAll(operations: readonly Operation[], store: ObjectStore, run: Run): Promise<Answer[]> {
  const answers: Answer[] = [];
  let next = 0;
  const failed = new AbortController();
  const scoped = { ...run, signal: AbortSignal.any([run.signal, failed.signal]) };
  const worker = async (): Promise<void> => {
    for (let i = next++; i < operations.length; i = next++) {
      const operation = operations[i];
      if (operation !== undefined) answers[i] = await settle(operation, store, scoped);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(run.concurrency, operations.length) }, worker));
  } catch (error) {
    failed.abort(error); // the other workers end too
    throw error;
  }
  return answers;
}

/** What is asked of the store, for messages. */
export interface About {
  readonly kind: Operation['kind'];
  readonly key: string;
}

const about = (operation: Operation): About => ({
  kind: operation.kind,
  key: operation.kind === 'list' ? operation.prefix : operation.key,
});

async function settle(operation: Operation, store: ObjectStore, run: Run): Promise<Answer> {
  const repeated = operation.kind === 'create' ? operation.attempt : 0;
  if (operation.kind === 'create' && repeated > 0) {
    const why = run.lost.get(operation.key) ?? 'no answer';
    const message = `tried ${repeated} times, and the object is not there: ${why}`;
    await pause('unknown', message, about(operation), repeated, run);
  }
  const answer = await untilStore(about(operation), () => perform(operation, store, run.signal), run);
  if (operation.kind === 'create' && answer.kind === 'unknown') run.lost.set(operation.key, answer.message);
  return answer;
}

/** Tries again until the store has answered. Rejects with the signal's reason, or with what is no trouble of the store. */
export async function untilStore<T>(
  what: About,
  work: () => Promise<T>,
  options: Omit<RunOptions, 'concurrency'>,
): Promise<T> {
  const { signal } = options;
  for (let failures = 1; ; failures++) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      const kind = troubleOf(error);
      if (kind === null || !(error instanceof Error)) throw error;
      await pause(kind, error.message, what, failures, options);
    }
  }
}

function troubleOf(error: unknown): 'unavailable' | 'refused' | null {
  if (error instanceof StoreUnavailable) return 'unavailable';
  return error instanceof StoreRefused ? 'refused' : null;
}

/** Jitter below a bound that doubles, so that writers which lost the store together do not come back together. */
async function pause(
  kind: Trouble['kind'],
  message: string,
  { kind: operation, key }: About,
  failures: number,
  run: Omit<RunOptions, 'concurrency'>,
): Promise<void> {
  const wait = Math.ceil(backoff(run.backoff, failures, null, Math.random()));
  run.trouble({ kind, message, operation, key, wait });
  await delay(wait, undefined, { signal: run.signal }).catch(() => run.signal.throwIfAborted());
}

async function perform(operation: Operation, store: ObjectStore, signal: AbortSignal): Promise<Answer> {
  switch (operation.kind) {
    case 'create':
      return store.createIfAbsent(operation.key, operation.bytes, signal);
    case 'head':
      return { kind: 'length', length: (await store.head(operation.key, signal))?.length ?? null };
    case 'get':
      return { kind: 'bytes', bytes: await store.get(operation.key, signal) };
    case 'list':
      return { kind: 'keys', keys: await store.list(operation.prefix, operation.after, operation.limit, signal) };
    case 'remove':
      await store.remove(operation.key, signal);
      return { kind: 'removed' };
    default:
      return operation satisfies never;
  }
}
