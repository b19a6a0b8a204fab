// Between the inputs and the spool: appends a request's events, and answers once the level asked for is reached.
// Who acknowledges: `memory` the write to the spool's file, `disk` its fdatasync, `site` the confirm of a site, or the disk where that takes too long.
import type { Accept, Accepted } from './inputs/contract.ts';
import { retryAfter } from './publish/drain-rate.ts';
import type { SiteWaiters } from './publish/waiters.ts';
import type { EventGroup, Receipt, Spool } from './spool/contract.ts';

/** How long a sender waits for `site`, in milliseconds, before it is told `disk`. */
export const SITE_PATIENCE = 10_000;

export interface AcceptOptions {
  readonly spool: Spool;
  /** Of each route. */
  readonly waiters: readonly SiteWaiters[];
  /** Milliseconds of the clock of `waiters`. */
  readonly clock: () => number;
  /** Bytes that sites confirm in a second. */
  readonly drainRate: () => number;
  /** Place is freed by so many bytes at a time. */
  readonly segment: number;
}

export function createAccept(options: AcceptOptions): Accept {
  const { spool, waiters, clock } = options;
  const refused = (reason: 'full' | 'disk' | 'closing', message: string, groups: readonly EventGroup[]): Accepted => {
    const wanted = Math.max(options.segment, sizeOf(groups));
    return { kind: 'refused', reason, message, retryAfter: retryAfter(wanted, options.drainRate()) };
  };
  /** The first site that has all of it decides; `mirror` asks each. */
  const atSite = ({ identity, first, last }: Receipt): Promise<boolean> =>
    new Promise((resolve) => {
      let left = waiters.length;
      const answered = (confirmed: boolean): void => {
        if (--left === 0 || confirmed) resolve(confirmed);
      };
      for (const each of waiters) each.add(identity, first, last, clock(), answered);
    });

  return async (groups, level, input, note) => {
    const appended = spool.append(groups, level === 'memory' ? 'memory' : 'disk', note, input);
    if (appended.kind === 'refused') return refused(appended.reason, appended.message, groups);
    // Before any wait, so that waiters come in the order of their numbers.
    const confirmed = level === 'site' ? atSite(appended.receipt) : null;
    const stored = await (level === 'memory' ? appended.written : appended.synced);
    if (stored.kind === 'failed')
      return note === undefined
        ? refused('disk', stored.message, groups)
        : { kind: 'accepted', level: 'memory', receipts: [appended.receipt] };
    const reached = confirmed === null ? level : (await confirmed) ? 'site' : 'disk';
    return { kind: 'accepted', level: reached, receipts: [appended.receipt] };
  };
}

function sizeOf(groups: readonly EventGroup[]): number {
  let bytes = 0;
  for (const group of groups) bytes += group.payload.length;
  return bytes;
}
