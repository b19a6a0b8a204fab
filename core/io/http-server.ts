// An HTTP service on a socket, within limits: what node:http itself refuses is answered as the service answers, and closing ends in time.
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyHttpOptions, FastifyInstance } from 'fastify';
import { type Refusal, refusal } from '../errors.ts';
import { formatAddress, parseAddress } from '../units.ts';

/** Milliseconds. */
export interface HttpLimits {
  /** For a request's headers and body to arrive. */
  readonly request: number;
  /** For the headers alone. */
  readonly headers: number;
  /** An idle connection is kept so long. */
  readonly keepAlive: number;
  /** Requests in flight when closing begins are given so long. */
  readonly close: number;
  /** Open at a time; one more is closed at once. */
  readonly connections: number;
}

/** Meant for production. */
export const HTTP_LIMITS: HttpLimits = {
  request: 30_000,
  headers: 10_000,
  keepAlive: 72_000,
  close: 10_000,
  connections: 4096,
};
const MAX_HEADER_BYTES = 16 * 1024;

/** `refused`: the body (JSON) of the answer to what never became a request: slow, too large or malformed heads. */
export function serverOptions(limits: HttpLimits, refused: (refusal: Refusal) => string): FastifyHttpOptions<Server> {
  return {
    logger: false,
    exposeHeadRoutes: false,
    return503OnClosing: false, // with our own body and Retry-After
    forceCloseConnections: false,
    requestTimeout: limits.request,
    keepAliveTimeout: limits.keepAlive,
    routerOptions: { maxParamLength: MAX_HEADER_BYTES },
    http: {
      headersTimeout: Math.min(limits.headers, limits.request),
      connectionsCheckingInterval: Math.min(1000, limits.headers, limits.request),
      maxHeaderSize: MAX_HEADER_BYTES,
      requireHostHeader: false,
    },
    clientErrorHandler: (error, socket) => answerClientError(error, socket, limits.request, refused),
  };
}

/** Resolves once the socket is bound, with `http://host:port` and the port that was taken. Rejects with what the socket says. */
export async function listenAt(app: FastifyInstance, listen: string, { connections }: HttpLimits): Promise<string> {
  const address = parseAddress(listen);
  if (address === null) throw new TypeError(`"${listen}" is no host:port`);
  app.server.maxConnections = connections;
  await app.listen({ host: address.host, port: address.port, backlog: 1024 });
  const bound = app.server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  return `http://${formatAddress({ host: address.host, port })}`;
}

/** Lets what is in flight be answered, and ends within `deadline` milliseconds. */
export async function closeWithin(app: FastifyInstance, deadline: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), deadline);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}

function answerClientError(
  error: Error & { code?: string },
  socket: Socket,
  requestLimit: number,
  answer: (refusal: Refusal) => string,
): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, refused] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? (['408 Request Timeout', refusal('body-slow', '', requestLimit / 1000)] as const)
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ([
            '431 Request Header Fields Too Large',
            refusal('request-malformed', '', `its header is larger than ${MAX_HEADER_BYTES} bytes`),
          ] as const)
        : (['400 Bad Request', refusal('request-malformed')] as const);
  const body = answer(refused);
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`;
  socket.end(head + body, () => socket.destroy());
}
