// The administration endpoints of a service: /healthz /readyz /metrics /status, on an address of their own. They read, and change nothing.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { formatAddress, parseAddress } from '../units.ts';

export interface Readiness {
  readonly ok: boolean;
  /** Why not, for people; empty where ok. */
  readonly reasons: readonly string[];
}

export interface AdminOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string;
  readonly registry: Pick<Registry, 'contentType' | 'metrics'>;
  /** Whether this service does its work now: /readyz answers 200 or 503. */
  readonly ready: () => Readiness | Promise<Readiness>;
  /** What /status answers, as JSON. */
  readonly status: () => object | Promise<object>;
}

export interface AdminServer extends AsyncDisposable {
  /** `host:port`, with the port that was taken. */
  readonly address: string;
}

/** The configured address cannot be listened at. */
export class ListenRefused extends Error {
  override readonly name = 'ListenRefused';
}

/** Listens, or rejects with ListenRefused (address in use or not of this machine, no right to the port). */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const listen = parseAddress(options.listen);
  if (listen === null) throw new TypeError(`not an address (host:port): ${options.listen}`);
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else send(response, 500, 'text/plain', `${error instanceof Error ? error.message : String(error)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', ({ message }) => reject(new ListenRefused(refusal(options.listen, message))));
    server.listen(listen.port, listen.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : listen.port;
  let closed: Promise<void> | undefined;
  return {
    address: formatAddress({ host: listen.host, port }),
    [Symbol.asyncDispose]: () =>
      (closed ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      })),
  };
}

const refusal = (listen: string, why: string): string =>
  `admin: cannot listen at ${listen} (${why}); where another service or instance runs on this machine, give each an address of its own`;

async function answer(options: AdminOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return send(response, 405, 'text/plain', 'only GET and HEAD\n');
  }
  switch (request.url?.split('?', 1)[0]) {
    case '/healthz':
      return send(response, 200, 'text/plain', 'ok\n');
    case '/readyz': {
      const readiness = await options.ready();
      return sendJson(response, readiness.ok ? 200 : 503, readiness);
    }
    case '/metrics':
      return send(response, 200, options.registry.contentType, await options.registry.metrics());
    case '/status':
      return sendJson(response, 200, await options.status());
    default:
      return send(response, 404, 'text/plain', 'there are /healthz /readyz /metrics /status\n');
  }
}

// Offsets are bigints, and a status that shows one must not fail.
const sendJson = (response: ServerResponse, code: number, value: unknown): void =>
  send(
    response,
    code,
    'application/json',
    `${JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner))}\n`,
  );

function send(response: ServerResponse, code: number, type: string, body: string): void {
  response.writeHead(code, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(body);
}
