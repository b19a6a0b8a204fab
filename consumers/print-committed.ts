// `waggle consumer SINK --list`: what the sink has committed, a line each: the key, and the number of its events ("-" where its commit is pruned).
import type { Config } from '#core/config/config.ts';
import { compilePattern } from '#core/patterns.ts';
import { hourOf, type Hour } from './chain/keys.ts';
import { StoreRefused, StoreUnavailable } from './chain/store.ts';
import { listCommitted } from './main.ts';

export interface CommittedRange {
  readonly from: Hour | null;
  readonly to: Hour | null;
  /** A pattern for types. */
  readonly type: string | null;
}

/** `2026-11-23T14` (UTC), or a day, which is its first hour, as an upper bound its last. Null where the text is neither. */
export function parseHour(text: string, bound: 'from' | 'to'): Hour | null {
  const [, day, hour = bound === 'from' ? '00' : '23'] =
    /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([01][0-9]|2[0-3]))?$/.exec(text) ?? [];
  const time = day === undefined ? Number.NaN : Date.parse(`${day}T${hour}:00:00Z`);
  return Number.isNaN(time) ? null : hourOf(time);
}

/** Bounds are inclusive. 0, or 1 where the store does not answer or refuses: `tell` says why. */
export async function printCommitted(
  config: Config,
  sink: string,
  range: CommittedRange,
  { print, tell }: { readonly print: (text: string) => void; readonly tell: (text: string) => void },
): Promise<number> {
  const stop = new AbortController();
  const type = compilePattern(range.type ?? '**');
  try {
    for await (const { key, count } of listCommitted(config, sink, { ...range, type }, stop.signal))
      print(`${key}\t${count ?? '-'}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof StoreUnavailable) && !(error instanceof StoreRefused)) throw error;
    tell(`${error.message}\n`);
    return 1;
  }
}
