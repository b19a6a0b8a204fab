// The one contract of all inputs. Who retries: on `refused` the sender does, and nothing of the call was taken; on `accepted` nobody.
import type { Level } from '#core/config/config.ts';
import type { EventGroup, Receipt } from '../spool/contract.ts';

export type Accepted =
  /** `level` is what was reached: `disk` where `site` was asked for and took over 10 s. */
  | { readonly kind: 'accepted'; readonly level: Level; readonly receipts: readonly Receipt[] }
  /** All or nothing. `retryAfter` in whole seconds, from the measured drain rate. */
  | {
      readonly kind: 'refused';
      readonly reason: 'full' | 'disk' | 'closing';
      readonly message: string;
      readonly retryAfter: number;
    };

/** Resolves once the level is reached, or refuses with a reason. Never rejects for what the disk or a site does. */
export type Accept = (groups: readonly EventGroup[], level: Level, input: string) => Promise<Accepted>;
