// What a broker has or should have, as plain data: one shape for all kinds, so that comparing is one function.

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type Fields = Readonly<Record<string, Json>>;

/** In the order in which they are declared: each needs only what stands before it. */
export const KINDS = [
  'cluster-name',
  'vhost',
  'user',
  'permission',
  'policy',
  'exchange',
  'queue',
  'binding',
  'permit',
  'upstream',
  'upstream-set',
  'federation-policy',
] as const;
export type Kind = (typeof KINDS)[number];

export interface Desired {
  readonly kind: Kind;
  /** Unique within its kind. A permit, which is a message, has the name of the queue that holds it. */
  readonly name: string;
  /** What the management API takes for it, without names. */
  readonly fields: Fields;
  /** A user's password. */
  readonly secret: string | null;
  /** The policy that must be in force on an exchange or queue; null where none is ours. */
  readonly policy: string | null;
}

export interface Observed {
  readonly kind: Kind;
  readonly name: string;
  readonly fields: Fields;
  /** A user's salted password hash, as the API shows it. */
  readonly secret: string | null;
  /** Queues: as the broker last counted, some seconds ago. */
  readonly messages: number;
  /** Queues: the nodes that hold a replica. */
  readonly members: readonly string[];
}

export interface ObservedNode {
  readonly name: string;
  readonly running: boolean;
  /** `memory`, `disk`: the broker blocks publishers. */
  readonly alarms: readonly string[];
  readonly plugins: readonly string[];
  /** Bytes; below the limit the broker blocks publishers. 0 of a node that does not run. */
  readonly diskFree: number;
  readonly diskLimit: number;
}

export interface ObservedLink {
  readonly upstream: string;
  readonly exchange: string;
  /** `running`, `starting`, `error` …; a dead link may also be missing. */
  readonly status: string;
  readonly error: string;
}

export interface ObservedSite {
  readonly version: string;
  readonly nodes: readonly ObservedNode[];
  readonly objects: readonly Observed[];
  /** Fields `pattern`, `definition`. */
  readonly operatorPolicies: readonly { readonly name: string; readonly fields: Fields }[];
  readonly links: readonly ObservedLink[];
  /** Stable feature flags that are not enabled. */
  readonly disabledFlags: readonly string[];
}

export interface BindingFields extends Fields {
  readonly source: string;
  readonly destination: string;
  /** `q` or `e`. */
  readonly destinationType: string;
  readonly routingKey: string;
  readonly arguments: Fields;
}

export const bindingName = (binding: BindingFields): string =>
  `${binding.source} -> ${binding.destinationType === 'q' ? 'queue' : 'exchange'} ${binding.destination}, key "${binding.routingKey}"` +
  (Object.keys(binding.arguments).length > 0 ? ` ${canonical(binding.arguments)}` : '');

/** The same text for the same value, whatever the order of keys. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map((each: Json) => canonical(each)).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`).join(',')}}`;
}

/** The key of an object among those of all kinds. */
export const key = ({ kind, name }: { readonly kind: Kind; readonly name: string }): string => `${kind} ${name}`;

/** An argument of an exchange, queue or binding; null where it has none of that name. */
export function argument(fields: Fields, name: string): Json {
  return fieldsOf(fields['arguments'])[name] ?? null;
}

export function fieldsOf(value: Json | undefined): Fields {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Fields) : {};
}

/** The string itself; empty for what is not there; JSON for anything else. */
export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value);
}
