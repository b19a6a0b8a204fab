// Asks the NameNodes: the one that answered as the active one, and the other where it does not. Three operations by the package webhdfs,
// the rest beside it (docs/decisions.md says why).
import webhdfs, { type WebhdfsClient, type WebhdfsRequest } from 'webhdfs';
import { StoreRefused, StoreUnavailable } from '../chain/store.ts';
import { classify, classifyNoAnswer, type HdfsAnswer, type HdfsFailure } from './classify.ts';
import { encodePath, urlOf, type Caller } from './encode.ts';
import { exchange, NoAnswer, noAnswer, type Connections } from './http.ts';

export type Operation =
  | { readonly op: 'GETFILESTATUS' | 'MKDIRS' | 'DELETE' }
  | {
      readonly op: 'CREATE' | 'OPEN' | 'RENAME' | 'LISTSTATUS_BATCH';
      readonly query: Readonly<Record<string, string>>;
    };

/** `exists` and `absent` are for the caller to understand; other failures are thrown. */
export type Asked =
  | { readonly kind: 'exists' | 'absent' }
  | { readonly kind: 'done'; readonly body: unknown; readonly location: string | null };

const METHODS = { CREATE: 'PUT', OPEN: 'GET', RENAME: 'PUT', LISTSTATUS_BATCH: 'GET' } as const;

export class NameNodes {
  readonly #nodes: readonly NameNode[];
  #active = 0;

  /** `addresses`: `http://host:port`, at least one. `timeout`: milliseconds of a request. */
  constructor(addresses: readonly string[], caller: Caller, connected: Connections, timeout: number) {
    this.#nodes = addresses.map((address) => new NameNode(address, caller, connected, timeout));
  }

  /**
   * Tries each NameNode, from the one that last served. So a change may have been made though another answered that it cannot be: who asks
   * for one must look. `doing`: for messages. Throws StoreUnavailable, StoreRefused, or the signal's reason.
   */
  async ask(path: string, operation: Operation, doing: string, signal: AbortSignal): Promise<Asked> {
    const messages: string[] = [];
    const first = this.#active;
    for (let i = 0; i < this.#nodes.length; i++) {
      const index = (first + i) % this.#nodes.length;
      const node = this.#nodes[index];
      if (node === undefined) continue;
      const answer = await node.ask(path, operation, `HDFS at ${node.address}: ${doing}`, signal);
      if (answer.kind === 'elsewhere') {
        messages.push(answer.message);
        continue;
      }
      this.#active = index;
      if (answer.kind === 'unavailable') throw new StoreUnavailable(answer.message);
      if (answer.kind === 'refused') throw new StoreRefused(answer.message);
      return answer;
    }
    throw new StoreUnavailable(messages.join('; '));
  }
}

class NameNode {
  readonly address: string;
  readonly #package: WebhdfsClient;
  readonly #caller: Caller;
  readonly #connections: Connections;
  readonly #timeout: number;

  constructor(address: string, caller: Caller, connected: Connections, timeout: number) {
    const { protocol, hostname, port } = new URL(address);
    this.address = address;
    this.#caller = caller;
    this.#connections = connected;
    this.#timeout = timeout;
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    // The package takes the user alone; `qs` is added to every query. Without `proxy` it obeys http_proxy, which nothing else here does.
    this.#package = webhdfs.createClient(
      { protocol, host, port: port || (protocol === 'https:' ? '443' : '80'), path: '/webhdfs/v1' },
      { agent: connected.nameNode, proxy: null, followRedirect: false, qs: caller },
    );
  }

  /** Where there was no answer, the other may serve. */
  async ask(path: string, operation: Operation, doing: string, signal: AbortSignal): Promise<Asked | HdfsFailure> {
    try {
      const answer = await this.#again(() => this.#send(path, operation, signal));
      return classify(answer, doing) ?? { kind: 'done', body: answer.body, location: answer.location };
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      const failure = classifyNoAnswer(error.code, error.message, doing);
      return failure.kind === 'unavailable' ? { kind: 'elsewhere', message: failure.message } : failure;
    }
  }

  /** A kept connection that the server has just closed says nothing of the server. All operations may be sent twice. */
  async #again<T>(send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      if (error instanceof NoAnswer && error.reused) return send();
      throw error;
    }
  }

  async #send(path: string, operation: Operation, signal: AbortSignal): Promise<HdfsAnswer> {
    const encoded = encodePath(path);
    const within = this.#timeout;
    switch (operation.op) {
      case 'GETFILESTATUS':
        return viaPackage(() => this.#package.stat(encoded, ignore), within, signal);
      case 'MKDIRS':
        return viaPackage(() => this.#package.mkdir(encoded, ignore), within, signal);
      case 'DELETE':
        return viaPackage(() => this.#package.unlink(encoded, ignore), within, signal);
      default: {
        const { op, query } = operation;
        const url = urlOf(this.address, path, { op, ...this.#caller, ...query });
        const agent = this.#connections.nameNode;
        const { status, location, bytes } = await exchange(url, { method: METHODS[op], agent, within, signal });
        return { status, location, body: parsed(bytes) };
      }
    }
  }
}

const ignore = (): void => {};

/** Not JSON: the text. */
export function parsed(bytes: Buffer): unknown {
  const text = bytes.toString();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * The answer itself, out of the request that the package hands back, with a deadline: to its callback it tells neither status nor
 * exception. Where it would fail on an answer without a body (and end the process), it is given an empty one.
 */
function viaPackage(send: () => WebhdfsRequest, within: number, signal: AbortSignal): Promise<HdfsAnswer> {
  const over = AbortSignal.any([signal, AbortSignal.timeout(within)]);
  const { promise, resolve, reject } = Promise.withResolvers<HdfsAnswer>();
  if (signal.aborted) return Promise.reject(signal.reason);
  const request = send();
  const end = (): void => {
    request.abort();
    reject(signal.aborted ? signal.reason : noAnswer(over.reason, within, false));
  };
  over.addEventListener('abort', end, { once: true });
  request.prependListener('complete', (response) => {
    const { statusCode, body } = response;
    if (typeof body !== 'object' || body === null) response.body = {};
    resolve({ status: statusCode, location: response.headers.location ?? null, body });
  });
  request.prependListener('error', (error) => reject(noAnswer(error, null, request.req?.reusedSocket ?? false)));
  return promise.finally(() => over.removeEventListener('abort', end));
}
