// The loop of a queue sink: messages of its queue -> requests -> connections, a permit each -> outcomes -> acks.
//
// Who acks: `Hand`, with the last event of a message, once the target has it or the dead letters have it. Nothing here throws for what the
// target says; what a sink throws is a bug, told loudly and tried again.
import { BATCH_BYTES, type ReceivedMessage } from '#core/batch.ts';
import type { QueueSinkConfig } from '#core/config/sink-config.ts';
import { compileMapping } from '#core/mapping.ts';
import { matcher } from '#core/patterns.ts';
import type { DeadLetters } from '../dead/write.ts';
import { Alarm } from './alarm.ts';
import type { Concurrency } from './concurrency.ts';
import { Connections, type Flight } from './connections.ts';
import type { Outcome, QueueSink } from './contract.ts';
import { Hand, type Channel, type Held } from './hand.ts';
import { Intake } from './intake.ts';
import { Letters } from './letters.ts';
import { loadOf } from './outcome.ts';
import type { QueueTelemetry } from './queue-telemetry.ts';
import type { Request } from './request.ts';
import { Resends } from './resends.ts';
import { Settlement } from './settle.ts';
import { TargetState } from './target-state.ts';

export interface DrainOptions<Body> {
  readonly sink: QueueSink<Body>;
  readonly config: QueueSinkConfig;
  readonly concurrency: Pick<Concurrency, 'most' | 'limit' | 'observe'>;
  readonly dead: DeadLetters;
  readonly telemetry: QueueTelemetry;
  /** Asks the queue for at most so many unacknowledged messages; 0: none. */
  readonly want: (prefetch: number) => void;
  /** Milliseconds since the epoch; of a clock that only goes forward; in [0, 1). */
  readonly now: () => number;
  readonly tick: () => number;
  readonly random: () => number;
}

/** A message that was held for so long goes back; the second time also from a request without an outcome. RabbitMQ's consumer timeout, 30 minutes, would take the whole channel. */
const HOLD_MS = 10 * 60_000;
const LOOK_MS = 1_000;

export class QueueDrain<Body, Receipt> implements AsyncDisposable {
  readonly #options: DrainOptions<Body>;
  readonly #prefetch: number;
  readonly #hand: Hand<Receipt>;
  readonly #intake: Intake<Body, Receipt>;
  readonly #letters: Letters<Receipt>;
  readonly #settlement: Settlement<Body, Receipt>;
  readonly #connections: Connections<Body, Receipt>;
  readonly #target = new TargetState();
  readonly #closing = new AbortController();
  readonly #resends = new Resends<Body, Receipt>();
  #preparing = false;
  /** More bytes in hand than `memory`: single events may be as large as 64 batches. */
  #choked = false;
  readonly #alarm: Alarm;
  readonly #looking: NodeJS.Timeout;
  /** Resolves once nothing is in hand; null while not stopping. */
  #stopping: (() => void) | null = null;

  constructor(options: DrainOptions<Body>) {
    const { sink, config, telemetry } = options;
    const origin = { sink: config.name, site: config.home };
    this.#options = options;
    // RabbitMQ counts messages, not bytes; a batch of several events has at most so many.
    this.#prefetch = Math.max(1, Math.floor(config.memory / BATCH_BYTES));
    this.#hand = new Hand((reason, events) => telemetry.book(reason, events));
    this.#letters = new Letters(options.dead, config.home, this.#hand, this.#closing.signal, () => this.#pump());
    this.#intake = new Intake<Body, Receipt>({
      origin,
      encode: (event) => sink.encode(event),
      matches: matcher(config.match),
      mapping: config.mapping === null ? null : compileMapping(config.mapping),
      limit: {
        bytes: Math.min(sink.limit.bytes, config.batch.size),
        events: Math.min(sink.limit.events, config.batch.count),
      },
      hand: this.#hand,
      dead: (letter, held) => {
        telemetry.refused(letter.code, letter.message);
        this.#letters.put(letter, held);
      },
      bug: (error) => telemetry.bug('encode', error),
      now: options.now,
    });
    this.#settlement = new Settlement({
      ...options,
      origin,
      hand: this.#hand,
      letters: this.#letters,
      resends: this.#resends,
      target: this.#target,
      pause: (code, message, after) => this.#pause(code, message, after),
    });
    this.#connections = new Connections({
      sink,
      tick: options.tick,
      landed: (flight, outcome) => this.#landed(flight, outcome),
      taken: (flight) => this.#taken(flight),
      bug: (where, error) => telemetry.bug(where, error),
    });
    this.#alarm = new Alarm(options.tick, () => this.#pump());
    this.#show();
    this.#looking = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** A permit is held: one more connection may be open. */
  granted(permit: number): void {
    this.#connections.open(permit);
    this.#options.concurrency.most = this.#connections.size;
    this.#pump();
  }

  /** Resolves once its connection is closed. What it was sending is sent by another one. */
  async revoked(permit: number): Promise<void> {
    const closed = this.#connections.close(permit, (request) => {
      this.#fly(request, -1);
      this.#resends.atOnce(request);
    });
    this.#options.concurrency.most = this.#connections.size;
    // Without a connection nothing can be sent: others may have the messages.
    if (this.#connections.size === 0) this.#giveBack();
    this.#pump();
    await closed;
  }

  received(held: Held<Receipt>, message: ReceivedMessage): void {
    this.#hand.take(held);
    this.#intake.push(held, message);
    this.#pump();
  }

  lost(channel: Channel<Receipt>): void {
    this.#hand.lose(channel);
    this.#pump();
  }

  /** Takes nothing new, sends what is begun, gives back the rest; resolves when all is settled or the signal aborts. */
  async drain(deadline: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stopping = resolve;
    deadline.addEventListener('abort', () => resolve(), { once: true });
    if (deadline.aborted) resolve();
    this.#steer();
    for (const held of this.#intake.unopened()) this.#hand.leave(held);
    if (!this.#sends) this.#giveBack();
    this.#pump();
    await promise;
  }

  /** Ends what is open; what is not settled comes again with the queue's channel. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    clearInterval(this.#looking);
    this.#alarm.clear();
    this.#options.want(0);
    await this.#connections[Symbol.asyncDispose]();
  }

  status(): object {
    return {
      target: this.#target.kind,
      messages: this.#hand.messages,
      events: this.#hand.events,
      letters: this.#letters.waiting,
      permits: this.#connections.size,
      requests: this.#connections.flights,
      concurrency: this.#options.concurrency.limit,
      lag: this.#lag() / 1000,
    };
  }

  get #sends(): boolean {
    return this.#target.kind === 'running' || this.#target.kind === 'trying';
  }

  /** Does whatever can be done now; called after everything that happens. */
  #pump(): void {
    if (this.#closing.signal.aborted) return;
    this.#target.wake(this.#options.tick());
    if (this.#target.kind === 'asking') this.#ask();
    if (this.#sends) {
      while (this.#mayBegin()) {
        const request = this.#next();
        if (request === null) break;
        this.#send(request);
      }
      // While the connections are busy the next request is made.
      this.#intake.fill();
    }
    this.#steer();
    this.#arm();
    if (this.#stopping !== null && this.#hand.messages === 0) this.#stopping();
  }

  #mayBegin(): boolean {
    if (!this.#connections.hasIdle) return false;
    if (this.#target.kind === 'trying') return this.#connections.flights === 0;
    return this.#connections.busy < this.#options.concurrency.limit;
  }

  #next(): Request<Body, Receipt> | null {
    const tick = this.#options.tick();
    const resend = this.#resends.next(tick);
    if (resend !== null) return resend;
    if (this.#crowded) return null;
    for (;;) {
      const full = this.#intake.fill();
      if (!full && !this.#overdue(tick)) return null;
      const request = this.#intake.take();
      if (request !== null) return request;
    }
  }

  /** Requests without an outcome, or to be sent again, hold their events twice, as they came and encoded: those too are bounded. */
  get #crowded(): boolean {
    const { bytes } = this.#resends;
    const { memory } = this.#options.config;
    return bytes > memory / 2 || bytes + this.#connections.bytes > memory;
  }

  /** Whether a request that is not full goes now. */
  #overdue(tick: number): boolean {
    const { since } = this.#intake;
    if (since === null) return false;
    // With as many messages in hand as may be, or no consumer, no more come to fill it.
    const complete = this.#stopping !== null || this.#choked || this.#hand.messages >= this.#wanted();
    return complete || tick - since >= this.#options.config.batch.age;
  }

  #send(request: Request<Body, Receipt>): void {
    if (request.attempts++ === 0) request.first = this.#options.now();
    this.#fly(request, 1);
    this.#connections.send(request);
  }

  #fly(request: Request<Body, Receipt>, sign: 1 | -1): void {
    request.runs((held, events) => this.#hand.fly(held, sign * events));
  }

  #taken({ started }: Flight<Body, Receipt>): void {
    const { concurrency, tick } = this.#options;
    concurrency.observe('ok', tick() - started, this.#connections.busy + 1);
    this.#pump();
  }

  #landed(flight: Flight<Body, Receipt>, outcome: Outcome): void {
    const { request, started, taken } = flight;
    const { concurrency, telemetry, tick } = this.#options;
    const took = tick() - started;
    telemetry.requestTook(outcome.kind, took);
    const load = loadOf(outcome);
    if (!taken || load === 'overload') concurrency.observe(load, took, this.#connections.busy + (taken ? 0 : 1));
    this.#settlement.settle(request, outcome);
    this.#fly(request, -1);
    this.#pump();
  }

  #pause(code: string, message: string, after: number | null): void {
    if (this.#target.kind === 'paused') return;
    const { telemetry, tick, random } = this.#options;
    telemetry.paused(code, message, this.#target.pause(after, tick(), random()));
    this.#giveBack();
  }

  /** All that does not fly now goes back at once; the rest as soon as it is down, less what is settled then. */
  #giveBack(): void {
    this.#steer();
    this.#intake.clear();
    this.#resends.clear();
    for (const held of this.#hand.held()) this.#hand.leave(held);
  }

  #ask(): void {
    const { sink } = this.#options;
    if (this.#preparing || this.#stopping !== null || this.#connections.size === 0) return;
    if (sink.prepare === undefined) {
      this.#target.prepared();
      return;
    }
    this.#preparing = true;
    void this.#prepare();
  }

  async #prepare(): Promise<void> {
    const outcome = await this.#connections.prepare();
    this.#preparing = false;
    // Null: its connection was closed meanwhile; the next one asks again.
    if (outcome?.kind === 'done' || outcome?.kind === 'partly') this.#target.prepared();
    else if (outcome !== null) {
      this.#pause(outcome.code, outcome.message, outcome.kind === 'rejected' ? null : outcome.after);
    }
    this.#pump();
  }

  /** How many messages may be unacknowledged now. */
  #wanted(): number {
    if (this.#stopping !== null || this.#choked || !this.#sends || this.#connections.size === 0) return 0;
    return this.#target.kind === 'trying' ? Math.min(this.#target.tried, this.#prefetch) : this.#prefetch;
  }

  #steer(): void {
    const { memory } = this.#options.config;
    const { bytes } = this.#hand;
    this.#choked = bytes > memory || (this.#choked && bytes > memory / 2);
    this.#options.want(this.#wanted());
  }

  /** For what becomes due by the clock alone; whatever else lets the loop go on calls it. */
  #arm(): void {
    if (this.#target.kind === 'paused') return this.#alarm.set(this.#target.until);
    if (!this.#sends || !this.#mayBegin()) return;
    const { since } = this.#intake;
    const overdue = since === null || this.#crowded ? Infinity : since + this.#options.config.batch.age;
    this.#alarm.set(Math.min(this.#resends.due ?? Infinity, overdue));
  }

  /** Once a second. */
  #look(): void {
    const now = this.#options.tick();
    for (const held of this.#hand.held()) {
      const age = now - held.since;
      if (age > 2 * HOLD_MS && held.flying > 0) this.#options.telemetry.noOutcome();
      if (age > 2 * HOLD_MS) this.#hand.surrender(held);
      else if (age > HOLD_MS) this.#hand.leave(held);
    }
    this.#letters.prune();
    this.#pump();
    this.#options.telemetry.failing(this.#target.failingFor(now));
    if (this.#target.kind === 'trying' && this.#hand.messages === 0) this.#options.telemetry.targetUnproven();
    this.#show();
  }

  #show(): void {
    this.#options.telemetry.gauges({
      lag: this.#lag(),
      events: this.#hand.events,
      messages: this.#hand.messages,
      permits: this.#connections.size,
      concurrency: this.#options.concurrency.limit,
      requests: this.#connections.flights,
    });
  }

  /** Age of the oldest event that is not settled, milliseconds; while the target takes nothing, also of what was given back. */
  #lag(): number {
    const oldest = this.#hand.oldest() ?? (this.#sends ? null : this.#hand.givenBack);
    return oldest === null ? 0 : Math.max(0, this.#options.now() - oldest);
  }
}
