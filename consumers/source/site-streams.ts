// Streams of one site as an operator reads them: from somewhere to what is their end now, beside the sinks and taking nothing away.
//
// The end needs no time limit: the broker's statistics tell an empty stream, and a reader attached at `last` is given the last chunk of any
// other. Deadlines here are for brokers that do not answer.
import { Offset } from 'rabbitmq-stream-js-client';
import type { SiteConfig } from '#core/config/config.ts';
import { unlessAborted } from '#core/io/abort.ts';
import type { StreamMessage } from './delivery.ts';
import { StreamConnection } from './stream-client.ts';

export interface OperatorAccess {
  readonly site: SiteConfig;
  readonly vhost: string;
  readonly user: string;
  readonly password: string;
}

const CONNECT_DEADLINE_MS = 10_000;
/** How long the next chunk of what is known to be there may take. */
const CHUNK_DEADLINE_MS = 30_000;
/** Chunks on their way while one is worked on. */
const CREDIT = 8;

export class SiteStreams implements AsyncDisposable {
  readonly #site: string;
  readonly #connection: StreamConnection;
  readonly #over: AbortController;

  private constructor(site: string, connection: StreamConnection, over: AbortController) {
    this.#site = site;
    this.#connection = connection;
    this.#over = over;
  }

  /** Tries the nodes in turn. Rejects with an error for people. */
  static async connect({ site, vhost, user, password }: OperatorAccess): Promise<SiteStreams> {
    const errors: string[] = [];
    for (const node of site.stream) {
      const over = new AbortController();
      try {
        const endpoint = { ...node, username: user, password, vhost, tls: site.tls };
        const connection = await StreamConnection.connect(endpoint, CONNECT_DEADLINE_MS, (why) => over.abort(why));
        return new SiteStreams(site.name, connection, over);
      } catch (error) {
        errors.push(`${node.host}:${node.port} as ${user}: ${messageOf(error)}`);
      }
    }
    throw new Error(`site ${site.name}: no stream connection: ${errors.join('; ') || 'it names no stream node'}`);
  }

  /** The last message of the stream; null where it is empty. */
  async last(stream: string): Promise<StreamMessage | null> {
    return this.#told(stream, async () => {
      if (await this.#connection.isEmpty(stream)) return null;
      return (await this.#peek(stream, Offset.last())).at(-1) ?? null;
    });
  }

  /** The offset at which a reader of messages from this time on begins, which is not after `end`. `time`: of their publication, not after that of the last one. */
  async offsetAt(stream: string, time: number, end: bigint): Promise<bigint> {
    const [first] = await this.#told(stream, () => this.#peek(stream, Offset.timestamp(new Date(time))));
    return first === undefined || first.offset > end ? end : first.offset;
  }

  /** Chunk by chunk, from the offset (or the first message) up to and with `end`, which was there; what retention deletes meanwhile is missing. */
  async *read(stream: string, from: bigint | 'first', end: bigint): AsyncGenerator<readonly StreamMessage[], void> {
    if (from !== 'first' && from > end) return;
    const arrived: (readonly StreamMessage[])[] = [];
    let wake = ignore;
    const subscribed = await this.#told(stream, () =>
      this.#connection.subscribe({
        stream,
        offset: from === 'first' ? Offset.first() : Offset.offset(from),
        single: null,
        borrows: false,
        chunk: (messages) => {
          arrived.push(messages);
          wake();
        },
      }),
    );
    try {
      subscribed.credit(CREDIT);
      for (;;) {
        if (arrived.length === 0)
          await this.#told(stream, () => this.#soon(new Promise<void>((resolve) => (wake = resolve))));
        const chunk = arrived.shift() ?? [];
        const wanted = chunk.filter(({ offset }) => offset <= end && (from === 'first' || offset >= from));
        if (wanted.length > 0) yield wanted;
        if ((chunk.at(-1)?.offset ?? -1n) >= end) return;
        subscribed.credit(1);
      }
    } finally {
      await subscribed.close().catch(() => {}); // its connection may be gone, which is as good
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection[Symbol.asyncDispose]();
  }

  /** The first chunk that a reader attached there is given. */
  async #peek(stream: string, offset: Offset): Promise<readonly StreamMessage[]> {
    const first = Promise.withResolvers<readonly StreamMessage[]>();
    const subscribed = await this.#connection.subscribe({
      stream,
      offset,
      single: null,
      borrows: false,
      chunk: first.resolve,
    });
    try {
      subscribed.credit(1);
      return await this.#soon(first.promise);
    } finally {
      await subscribed.close().catch(() => {});
    }
  }

  async #soon<T>(work: Promise<T>): Promise<T> {
    const late = AbortSignal.timeout(CHUNK_DEADLINE_MS);
    try {
      return await unlessAborted(work, AbortSignal.any([late, this.#over.signal]));
    } catch (error) {
      if (this.#over.signal.aborted) throw new Error(String(this.#over.signal.reason), { cause: error });
      throw late.aborted ? new Error(`nothing came within ${CHUNK_DEADLINE_MS / 1000} s`, { cause: error }) : error;
    }
  }

  async #told<T>(stream: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new Error(`site ${this.#site}: stream ${stream}: ${messageOf(error)} (see waggle topology plan)`, {
        cause: error,
      });
    }
  }
}

const ignore = (): void => {};
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
