// What no real NameNode can be brought to answer at will: a server that answers as it is told.
import { createServer, type RequestListener, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Certificate } from '../../targets/certificates.ts';

export interface Asked {
  readonly op: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

/** An object is sent as JSON, a text as it is. `cut`: no answer, the connection is closed. */
export type Reply = { readonly status: number; readonly body: unknown } | 'cut';

export interface StubNameNode extends AsyncDisposable {
  readonly endpoint: string;
  reply: (asked: Asked) => Reply;
  readonly asked: Asked[];
  /** Connections taken so far. */
  connections: number;
}

export const remoteException = (exception: string, status = 403): Reply => ({
  status,
  body: { RemoteException: { exception, javaClassName: `org.apache.${exception}`, message: 'said the stub' } },
});

export const statusOf = (change: object = {}): Reply => ({
  status: 200,
  body: { FileStatus: { pathSuffix: '', type: 'FILE', length: 3, fileId: 16_400, modificationTime: 1, ...change } },
});

const askedOf = ({ url = '' }: IncomingMessage): Asked => {
  const { pathname, searchParams: query } = new URL(url, 'http://stub');
  return {
    op: (query.get('op') ?? '').toUpperCase(),
    path: decodeURIComponent(pathname).replace('/webhdfs/v1', ''),
    query,
  };
};

/** With a certificate: over TLS. */
export async function startStubNameNode(
  reply: (asked: Asked) => Reply,
  certificate?: Certificate,
): Promise<StubNameNode> {
  const serve: RequestListener = (incoming, outgoing) => {
    const asked = askedOf(incoming);
    stub.asked.push(asked);
    const told = stub.reply(asked);
    incoming.resume().once('end', () => {
      if (told === 'cut') {
        incoming.socket.destroy();
        return;
      }
      outgoing.writeHead(told.status, { 'content-type': 'application/json' });
      outgoing.end(typeof told.body === 'string' ? told.body : JSON.stringify(told.body));
    });
  };
  const server = certificate === undefined ? createServer(serve) : createTlsServer(certificate, serve);
  server.on('connection', () => stub.connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // listens on TCP
  const stub: StubNameNode = {
    endpoint: `http${certificate === undefined ? '' : 's'}://127.0.0.1:${port}`,
    reply,
    asked: [],
    connections: 0,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return stub;
}
