// HDFS behind two fault proxies: one before the NameNode, one before the DataNode to which it redirects.
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startFaultProxy, type FaultProxy } from '../../fault-proxy.ts';
import type { Hdfs } from '../../targets/hdfs.ts';

export interface SpoiledHdfs extends AsyncDisposable {
  readonly nameNode: FaultProxy;
  readonly dataNode: FaultProxy;
  /** Awaited before the NameNode gets a request: as if the writer were paused before it, or the network slow. */
  before: (path: string) => Promise<void>;
  calm(): void;
}

/** Of one DataNode. */
export async function spoil(hdfs: Hdfs): Promise<SpoiledHdfs> {
  const dataNode = await startFaultProxy(await dataNodeOf(hdfs));
  const redirected = await startRedirector(hdfs.endpoint, dataNode.endpoint, (path) => spoiled.before(path));
  const nameNode = await startFaultProxy(redirected.endpoint);
  const spoiled: SpoiledHdfs = {
    nameNode,
    dataNode,
    before: atOnce,
    calm() {
      spoiled.before = atOnce;
      for (const proxy of [nameNode, dataNode]) {
        proxy.rule = () => 'pass';
        proxy.met.clear();
      }
    },
    async [Symbol.asyncDispose]() {
      for (const one of [nameNode, redirected, dataNode]) await one[Symbol.asyncDispose]();
    },
  };
  return spoiled;
}

const atOnce = (): Promise<void> => Promise.resolve();

async function dataNodeOf(hdfs: Hdfs): Promise<string> {
  const url = `${hdfs.endpoint}/webhdfs/v1${hdfs.folder}/x?op=CREATE&noredirect=true&user.name=${hdfs.user}`;
  const answer = (await (await fetch(url, { method: 'PUT' })).json()) as { readonly Location: string };
  return new URL(answer.Location).origin;
}

/** Passes everything, and names another DataNode in the answers. */
async function startRedirector(
  upstream: string,
  dataNode: string,
  before: (path: string) => Promise<void>,
): Promise<{ readonly endpoint: string } & AsyncDisposable> {
  const { hostname, port } = new URL(upstream);
  const server = createServer((incoming, outgoing) => {
    const { method, url: path = '', headers } = incoming;
    const forward = request({ hostname, port, method, path, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        const body = Buffer.concat(chunks)
          .toString()
          .replace(/("Location":")https?:\/\/[^/]+/, `$1${dataNode}`);
        outgoing.writeHead(answer.statusCode ?? 502, {
          'content-type': answer.headers['content-type'] ?? 'text/plain',
        });
        outgoing.end(body);
      });
      answer.on('error', () => outgoing.destroy());
    });
    forward.on('error', () => outgoing.destroy());
    // Requests to a NameNode have no body.
    before(path).then(
      () => forward.end(),
      () => forward.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address() as AddressInfo; // listens on TCP
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
