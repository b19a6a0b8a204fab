import { describe, expect, it } from 'vitest';
import { claim, getAll, type Steps } from '../../../consumers/chain/operations.ts';
import { runSteps, type RunOptions, type Trouble } from '../../../consumers/chain/run.ts';
import { StoreRefused, StoreUnavailable, type ObjectStore } from '../../../consumers/chain/store.ts';
import { memoryStore } from './memory-store.ts';

function options(change: Partial<RunOptions> = {}): RunOptions & { readonly troubles: Trouble[] } {
  const troubles: Trouble[] = [];
  return {
    signal: new AbortController().signal,
    concurrency: 4,
    trouble: (trouble) => troubles.push(trouble),
    backoff: { first: 1, most: 4 },
    troubles,
    ...change,
  };
}

const over = (change: Partial<ObjectStore>): ObjectStore => ({ ...memoryStore(new Map()), ...change });

describe('the runner', () => {
  it('tries again while the store is unavailable or refuses, and tells each time', async () => {
    const outcomes = [new StoreUnavailable('down'), new StoreRefused('no rights'), Buffer.from('x')];
    const store = over({
      get: () => {
        const outcome = outcomes.shift();
        return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome ?? null);
      },
    });
    const run = options();
    expect(await runSteps(getAll(['a']), store, run)).toEqual([Buffer.from('x')]);
    expect(run.troubles.map(({ kind, message, operation, key }) => [kind, message, operation, key])).toEqual([
      ['unavailable', 'down', 'get', 'a'],
      ['refused', 'no rights', 'get', 'a'],
    ]);
  });

  it('waits longer and longer, up to a bound', async () => {
    let left = 8;
    const store = over({
      get: () => (left-- > 0 ? Promise.reject(new StoreUnavailable('down')) : Promise.resolve(null)),
    });
    const run = options({ backoff: { first: 1, most: 16 } });
    await runSteps(getAll(['a']), store, run);
    for (const [i, { wait }] of run.troubles.entries()) {
      expect(wait).toBeLessThanOrEqual(Math.min(16, 2 ** i));
      expect(wait).toBeGreaterThanOrEqual(Math.min(16, 2 ** i) / 2);
    }
  });

  it('waits before it repeats a create whose answer was lost', async () => {
    let left = 2;
    const store = over({
      createIfAbsent: () => Promise.resolve(left-- > 0 ? { kind: 'unknown', message: 'reset' } : { kind: 'created' }),
    });
    const run = options();
    expect(await runSteps(claim('a', Buffer.from('x')), store, run)).toBe('mine');
    expect(run.troubles.map(({ kind, message }) => [kind, message])).toEqual([
      ['unknown', 'tried 1 times, and the object is not there: reset'],
      ['unknown', 'tried 2 times, and the object is not there: reset'],
    ]);
  });

  it('ends with what the store throws otherwise, and ends the operations beside it', async () => {
    const aborted: string[] = [];
    const store = over({
      get: (key, signal) =>
        key === 'bad'
          ? Promise.reject(new RangeError('a bug'))
          : new Promise((_, reject) =>
              signal.addEventListener('abort', () => reject(new Error(String(aborted.push(key))))),
            ),
    });
    await expect(runSteps(getAll(['a', 'bad']), store, options())).rejects.toThrow('a bug');
    expect(aborted).toEqual(['a']);
  });

  it('ends with the reason when the signal aborts in a call', async () => {
    const gone = new AbortController();
    const get = (_key: string, signal: AbortSignal): Promise<null> =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('cut')));
        setImmediate(() => gone.abort(new Error('closing')));
      });
    await expect(runSteps(getAll(['a']), over({ get }), options({ signal: gone.signal }))).rejects.toThrow('closing');
  });

  it('ends with the reason when the signal aborts in a wait', async () => {
    const gone = new AbortController();
    const run = options({
      signal: gone.signal,
      backoff: { first: 60_000, most: 60_000 },
      trouble: () => setImmediate(() => gone.abort(new Error('closing'))),
    });
    const store = over({ get: () => Promise.reject(new StoreUnavailable('down')) });
    await expect(runSteps(getAll(['a']), store, run)).rejects.toThrow('closing');
  });

  it('performs some at once, and answers in order', async () => {
    let now = 0;
    let most = 0;
    const store = over({
      get: async (key) => {
        most = Math.max(most, ++now);
        await Promise.resolve();
        now--;
        return Buffer.from(key);
      },
    });
    const keys = Array.from({ length: 20 }, (_, i) => String(i));
    expect(await runSteps(getAll(keys), store, options())).toEqual(keys.map((key) => Buffer.from(key)));
    expect(most).toBe(4);
  });

  it('finds a machine that misreads its answers', async () => {
    const steps: Steps<unknown> = getAll(['a']);
    steps.next();
    expect(() => steps.next([{ kind: 'removed' }])).toThrow(/the runner answered removed/);
  });
});
