// An HTTP proxy before a real server, which spoils what it is told to spoil.
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * `lose`: the server takes the request, its answer is lost. `never`: the connection is cut before anything arrives. `torn`: the server
 * gets half of the body. `hang`: no answer, for as long as the client waits. A number: that status, with S3's code for it.
 */
export type Fault = 'pass' | 'lose' | 'never' | 'torn' | 'hang' | 409 | 500 | 503;

/** The server takes the request; its answer waits. */
export interface Held {
  readonly until: Promise<void>;
}

export interface FaultProxy extends AsyncDisposable {
  readonly endpoint: string;
  /** Decides on each request; the default passes all. */
  rule: (method: string, path: string) => Fault | Held;
  /** Requests of each fault so far. */
  readonly met: Map<Fault, number>;
}

const CODES = { 409: 'ConditionalRequestConflict', 500: 'InternalError', 503: 'SlowDown' } as const;

export async function startFaultProxy(upstream: string): Promise<FaultProxy> {
  const target = new URL(upstream);
  const server = createServer((incoming, outgoing) => {
    const ruled = proxy.rule(incoming.method ?? '', incoming.url ?? '');
    const fault = typeof ruled === 'object' ? 'pass' : ruled;
    proxy.met.set(fault, (proxy.met.get(fault) ?? 0) + 1);
    spoil(fault, target, incoming, outgoing, typeof ruled === 'object' ? ruled.until : Promise.resolve());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // listens on TCP
  const proxy: FaultProxy = {
    endpoint: `http://127.0.0.1:${port}`,
    rule: () => 'pass',
    met: new Map(),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return proxy;
}

function spoil(
  fault: Fault,
  target: URL,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  released: Promise<void>,
): void {
  const cut = (): void => void incoming.socket.destroy();
  switch (fault) {
    case 'never':
      cut();
      return;
    case 'hang':
      incoming.resume();
      return;
    case 409:
    case 500:
    case 503:
      incoming.resume().once('end', () => {
        outgoing.writeHead(fault, { 'content-type': 'application/xml' });
        outgoing.end(`<?xml version="1.0"?><Error><Code>${CODES[fault]}</Code><Message>by the proxy</Message></Error>`);
      });
      return;
    case 'pass':
    case 'lose':
    case 'torn': {
      const { method, url: path, headers } = incoming;
      const forward = request({ host: target.hostname, port: target.port, method, path, headers });
      forward.on('error', cut);
      forward.on('response', (answer) => {
        if (fault !== 'pass') {
          answer.resume().once('end', cut);
          return;
        }
        answer.on('error', cut);
        const pass = (): void => {
          outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
          answer.pipe(outgoing);
        };
        released.then(pass, cut);
      });
      if (fault === 'torn') tear(incoming, forward, cut);
      else incoming.pipe(forward);
      return;
    }
    default:
      fault satisfies never;
  }
}

/** Half of the body goes through; then both ends are cut. */
function tear(incoming: IncomingMessage, forward: ReturnType<typeof request>, cut: () => void): void {
  const half = Number(incoming.headers['content-length'] ?? 0) / 2;
  let sent = 0;
  incoming.on('data', (chunk: Buffer) => {
    if (sent >= half) return;
    forward.write(chunk.subarray(0, Math.max(1, Math.floor(half - sent))));
    sent += chunk.length;
    if (sent < half) return;
    forward.destroy();
    cut();
  });
  if (half === 0) cut();
}
