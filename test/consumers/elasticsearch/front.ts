// What stands before a real Elasticsearch in tests: a proxy that counts connections, keeps what was asked, and answers as it is told.
import {
  createServer as createPlain,
  request,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecure } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Certificate } from '../../targets/certificates.ts';

/**
 * `silent`: no answer, for as long as the client waits. `cut`: the connection ends, nothing arrives. `lost`: the server takes the request, its
 * answer is lost. `nameless`: the answer goes without its product header. `slow`: 300 ms late.
 */
export type Manner = 'pass' | 'silent' | 'cut' | 'lost' | 'nameless' | 'slow' | Answer;

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

export class Front implements AsyncDisposable {
  readonly asked: Asked[] = [];
  /** Open now. */
  readonly sockets = new Set<Socket>();
  mostSockets = 0;
  manner: (method: string, path: string) => Manner = () => 'pass';
  readonly #upstream: URL;
  readonly #tls: { readonly key: string; readonly cert: string } | null;
  #server: Server | null = null;
  #port = 0;

  private constructor(upstream: string, tls: Certificate | null, chain: readonly Certificate[]) {
    this.#upstream = new URL(upstream);
    this.#tls = tls === null ? null : { key: tls.key, cert: [tls, ...chain].map(({ cert }) => cert).join('') };
  }

  /** With a certificate it speaks TLS; the server behind it never does. */
  static async before(upstream: string, tls: Certificate | null = null, ...chain: Certificate[]): Promise<Front> {
    const front = new Front(upstream, tls, chain);
    await front.up();
    return front;
  }

  get endpoint(): string {
    return `${this.#tls === null ? 'http' : 'https'}://127.0.0.1:${this.#port}`;
  }

  async up(): Promise<void> {
    if (this.#server !== null) return;
    const answer = (incoming: IncomingMessage, outgoing: ServerResponse): void => this.#answer(incoming, outgoing);
    const server = this.#tls === null ? createPlain(answer) : createSecure(this.#tls, answer);
    server.on(this.#tls === null ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.sockets.add(socket);
      this.mostSockets = Math.max(this.mostSockets, this.sockets.size);
      socket.once('close', () => this.sockets.delete(socket));
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port; // listens on TCP
  }

  /** Nobody listens there, and what is open is cut. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.down();
  }

  #answer(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const [method, path] = [incoming.method ?? '', incoming.url ?? ''];
    this.asked.push({ method, path, headers: incoming.headers });
    const manner = this.manner(method, path);
    if (typeof manner === 'object') {
      incoming.resume().once('end', () => {
        outgoing.writeHead(manner.status, {
          'x-elastic-product': 'Elasticsearch',
          'content-type': 'application/json',
          ...manner.headers,
        });
        outgoing.end(typeof manner.body === 'string' ? manner.body : JSON.stringify(manner.body ?? {}));
      });
    } else if (manner === 'cut') incoming.socket.destroy();
    else if (manner === 'silent') incoming.resume();
    else this.#forward(manner, incoming, outgoing);
  }

  #forward(manner: 'pass' | 'lost' | 'nameless' | 'slow', incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { hostname, port } = this.#upstream;
    const { method, url: path, headers } = incoming;
    const cut = (): void => void incoming.socket.destroy();
    const forward = request({ hostname, port, method, path, headers });
    forward.on('error', cut);
    forward.on('response', (answer) => {
      if (manner === 'lost') {
        answer.resume().once('end', cut);
        return;
      }
      const { 'x-elastic-product': product, ...others } = answer.headers;
      const shown = manner === 'nameless' || product === undefined ? others : answer.headers;
      const send = (): void => {
        outgoing.writeHead(answer.statusCode ?? 500, shown);
        answer.pipe(outgoing);
      };
      if (manner === 'slow') setTimeout(send, 300);
      else send();
    });
    incoming.pipe(forward);
  }
}
