// What the spool is to the inputs (append) and to the publisher (read, confirm).
import type { Level } from '#core/config/config.ts';

/** Events of one type, in order. `payload` is NDJSON: `count` CloudEvent lines, each ended by a line feed. It is copied: the caller may reuse it. */
export interface EventGroup {
  readonly type: string;
  readonly count: number;
  readonly payload: Buffer;
}

/**
 * What an input has to remember with its events, such as how far it has read a file: in the same record as they are, so that no crash parts
 * them. `value` null forgets the key. Of one key, the next note only once the one before is synced: a loss of power may take the earlier of
 * two that are under way and leave the later. Notes are this spool's: of several workers, the one whose folder has them must run the input.
 */
export interface Note {
  readonly key: string;
  readonly value: string | null;
}

/** Numbers given to one append: `first` to `last` inclusive, of one identity, in the order of the groups. */
export interface Receipt {
  readonly identity: string;
  readonly first: number;
  readonly last: number;
}

export type Refusal = 'full' | 'disk' | 'closing';

export type Appended =
  | {
      readonly kind: 'appended';
      readonly receipt: Receipt;
      /** In the page cache: a kill of the process does not lose it, a loss of power may. Shared by the write group. Never rejects. */
      readonly written: Promise<Synced>;
      /** Shared by the group of appends that one fdatasync serves. Never rejects. */
      readonly synced: Promise<Synced>;
    }
  | { readonly kind: 'refused'; readonly reason: Refusal; readonly message: string };

/** `failed`: it is not known whether the events are on the disk; the caller must answer "retry", and they may still appear. */
export type Synced = { readonly kind: 'synced' } | { readonly kind: 'failed'; readonly message: string };

/** One record as the publisher reads it: `numbers` first … first+count-1. The payload is good until the next `read`: whoever keeps it copies it. */
export interface SpoolRecord {
  readonly identity: string;
  readonly partition: number;
  readonly first: number;
  readonly count: number;
  readonly type: string;
  readonly payload: Buffer;
}

/** The route's cursor over all segments, adopted ones first, then the worker's own. It yields only what is synced. */
export interface SpoolReader {
  /** Up to about `maxBytes` of records not yet read (a single one may be longer); empty when there is none now. Never waits for new records. One call at a time. */
  read(maxBytes: number): Promise<readonly SpoolRecord[]>;
  /** Resolves when `read` may find something, or the signal aborts. */
  readable(signal: AbortSignal): Promise<void>;
  /** The numbers of this identity are confirmed by a site: the cursor advances over the contiguous prefix, in memory at once and on disk now and then. Out of order and repeated is fine. */
  confirm(identity: string, ranges: readonly (readonly [first: number, last: number])[]): void;
  /** These numbers are given up for good (not delivered by this route), and counted under `reason`. */
  drop(identity: string, ranges: readonly (readonly [first: number, last: number])[], reason: string): void;
}

/** Levels and the order of a spool's promises: `memory` answers without waiting for `synced` (which comes within 100 ms). */
export type SpoolLevel = Exclude<Level, 'site'>;

/** The ledger of one route, in events: accepted = confirmed + spooled + quarantined + sum of dropped. */
export interface RouteLedger {
  readonly route: string;
  /** Numbers that are on the disk, or were and went after this route had settled them. */
  readonly accepted: number;
  /** Not yet confirmed by a site. */
  readonly spooled: number;
  readonly confirmed: number;
  /** Lost to damage of the disk; their bytes are in the quarantine folder. */
  readonly quarantined: number;
  readonly dropped: Readonly<Record<string, number>>;
  /** Bytes of the segments that it still needs. */
  readonly bytes: number;
  /** Milliseconds since the oldest event was accepted that is not yet confirmed; 0 when there is none. */
  readonly oldestUnconfirmed: number;
}

export interface SpoolStats {
  /** The identity that numbers new events. */
  readonly identity: string;
  readonly routes: readonly RouteLedger[];
  /** On the disk, the reserve included; of it `kept` are confirmed and stay for a resend until their place is needed. */
  readonly bytes: number;
  readonly kept: number;
  readonly max: number;
  readonly segments: number;
  /** Of what waits for a site, the types that have most of it; what an earlier process left is of none. */
  readonly most: readonly { readonly type: string; readonly bytes: number }[];
  /** Appended and not yet synced. */
  readonly pendingEvents: number;
  readonly pendingBytes: number;
  /** Refuses appends at the moment, and why. */
  readonly refusing: Refusal | null;
  readonly refusingSince: number | null;
}

/** Operational facts, for the log and the metrics; the spool itself writes neither. */
export type SpoolEvent =
  | {
      readonly kind: 'opened';
      readonly identity: string;
      readonly partition: number;
      /** Segments of earlier processes. */
      readonly adopted: number;
      readonly identities: number;
      readonly bytes: number;
      readonly milliseconds: number;
    }
  | { readonly kind: 'identity'; readonly identity: string; readonly partition: number }
  | { readonly kind: 'rolled'; readonly segment: string }
  | { readonly kind: 'synced'; readonly events: number; readonly bytes: number; readonly milliseconds: number }
  /** A step on the disk failed. What was not synced is written again, to a new file. */
  | {
      readonly kind: 'disk-failed';
      readonly step: string;
      readonly path: string;
      readonly code: string;
      readonly message: string;
    }
  | { readonly kind: 'refusing'; readonly reason: Refusal; readonly message: string }
  /** A type or an input has its share (`holder`: `type app.log`): it is refused, and others are not. Told once, until it is taken again. */
  | { readonly kind: 'share-full'; readonly holder: string; readonly share: number }
  | { readonly kind: 'recovered'; readonly reason: Refusal; readonly milliseconds: number }
  /** `events` numbers of the segment are lost; `bytes` went to the quarantine folder (`file`, null where they were all zero). */
  | {
      readonly kind: 'quarantined';
      readonly segment: string;
      readonly offset: number;
      readonly bytes: number;
      readonly events: number;
      readonly file: string | null;
    }
  /** A cursor file that could not be read: what is spooled is sent again from its beginning. */
  | { readonly kind: 'cursor-unreadable'; readonly route: string; readonly message: string }
  /** The file of notes cannot be read: those whose segments are gone are lost. */
  | { readonly kind: 'notes-unreadable'; readonly message: string }
  | { readonly kind: 'removed'; readonly segments: number; readonly bytes: number }
  /** A route was too far behind: `events` that another route has confirmed are given up for it, and segments of `bytes` may go. */
  | { readonly kind: 'skipped'; readonly route: string; readonly events: number; readonly bytes: number }
  /** Closing with a disk that takes nothing: so many events of level `memory` are lost. */
  | { readonly kind: 'lost'; readonly events: number };

/** Closing drains: what was appended is synced, cursors are written, the lock is released. Idempotent. */
export interface Spool extends AsyncDisposable {
  /**
   * All or nothing; gives the numbers at once. Who waits: level `disk` for `synced` (one fdatasync soon), level `memory` for `written` or nothing.
   * A count of lines that does not fit the payload is the caller's fault and not checked.
   * With a note: one group at most, or none, where the note is all there is to keep; then the receipt's `last` is below its `first`.
   * `input`: whose share it counts for.
   */
  append(groups: readonly EventGroup[], level: SpoolLevel, note?: Note, input?: string): Appended;
  /** By key: the values of the notes that are on the disk. */
  notes(): ReadonlyMap<string, string>;
  /** The one reader of a route named in the options. Throws for another name. */
  reader(route: string): SpoolReader;
  stats(): SpoolStats;
}
