// Publishes batches at one site over a confirm channel of its own, and tells what became of each: confirmed, or unknown.
//
// One rule for all trouble: a channel on which a message is nacked, returned, or unconfirmed for too long, or which closes, is done; whatever is
// unconfirmed on it is unknown and goes back to the owner, who sends it again under the same numbers. The next channel is opened after a pause
// that doubles until something is confirmed again. A returned message is confirmed by the broker too (rabbitmq.com/docs/publishers#unroutable,
// the return comes first), so after a return nothing on that channel counts any more.
import { performance } from 'node:perf_hooks';
import type { Channel, ChannelModel, ConfirmChannel, Message } from 'amqplib';
import type { Batch } from '#core/batch.ts';
import { type AmqpLink, type AmqpLinkOptions, openAmqpLink } from '#core/io/amqp.ts';
import { ConfirmWindow } from './confirm-window.ts';
import type { Outgoing } from './outgoing.ts';

/** Why a channel ended, for the alarm and its metric. */
export type Fault = 'connection' | 'channel' | 'nacked' | 'returned' | 'silent';

/** Who is told; calls must not throw. */
export interface SiteOwner {
  /** A channel is open: `send` may be called while `hasRoom`. */
  onLinked(site: string): void;
  /** The channel is gone. `unknown`, in the order sent, must be sent again. */
  onLost(site: string, fault: Fault, reason: string, unknown: Batch[]): void;
  onBlocked(site: string, reason: string): void;
  onUnblocked(site: string): void;
  /** The site has the batch: its events may be forgotten. */
  onConfirmed(site: string, batch: Batch): void;
  /** `hasRoom` may have become true. */
  onRoom(site: string): void;
}

export interface SitePublisherOptions {
  readonly link: AmqpLinkOptions;
  readonly outgoing: (batch: Batch) => Outgoing;
  /** Unconfirmed bytes at most (one batch may go beyond it). */
  readonly window: number;
  /** Milliseconds after which an unconfirmed message means that the site is away. */
  readonly confirmTimeout: number;
}

/** Longer than a loaded broker takes for a full window, and than the heartbeat needs to find a dead peer (2 × 10 s). */
export const CONFIRM_TIMEOUT = 30_000;
/** How long closing waits for confirms; what comes later is sent again by the next process. */
const DRAIN = 3_000;
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 10_000;

export class SitePublisher implements AsyncDisposable {
  readonly site: string;
  readonly #options: SitePublisherOptions;
  readonly #owner: SiteOwner;
  readonly #link: AmqpLink;
  #connection: ChannelModel | null = null;
  #channel: ConfirmChannel | null = null;
  /** The owner was told `onLinked`, and not yet `onLost`. */
  #linked = false;
  #sent = new ConfirmWindow<Batch>();
  #bytes = 0;
  /** amqplib's buffer is full: publish would go on buffering (amqplib #713), so wait for `drain`. */
  #congested = false;
  /** The reason of the broker's alarm, while it lasts. */
  #blocked: string | null = null;
  #faults = 0;
  #reopening: NodeJS.Timeout | null = null;
  #drained: (() => void) | null = null;

  constructor(options: SitePublisherOptions, owner: SiteOwner) {
    this.site = options.link.site;
    this.#options = options;
    this.#owner = owner;
    this.#link = openAmqpLink(options.link, {
      onUp: (connection) => {
        this.#connection = connection;
        this.#open(connection);
      },
      onDown: (reason) => {
        this.#connection = null;
        this.#blocked = null;
        this.#lose('connection', reason);
      },
      onBlocked: (reason) => {
        this.#blocked = reason;
        if (this.#linked) this.#owner.onBlocked(this.site, reason);
      },
      onUnblocked: () => {
        this.#blocked = null;
        if (this.#linked) this.#owner.onUnblocked(this.site);
      },
      drain: (signal) => this.#drain(signal),
    });
  }

  /** Sent and not confirmed. */
  get unconfirmedBytes(): number {
    return this.#bytes;
  }

  /** Why there is no connection, for people; null while there is one, or while the first attempt runs. */
  get trouble(): string | null {
    const state = this.#link.state;
    return state.kind === 'down' || state.kind === 'connecting' ? state.error : null;
  }

  get hasRoom(): boolean {
    return this.#channel !== null && this.#blocked === null && !this.#congested && this.#bytes < this.#options.window;
  }

  /** Only while `hasRoom`. */
  send(batch: Batch): void {
    const channel = this.#channel;
    if (!channel) throw new Error(`site ${this.site} has no channel`);
    this.#sent.sent(batch, performance.now());
    this.#bytes += batch.body.length;
    // No callback: it would be a closure for each message. amqplib keeps `false` in its place, and the events `ack` and `nack` tell.
    const { exchange, routingKey, body, options } = this.#options.outgoing(batch);
    try {
      if (!channel.publish(exchange, routingKey, body, options)) this.#congested = true;
    } catch (error) {
      // Thrown where the connection is closing and has not said so yet.
      this.#fail('connection', String(error));
      this.#link.reconnect('cannot publish');
    }
  }

  /** Called now and then: is the oldest message unconfirmed for too long? While the broker blocks us it may be, and then nothing is done. */
  check(): void {
    if (this.#blocked !== null || !this.#isOverdue()) return;
    this.#fail('silent', `no confirm for ${Math.round(this.#options.confirmTimeout / 1000)} s`);
    this.#link.reconnect('silent');
  }

  /** What a blocked site has not confirmed for too long, to be sent elsewhere; a confirm that still comes is ignored. */
  takeOverdue(): Batch[] {
    if (this.#blocked === null || !this.#isOverdue()) return [];
    this.#bytes = 0;
    return this.#sent.takeAll();
  }

  /** Waits a moment for confirms, and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#link.close();
    if (this.#reopening) clearTimeout(this.#reopening);
  }

  #isOverdue(): boolean {
    const oldest = this.#sent.oldest();
    return oldest !== null && oldest + this.#options.confirmTimeout < performance.now();
  }

  /** After a fault a pause comes first, so that a site that refuses is not asked in a hot loop. */
  #open(connection: ChannelModel): void {
    if (this.#reopening) clearTimeout(this.#reopening);
    const pause = this.#faults === 0 ? 0 : Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (this.#faults - 1));
    this.#reopening = setTimeout(() => {
      this.#reopening = null;
      void this.#openChannel(connection);
    }, pause);
  }

  async #openChannel(connection: ChannelModel): Promise<void> {
    try {
      const channel = await connection.createConfirmChannel();
      if (this.#connection === connection) this.#use(channel, connection);
    } catch (error) {
      // Where the connection is still there, the channel alone was refused, and `onDown` would not come by itself.
      if (this.#connection === connection) this.#link.reconnect(`no channel: ${String(error)}`);
    }
  }

  #use(channel: ConfirmChannel, connection: ChannelModel): void {
    const mine = (): boolean => this.#channel === channel;
    const settle = (batch: Batch): void => this.#confirmed(batch);
    channel.on('ack', ({ deliveryTag, multiple }) => {
      if (!mine()) return;
      this.#sent.settle(deliveryTag, multiple, settle);
      this.#owner.onRoom(this.site);
      if (this.#sent.empty) this.#drained?.();
    });
    channel.on('nack', () => {
      if (mine()) this.#abandon(channel, connection, 'nacked', 'the broker did not take a message');
    });
    channel.on('return', (message) => {
      if (mine()) this.#abandon(channel, connection, 'returned', describeReturn(message));
    });
    channel.on('drain', () => {
      this.#congested = false;
      if (mine()) this.#owner.onRoom(this.site);
    });
    let reason: string | null = null;
    channel.on('error', (error) => (reason = error.message));
    channel.on('close', () => {
      if (!mine()) return;
      this.#channel = null;
      // Without an error of its own it went with its connection, and `onDown` follows with the reason.
      if (reason === null) return;
      this.#fail('channel', reason);
      this.#open(connection);
    });
    this.#sent = new ConfirmWindow();
    this.#bytes = 0;
    this.#congested = false;
    this.#channel = channel;
    this.#linked = true;
    this.#owner.onLinked(this.site);
    // The alarm belongs to the connection, and may be older than the channel.
    if (this.#blocked !== null) this.#owner.onBlocked(this.site, this.#blocked);
  }

  #confirmed(batch: Batch): void {
    this.#faults = 0;
    this.#bytes -= batch.body.length;
    this.#owner.onConfirmed(this.site, batch);
  }

  /** Ends a channel that is still open, and opens the next one on the same connection. */
  #abandon(channel: Channel, connection: ChannelModel, fault: Fault, reason: string): void {
    this.#fail(fault, reason);
    channel.close().catch(() => {}); // It, or its connection, is closed already.
    this.#open(connection);
  }

  #fail(fault: Fault, reason: string): void {
    this.#faults++;
    this.#lose(fault, reason);
  }

  #lose(fault: Fault, reason: string): void {
    if (this.#reopening) clearTimeout(this.#reopening);
    this.#reopening = null;
    this.#channel = null;
    if (!this.#linked) return;
    this.#linked = false;
    this.#bytes = 0;
    this.#owner.onLost(this.site, fault, reason, this.#sent.takeAll());
    this.#drained?.();
  }

  async #drain(signal: AbortSignal): Promise<void> {
    if (this.#sent.empty || !this.#channel) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
      AbortSignal.any([signal, AbortSignal.timeout(DRAIN)]).addEventListener('abort', () => resolve(), { once: true });
    });
  }
}

function describeReturn(message: Message): string {
  const fields = message.fields as { replyCode?: number; replyText?: string; exchange?: string; routingKey: string };
  const id: unknown = message.properties.messageId;
  return `message ${String(id)} was returned: ${fields.replyCode} ${fields.replyText}: nothing at this site takes the type ${fields.routingKey} (run waggle topology verify)`;
}
