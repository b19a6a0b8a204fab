// One request over node:http(s), with a deadline, and the connections for it.
//
// Not fetch: undici fails on the `100 Continue` that a DataNode sends unasked, though the data may be stored.
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TlsConfig } from '#core/config/sink-config.ts';
import { TLSSocket } from 'node:tls';
import { certificateFault, tlsOptions } from '#core/io/tls.ts';

/** No whole answer came: it may have had its effect or not. `reused`: on a connection that had idled, which the server may just have closed. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  /** Of Node; '' for a deadline. */
  readonly code: string;
  readonly reused: boolean;

  constructor(message: string, code: string, reused: boolean, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.reused = reused;
  }
}

export interface Exchange {
  readonly method: string;
  readonly agent: HttpAgent;
  readonly body?: Buffer;
  /** Milliseconds for all of it. */
  readonly within: number;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly location: string | null;
  readonly bytes: Buffer;
}

/** Follows no redirect. Rejects with NoAnswer, or the signal's reason. */
export async function exchange(url: URL, { method, agent, body, within, signal }: Exchange): Promise<HttpAnswer> {
  const over = AbortSignal.any([signal, AbortSignal.timeout(within)]);
  const headers =
    body === undefined ? {} : { 'content-type': 'application/octet-stream', 'content-length': body.length };
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const request = send(url, { method, agent, headers, signal: over });
  try {
    return await new Promise<HttpAnswer>((resolve, reject) => {
      request.on('error', reject);
      request.on('response', (response) => {
        const collect = async (): Promise<HttpAnswer> => {
          const chunks: Buffer[] = [];
          for await (const chunk of response) chunks.push(chunk as Buffer); // no encoding is set
          const { statusCode = 0, headers: answered } = response;
          return { status: statusCode, location: answered.location ?? null, bytes: Buffer.concat(chunks) };
        };
        collect().then(resolve, reject);
      });
      request.end(body);
    });
  } catch (error) {
    signal.throwIfAborted();
    throw noAnswer(error, over.aborted ? within : null, request.reusedSocket);
  } finally {
    // Refused before all was sent.
    if (!request.writableFinished) request.destroy();
  }
}

/** `late`: the milliseconds that were too few, or null. */
export function noAnswer(error: unknown, late: number | null, reused: boolean): NoAnswer {
  if (late !== null) return new NoAnswer(`nothing within ${late} ms`, '', false, { cause: error });
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const message = error instanceof Error && error.message !== '' ? error.message : code || String(error);
  return new NoAnswer(message, code, reused, { cause: error });
}

/** Connections to the NameNode are kept, some; a DataNode closes each. */
export interface Connections {
  readonly scheme: 'http:' | 'https:';
  readonly nameNode: HttpAgent;
  readonly dataNode: HttpAgent;
  close(): void;
}

const NAME_NODE_SOCKETS = 16;
/** Below the server's own (hadoop.http.idle_timeout.ms, 60 s by default). */
const IDLE_MS = 30_000;

export function connections(secure: boolean, tls: TlsConfig): Connections {
  const kept = { keepAlive: true, maxSockets: NAME_NODE_SOCKETS, timeout: IDLE_MS };
  const nameNode = secure ? new TlsAgent(kept, tls) : new HttpAgent(kept);
  const dataNode = secure ? new TlsAgent({ keepAlive: false }, tls) : new HttpAgent({ keepAlive: false });
  return {
    scheme: secure ? 'https:' : 'http:',
    nameNode,
    dataNode,
    close() {
      nameNode.destroy();
      dataNode.destroy();
    },
  };
}

type Connected = (error: Error | null, socket: Duplex) => void;

/** Hands out a connection only once its certificate has been checked. */
class TlsAgent extends HttpsAgent {
  readonly #tls: TlsConfig;

  constructor(options: { readonly keepAlive: boolean }, tls: TlsConfig) {
    super({ ...options, ...tlsOptions(tls), maxCachedSessions: tls.fingerprint === null ? 100 : 0 });
    this.#tls = tls;
  }

  override createConnection(options: RequestOptions, connected?: Connected): Duplex | null | undefined {
    const socket = super.createConnection(options);
    if (!(socket instanceof TLSSocket) || connected === undefined) return socket;
    const failed = (error: Error): void => connected(error, socket);
    socket.once('error', failed);
    socket.once('secureConnect', () => {
      socket.off('error', failed);
      const fault = certificateFault(socket, this.#tls, options.host ?? '');
      if (fault === null) connected(null, socket);
      else {
        socket.destroy();
        failed(Object.assign(fault, { code: 'CERT_FINGERPRINT' }));
      }
    });
    return undefined;
  }
}
