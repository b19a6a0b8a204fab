// One connection to Elasticsearch: one socket to one node at a time, the next node after a failure.
//
// The client's own pool would open a socket for each node and retry by itself: so there is a client for each node in its turn, over an HTTP
// client of ours, without retries. `helpers.bulk` drops items with 409 and 503 and loses what it retries at an abort: so requests are
// `client.bulk` with bodies that are ready. Its `caFingerprint` compares the last certificate of the chain, but does not look whether the
// signatures lead there: so that too is ours.
import { Client, errors } from '@elastic/elasticsearch';
import { Client as HttpClient } from 'undici';
import type { ElasticsearchSinkConfig } from '#core/config/sink-config.ts';
import { unlessAborted } from '#core/io/abort.ts';
import { isCertificateError } from '#core/io/tls.ts';
import { connectOnce } from '#core/io/undici-tls.ts';
import type { Connection, Outcome } from '../queue/contract.ts';
import { bulkOutcome, failureOutcome, requestOutcome, statusIsAway, type Failure } from './classify.ts';

const CONNECT_MS = 5_000;
/** Proxies close idle connections, most of them after 60 s; what is sent into one that is closing must be sent again. */
const IDLE_MS = 30_000;
/** With each error the client would copy the request to hide secrets in it, byte by byte: seconds for a body of megabytes. None is logged. */
const AS_IT_IS = { type: 'off' } as const;
/** All that is read of an answer: with the status of each, items stay in their order. */
const READ = ['errors', 'items.*.status', 'items.*.error', 'error', 'status'];

export type ConnectionSettings = Pick<
  ElasticsearchSinkConfig,
  'nodes' | 'auth' | 'tls' | 'timeout' | 'compression' | 'dataStream'
>;

/** To be used for one call each: the signal ends it. */
export interface Api {
  readonly client: Client;
  readonly node: string;
  readonly signal: AbortSignal;
}

interface Opened {
  readonly node: string;
  readonly client: Client;
  readonly http: HttpClient;
  /** Why the node's certificate is not trusted. */
  refused: Error | null;
}

export class ElasticsearchConnection implements Connection<Buffer> {
  readonly #settings: ConnectionSettings;
  #turn: number;
  #opened: Opened | null = null;

  /** `first`: the index of the node to begin with, modulo their number. */
  constructor(settings: ConnectionSettings, first: number) {
    this.#settings = settings;
    this.#turn = first;
  }

  send(batch: readonly Buffer[], signal: AbortSignal): Promise<Outcome> {
    const { timeout, dataStream } = this.#settings;
    const operations = Buffer.concat(batch);
    const request = {
      // Bytes are sent as they are (Transport.request); the types know only what would be serialized.
      operations: operations as unknown as [],
      // The server is to answer before we give up: its reason says more than a time-out.
      timeout: `${Math.ceil(timeout / 2)}ms`,
      filter_path: READ,
      include_source_on_error: false, // parse errors would quote the document
      ...(dataStream && { require_data_stream: true }),
    };
    const bulk = async (api: Api): Promise<Outcome> => {
      const answer = await api.client.bulk(request, { signal: api.signal, redaction: AS_IT_IS });
      return bulkOutcome(answer, batch.length, api.node);
    };
    return this.request(signal, bulk, operations.length);
  }

  /** The work's outcome, or what its error means. Ends at once on abort, and when the time for one request is over. `bytes`: of documents in it. */
  async request(signal: AbortSignal, work: (api: Api) => Promise<Outcome>, bytes = 0): Promise<Outcome> {
    const opened = (this.#opened ??= this.#open());
    opened.refused = null;
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), this.#settings.timeout);
    const either = AbortSignal.any([signal, over.signal]);
    try {
      return await unlessAborted(work({ client: opened.client, node: opened.node, signal: either }), either);
    } catch (error) {
      const status = error instanceof errors.ResponseError ? (error.statusCode ?? 0) : 0;
      if (status === 0 || statusIsAway(status)) await this.#leave();
      if (error instanceof errors.ResponseError)
        return requestOutcome(status, error.body, header(error, 'retry-after'), opened.node, bytes);
      return failureOutcome(this.#failureOf(error, opened, over.signal.aborted), opened.node);
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    await opened?.http.destroy();
  }

  /** The next request goes to the next node. */
  async #leave(): Promise<void> {
    this.#turn++;
    await this[Symbol.asyncDispose]();
  }

  #failureOf(error: unknown, { refused }: Opened, late: boolean): Failure {
    if (late) return { kind: 'timeout', message: `no answer within ${this.#settings.timeout} ms` };
    if (refused !== null) return { kind: 'certificate', message: refused.message };
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof errors.ProductNotSupportedError) return { kind: 'product', message };
    if (error instanceof errors.DeserializationError) return { kind: 'malformed', message };
    return { kind: 'connection', message };
  }

  #open(): Opened {
    const { nodes, auth, tls, compression } = this.#settings;
    const node = nodes[this.#turn % nodes.length] ?? ''; // the configuration has one at least
    const http = new HttpClient(new URL(node).origin, {
      // Anew for each socket: after an idle time there is another.
      connect: (options, callback) =>
        connectOnce(tls, CONNECT_MS)(options, (...result) => {
          if (isCertificateError(result[0])) opened.refused = result[0];
          callback(...result);
        }),
      keepAliveTimeout: IDLE_MS,
      keepAliveMaxTimeout: IDLE_MS,
      // The time limit is ours, for the request as a whole.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const client = new Client({
      node,
      agent: () => http,
      maxRetries: 0,
      compression,
      ...(auth.kind === 'basic' && { auth: { username: auth.username, password: auth.password } }),
      ...(auth.kind === 'api-key' && { auth: { apiKey: auth.apiKey } }),
    });
    const opened: Opened = { node: new URL(node).origin, client, http, refused: null };
    return opened;
  }
}

function header(error: errors.ResponseError, name: string): string | null {
  const value = error.headers?.[name];
  return typeof value === 'string' ? value : null;
}
