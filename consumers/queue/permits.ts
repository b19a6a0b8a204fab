// The permits of a sink: the right to one connection each, over all instances together. A permit is a message in a quorum queue with single
// active consumer (`sink.NAME.permit-1` …); who holds it unacknowledged has it. It is never acked: closing its channel gives it back, and
// so does whatever ends the channel, a crash too.
//
// Each permit has a channel of its own, so that an error of one queue leaves the others alone. A turn at a permit is: subscribe, wait in
// line, hold, and in the end close the connection (`revoked`), then the channel. Between two turns at a permit nothing of the first is left.
//
// What keeps the number of connections at N or below:
// - `granted` comes after the message, and the channel is closed after `revoked` has resolved.
// - Where the channel is lost, the broker may hand on the permit before its holder knows: so a message that somebody had before is granted
//   after a moment (`GRACE`) in which the holder closes its connection.
// - Where the broker does not answer for LOOK_EVERY + ANSWER_WITHIN, all are revoked: sooner than it may give up on us (heartbeats of 10 s
//   are missed for 20 s at least). Only a process that stands still meanwhile can go beyond.
//
// Shares (shares.ts): each instance has a consumer on the queue `sink.NAME.instances`, and while it is short of permits one on
// `sink.NAME.short`; the broker tells how many there are. Those that are not go to the end of the line then. (Not by consumer priorities:
// in RabbitMQ 4.3.6 a channel that dies while one of higher priority waits may keep its message for ever.)
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { pause, unlessAborted } from '#core/io/abort.ts';
import { instancesQueue, permitQueue, shortQueue } from '#topology/names.ts';
import { backoff } from '../backoff.ts';
import { shareOf } from './shares.ts';

export interface PermitsOptions {
  readonly sink: string;
  /** How many permits there are, over all instances; >= 1. */
  readonly connections: number;
  /** One connection may be opened for this permit now. */
  granted(permit: number): void;
  /** Its connection is to be closed at once; the permit goes to somebody else when this resolves. */
  revoked(permit: number): Promise<void>;
  /** Why a permit cannot be had, for people; null when all is well again. */
  trouble(why: string | null): void;
}

const GRACE = 500;
/** About so often an instance looks for others: 2 to 4 s. */
const LOOK_EVERY = { least: 2_000, spread: 2_000 };
const ANSWER_WITHIN = 8_000;
/** Of a queue that the broker refuses. */
const REOPEN = { first: 250, most: 15_000 };
/** Well below the consumer timeout of the queues, a day: a permit that is held for longer is given back in good order, and taken again. */
const HOLD_AT_MOST = 12 * 3_600_000;
/** A lone instance that waits for so long waits for a message that is not there. */
const MISSING_AFTER = 10_000;
const NO_PERMIT = 'it holds no permit';
const SHORT_TAG = 'short';

interface Turn {
  readonly channel: Channel;
  /** Ends the turn; `why` is null where we want it. The first call counts. */
  readonly end: (why: string | null) => void;
  /** When it began; once held, since when it is. */
  since: number;
  subscribed: boolean;
  /** The message is here. */
  held: boolean;
  granted: boolean;
}

interface Slot {
  readonly permit: number;
  turn: Turn | null;
  trouble: string | null;
  /** The turns of all attachments until now, one after another. */
  served: Promise<void>;
}

interface Session {
  readonly connection: ChannelModel;
  /** Aborted when the link is down. */
  readonly gone: AbortController;
}

export class Permits implements AsyncDisposable {
  readonly #options: PermitsOptions;
  readonly #slots: readonly Slot[];
  readonly #closing = new AbortController();
  #session: Session | null = null;
  #watched: Promise<void> = Promise.resolve();
  /** We have too few permits; whether the others can see it. */
  #short = true;
  #shown = false;
  /** Aborted when a permit comes to one that is short: it looks at once. */
  #served = new AbortController();
  #told: string | null = null;

  constructor(options: PermitsOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.connections }, (_, index) => ({
      permit: index + 1,
      turn: null,
      trouble: null,
      served: Promise.resolve(),
    }));
  }

  /** Granted and not revoked. */
  get held(): number {
    return this.#slots.filter(({ turn }) => turn?.granted).length;
  }

  /** The link is up. */
  attach(connection: ChannelModel): void {
    this.detach();
    if (this.#closing.signal.aborted) return;
    const session = { connection, gone: new AbortController() };
    this.#session = session;
    this.#short = true;
    for (const slot of this.#slots) slot.served = slot.served.then(() => this.#serve(slot, session));
    this.#watched = this.#watched.then(() => this.#watch(session));
  }

  /** The link is down: all permits are lost. */
  detach(): void {
    this.#session?.gone.abort();
    this.#session = null;
  }

  /** Gives all back, in good order. A broker that does not answer holds it up until `detach`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#slots.map(({ served }) => served), this.#watched]);
  }

  /** One turn after another. */
  async #serve(slot: Slot, { connection, gone }: Session): Promise<void> {
    const over = AbortSignal.any([gone.signal, this.#closing.signal]);
    for (let failures = 0; !over.aborted;) {
      let why: string | null;
      try {
        why = await this.#turn(slot, connection, gone.signal, over);
      } catch (error) {
        why = error instanceof Error ? error.message : String(error);
      }
      if (over.aborted) return;
      if (why === null) {
        failures = 0;
        continue;
      }
      this.#tell(slot, why);
      await pause(backoff(REOPEN, ++failures, null, Math.random()), over);
    }
  }

  /** Resolves with why it ended, null where we wanted it; rejects where it could not begin. */
  async #turn(slot: Slot, connection: ChannelModel, gone: AbortSignal, over: AbortSignal): Promise<string | null> {
    const channel = await unlessAborted(connection.createChannel(), over, (late) => late.close());
    const { promise: ended, resolve: end } = Promise.withResolvers<string | null>();
    const done = new AbortController();
    let refusal: string | null = null;
    channel.on('error', (error: Error) => (refusal = error.message));
    channel.on('close', () => end(refusal ?? 'its channel was closed'));
    over.addEventListener('abort', () => end(null), { once: true, signal: done.signal });
    const since = Date.now();
    const turn: Turn = { channel, end, since, subscribed: false, held: false, granted: false };
    slot.turn = turn;
    try {
      void this.#subscribe(slot, turn, done.signal).catch((error: unknown) => end(refusal ?? String(error)));
      return await ended;
    } finally {
      done.abort();
      try {
        if (turn.granted) {
          turn.granted = false;
          await this.#options.revoked(slot.permit);
        }
      } finally {
        slot.turn = null;
        await closed(channel, gone);
      }
    }
  }

  async #subscribe(slot: Slot, turn: Turn, done: AbortSignal): Promise<void> {
    const { channel, end } = turn;
    const deliver = (message: ConsumeMessage | null): void => {
      if (message === null) end('the broker cancelled its consumer');
      else void this.#hold(slot, turn, message.fields.redelivered, done);
    };
    await channel.prefetch(1);
    await channel.consume(permitQueue(this.#options.sink, slot.permit), deliver);
    turn.subscribed = true;
    this.#tell(slot, null);
  }

  async #hold(slot: Slot, turn: Turn, hadBefore: boolean, done: AbortSignal): Promise<void> {
    if (turn.held) return;
    turn.held = true;
    turn.since = Date.now();
    this.#tell(slot, null);
    // Others go on giving while they see that we are short.
    if (this.#short) this.#served.abort();
    if (hadBefore) await pause(GRACE, done);
    if (done.aborted) return;
    turn.granted = true;
    this.#options.granted(slot.permit);
  }

  /** Shows itself and looks for others, again and again; a broker that says nothing has all permits revoked. */
  async #watch({ connection, gone }: Session): Promise<void> {
    const over = AbortSignal.any([gone.signal, this.#closing.signal]);
    let channel: Channel | null = null;
    while (!over.aborted) {
      this.#served = new AbortController();
      const silent = AbortSignal.timeout(ANSWER_WITHIN);
      const within = AbortSignal.any([over, silent]);
      try {
        channel ??= await unlessAborted(this.#appear(connection), within, (late) => late.close());
        this.#balance(await unlessAborted(this.#count(channel), within));
        await unlessAborted(this.#showShort(channel), within);
      } catch {
        // Refused, if it is not silent: queues are missing, and the turns at the permits tell of it. The next attempt is on a channel of its own.
        if (channel) void closed(channel, gone.signal);
        channel = null;
        if (silent.aborted)
          for (const { turn } of this.#slots) turn?.end(`the broker did not answer for ${ANSWER_WITHIN / 1000} s`);
      }
      await pause(LOOK_EVERY.least + LOOK_EVERY.spread * Math.random(), AbortSignal.any([over, this.#served.signal]));
    }
    if (channel) await closed(channel, gone.signal);
  }

  /** Now the others count us. */
  async #appear(connection: ChannelModel): Promise<Channel> {
    const channel = await connection.createChannel();
    channel.on('error', () => {}); // What is asked next rejects.
    this.#shown = false;
    await channel.consume(instancesQueue(this.#options.sink), () => {});
    return channel;
  }

  async #showShort(channel: Channel): Promise<void> {
    if (this.#shown === this.#short) return;
    this.#shown = this.#short;
    if (!this.#short) await channel.cancel(SHORT_TAG);
    else await channel.consume(shortQueue(this.#options.sink), () => {}, { consumerTag: SHORT_TAG });
  }

  async #count(channel: Channel): Promise<{ readonly instances: number; readonly othersShort: number }> {
    const { sink } = this.#options;
    const { consumerCount: instances } = await channel.checkQueue(instancesQueue(sink));
    const { consumerCount: short } = await channel.checkQueue(shortQueue(sink));
    return { instances, othersShort: short - (this.#shown ? 1 : 0) };
  }

  #balance({ instances, othersShort }: { readonly instances: number; readonly othersShort: number }): void {
    const turns = this.#slots.flatMap(({ turn }) => turn ?? []);
    const held = turns.filter((turn) => turn.held);
    const seen = { permits: this.#options.connections, instances, othersShort, held: held.length };
    const share = shareOf(seen, Math.random());
    this.#short = share.short;
    for (const turn of held.slice(held.length - share.giveBack)) turn.end(null);
    const now = Date.now();
    held.find(({ since }) => now - since > HOLD_AT_MOST)?.end(null);
    // To the end of the line.
    if (othersShort > 0 && !share.short) for (const turn of turns) if (turn.subscribed && !turn.held) turn.end(null);
    for (const slot of this.#slots) {
      const { turn } = slot;
      if (!turn?.subscribed || turn.held) continue;
      this.#tell(slot, instances === 1 && now - turn.since > MISSING_AFTER ? NO_PERMIT : null);
    }
  }

  /** Told when it changes: of several troubles the first. */
  #tell(slot: Slot, why: string | null): void {
    slot.trouble = why === null ? null : explain(this.#options.sink, slot.permit, why);
    const first = this.#slots.find(({ trouble }) => trouble !== null)?.trouble ?? null;
    if (first === this.#told) return;
    this.#told = first;
    this.#options.trouble(first);
  }
}

/** amqplib throws where the channel is lost already. */
async function closed(channel: Channel, gone: AbortSignal): Promise<void> {
  try {
    await unlessAborted(channel.close(), gone);
  } catch {
    // Lost, which gives the permit back too.
  }
}

function explain(sink: string, permit: number, why: string): string {
  const queue = `queue ${permitQueue(sink, permit)}`;
  const again = 'It is tried again by itself';
  if (why.includes('NOT_FOUND') || why.includes('404'))
    return `${queue}: there is none: declare the topology (waggle topology declare), which makes one for each of the sink's connections. ${again}`;
  if (why.includes('ACCESS_REFUSED') || why.includes('403'))
    return `${queue}: user "${sink}" may not read it (${why}): declare the topology (waggle topology declare), which sets the rights of users. ${again}`;
  if (why === NO_PERMIT)
    return `${queue}: ${why}, so that a connection less is open: declare the topology (waggle topology declare), which puts it back`;
  return `${queue}: ${why}. ${again}`;
}
