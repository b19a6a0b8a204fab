// The life of a service's process: it ends in time on SIGTERM and SIGINT, and not silently on what nobody caught.
import { constants } from 'node:os';
import { ListenRefused } from './admin.ts';
import { EXIT_CONFIG } from './config-file.ts';
import type { Log } from './log.ts';

/** EX_SOFTWARE of sysexits.h: an error that nobody caught. */
export const EXIT_SOFTWARE = 70;
/** EX_TEMPFAIL of sysexits.h: stopped while work was left; what is left is safe, in the spool or the stream. */
const EXIT_UNFINISHED = 75;

/** Just below the 10 s that `docker stop` grants. */
const DRAIN_MS = 9_000;

/**
 * Runs a service until its promise settles, and ends the process with its code. The first SIGTERM or SIGINT aborts the signal: take nothing new,
 * finish what is begun, resolve. After `drainMs`, or at a second signal, the process ends at once: with 75, or 128 + the signal. An uncaught error is logged and ends it with 70.
 */
export async function runProcess(
  log: Log,
  service: (signal: AbortSignal) => Promise<number>,
  drainMs = DRAIN_MS,
): Promise<never> {
  const stop = new AbortController();
  const onSignal = (signal: 'SIGTERM' | 'SIGINT'): void => {
    if (stop.signal.aborted) {
      log.warn({ fact: 'process.killed', signal }, `second ${signal}: ending at once`);
      process.exit(128 + constants.signals[signal]);
    }
    log.info({ fact: 'process.stopping', signal }, `${signal}: draining`);
    setTimeout(() => {
      log.error(
        { fact: 'process.deadline' },
        `not drained within ${drainMs / 1000} s: ending; what is left is sent or read again later`,
      );
      process.exit(EXIT_UNFINISHED);
    }, drainMs).unref();
    stop.abort(new Error(`stopped by ${signal}`));
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  const onUncaught = endOnUncaught(log);
  try {
    process.exit(await service(stop.signal));
  } catch (error) {
    if (error instanceof ListenRefused) {
      log.error({ fact: 'listen.refused' }, error.message);
      process.exit(EXIT_CONFIG);
    }
    onUncaught(error);
    throw error;
  }
}

/** From now on, an error that nobody catches is logged and ends the process with 70; so does what is returned. */
export function endOnUncaught(log: Log): (error: unknown) => void {
  const onUncaught = (error: unknown): void => {
    log.fatal({ fact: 'process.crashed', err: error }, 'an error that nobody caught: ending');
    process.exit(EXIT_SOFTWARE);
  };
  process.on('uncaughtException', onUncaught);
  process.on('unhandledRejection', onUncaught);
  return onUncaught;
}
