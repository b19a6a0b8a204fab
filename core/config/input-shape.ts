// The checked inputs out of the file's own form.
import { parseDuration, parseSize } from '../units.ts';
import type { Level } from './config.ts';
import type { InputsConfig, ServerTlsConfig, TailFileConfig } from './input-config.ts';

/** As the file writes them, once the schema holds and its defaults are in. */
export interface InputsFile {
  readonly http?: {
    readonly listen: string;
    readonly level: Level;
    readonly max_body: string;
    readonly max_event: string;
  };
  readonly forward?: {
    readonly listen: string;
    readonly level: Level;
    readonly max_chunk: string;
    readonly max_event: string;
    readonly shared_key?: string;
    readonly users?: Readonly<Record<string, { readonly password?: string }>>;
    readonly tls?: ServerTlsFile;
  };
  readonly udp?: {
    readonly listen: string;
    readonly level: Level;
    readonly max_event: string;
    readonly type?: string;
    readonly receive_buffer: string;
  };
  readonly syslog?: {
    readonly listen: string;
    readonly level: Level;
    readonly type: string;
    readonly max_message: string;
    readonly time_zone: string;
    readonly receive_buffer: string;
    readonly tls?: ServerTlsFile & { readonly listen: string };
  };
  readonly tail?: readonly {
    readonly paths: readonly string[];
    readonly type: string;
    readonly format: TailFileConfig['format'];
    readonly pattern?: string;
    readonly multiline?: { readonly start: string; readonly timeout: string };
    readonly start: 'beginning' | 'end';
    readonly max_line: string;
    readonly path_field: string;
  }[];
}

interface ServerTlsFile {
  readonly cert?: string;
  readonly key?: string;
  readonly client_ca?: string;
}

export function shapeInputs({ http, forward, udp, syslog, tail }: InputsFile): InputsConfig {
  return {
    http:
      http === undefined
        ? null
        : { listen: http.listen, level: http.level, maxBody: bytes(http.max_body), maxEvent: bytes(http.max_event) },
    forward:
      forward === undefined
        ? null
        : {
            listen: forward.listen,
            level: forward.level,
            maxChunk: bytes(forward.max_chunk),
            maxEvent: bytes(forward.max_event),
            sharedKey: forward.shared_key ?? '',
            users: Object.entries(forward.users ?? {}).map(([name, { password = '' }]) => ({ name, password })),
            tls: forward.tls === undefined ? null : serverTls(forward.tls),
          },
    udp:
      udp === undefined
        ? null
        : {
            listen: udp.listen,
            level: udp.level,
            maxEvent: bytes(udp.max_event),
            type: udp.type ?? null,
            receiveBuffer: bytes(udp.receive_buffer),
          },
    syslog:
      syslog === undefined
        ? null
        : {
            listen: syslog.listen,
            level: syslog.level,
            type: syslog.type,
            maxMessage: bytes(syslog.max_message),
            timeZone: syslog.time_zone,
            receiveBuffer: bytes(syslog.receive_buffer),
            tls: syslog.tls === undefined ? null : { ...serverTls(syslog.tls), listen: syslog.tls.listen },
          },
    tail:
      tail?.map(({ paths, type, format, pattern, multiline, start, max_line: maxLine, path_field: pathField }) => ({
        paths,
        type,
        format,
        pattern: format === 'regexp' ? (pattern ?? '') : null,
        multiline: multiline === undefined ? null : { start: multiline.start, timeout: ms(multiline.timeout) },
        start,
        maxLine: bytes(maxLine),
        pathField,
      })) ?? null,
  };
}

// What a command does not need may be absent; else the schema has checked it.
function serverTls({ cert = '', key = '', client_ca }: ServerTlsFile): ServerTlsConfig {
  return { cert, key, clientCa: client_ca ?? null };
}
const bytes = (text: string): number => parseSize(text) ?? 0;
const ms = (text: string): number => parseDuration(text) ?? 0;
