// What benchmarks of inputs have in common: processes that answer each other, and the spool behind an input.
import type { ChildProcess } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import type { Accept, InputObserver } from '../../ingest/inputs/contract.ts';
import type { Spool } from '../../ingest/spool/contract.ts';
import { nodeDisk, systemClock } from '../../ingest/spool/node-disk.ts';
import { openSpool } from '../../ingest/spool/spool.ts';

/** Once it has ended. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, 'exit');
  child.disconnect();
  await exited;
}

/** The next one of a child. Rejects where that ends instead. */
export async function message<T>(child: ChildProcess): Promise<T> {
  const ended = new AbortController();
  const exit = (code: number | null): void => ended.abort(new Error(`a process of the benchmark ended with ${code}`));
  child.once('exit', exit);
  try {
    return (await once(child, 'message', { signal: ended.signal }))[0] as T;
  } finally {
    child.off('exit', exit);
  }
}

/** Sends, and waits for the next message. */
export function ask<T>(child: ChildProcess, what: object | string | number): Promise<T> {
  const answer = message<T>(child);
  child.send(what);
  return answer;
}

/** Of this process, all its threads, user and system. */
export const cpuMicros = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

export const noObserver: InputObserver = {
  accepted: () => undefined,
  refused: () => undefined,
  lost: () => undefined,
  closed: () => undefined,
  fault: console.error,
};

/** Level `disk` as the agent has it: the spool, on the machine's disk. Nothing drains it, so it is emptied with the process. */
export async function spoolAccept(folder: string): Promise<{ readonly accept: Accept; readonly spool: Spool }> {
  const spool = await openSpool({
    path: folder,
    max: 8 * 2 ** 30,
    keep: 0,
    behind: Infinity,
    segment: 64 * 2 ** 20,
    partitions: 8,
    routes: ['bench'],
    disk: nodeDisk,
    clock: systemClock,
    random: randomFillSync,
    observe: () => undefined,
    holder: 'bench',
  });
  const accept: Accept = async (groups) => {
    const appended = spool.append(groups, 'disk');
    if (appended.kind === 'refused') return { ...appended, retryAfter: 1 };
    const synced = await appended.synced;
    if (synced.kind === 'failed') return { kind: 'refused', reason: 'disk', message: synced.message, retryAfter: 1 };
    return { kind: 'accepted', level: 'disk', receipts: [appended.receipt] };
  };
  return { accept, spool };
}
