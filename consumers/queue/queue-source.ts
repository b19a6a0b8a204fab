// The sink's queue at its home site: a channel that consumes as much as it is told to, comes back by itself, and on which messages are acked.
//
// How much may be unacknowledged is a count (RabbitMQ has no prefetch in bytes); 0 means that no consumer is wanted. What was on its way
// when the consumer was cancelled goes straight back. A channel that is lost takes its messages with it: they come again, to whoever consumes.
import type { Channel as AmqpChannel, ChannelModel, ConsumeMessage } from 'amqplib';
import type { ReceivedMessage } from '#core/batch.ts';
import { pause } from '#core/io/abort.ts';
import { sinkQueue } from '#topology/names.ts';
import { backoff } from '../backoff.ts';
import { Held, type Channel } from './hand.ts';

export interface QueueSourceOptions {
  readonly sink: string;
  readonly site: string;
  readonly received: (held: Held<ConsumeMessage>, message: ReceivedMessage) => void;
  /** Messages of this channel come again. */
  readonly lost: (channel: Channel<ConsumeMessage>) => void;
  /** Why nothing is consumed, for people; null once something is, or nothing has to be. */
  readonly trouble: (why: string | null) => void;
  /** A clock that only goes forward, milliseconds. */
  readonly tick: () => number;
}

/** Of a channel that the broker refuses. */
const REOPEN = { first: 250, most: 15_000 };

export class QueueSource implements AsyncDisposable {
  readonly #options: QueueSourceOptions;
  readonly #closing = new AbortController();
  #connection: ChannelModel | null = null;
  #channel: SourceChannel | null = null;
  #want = 0;
  #failures = 0;
  #opening = false;

  constructor(options: QueueSourceOptions) {
    this.#options = options;
  }

  /** The link is up. */
  attach(connection: ChannelModel): void {
    this.#connection = connection;
    void this.#open();
  }

  /** The link is down. */
  detach(): void {
    this.#connection = null;
    this.#channel?.lose();
  }

  /** At most so many messages unacknowledged from now on; 0: no consumer. What is held may still be acked. */
  want(prefetch: number): void {
    if (prefetch === this.#want) return;
    this.#want = prefetch;
    if (prefetch === 0) this.#options.trouble(null);
    this.#channel?.steer(prefetch);
  }

  /** Messages in the queue that nobody holds; null without a connection. Rejects where the broker does not tell. */
  async depth(): Promise<number | null> {
    const connection = this.#connection;
    if (connection === null) return null;
    // A channel of its own: a refusal closes it.
    const channel = await connection.createChannel();
    channel.on('error', () => {});
    const { messageCount } = await channel.checkQueue(sinkQueue(this.#options.sink));
    await channel.close();
    return messageCount;
  }

  /** What is not acked comes again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#channel?.close();
  }

  /** One attempt after another, as long as there is a connection and no channel. */
  async #open(): Promise<void> {
    if (this.#opening) return;
    this.#opening = true;
    const { signal } = this.#closing;
    while (this.#connection !== null && this.#channel === null && !signal.aborted) {
      const connection = this.#connection;
      try {
        const channel = await connection.createChannel();
        // Lost in the same moment: nobody heard its `close`.
        if (connection !== this.#connection) continue;
        this.#channel = new SourceChannel(channel, this.#options, {
          consumes: () => {
            this.#failures = 0;
            this.#options.trouble(null);
          },
          gone: (why) => this.#gone(why),
        });
        this.#channel.steer(this.#want);
      } catch {
        // The connection is going: `attach` is called again with the next one.
        await pause(REOPEN.first, signal);
      }
    }
    this.#opening = false;
  }

  #gone(why: string | null): void {
    this.#channel = null;
    if (why !== null) this.#failures++;
    if (why !== null && this.#want > 0) this.#options.trouble(why);
    const wait = why === null ? 0 : backoff(REOPEN, Math.max(1, this.#failures), null, Math.random());
    void pause(wait, this.#closing.signal).then(() => this.#open());
  }
}

interface Watcher {
  consumes(): void;
  /** `why` is null where the link is down, which is told elsewhere. */
  gone(why: string | null): void;
}

class SourceChannel implements Channel<ConsumeMessage> {
  readonly #channel: AmqpChannel;
  readonly #options: QueueSourceOptions;
  readonly #watcher: Watcher;
  #want = 0;
  /** The prefetch of the present consumer; 0 where there is none. */
  #have = 0;
  #tag = '';
  #steering = false;
  #gone = false;
  #acked = false;
  #error: string | null = null;

  constructor(channel: AmqpChannel, options: QueueSourceOptions, watcher: Watcher) {
    this.#channel = channel;
    this.#options = options;
    this.#watcher = watcher;
    channel.on('error', (error: Error) => (this.#error = error.message));
    channel.on('close', () => this.#end(this.#error ?? 'the channel was closed'));
  }

  steer(prefetch: number): void {
    this.#want = prefetch;
    void this.#steer();
  }

  ack(receipt: ConsumeMessage): void {
    this.#acked = true;
    this.#settle(() => this.#channel.ack(receipt));
  }

  nack(receipt: ConsumeMessage): void {
    this.#settle(() => this.#channel.nack(receipt, false, true));
  }

  /** With its connection. */
  lose(): void {
    this.#end(null);
  }

  async close(): Promise<void> {
    if (this.#gone) return;
    const closed = this.#leave().catch(() => {});
    this.#end(null);
    await closed;
  }

  /**
   * Of acks to a quorum queue 32 are on their way at a time; those behind them wait in the broker's end of the channel, and are lost with it
   * (RabbitMQ 4.3, rabbit_fifo_client, ?SOFT_LIMIT: of 500 acks and a close, 466 messages came again). A get is answered once the queue
   * has all that was on its way, which sends on what waited. What it takes goes back with the channel.
   */
  async #leave(): Promise<void> {
    if (this.#acked) await this.#channel.get(sinkQueue(this.#options.sink));
    await this.#channel.close();
  }

  /** A channel that is lost settles nothing; amqplib throws where it knows already. */
  #settle(act: () => void): void {
    if (this.#gone) return;
    try {
      act();
    } catch {
      this.#end(null);
    }
  }

  #end(why: string | null): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#options.lost(this);
    this.#watcher.gone(why === null ? null : explain(this.#options, why));
  }

  /** One step after another until the consumer is the one that is wanted. */
  async #steer(): Promise<void> {
    if (this.#steering) return;
    this.#steering = true;
    try {
      while (!this.#gone && this.#have !== this.#want) {
        if (this.#have > 0) {
          this.#have = 0;
          await this.#channel.cancel(this.#tag);
          continue;
        }
        const prefetch = this.#want;
        await this.#channel.prefetch(prefetch);
        const { consumerTag } = await this.#channel.consume(sinkQueue(this.#options.sink), (message) =>
          this.#deliver(message),
        );
        this.#tag = consumerTag;
        this.#have = prefetch;
        this.#watcher.consumes();
      }
    } catch {
      // The channel was refused or lost: its `close` tells.
    } finally {
      this.#steering = false;
    }
  }

  #deliver(message: ConsumeMessage | null): void {
    if (this.#gone) return;
    if (message === null) {
      // The broker cancelled the consumer: the queue was deleted or moved, or a message was held for too long.
      this.#error = 'the broker cancelled the consumer';
      const closed = this.#channel.close();
      closed.catch(() => {});
      return;
    }
    if (this.#want === 0) {
      this.nack(message);
      return;
    }
    const { content, properties } = message;
    const held = new Held<ConsumeMessage>(this, message, content.length, this.#options.tick());
    this.#options.received(held, {
      headers: properties.headers ?? {},
      contentType: properties.contentType,
      contentEncoding: properties.contentEncoding,
      messageId: properties.messageId,
      appId: properties.appId,
      body: content,
    });
  }
}

function explain({ sink, site }: QueueSourceOptions, why: string): string {
  const queue = `queue ${sinkQueue(sink)} at site ${site}`;
  if (why.includes('NOT_FOUND') || why.includes('404')) {
    return `${queue}: there is none: declare the topology (waggle topology declare); where the sink's home was changed, its queue is at the former home until that is done. It is tried again by itself`;
  }
  if (why.includes('ACCESS_REFUSED') || why.includes('403')) {
    return `${queue}: user "${sink}" may not read it (${why}): declare the topology (waggle topology declare), which sets the rights of users. It is tried again by itself`;
  }
  return `${queue}: ${why}. It is tried again by itself`;
}
