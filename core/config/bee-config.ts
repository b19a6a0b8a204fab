// Bee, the service before untrusted senders, checked. Sizes are bytes, times milliseconds.
import type { Level } from './config.ts';

export interface BeeConfig {
  readonly listen: string;
  /** `host:port` of the administration endpoints. */
  readonly admin: string;
  /** `http://host:port` of the HTTP input of the agent of this host. */
  readonly agent: string;
  /** By it the agent knows Bee, and Bee an operator who replays; '' where this command does not need it. */
  readonly token: string;
  /** Where an accepted event must be, unless the request says. */
  readonly level: Level;
  /** Folder of the rule files. */
  readonly rules: string;
  /** Key of the sanitizer `hash`; null where there is none. */
  readonly hashKey: string | null;
  readonly keys: readonly BeeKeyConfig[];
  /** Of pages that may call from a browser; `*` is any. */
  readonly origins: readonly string[];
  /** Addresses and networks whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** Of a request, inflated; of one event; events of a request. */
  readonly maxBody: number;
  readonly maxEvent: number;
  readonly maxEvents: number;
  /** Requests in a window, for each key and for each address. */
  readonly rate: { readonly window: number; readonly key: number; readonly address: number };
  /** A sender's clock that differs by more is corrected. */
  readonly clockSkew: number;
  /** For so long an event that is sent again is told its first verdict. */
  readonly remember: number;
}

/** One source: an app, a partner. */
export interface BeeKeyConfig {
  readonly name: string;
  /** `sha256:` and 64 hexadecimal digits: two while keys are changed. */
  readonly hashes: readonly string[];
  /** What its events bear as `source`. */
  readonly source: string;
  /** Patterns of the types it may send. */
  readonly types: readonly string[];
}
