// The contract between Bee's rules and whoever asks them: a live set of rules, a verdict for one event, documentation, reports.
//
// An event as a client sends it: {"type":"checkin.created","data":{…}}, with `id`, `time` and `specversion` where it has them. The type may
// name a version: `purchase@2`; without one it is version 1. Every other member of the envelope (`source` too: the key says it) is left out of
// the result and listed among the changes. Pointers are relative to the event: `/data/amount`.
import type { RejectionCode } from './codes.ts';

/** In the order in which they run: `nfc` to `round` before the event is validated, `mask` and `hash` after. */
export const SANITIZERS = ['drop', 'nfc', 'strip', 'trim', 'lower', 'truncate', 'round', 'mask', 'hash'] as const;
export type Sanitizer = (typeof SANITIZERS)[number];

/** One change that was made to the event. Neither the value before nor the one after is in it. */
export interface Change {
  readonly pointer: string;
  /** `default`: the field was absent and got the rule's default. */
  readonly sanitizer: Sanitizer | 'default';
  /** In words: `3 characters removed`. */
  readonly detail: string;
}

export interface Accepted {
  readonly kind: 'accepted';
  /** The event's type, without a version: the routing key. */
  readonly type: string;
  /** Name of the rule: `checkin.created`, `purchase@2`. Of a closed set, so counters may carry it. */
  readonly rule: string;
  readonly version: number;
  /** From the envelope, checked; null where the client sent none. */
  readonly id: string | null;
  readonly time: string | null;
  /** The sanitised data: a JSON object on one line, well-formed UTF-16 (every event is UTF-8 without loss). */
  readonly data: string;
  readonly changes: readonly Change[];
}

export interface Rejected {
  readonly kind: 'rejected';
  /** Of a closed set (`rejectionCodes`), so counters may carry it. */
  readonly code: RejectionCode;
  readonly pointer: string;
  /** For people: what is wrong and what to do. Never the offending value, nor anything else the sender wrote. */
  readonly message: string;
  /** False always for what rules reject; a table says so (codes.ts). */
  readonly retry: boolean;
  /** Null where no rule was found: the type is missing, malformed or unknown. */
  readonly rule: string | null;
  readonly version: number | null;
  /** The event's own type without a version, where it is well formed. A sender chose it: it is for dead letters, not for counters. */
  readonly type: string | null;
  readonly id: string | null;
  readonly time: string | null;
  /**
   * For the dead letters: JSON of the whole event as it was sent, on one line, without secrets: what rules mask, hash or drop is masked,
   * hashed or dropped, members with the name of a secret are `"[removed]"`, card numbers are masked. Null where it is no JSON that
   * can be trusted (duplicate keys, numbers that JavaScript changes): such an event cannot be mended.
   */
  readonly copy: string | null;
}

export type Verdict = Accepted | Rejected;

/** A set of rules, all examples of which hold. It never changes: a request that began with one ends with it. */
export interface RuleSet {
  /** Of the rule files' texts, 16 hexadecimal digits: which set an instance serves. */
  readonly fingerprint: string;
  /** By name. */
  readonly rules: readonly RuleDocument[];
  /**
   * The verdict for the JSON value at start … end of buf, which has passed the scanner (core/json/scan.ts: grammar, UTF-8, depth, no lone
   * surrogates). Synchronous, does no I/O, never throws, and depends on nothing but these bytes and this set. Also runs the rule's shadow.
   */
  judge(buf: Buffer, start: number, end: number): Verdict;
  /** What the shadow rules of this set would have changed since it was activated. */
  shadows(): readonly ShadowReport[];
}

/** What `GET /rules` says of one rule. */
export interface RuleDocument {
  /** `checkin.created`, `purchase@2`. */
  readonly name: string;
  readonly type: string;
  readonly version: number;
  readonly about: string;
  readonly shadow: boolean;
  readonly unknown: 'drop' | 'keep' | 'reject';
  /** In the order of the file; those of nested fields follow theirs. */
  readonly fields: readonly FieldDocument[];
  /** Conditions between fields, each a sentence. */
  readonly conditions: readonly string[];
  readonly examples: {
    readonly accepted: readonly { readonly name: string; readonly data: string; readonly result: string }[];
    readonly rejected: readonly { readonly name: string; readonly data: string; readonly code: RejectionCode }[];
  };
  /** JSON Schema 2020-12 that every accepted event's data fulfil. */
  readonly schema: Readonly<Record<string, unknown>>;
}

export interface FieldDocument {
  /** Below data: `items[].sku`, `labels.*`. */
  readonly path: string;
  /** Name of its field type. */
  readonly type: string;
  readonly required: boolean;
  readonly about: string;
  /** In words, limits among them: `text of 1 to 200 characters`. */
  readonly accepts: string;
  /** JSON text; null where there is none. */
  readonly byDefault: string | null;
  readonly sanitizers: readonly Sanitizer[];
}

/** A new version (`shadow: true`) that ran beside the one that answers. */
export interface ShadowReport {
  /** The shadow's name: `purchase@2`; and that of the rule beside which it runs. */
  readonly rule: string;
  readonly beside: string;
  readonly judged: number;
  /** Same verdict, same data. */
  readonly same: number;
  /** Both accepted, with other data; by pointer of the first difference. */
  readonly changed: Readonly<Record<string, number>>;
  /** Rejected by the shadow alone; by `code pointer`. */
  readonly newlyRejected: Readonly<Record<string, number>>;
  /** Accepted by the shadow alone; by the code of the rule that answers. */
  readonly newlyAccepted: Readonly<Record<string, number>>;
}

/** What became of a reload. `unchanged`: no file has another text. `refused`: the set before goes on serving. */
export type Reload =
  | { readonly kind: 'activated'; readonly set: RuleSet }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'refused'; /** `purchase.yaml:12:5: …`, each. */ readonly problems: readonly string[] };

/** Rules that follow their folder. Nothing of it is awaited by a request. */
export interface Rules extends AsyncDisposable {
  /** Swapped in one assignment. Take it once for a request. */
  readonly current: RuleSet;
  /** Reads the folder now. Concurrent calls share one reading. */
  reload(): Promise<Reload>;
}

export interface RulesOptions {
  /** Holds `*.yaml`, one rule each. */
  readonly folder: string;
  /** Key of the sanitizer `hash`; null where there is none (a rule that hashes is then a problem). */
  readonly hashKey: string | null;
  /** Called after each reload that was no `unchanged`, also those that the watch began. */
  readonly onReload?: (reload: Reload) => void;
}

/** `openRules` of bee/rules.ts: reads the folder and follows it until disposed. Throws RulesInvalid where the first set cannot be activated: exit code 78. */
export type OpenRules = (options: RulesOptions) => Promise<Rules>;

/** The message is for people: every problem, with file and line. */
export class RulesInvalid extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'RulesInvalid';
    this.problems = problems;
  }
}
