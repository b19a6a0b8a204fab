// TCP and TLS connections of an input: how many, how slow they may be, and how they end. What is said on them is the session's affair.
import net from 'node:net';
import tls from 'node:tls';
import type { ServerTlsConfig } from '#core/config/input-config.ts';
import { serverTlsOptions } from '#core/io/tls.ts';
import { formatAddress, parseAddress } from '#core/units.ts';
import type { InputObserver } from './contract.ts';

/** One connection as its input sees it. */
export interface Session {
  /** Bytes as they came; whoever keeps them copies them. */
  data(chunk: Buffer): void;
  /** The other side sends no more. The session calls `link.end` once it has answered. */
  ended(): void;
  /** The socket is gone, whoever closed it. */
  gone(): void;
  /** Why the other side is too slow at this time (milliseconds of performance.now), or null. */
  overdue(now: number): string | null;
  /** Takes nothing new; resolves once what was taken is answered. */
  drain(): Promise<void>;
}

export interface ConnectionsOptions {
  readonly listen: string;
  readonly tls: ServerTlsConfig | null;
  /** The path in the configuration, for messages. */
  readonly where: string;
  readonly observe: InputObserver;
  readonly open: (link: Link) => Session;
  /** Milliseconds. */
  readonly closeWithin: number;
  readonly handshake: number;
  readonly sweep: number;
}

export interface Connections extends AsyncDisposable {
  /** `host:port`, with the port that was taken. */
  readonly address: string;
  readonly count: () => number;
}

const MAX_CONNECTIONS = 4096;
/** Answers that the other side does not read. */
const UNREAD_BYTES = 256 * 1024;
/** After we hung up, the other side has so long to read the last bytes and to close. */
const LINGER = 1_000;

/** A session's end of a socket. */
export class Link {
  readonly #socket: net.Socket;
  readonly #observe: InputObserver;
  #over = false;

  constructor(socket: net.Socket, observe: InputObserver) {
    this.#socket = socket;
    this.#observe = observe;
  }

  /** No more is read nor written. */
  get over(): boolean {
    return this.#over;
  }

  /** A small write of its own. False, and nothing written, where the other side has not read what went before. */
  write(bytes: Uint8Array): boolean {
    if (this.#over || this.#socket.writableLength > UNREAD_BYTES) return false;
    this.#socket.write(bytes);
    return true;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#over) this.#socket.resume();
  }

  /** Closed by us, for a reason that is counted. What still comes is read and thrown away, so that the other side gets to see the last bytes. */
  hangUp(reason: string, last?: Uint8Array): void {
    if (this.#over) return;
    this.#observe.closed(reason);
    if (last !== undefined) this.#socket.write(last);
    this.end();
  }

  /** The socket is gone. */
  closed(): void {
    this.#over = true;
  }

  /** All is answered. */
  end(): void {
    this.#over = true;
    this.#socket.resume();
    this.#socket.end();
    setTimeout(() => this.#socket.destroy(), LINGER).unref();
  }
}

/** Resolves once it listens; rejects with the system's error. */
export async function listenConnections(options: ConnectionsOptions): Promise<Connections> {
  const address = parseAddress(options.listen);
  if (address === null) throw new TypeError(`${options.where}.listen: "${options.listen}" is no host:port`);
  const { observe } = options;
  const sessions = new Map<net.Socket, { readonly link: Link; readonly session: Session }>();
  const onSocket = (socket: net.Socket): void => {
    const link = new Link(socket, observe);
    const session = options.open(link);
    sessions.set(socket, { link, session });
    socket.on('data', (chunk: Buffer) => {
      if (!link.over) session.data(chunk);
    });
    socket.on('end', () => {
      if (link.over) socket.destroy();
      else session.ended();
    });
    socket.on('error', () => undefined); // 'close' follows
    socket.on('close', () => {
      sessions.delete(socket);
      link.closed();
      session.gone();
    });
  };
  const server = serverOf(options, onSocket);
  server.maxConnections = MAX_CONNECTIONS;
  server.on('drop', () => observe.closed('too-many-connections'));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address.host, port: address.port, backlog: 1024 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const sweeping = setInterval(() => {
    const now = performance.now();
    for (const { link, session } of sessions.values()) {
      const reason = link.over ? null : session.overdue(now);
      if (reason !== null) link.hangUp(reason);
    }
  }, options.sweep);
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    const deadline = setTimeout(() => {
      for (const socket of sessions.keys()) socket.destroy();
    }, options.closeWithin);
    await Promise.all(
      Array.from(sessions.values(), async ({ link, session }) => {
        await session.drain();
        if (!link.over) link.end();
      }),
    );
    await closed;
    clearTimeout(deadline);
    clearInterval(sweeping);
  };
  const { port } = server.address() as net.AddressInfo; // listening on TCP
  let closing: Promise<void> | null = null;
  return {
    address: formatAddress({ host: address.host, port }),
    count: () => sessions.size,
    [Symbol.asyncDispose]: () => (closing ??= close()),
  };
}

function serverOf(options: ConnectionsOptions, onSocket: (socket: net.Socket) => void): net.Server {
  // A client may close its side and still wait for an answer.
  const common = { allowHalfOpen: true, noDelay: true, keepAlive: true };
  if (options.tls === null) return net.createServer(common, onSocket);
  const secure = { ...serverTlsOptions(options.tls, `${options.where}.tls`), handshakeTimeout: options.handshake };
  const server = tls.createServer({ ...common, ...secure }, onSocket);
  server.on('tlsClientError', (_error, socket) => {
    options.observe.closed('tls-failed');
    socket.destroy();
  });
  return server;
}
