// The checked configuration: what every service works from. No optional fields; the schema beside it fills the defaults.
// Sizes are bytes, times are milliseconds, whatever the file wrote (`64MiB`, `5m`).

import type { BeeConfig } from './bee-config.ts';
import type { InputsConfig } from './input-config.ts';
import type { MappingConfig, SinkConfig } from './sink-config.ts';

/** Where an accepted event must be before the sender is answered. `memory`: written to the spool, synced within 100 ms. `disk`: fdatasync. `site`: a site confirmed. */
export type Level = 'memory' | 'disk' | 'site';

export interface Config {
  /** The path of the file, for messages. */
  readonly file: string;
  readonly version: 1;
  readonly vhost: string;
  readonly sites: readonly SiteConfig[];
  /** By user name: `topology`, `federation`, `agent`, `monitoring`, `operator`, `tap`, and one for each sink under the sink's name. */
  readonly users: Readonly<Record<string, UserConfig>>;
  readonly log: LogConfig;
  readonly dead: { readonly retention: number; readonly maxBytes: number };
  readonly agent: AgentConfig;
  /** Null where there is no Bee. */
  readonly bee: BeeConfig | null;
  readonly sinks: readonly SinkConfig[];
}

export interface SiteConfig {
  readonly name: string;
  /** `amqp://host:port`, without credentials: those come from `users`. */
  readonly nodes: readonly string[];
  readonly stream: readonly { readonly host: string; readonly port: number }[];
  /** `http://host:port` of the management API, one or more. */
  readonly management: readonly string[];
  /** How brokers of the other sites reach this one; `nodes` unless given. */
  readonly federation: readonly string[];
  /** Null: the system's authorities, no certificate of our own, streams in the clear. */
  readonly tls: SiteTls | null;
  /** Folder on the brokers of this site with ca.pem, cert.pem and key.pem: what its links to `amqps:` sites use. */
  readonly linkCertificates: string;
}

/** PEM texts; null members: the system's authorities, no certificate of our own. */
export interface SiteTls {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

export interface UserConfig {
  readonly password: string;
}

export interface LogConfig {
  readonly partitions: number;
  readonly retention: number;
  /** For all partitions together, at each site. */
  readonly maxBytes: number;
}

export interface AgentConfig {
  /** Name of the site in which this agent runs. */
  readonly site: string;
  readonly host: string;
  /** `host:port` of the administration endpoints (/healthz /readyz /metrics /status). */
  readonly admin: string;
  /** Processes that share the ports; 1: all in one. */
  readonly workers: number;
  readonly spool: SpoolConfig;
  readonly inputs: InputsConfig;
  /** The first match gives the event's type. */
  readonly types: readonly { readonly match: string; readonly type: string }[];
  /** All that match are applied, in this order, before events get their numbers. */
  readonly transforms: readonly TransformConfig[];
  /** The first match is the least level for events of the type. */
  readonly levels: readonly { readonly match: string; readonly level: Level }[];
  readonly route: RouteConfig;
}

export interface TransformConfig {
  readonly match: string;
  /** JSON pointer to the values one of which must stand there; the rule is for events that have all of them. */
  readonly where: Readonly<Record<string, readonly unknown[]>>;
  /** Share of these events that are kept, 0 to 1. */
  readonly keep: number;
  readonly mapping: MappingConfig;
}

export interface SpoolConfig {
  readonly path: string;
  readonly max: number;
  /** Of `max`, for one type and for one input: 0 to 1. */
  readonly share: number;
  /** Confirmed segments are kept up to so many bytes, while there is room. */
  readonly keep: number;
  readonly segment: number;
}

export interface RouteConfig {
  readonly mode: 'balance' | 'failover' | 'mirror';
  /** The preferred site of `failover`; the agent's own unless given. */
  readonly prefer: string;
  /** How long a site must be reachable again before traffic goes back to it. */
  readonly hysteresis: number;
  /** `mirror`: with more bytes of the spool than this before a site, what another site confirmed is skipped for it. */
  readonly behind: number;
  /** Unconfirmed bytes in flight, for each site. */
  readonly window: number;
  readonly linger: number;
}
