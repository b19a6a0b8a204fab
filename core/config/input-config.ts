// The ways in of an agent, checked. One entry for each input; null where it is not configured. Sizes are bytes, times milliseconds.
import type { Level } from './config.ts';

export interface InputsConfig {
  readonly http: HttpInputConfig | null;
  readonly forward: ForwardInputConfig | null;
  readonly udp: UdpInputConfig | null;
  readonly syslog: SyslogInputConfig | null;
  readonly tail: TailConfig | null;
}

/** An entry for each kind of log. */
export type TailConfig = readonly TailFileConfig[];

export interface TailFileConfig {
  /** Globs. */
  readonly paths: readonly string[];
  readonly type: string;
  readonly format: 'plain' | 'json' | 'regexp' | 'cri' | 'docker';
  /** RE2, with named groups; null unless the format is `regexp`. */
  readonly pattern: string | null;
  /** Lines that do not match `start` belong to the record before; it is whole after `timeout` without a line. */
  readonly multiline: { readonly start: string; readonly timeout: number } | null;
  /** Where a file that nobody knows is begun, if it was there when the agent started. */
  readonly start: 'beginning' | 'end';
  readonly maxLine: number;
  /** The member of the data that holds the path; none where empty. */
  readonly pathField: string;
}

export interface HttpInputConfig {
  readonly listen: string;
  readonly level: Level;
  readonly maxBody: number;
  readonly maxEvent: number;
}

export interface ForwardInputConfig {
  readonly listen: string;
  readonly level: Level;
  /** Bytes of one message, as it was sent and inflated. */
  readonly maxChunk: number;
  readonly maxEvent: number;
  /** '' where there is none. */
  readonly sharedKey: string;
  readonly users: readonly { readonly name: string; readonly password: string }[];
  readonly tls: ServerTlsConfig | null;
}

/** What a server shows, and asks of its clients. PEM. */
export interface ServerTlsConfig {
  readonly cert: string;
  readonly key: string;
  /** Clients must show a certificate of this authority; null: none is asked for. */
  readonly clientCa: string | null;
}

export interface UdpInputConfig {
  readonly listen: string;
  readonly level: Level;
  readonly maxEvent: number;
  /** Of objects that are no CloudEvents; null: those are refused. */
  readonly type: string | null;
  /** Bytes asked of the kernel; it may give less. */
  readonly receiveBuffer: number;
}

export interface SyslogInputConfig {
  readonly listen: string;
  readonly level: Level;
  readonly type: string;
  /** Longer messages are cut. */
  readonly maxMessage: number;
  /** IANA name, of times without a zone. */
  readonly timeZone: string;
  readonly receiveBuffer: number;
  /** TLS on an address of its own. */
  readonly tls: (ServerTlsConfig & { readonly listen: string }) | null;
}
