// The two records of the chain, intent and commit, as JSON. Strict: a record that is not exactly this is an error that names key and field.
//
//   intent = { "v": 1, "kind": "intent", "sink": text, "partition": int, "n": int, "name": text, "at": ms, "home": site,
//              "objects": [ { "key": text, "count": int, "sha256": hex, "numbers": numbers } … ], "skipped": numbers }
//   commit = { "v": 1, "kind": "commit", "sink": text, "partition": int, "n": int, "name": text, "at": ms, "home": site,
//              "sealed": bool, "objects": [ { "key": text, "count": int } … ], "adds": numbers,
//              "positions": { site: { "offset": decimal text, "identity": uuid, "first": int } … }, "snapshot": null / snapshot }
//   snapshot = { "floor": ms, "seen": { uuid: { "last": ms, "dead": bool, "numbers": ranges } … }, "earlier": [ { "n": int, "at": ms } … ] }
//   numbers  = { uuid: ranges … };  ranges = "1-12,15" (core/numbers.ts);  ms = milliseconds since the epoch
import type { NumberSet } from '#core/numbers.ts';
import type { Position } from '../source/contract.ts';
import type { ChainId } from './keys.ts';

/** Numbers of events by identity. */
export type Numbers = ReadonlyMap<string, NumberSet>;

/** Written before any data of n. `name`: the creator's random name; it alone writes data. */
export interface Intent extends ChainId {
  readonly kind: 'intent';
  readonly n: number;
  readonly name: string;
  readonly at: number;
  /** The site at which the chain is read from n on. */
  readonly home: string;
  readonly objects: readonly IntentObject[];
  /** Filtered out, or durably in the dead letters before this intent: they count as seen whatever becomes of the data. */
  readonly skipped: Numbers;
}

/** `sha256`: of the object's bytes as stored (compressed), lower-case hexadecimal. */
export interface IntentObject {
  readonly key: string;
  readonly count: number;
  readonly sha256: string;
  readonly numbers: Numbers;
}

/** Ends n: which data objects hold events, which numbers they add, how far each site's stream was read. */
export interface Commit extends ChainId {
  readonly kind: 'commit';
  readonly n: number;
  /** Name of the intent. */
  readonly name: string;
  readonly at: number;
  readonly home: string;
  /** Made by another than the intent's creator: the position did not move. */
  readonly sealed: boolean;
  readonly objects: readonly CommitObject[];
  readonly adds: Numbers;
  /** By site; all of them, in every commit. */
  readonly positions: ReadonlyMap<string, Position>;
  /** Every 256th commit: everything known after it. */
  readonly snapshot: Snapshot | null;
}

export interface CommitObject {
  readonly key: string;
  readonly count: number;
}

export interface Snapshot {
  /** An identity that is not in `seen` and was born before this time is forgotten: its events go to the dead letters. */
  readonly floor: number;
  readonly seen: ReadonlyMap<string, Seen>;
  /** Earlier snapshots that pruning may have to look for, oldest first. */
  readonly earlier: readonly Mark[];
}

/** What is committed of one identity. */
export interface Seen {
  /** Time of the last commit that added to it. */
  readonly last: number;
  /** It came back after it was forgotten: what it committed before is not known, so all of it goes to the dead letters. */
  readonly dead: boolean;
  readonly numbers: NumberSet;
}

export interface Mark {
  readonly n: number;
  readonly at: number;
}
