// One route: reads the spool, gathers batches, sends each to the site that the route names, and confirms to the spool what a site confirmed.
//
// Who holds what: a batch is held until a site confirms it, in `#queue` (new), `#again` (fate unknown, goes first) or at one site; never in two.
// The bytes held are bounded: the windows of the sites, one read ahead, and the open batches. What is held and not confirmed is also in the spool, so
// the process may end at any point.
import { performance } from 'node:perf_hooks';
import type { Batch } from '#core/batch.ts';
import type { RouteConfig } from '#core/config/config.ts';
import type { AmqpLinkOptions } from '#core/io/amqp.ts';
import { MESSAGE_BYTES } from '../message-limit.ts';
import type { SpoolReader, SpoolRecord } from '../spool/contract.ts';
import { BATCH_LIMITS, Batcher } from './batcher.ts';
import { BufferPool } from './buffer-pool.ts';
import { DrainRate } from './drain-rate.ts';
import { type Outgoing, outgoingEvents } from './outgoing.ts';
import { type SiteEvent, type SiteState, homeOf, step, target } from './route.ts';
import { CONFIRM_TIMEOUT, type Fault, type SiteOwner, SitePublisher } from './site-publisher.ts';

/** What is worth a log line or a counter. Calls must not throw. */
export interface PublisherEvents {
  linked(site: string): void;
  lost(site: string, fault: Fault, reason: string, unknown: readonly Batch[]): void;
  /** There is no connection to the site, and why; told at once and then now and then. */
  unreachable(site: string, reason: string): void;
  blocked(site: string, reason: string): void;
  unblocked(site: string): void;
  /** The route sees a site in another state. */
  moved(site: string, state: SiteState['kind']): void;
  /** A site confirmed these numbers. */
  confirmed(site: string, batch: Batch): void;
  /** No site takes so long a message: the event is given up, since it would hold up all that stands behind it. */
  dropped(batch: Batch, reason: typeof TOO_LARGE): void;
}

export interface PublisherOptions {
  readonly links: readonly AmqpLinkOptions[];
  readonly route: RouteConfig;
  readonly confirmTimeout?: number;
  /** What is published for a batch; events unless given. */
  readonly outgoing?: (batch: Batch) => Outgoing;
  /** Events of one message; as many as the wire takes unless given. */
  readonly maxEvents?: number;
}

export interface SiteStatus {
  readonly site: string;
  readonly state: SiteState['kind'];
  readonly unconfirmedBytes: number;
  readonly trouble: string | null;
}

const READ_BYTES = 1024 * 1024;
/** With so much waiting for a site, no more is read. */
const QUEUE_BYTES = 2 * READ_BYTES;
const TICK = 500;
const TOO_LARGE = 'too-large';
/** How often the operator is reminded of a site that cannot be reached. */
const REMIND = 60_000;

export class Publisher {
  readonly #reader: SpoolReader;
  readonly #route: RouteConfig;
  readonly #events: PublisherEvents;
  /** Sorted by name, so that a home does not depend on the order in the file. */
  readonly #sites: readonly SitePublisher[];
  readonly #states: SiteState[];
  /** By site: when it was last told to be unreachable. */
  readonly #told: number[];
  readonly #prefer: number;
  readonly #homes = new Map<string, number>();
  readonly #batcher: Batcher;
  readonly #pool: BufferPool;
  readonly #rate = new DrainRate(performance.now());
  #again: Batch[] = [];
  #queue: Batch[] = [];
  /** Index of the first of `#queue` that is not sent. */
  #head = 0;
  #queueBytes = 0;
  #wake: (() => void) | null = null;
  /** Something happened since the last rest. */
  #rung = false;
  #stopping = false;

  constructor(reader: SpoolReader, options: PublisherOptions, events: PublisherEvents) {
    this.#reader = reader;
    this.#route = options.route;
    this.#events = events;
    // A broker may confirm a whole window at once, and sizes are rounded up.
    this.#pool = new BufferPool(2 * options.route.window);
    this.#batcher = new Batcher(
      { ...BATCH_LIMITS, maxEvents: options.maxEvents ?? BATCH_LIMITS.maxEvents, linger: options.route.linger },
      this.#pool,
    );
    const links = options.links.toSorted((a, b) => (a.site < b.site ? -1 : 1));
    this.#prefer = links.findIndex((link) => link.site === options.route.prefer);
    const now = performance.now();
    this.#states = links.map(() => ({ kind: 'starting', since: now }));
    this.#told = links.map(() => -Infinity);
    const owner = this.#owner();
    const confirmTimeout = options.confirmTimeout ?? CONFIRM_TIMEOUT;
    const { outgoing = outgoingEvents, route } = options;
    this.#sites = links.map(
      (link) => new SitePublisher({ link, outgoing, window: route.window, confirmTimeout }, owner),
    );
  }

  /** Bytes confirmed a second, lately. */
  get drainRate(): number {
    return this.#rate.rate(performance.now());
  }

  /** True while a site takes events. */
  get isLinked(): boolean {
    return this.#states.some((state) => state.kind === 'ready' || state.kind === 'returning');
  }

  get status(): readonly SiteStatus[] {
    return this.#sites.map((site, index) => ({
      site: site.site,
      state: this.#states[index]?.kind ?? 'away',
      unconfirmedBytes: site.unconfirmedBytes,
      trouble: site.trouble,
    }));
  }

  /** Until the signal aborts; then gives the confirms in flight a short time and closes. Rejects where the spool cannot be read. */
  async run(signal: AbortSignal): Promise<void> {
    const ring = (): void => this.#ring();
    signal.addEventListener('abort', ring, { once: true });
    const ticking = setInterval(() => this.#tick(), TICK);
    /** Set while the reader has nothing: resolves when it has again. */
    let dry: Promise<unknown> | null = null;
    try {
      while (!signal.aborted) {
        this.#dispatch();
        if (dry === null && this.#queueBytes < QUEUE_BYTES) {
          const records = await this.#reader.read(READ_BYTES);
          this.#gather(records);
          if (records.length > 0) continue;
          dry = this.#reader.readable(signal).then(() =>
            // Sockets get their turn, whatever the reader does.
            setImmediate(() => {
              dry = null;
              this.#ring();
            }),
          );
        }
        // While something waits for room, an open batch had better go on growing.
        const due = this.#queueBytes > 0 ? null : this.#batcher.nextDue();
        const now = performance.now();
        if (due !== null && due <= now) this.#linger(now);
        else await this.#rest(due === null ? null : due - now);
      }
    } finally {
      this.#stopping = true;
      clearInterval(ticking);
      signal.removeEventListener('abort', ring);
      await Promise.all(this.#sites.map((site) => site[Symbol.asyncDispose]()));
    }
  }

  #gather(records: readonly SpoolRecord[]): void {
    const now = performance.now();
    const full: Batch[] = [];
    for (const record of records) this.#batcher.add(record, now, full);
    this.#enqueue(full);
  }

  #linger(now: number): void {
    const due: Batch[] = [];
    this.#batcher.due(now, due);
    this.#enqueue(due);
  }

  #enqueue(batches: readonly Batch[]): void {
    for (const batch of batches) {
      // An event alone, which inputs refuse: from a spool of another version.
      if (batch.body.length > MESSAGE_BYTES) {
        this.#reader.drop(batch.identity, batch.ranges, TOO_LARGE);
        this.#events.dropped(batch, TOO_LARGE);
        continue;
      }
      this.#queue.push(batch);
      this.#queueBytes += batch.body.length;
    }
  }

  /** Sends what waits, in order, as long as the site of the first has room. */
  #dispatch(): void {
    for (;;) {
      const batch = this.#again[0] ?? this.#queue[this.#head];
      if (!batch) return;
      const site = this.#sites[target(this.#states, this.#home(batch.identity))];
      if (!site?.hasRoom) return;
      if (this.#again.length > 0) this.#again.shift();
      else this.#takeFromQueue(batch);
      site.send(batch);
    }
  }

  #takeFromQueue(batch: Batch): void {
    this.#queueBytes -= batch.body.length;
    this.#head++;
    // What was taken must not be kept alive; moved seldom, so that each costs little.
    if (this.#head < this.#queue.length && this.#head < 32) return;
    this.#queue.splice(0, this.#head);
    this.#head = 0;
  }

  #home(identity: string): number {
    if (this.#route.mode === 'failover') return this.#prefer;
    let home = this.#homes.get(identity);
    if (home === undefined) {
      home = homeOf(identity, this.#sites.length);
      this.#homes.set(identity, home);
    }
    return home;
  }

  /** Resolves when something happened since the last rest, at once or later, or after `timeout` ms. */
  async #rest(timeout: number | null): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = timeout === null ? undefined : setTimeout(resolve, Math.max(1, timeout));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = null;
    this.#rung = false;
  }

  #ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  #owner(): SiteOwner {
    return {
      onLinked: (site) => {
        this.#told[this.#indexOf(site)] = -Infinity;
        this.#events.linked(site);
        this.#move(site, 'linked');
      },
      onLost: (site, fault, reason, unknown) => {
        this.#again.push(...unknown);
        if (this.#stopping && unknown.length === 0) return;
        this.#events.lost(site, fault, reason, unknown);
        this.#move(site, 'lost');
      },
      onBlocked: (site, reason) => {
        this.#events.blocked(site, reason);
        this.#move(site, 'blocked');
      },
      onUnblocked: (site) => {
        this.#events.unblocked(site);
        this.#move(site, 'unblocked');
      },
      onConfirmed: (site, batch) => {
        this.#rate.add(batch.body.length, performance.now());
        this.#reader.confirm(batch.identity, batch.ranges);
        this.#events.confirmed(site, batch);
        // It was in one place only, and amqplib copied it when it was sent.
        this.#pool.give(batch.body);
      },
      onRoom: () => this.#ring(),
    };
  }

  #move(site: string, event: SiteEvent): void {
    const index = this.#indexOf(site);
    const before = this.#states[index];
    if (!before) return;
    const after = step(before, event, performance.now(), this.#route.hysteresis);
    this.#states[index] = after;
    if (after.kind !== before.kind) this.#events.moved(site, after.kind);
    this.#ring();
  }

  #indexOf(site: string): number {
    return this.#sites.findIndex((each) => each.site === site);
  }

  #tick(): void {
    const now = performance.now();
    if (this.#queueBytes === 0 && this.#sites.every((site) => site.unconfirmedBytes === 0)) this.#pool.clear();
    this.#sites.forEach((site, index) => {
      site.check();
      // An attempt that failed before there was a connection is told by the link's state alone.
      const { trouble } = site;
      if (trouble !== null && now - (this.#told[index] ?? 0) > REMIND) {
        this.#told[index] = now;
        this.#events.unreachable(site.site, trouble);
      }
      this.#move(site.site, trouble !== null && this.#states[index]?.kind === 'starting' ? 'lost' : 'tick');
      // A blocked site keeps what it has until it is sure to be late, and only where another site can take it.
      if (this.#states[index]?.kind === 'blocked' && target(this.#states, index) >= 0)
        this.#again.push(...site.takeOverdue());
    });
    this.#ring();
  }
}
