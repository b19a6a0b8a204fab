// What a queue sink says about itself: counters of its books, gauges of what it holds, and named facts, told seldom where they could be many.
import type { Telemetry } from '#core/io/telemetry.ts';
import type { Booked } from './hand.ts';

/** What a queue sink holds and may do now. */
export interface Gauges {
  /** Age of the oldest event in hand or given back, milliseconds. */
  readonly lag: number;
  readonly events: number;
  readonly messages: number;
  readonly permits: number;
  /** Requests that may be open. */
  readonly concurrency: number;
  /** Requests that are open. */
  readonly requests: number;
}

/** The same fact about many events or requests is told once in so many milliseconds. */
const SELDOM = 10_000;
/** So long without a success is no reason not to be ready: a target restarts. */
const FAILING_MS = 5_000;

export class QueueTelemetry {
  readonly #telemetry: Telemetry;
  readonly #sink: string;
  readonly #tick: () => number;
  readonly #told = new Map<string, number>();
  /** Why the sink does not do its work now, by what. */
  readonly #troubles = new Map<string, string>();
  /** Since then no request has succeeded. */
  #paused = false;
  #lastRetry = '';

  /** `tick`: a clock that only goes forward, milliseconds. */
  constructor(telemetry: Telemetry, sink: string, tick: () => number) {
    this.#telemetry = telemetry;
    this.#sink = sink;
    this.#tick = tick;
  }

  troubles(): Iterable<string> {
    return this.#troubles.values();
  }

  book(reason: Booked | 'read', events: number): void {
    const stage = reason === 'read' ? 'read' : 'settle';
    this.#telemetry.metrics.events.inc({ stage, route: this.#sink, reason }, events);
  }

  gauges({ lag, events, messages, permits, concurrency, requests }: Gauges): void {
    const sink = this.#sink;
    const { metrics } = this.#telemetry;
    // A queue has no partitions, and an empty label is none to Prometheus.
    metrics.sinkLagSeconds.set({ sink, partition: '' }, lag / 1000);
    metrics.sinkHeld.set({ sink, unit: 'events' }, events);
    metrics.sinkHeld.set({ sink, unit: 'messages' }, messages);
    metrics.sinkConnections.set({ sink, kind: 'permitted' }, permits);
    metrics.sinkConnections.set({ sink, kind: 'usable' }, Math.min(permits, concurrency));
    metrics.sinkConnections.set({ sink, kind: 'busy' }, requests);
  }

  queueDepth(messages: number): void {
    this.#telemetry.metrics.sinkQueueMessages.set({ sink: this.#sink }, messages);
  }

  requestTook(outcome: string, milliseconds: number): void {
    this.#telemetry.metrics.sinkRequestSeconds.observe({ sink: this.#sink, outcome }, milliseconds / 1000);
  }

  /** `why`: null while the first attempt has not ended. */
  linkDown(site: string, why: string | null): void {
    this.#telemetry.metrics.linkUp.set({ site }, 0);
    this.#trouble('site', why === null ? `not connected to ${site} yet` : `no connection to ${site}: ${why}`);
    if (why !== null) this.#fact('warn', 'link.down', why, { site }, why);
  }

  linkUp(site: string): void {
    this.#telemetry.metrics.linkUp.set({ site }, 1);
    this.#trouble('site', null);
    this.#telemetry.fact('info', 'link.up', { sink: this.#sink, site });
  }

  queue(why: string | null): void {
    this.#trouble('queue', why);
    if (why !== null) this.#fact('error', 'queue.refused', why, {}, why);
  }

  permits(why: string | null): void {
    this.#trouble('permits', why);
    if (why !== null) this.#fact('error', 'permits.refused', why, {}, why);
  }

  deadLetters(why: string | null): void {
    this.#trouble('dead letters', why);
    if (why !== null) this.#telemetry.fact('error', 'dead-letters.refused', { sink: this.#sink }, why);
  }

  retried(code: string, message: string, events: number): void {
    this.#lastRetry = `${code}: ${message}`;
    this.#telemetry.metrics.events.inc({ stage: 'write', route: this.#sink, reason: 'retried' }, events);
    this.#fact('warn', 'request.retried', code, { code, events }, message);
  }

  refused(code: string, message: string): void {
    this.#fact('warn', 'event.refused', code, { code }, `in the dead letters (waggle dead list): ${message}`);
  }

  paused(code: string, message: string, wait: number): void {
    this.#trouble('target', `paused: ${code}: ${message}`);
    this.#paused = true;
    const text = `${message.replace(/\.$/, '')}. Its events wait in the queue; it is tried again in ${(wait / 1000).toFixed(1)} s, by itself.`;
    this.#telemetry.fact('error', 'target.paused', { sink: this.#sink, code }, text);
  }

  /** Once a second: for how long no request has succeeded, though it is not paused. */
  failing(milliseconds: number): void {
    if (this.#paused) return;
    const why = `no request has succeeded for ${(milliseconds / 1000).toFixed(0)} s: ${this.#lastRetry}`;
    this.#trouble('target', milliseconds > FAILING_MS ? why : null);
  }

  /** A request succeeded. */
  targetAnswers(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.targetUnproven();
    this.#telemetry.fact('info', 'target.answers', { sink: this.#sink });
  }

  /** The target was asked again and did not refuse, and there is nothing to send: no reason not to be ready. */
  targetUnproven(): void {
    this.#trouble('target', null);
  }

  bug(where: string, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#fact('error', 'sink.bug', text, { where, error: text }, `${where} of sink "${this.#sink}" failed: ${text}`);
  }

  /** A request that its sink does not end holds its connection for ever. */
  noOutcome(): void {
    this.bug('send', 'no outcome for 20 minutes: a sink must end each request within its timeout, or the abort');
  }

  #trouble(what: string, why: string | null): void {
    if (why === null) this.#troubles.delete(what);
    else this.#troubles.set(what, why);
  }

  /** Once in a while for the same `about`. */
  #fact(
    level: 'warn' | 'error',
    name: `${string}.${string}`,
    about: string,
    fields: Readonly<Record<string, unknown>>,
    message: string,
  ): void {
    const key = `${name} ${about}`;
    const now = this.#tick();
    const last = this.#told.get(key);
    if (last !== undefined && now - last < SELDOM) return;
    // Codes are the target's own words: few, but not ours to bound.
    if (this.#told.size > 1000) this.#told.clear();
    this.#told.set(key, now);
    this.#telemetry.fact(level, name, { sink: this.#sink, ...fields }, message);
  }
}
