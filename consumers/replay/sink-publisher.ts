// Publishes batches straight to the queue of one sink, beside live traffic: through the exchange `sink`, which no other queue hears of.
import type { ChannelModel, ConfirmChannel } from 'amqplib';
import type { BatchMessage } from '#core/batch.ts';
import { connectAmqp, type AmqpLinkOptions } from '#core/io/amqp.ts';
import { SINK, sinkQueue } from '#topology/names.ts';

export class SinkPublisher implements AsyncDisposable {
  readonly #connection: ChannelModel;
  readonly #channel: ConfirmChannel;
  readonly #sink: string;
  #returned = 0;

  private constructor(connection: ChannelModel, channel: ConfirmChannel, sink: string) {
    this.#connection = connection;
    this.#channel = channel;
    this.#sink = sink;
    // Without a listener an error of the channel is an uncaught one; the wait for confirms rejects all the same.
    channel.on('error', () => {});
    // A return comes before the confirm of its message (RabbitMQ, "Consumer Acknowledgements and Publisher Confirms").
    channel.on('return', () => this.#returned++);
  }

  /** Rejects with an error for people. */
  static async open(link: AmqpLinkOptions, sink: string): Promise<SinkPublisher> {
    const connection = await connectAmqp(link);
    return new SinkPublisher(connection, await connection.createConfirmChannel(), sink);
  }

  /** The caller bounds what is not confirmed. */
  publish({ headers, contentType, contentEncoding, messageId, appId, body }: BatchMessage): void {
    this.#channel.publish(SINK, this.#sink, body, {
      persistent: true,
      mandatory: true,
      headers,
      contentType,
      ...(contentEncoding !== undefined && { contentEncoding }),
      messageId,
      appId,
      timestamp: Math.floor(Date.now() / 1000),
    });
  }

  /** Resolves when the queue has all that was published; else it is unknown, and all of it has to go again. */
  async confirmed(): Promise<void> {
    await this.#channel.waitForConfirms();
    if (this.#returned > 0)
      throw new Error(
        `no queue ${sinkQueue(this.#sink)} takes what is published: declare the topology (waggle topology declare)`,
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close().catch(() => {}); // lost already
  }
}
