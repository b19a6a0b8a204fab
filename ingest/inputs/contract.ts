// The one contract of all inputs. Who retries: on `refused` the sender does, and nothing of the call was taken; on `accepted` nobody.
import type { AgentConfig, Level } from '#core/config/config.ts';
import type { RefusalCode } from '#core/errors.ts';
import type { Clock, RandomSource } from '#core/uuid.ts';
import type { EventGroup, Note, Receipt } from '../spool/contract.ts';

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

/**
 * Resolves once the level is reached, or refuses with a reason. Never rejects for what the disk or a site does.
 * With a note (one group at most; see `Note`), `refused` means that the spool has nothing of it: where the disk fails later, both stay in the
 * spool's memory until it takes them, and what resolves is `memory`.
 */
export type Accept = (groups: readonly EventGroup[], level: Level, input: string, note?: Note) => Promise<Accepted>;

/** What became of what was sent, for the books of an input (books.ts); called on the hot path. */
export interface InputObserver {
  accepted(events: number): void;
  /** So many refused events (1 unless given), or a request refused as a whole: its sender was told, or sends again. */
  refused(code: RefusalCode, events?: number): void;
  /** So many events are gone: nobody sends them again. */
  lost(reason: string, events: number): void;
  /** A connection was closed by us. `reason`: out of a closed table of the input. */
  closed(reason: string): void;
  /** A bug; the sender is told to try again. */
  fault(error: unknown): void;
}

/** What an input is given that notes its place with its events. */
export interface TailContext extends InputContext {
  /** Of this worker's spool: so one worker of an agent tails, always the same. */
  readonly notes: () => ReadonlyMap<string, string>;
  /** A file was truncated or removed before all of it was read, and no copy has the rest. */
  readonly truncated: (path: string, unread: number) => void;
}

/** What every input is given, beside its part of the configuration. */
export interface InputContext {
  readonly accept: Accept;
  readonly types: AgentConfig['types'];
  readonly site: string;
  readonly host: string;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly observe: InputObserver;
}

/** Listens, or reads. Disposing takes nothing new, lets what was taken be answered, and ends in time; idempotent. */
export interface Input extends AsyncDisposable {
  /** Where events can be sent, with the port that was taken where 0 was asked for: `http://host:port`, `tcp://host:port`; for people and tests. */
  readonly address: string;
  /** What /status shows beside the books. */
  readonly status?: () => object;
}
