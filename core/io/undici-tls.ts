// Connections of undici whose server's certificate is checked as configured, before anything is sent.
import { TLSSocket } from 'node:tls';
import { buildConnector } from 'undici';
import type { TlsConfig } from '../config/sink-config.ts';
import { certificateFault, tlsOptions } from './tls.ts';

/** The client had its one connection: the request was not sent. */
export class NeverSent extends Error {
  override readonly name = 'NeverSent';
}

/** For one client: its second connection is refused with NeverSent. `timeout`: until connected, milliseconds. */
export function connectOnce(tls: TlsConfig, timeout: number): buildConnector.connector {
  // No session is resumed: then there may be no chain to look at.
  const connect = buildConnector({ ...tlsOptions(tls), timeout, maxCachedSessions: 0, allowH2: false });
  let used = false;
  return (options, callback) => {
    if (used) return callback(new NeverSent('the connection is closed'), null);
    used = true;
    connect(options, (...[error, socket]) => {
      if (error !== null) return callback(error, null);
      const fault = socket instanceof TLSSocket ? certificateFault(socket, tls, options.hostname) : null;
      if (fault === null) return callback(null, socket);
      socket.destroy();
      callback(fault, null);
    });
  };
}
