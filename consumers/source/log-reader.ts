// Reads the log streams of one site for a sink: one single-active consumer for each partition, shared by all instances of the
// sink. Survives closed connections, streams that are deleted and declared anew, and updates that come twice or not at all: every
// attachment begins with `activated`, and nothing of an earlier one is delivered after it.
import { Offset } from 'rabbitmq-stream-js-client';
import { decodeBatch } from '#core/batch.ts';
import type { SiteConfig } from '#core/config/config.ts';
import { EVENTS_LOG, logStream } from '#topology/names.ts';
import { fingerprint, type LogMessage, type PartitionListener, type Position } from './contract.ts';
import type { StreamConnection, StreamEndpoint, StreamMessage, Subscribed } from './stream-client.ts';

export interface LogReaderOptions {
  readonly site: SiteConfig;
  readonly vhost: string;
  readonly username: string;
  readonly password: string;
  /** The sink's name: instances that give the same share the partitions. */
  readonly sink: string;
  readonly partitions: readonly number[];
  readonly listener: PartitionListener;
  readonly observe: (event: ReaderEvent) => void;
  /** A number in [0, 1): jitter. */
  readonly random: () => number;
  /** `StreamConnection.connect`, or a script of what a broker may do. */
  readonly connect: (endpoint: StreamEndpoint, deadline: number, ended: (why: string) => void) => Promise<Connected>;
}

export type Connected = Pick<StreamConnection, 'subscribe' | typeof Symbol.asyncDispose>;

export type ReaderEvent =
  | { readonly kind: 'connected'; readonly site: string; readonly node: string }
  | {
      readonly kind: 'disconnected';
      readonly site: string;
      readonly node: string;
      readonly why: string;
      readonly retryMs: number;
    }
  | { readonly kind: 'stream-missing'; readonly site: string; readonly stream: string; readonly why: string }
  | { readonly kind: 'activation-failed'; readonly site: string; readonly partition: number; readonly why: string }
  | { readonly kind: 'stream-there'; readonly site: string; readonly stream: string };

const CONNECT_DEADLINE_MS = 10_000;
/** How long the message at the committed position may take to come; an intact stream delivers it at once. */
const ATTACH_DEADLINE_MS = 10_000;
const RETRY_MS = { first: 200, most: 5_000 };
const MISSING_RETRY_MS = 1_000;
/** Chunks on their way for each partition; order is kept, and each chunk that is taken gives one back. */
const CREDIT_AT_START = 4;

interface Attached {
  /** Grows with every attachment: what an older one still delivers is dropped. */
  epoch: number;
  /** Deliver only what lies behind this offset; null while no message may be delivered. */
  behind: bigint | null;
  subscribed: Subscribed | null;
}

export class LogReader implements AsyncDisposable {
  readonly #options: LogReaderOptions;
  readonly #attached = new Map<number, Attached>();
  readonly #closing = new AbortController();
  readonly #done: Promise<void>;
  #connection: Connected | null = null;
  #restart: ((partition: number) => void) | null = null;

  constructor(options: LogReaderOptions) {
    this.#options = options;
    for (const partition of options.partitions)
      this.#attached.set(partition, { epoch: 0, behind: null, subscribed: null });
    this.#done = this.#run();
  }

  /** The sink has room for so many more chunks of this partition. Chunks that were granted to an attachment go with it. */
  credit(partition: number, chunks: number): void {
    this.#attached.get(partition)?.subscribed?.credit(chunks);
  }

  /** Gives the partition up and asks for it again: after a refusal by the chain, what was read and not committed is read anew. */
  restart(partition: number): void {
    this.#restart?.(partition);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { site, observe, random } = this.#options;
    let failures = 0;
    for (let turn = Math.floor(random() * site.stream.length); !this.#closing.signal.aborted; turn++) {
      const node = site.stream[turn % site.stream.length];
      if (node === undefined) throw new Error(`site ${site.name} names no stream node`);
      const name = `${node.host}:${node.port}`;
      let why = 'closed';
      try {
        why = await this.#session(node, () => {
          failures = 0;
          observe({ kind: 'connected', site: site.name, node: name });
        });
      } catch (error) {
        why = error instanceof Error ? error.message : String(error);
      }
      if (this.#closing.signal.aborted) return;
      const retryMs = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** failures++) * (0.5 + random());
      observe({ kind: 'disconnected', site: site.name, node: name, why, retryMs });
      await pause(retryMs, this.#closing.signal);
    }
  }

  /** One connection, from the handshake until it ends; answers why it ended. */
  async #session(node: { host: string; port: number }, connected: () => void): Promise<string> {
    const { vhost, username, password, partitions } = this.#options;
    const over = new AbortController();
    const stop = (): void => over.abort('closing');
    this.#closing.signal.addEventListener('abort', stop, { once: true });
    try {
      const connection = await this.#options.connect(
        { ...node, username, password, vhost },
        CONNECT_DEADLINE_MS,
        (why) => over.abort(why),
      );
      this.#connection = connection;
      connected();
      const wanted = new Set(partitions);
      let wake = noop;
      this.#restart = (partition) => {
        wanted.add(partition);
        wake();
      };
      while (!over.signal.aborted) {
        const missing = await this.#subscribeAll(connection, wanted, over.signal);
        if (over.signal.aborted) break;
        const woken = new AbortController();
        wake = () => woken.abort();
        if (wanted.size > 0 && !missing) continue;
        await pause(missing ? MISSING_RETRY_MS : null, AbortSignal.any([over.signal, woken.signal]));
      }
      return String(over.signal.reason);
    } finally {
      this.#closing.signal.removeEventListener('abort', stop);
      this.#restart = null;
      const connection = this.#connection;
      this.#connection = null;
      for (const [partition, attached] of this.#attached) {
        this.#detach(partition, attached);
        attached.subscribed = null; // It went with its connection: the next has nothing to close.
      }
      await connection?.[Symbol.asyncDispose]();
    }
  }

  /** Subscribes to the wanted partitions and takes them out of the set; true where a stream was missing. */
  async #subscribeAll(connection: Connected, wanted: Set<number>, signal: AbortSignal): Promise<boolean> {
    let missing = false;
    for (const partition of Array.from(wanted)) {
      if (signal.aborted) return missing;
      const attached = this.#of(partition);
      const old = attached.subscribed;
      this.#detach(partition, attached);
      await old?.close();
      try {
        attached.subscribed = await connection.subscribe({
          stream: logStream(partition),
          offset: Offset.first(),
          single: {
            name: this.#options.sink,
            superStream: EVENTS_LOG,
            update: (active) => this.#update(connection, partition, active),
          },
          chunk: (messages) => this.#chunk(partition, attached, messages),
        });
        attached.subscribed.credit(CREDIT_AT_START);
        wanted.delete(partition);
        this.#options.observe({ kind: 'stream-there', site: this.#options.site.name, stream: logStream(partition) });
      } catch (error) {
        missing = true;
        const why = error instanceof Error ? error.message : String(error);
        this.#options.observe({
          kind: 'stream-missing',
          site: this.#options.site.name,
          stream: logStream(partition),
          why,
        });
      }
    }
    return missing;
  }

  async #update(connection: Connected, partition: number, active: boolean): Promise<Offset> {
    const attached = this.#of(partition);
    this.#detach(partition, attached);
    if (!active) return Offset.next();
    const epoch = attached.epoch;
    let start: Position | 'first' | null;
    try {
      const position = await this.#options.listener.activated(partition);
      start = position === null || position === 'first' ? position : await this.#check(connection, partition, position);
    } catch (error) {
      // The client would answer with the offset of the subscription, and nothing would come of it: ask for the partition again.
      if (attached.epoch === epoch) this.#failed(partition, error);
      return Offset.next();
    }
    // Superseded meanwhile: whatever is answered, nothing of this attachment is delivered.
    if (start === null || attached.epoch !== epoch) return Offset.next();
    attached.behind = start === 'first' ? -1n : start.offset;
    return start === 'first' ? Offset.first() : Offset.offset(start.offset);
  }

  #failed(partition: number, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#options.observe({ kind: 'activation-failed', site: this.#options.site.name, partition, why });
    const again = setTimeout(() => this.restart(partition), RETRY_MS.most);
    this.#closing.signal.addEventListener('abort', () => clearTimeout(again), { once: true });
  }

  /**
   * Looks whether the message at the committed position is still the one known. A stream's offsets are not for ever: an offset
   * past the end silently means "next", one below the start "first". So a plain reader attaches there: the first chunk of an
   * intact stream holds that message.
   */
  async #check(connection: Connected, partition: number, wanted: Position): Promise<Position | 'first'> {
    const found = Promise.withResolvers<readonly StreamMessage[] | null>();
    const timer = setTimeout(() => found.resolve(null), ATTACH_DEADLINE_MS);
    const reader = await connection.subscribe({
      stream: logStream(partition),
      offset: Offset.offset(wanted.offset),
      single: null,
      chunk: (messages) => found.resolve(messages),
    });
    let messages: readonly StreamMessage[] | null;
    try {
      reader.credit(1);
      messages = await found.promise;
    } finally {
      clearTimeout(timer);
      await reader.close();
    }
    const verdict = judge(wanted, messages);
    if (verdict.kind === 'same') return wanted;
    if (verdict.kind === 'gap') this.#options.listener.gap(partition, verdict.missing);
    else this.#options.listener.positionLost(partition, wanted, verdict.found);
    return 'first';
  }

  #chunk(partition: number, attached: Attached, messages: readonly StreamMessage[]): void {
    const epoch = attached.epoch;
    for (const message of messages) {
      // `behind` may change within the loop: the listener may give the partition up.
      if (attached.behind === null || attached.epoch !== epoch) return;
      if (message.offset <= attached.behind) continue;
      attached.behind = message.offset;
      this.#options.listener.message(toLogMessage(partition, message));
    }
    if (attached.epoch === epoch && attached.behind !== null) this.#options.listener.chunkEnd(partition);
  }

  #detach(partition: number, attached: Attached): void {
    attached.epoch++;
    attached.behind = null;
    this.#options.listener.deactivated(partition);
  }

  #of(partition: number): Attached {
    const attached = this.#attached.get(partition);
    if (attached === undefined) throw new Error(`partition ${partition} is none of this reader's`);
    return attached;
  }
}

type Verdict =
  | { readonly kind: 'same' }
  | { readonly kind: 'gap'; readonly missing: bigint }
  | { readonly kind: 'lost'; readonly found: string };

/** What the first chunk at a committed position says; null: nothing came. */
function judge(wanted: Position, messages: readonly StreamMessage[] | null): Verdict {
  const first = messages?.[0];
  if (messages === null || first === undefined) return { kind: 'lost', found: 'nothing: the stream ends before it' };
  if (first.offset > wanted.offset) return { kind: 'gap', missing: first.offset - wanted.offset - 1n };
  const there = messages.find((message) => message.offset === wanted.offset);
  if (there === undefined) return { kind: 'lost', found: `offsets from ${first.offset} on, without it` };
  const { batch } = toLogMessage(0, there);
  const { identity, first: number } = fingerprint(batch);
  return identity === wanted.identity && number === wanted.first
    ? { kind: 'same' }
    : { kind: 'lost', found: `${identity}:${number}` };
}

function toLogMessage(partition: number, message: StreamMessage): LogMessage {
  const { messageProperties: properties } = message;
  const batch = decodeBatch({
    headers: message.applicationProperties,
    contentType: properties.contentType,
    contentEncoding: properties.contentEncoding,
    messageId: properties.messageId,
    routingKey: message.messageAnnotations['x-routing-key'],
    body: message.content,
  });
  return { partition, offset: message.offset, batch, bytes: message.content.length };
}

const noop = (): void => {};

/** Waits so many milliseconds (null: for ever), or until the signal. */
function pause(ms: number | null, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) return Promise.resolve();
  const timer = ms === null ? undefined : setTimeout(resolve, ms);
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise.finally(() => clearTimeout(timer));
}
