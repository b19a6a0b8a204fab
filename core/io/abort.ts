// Waits that an AbortSignal ends.

/** The work's result, or a rejection as soon as the signal aborts; what then still comes of the work is undone. */
export function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal,
  undo?: (late: T) => Promise<unknown>,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const abort = (): void => {
    reject(new Error('given up'));
    if (undo !== undefined) work.then(undo).catch(ignore);
  };
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  work
    .then(resolve, reject)
    .finally(() => signal.removeEventListener('abort', abort))
    .catch(ignore);
  return promise;
}

/** Resolves after so many milliseconds, or when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), ms);
  return aborted(AbortSignal.any([over.signal, signal])).finally(() => clearTimeout(timer));
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

const ignore = (): void => {};
