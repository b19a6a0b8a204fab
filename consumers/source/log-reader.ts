// Reads the log streams of one site for a sink: one single-active consumer for each partition, shared by all instances of the
// sink. Survives closed connections, streams that are deleted and declared anew, and updates that come twice or not at all: every
// attachment begins with `activated`, and nothing of an earlier one is delivered after it.
//
// Invariants
// 1. An activation that comes to nothing (superseded, failed, moved away) is answered with "first", never with "next": the broker may
//    attach there all the same, and what it then sends in between is either behind the position or follows it without a hole.
// 2. The broker holds CREDIT_AT_START chunks' credit at each activation, whatever became of those before: it is counted, since credit
//    outlives an attachment, and chunks that come between two of them use it up.
import { Offset } from 'rabbitmq-stream-js-client';
import { decodeBatch } from '#core/batch.ts';
import type { SiteConfig } from '#core/config/config.ts';
import { aborted, pause, unlessAborted } from '#core/io/abort.ts';
import { EVENTS_LOG, logStream } from '#topology/names.ts';
import { fingerprint, type LogMessage, type PartitionListener, type Position } from './contract.ts';
import { receivedOf } from './received.ts';
import type { StreamMessage } from './delivery.ts';
import type { StreamConnection, StreamEndpoint, Subscribed } from './stream-client.ts';

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
/** Offsets between two chunks that the stream's own bookkeeping may take. */
const OWN_OFFSETS = 2n;

interface Attached {
  /** Aborts with the attachment. */
  scope: AbortController;
  /** Deliver only what lies behind this offset; null while no message may be delivered. */
  behind: bigint | null;
  /** The next chunk may begin anywhere: the attachment is at the stream's first message. */
  anywhere: boolean;
  subscribed: Subscribed | null;
  /** Chunks that the broker may still send without asking. */
  credit: number;
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
      this.#attached.set(partition, {
        scope: new AbortController(),
        behind: null,
        anywhere: false,
        subscribed: null,
        credit: 0,
      });
    this.#done = this.#run();
  }

  /** The sink has room for so many more chunks of this partition; what it has not given back when an attachment ends is forgotten with it. */
  credit(partition: number, chunks: number): void {
    const attached = this.#of(partition);
    if (attached.subscribed === null) return;
    attached.credit += chunks;
    attached.subscribed.credit(chunks);
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
        why = messageOf(error);
      }
      if (this.#closing.signal.aborted) return;
      const retryMs = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** failures++) * (0.5 + random());
      observe({ kind: 'disconnected', site: site.name, node: name, why, retryMs });
      await pause(retryMs, this.#closing.signal);
    }
  }

  /** One connection, from the handshake until it ends; answers why it ended. */
  async #session(node: { host: string; port: number }, connected: () => void): Promise<string> {
    const { site, vhost, username, password, partitions } = this.#options;
    const over = new AbortController();
    const stop = (): void => over.abort('closing');
    this.#closing.signal.addEventListener('abort', stop, { once: true });
    try {
      const connecting = this.#options.connect(
        { ...node, username, password, vhost, tls: site.tls },
        CONNECT_DEADLINE_MS,
        (why) => over.abort(why),
      );
      const connection = await unlessAborted(connecting, over.signal, (late) => late[Symbol.asyncDispose]());
      this.#connection = connection;
      connected();
      const wanted = new Set(partitions);
      let asked = new AbortController();
      this.#restart = (partition) => {
        wanted.add(partition);
        asked.abort();
      };
      while (!over.signal.aborted) {
        const missing = await this.#subscribeAll(connection, wanted, over.signal);
        if (over.signal.aborted) break;
        if (wanted.size > 0 && !missing) continue;
        asked = new AbortController();
        const woken = AbortSignal.any([over.signal, asked.signal]);
        await (missing ? pause(MISSING_RETRY_MS, woken) : aborted(woken));
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
        attached.credit = 0;
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
      attached.subscribed = null;
      if (old !== null) await unlessAborted(old.close(), signal);
      attached.credit = 0;
      wanted.delete(partition);
      try {
        const subscribing = connection.subscribe({
          stream: logStream(partition),
          offset: Offset.first(),
          single: {
            name: this.#options.sink,
            superStream: EVENTS_LOG,
            update: (active) => this.#update(connection, partition, active),
          },
          borrows: true,
          chunk: (messages) => this.#chunk(partition, attached, messages),
        });
        attached.subscribed = await unlessAborted(subscribing, signal);
        this.#topUp(attached); // it may be active already
        this.#options.observe({ kind: 'stream-there', site: this.#options.site.name, stream: logStream(partition) });
      } catch (error) {
        if (signal.aborted) return missing;
        wanted.add(partition);
        missing = true;
        const { name: site } = this.#options.site;
        this.#options.observe({ kind: 'stream-missing', site, stream: logStream(partition), why: messageOf(error) });
      }
    }
    return missing;
  }

  async #update(connection: Connected, partition: number, active: boolean): Promise<Offset> {
    const attached = this.#of(partition);
    this.#detach(partition, attached);
    if (!active) return Offset.first();
    const { signal } = attached.scope;
    let start: Position | 'first' | null;
    try {
      const position = await this.#options.listener.activated(partition);
      const known = position !== null && position !== 'first';
      start = known ? await this.#check(connection, partition, position, signal) : position;
    } catch (error) {
      if (!signal.aborted) this.#failed(partition, error, signal);
      return Offset.first();
    }
    if (start === null || signal.aborted) return Offset.first();
    attached.behind = start === 'first' ? -1n : start.offset;
    attached.anywhere = start === 'first';
    this.#topUp(attached);
    return start === 'first' ? Offset.first() : Offset.offset(start.offset);
  }

  #topUp(attached: Attached): void {
    const missing = CREDIT_AT_START - attached.credit;
    if (attached.behind === null || attached.subscribed === null || missing <= 0) return;
    attached.credit += missing;
    attached.subscribed.credit(missing);
  }

  /** Nothing would come of this activation: the partition is asked for again in a while. */
  #failed(partition: number, error: unknown, signal: AbortSignal): void {
    const { name: site } = this.#options.site;
    this.#options.observe({ kind: 'activation-failed', site, partition, why: messageOf(error) });
    const again = setTimeout(() => this.restart(partition), RETRY_MS.most);
    signal.addEventListener('abort', () => clearTimeout(again), { once: true });
  }

  /**
   * Looks whether the message at the committed position is still the one known. A stream's offsets are not for ever: an offset
   * past the end silently means "next", one below the start "first". So a plain reader attaches there: the first chunk of an
   * intact stream holds that message.
   */
  async #check(
    connection: Connected,
    partition: number,
    wanted: Position,
    signal: AbortSignal,
  ): Promise<Position | 'first'> {
    const found = Promise.withResolvers<readonly StreamMessage[] | null>();
    const subscribing = connection.subscribe({
      stream: logStream(partition),
      offset: Offset.offset(wanted.offset),
      single: null,
      borrows: false,
      chunk: (messages) => found.resolve(messages),
    });
    const reader = await unlessAborted(subscribing, signal, (late) => late.close());
    const timer = setTimeout(() => found.resolve(null), ATTACH_DEADLINE_MS);
    let messages: readonly StreamMessage[] | null;
    try {
      reader.credit(1);
      messages = await unlessAborted(found.promise, signal);
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
    attached.credit--;
    const { signal } = attached.scope;
    const first = messages[0]?.offset;
    if (attached.behind === null) return;
    if (first === undefined) return this.#options.listener.chunkEnd(partition);
    const missing = first - attached.behind - 1n;
    if (missing > OWN_OFFSETS && !attached.anywhere) this.#options.listener.gap(partition, missing);
    attached.anywhere = false;
    for (const message of messages) {
      // The listener may give the partition up within the loop.
      if (signal.aborted || attached.behind === null) return;
      if (message.offset <= attached.behind) continue;
      attached.behind = message.offset;
      this.#options.listener.message(toLogMessage(partition, message));
    }
    if (!signal.aborted) this.#options.listener.chunkEnd(partition);
  }

  #detach(partition: number, attached: Attached): void {
    attached.scope.abort();
    attached.scope = new AbortController();
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
  const batch = decodeBatch(receivedOf(message));
  return { partition, offset: message.offset, batch, bytes: message.content.length };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
