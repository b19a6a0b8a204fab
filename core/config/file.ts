// The configuration as the file writes it, once the schema holds and its defaults are in. What the environment does not give, and the
// command at hand does not need, is absent even where the schema requires it.
import type { Level } from './config.ts';
import type { InputsFile } from './input-shape.ts';
import type { SinkFile } from './sink-file.ts';

export interface ConfigFile {
  readonly version: 1;
  readonly vhost?: string;
  readonly sites: Readonly<Record<string, SiteFile>>;
  readonly users: Readonly<Record<string, { readonly password?: string }>>;
  readonly log: { readonly partitions: number; readonly retention: string; readonly max_bytes: string };
  readonly dead: { readonly retention: string; readonly max_bytes: string };
  readonly agent: AgentFile;
  readonly bee?: BeeFile;
  readonly sinks: Readonly<Record<string, SinkFile>>;
}

export interface SiteFile {
  readonly nodes: readonly string[];
  readonly stream: readonly string[];
  readonly management: string | readonly string[];
  readonly federation?: readonly string[];
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly link_certificates: string;
}

export interface BeeFile {
  readonly listen: string;
  readonly admin: string;
  readonly agent: string;
  readonly token?: string;
  readonly level: Level;
  readonly rules: string;
  readonly hash_key?: string;
  readonly keys: Readonly<
    Record<string, { readonly hashes?: readonly string[]; readonly source?: string; readonly types: readonly string[] }>
  >;
  readonly origins: readonly string[];
  readonly trusted_proxies: readonly string[];
  readonly max_body: string;
  readonly max_event: string;
  readonly max_events: number;
  readonly rate: { readonly window: string; readonly key: number; readonly address: number };
  readonly clock_skew: string;
  readonly remember: string;
}

export interface AgentFile {
  readonly site?: string;
  readonly host?: string;
  readonly admin: string;
  readonly workers: number;
  readonly spool: {
    readonly path: string;
    readonly max: string;
    readonly share: number;
    readonly keep: string;
    readonly segment: string;
  };
  readonly inputs: InputsFile;
  readonly types: readonly { readonly match: string; readonly type: string }[];
  readonly transforms: readonly {
    readonly match: string;
    readonly where?: Readonly<Record<string, unknown>>;
    readonly keep?: number;
    readonly drop?: readonly string[];
    readonly rename?: Readonly<Record<string, string>>;
    readonly set?: Readonly<Record<string, unknown>>;
  }[];
  readonly levels: readonly { readonly match: string; readonly level: Level }[];
  readonly route: {
    readonly mode: 'balance' | 'failover' | 'mirror';
    readonly prefer?: string;
    readonly hysteresis: string;
    readonly behind?: string;
    readonly window: string;
    readonly linger: string;
  };
}
