// One partition of the log, from its messages to committed data objects. Who acks: nobody; the chain's commit holds the position,
// and what is not committed is read again by whoever is active next.
import { aborted } from '#core/io/abort.ts';
import { countRanges, type NumberRange } from '#core/number-ranges.ts';
import type { RotateConfig } from '#core/config/sink-config.ts';
import type { LineMapping } from '#core/mapping.ts';
import type { TypeMatcher } from '#core/patterns.ts';
import { lineArrival } from '#core/event-line.ts';
import { admit } from '../chain/admit.ts';
import { chainPrefix, parseRecordKey } from '../chain/keys.ts';
import { append, prune, recover, type WindowObject } from '../chain/machine.ts';
import { list, type Steps } from '../chain/operations.ts';
import { DEFAULT_BACKOFF, runSteps, type Trouble } from '../chain/run.ts';
import type { ChainSettings, ChainState } from '../chain/state.ts';
import type { ObjectStore } from '../chain/store.ts';
import { fingerprint, type LogMessage, type Position } from '../source/contract.ts';
import { type Budget, Share, type Spender } from './budget.ts';
import type { DeadLetters } from '../dead/write.ts';
import { toDeadLetter } from './dead-letters.ts';
import { Frame } from './frame.ts';
import { OpenWindow } from './window.ts';
import type { WriterEvent } from './writer-event.ts';

export interface WriterOptions {
  readonly settings: ChainSettings;
  /** The site at which this writer reads. */
  readonly site: string;
  readonly store: ObjectStore;
  readonly rotate: RotateConfig;
  readonly matches: TypeMatcher;
  /** The sink's own changes of the data; null: none. */
  readonly mapping: LineMapping | null;
  readonly budget: Budget;
  readonly dead: DeadLetters;
  /** Milliseconds since the epoch: what records and paths say. */
  readonly now: () => number;
  /** Milliseconds that never step: ages. */
  readonly tick: () => number;
  /** A fresh name of 16 or more of a-z 0-9. */
  readonly name: () => string;
  readonly observe: (event: WriterEvent) => void;
  /** One credit back to the reader. */
  readonly credit: () => void;
  /** Give the partition up and ask for it again. */
  readonly restart: () => void;
}

/** Records are pruned after 30 days: whoever slept so long must not write on what it knew. Far less is asked of it. */
const STALE_MS = 3_600_000;
const PRUNE_MS = 60_000;

/** The newest number of the chain, of an intent or a commit; 0 where it is empty. */
function* newest(settings: ChainSettings): Steps<number> {
  const [key] = yield* list(chainPrefix(settings), '', 1);
  return key === undefined ? 0 : (parseRecordKey(settings, key)?.n ?? 0);
}

export class PartitionWriter implements Spender {
  readonly #options: WriterOptions;
  readonly #partition: number;
  /** Aborts with the attachment: recovery, and a flush that is under way. */
  #attachment = new AbortController();
  #state: ChainState | null = null;
  /** When `#state` was last known to be the chain's newest, by both clocks: one sleeps with the machine, one may be set. */
  #knownAt = { now: 0, tick: 0 };
  #looking = false;
  #window: OpenWindow | null = null;
  #flight: OpenWindow | null = null;
  #flushed: Promise<void> = Promise.resolve();
  #owed = 0;
  /** A clean stop: what comes now is for whoever is active next. */
  #draining = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#partition = options.settings.partition;
    options.budget.join(this);
  }

  get open(): number {
    return this.#window?.share.held ?? 0;
  }

  get flushing(): boolean {
    return this.#flight !== null;
  }

  get active(): boolean {
    return this.#state !== null;
  }

  get committed(): number {
    return this.#state?.n ?? 0;
  }

  /** When the oldest event read and not committed was taken by its agent; null where there is none. */
  get oldest(): number | null {
    return (this.#flight ?? this.#window)?.oldest ?? null;
  }

  /** Settles the chain (an intent without commit is sealed) and answers where to read on. Null: this partition is read at another site. */
  async activated(): Promise<Position | 'first' | null> {
    this.deactivated();
    const attachment = new AbortController();
    this.#attachment = attachment;
    // What an earlier attachment was writing is over before this one begins: its numbers must not count as taken.
    await this.#flushed;
    attachment.signal.throwIfAborted();
    const { settings, site, now } = this.#options;
    const state = await this.#run(recover(settings, now()), attachment.signal);
    attachment.signal.throwIfAborted();
    if (state.home !== site) {
      this.#observe({ kind: 'moved-away', partition: this.#partition, home: state.home });
      return null;
    }
    this.#state = state;
    this.#knowsNow();
    const position = state.positions.get(site) ?? null;
    this.#observe({ kind: 'recovered', partition: this.#partition, n: state.n, position });
    return position ?? 'first';
  }

  /** Idempotent. What was not committed is dropped here, and read again. */
  deactivated(): void {
    this.#attachment.abort();
    this.#state = null;
    this.#owed = 0;
    const window = this.#window;
    this.#window = null;
    window?.close();
  }

  message(message: LogMessage): void {
    if (this.#state === null || this.#draining) return;
    const window = (this.#window ??= this.#openWindow(message));
    // The budget may have the window written at once: it must be whole then.
    window.share.begin();
    this.#admit(this.#state, window, message);
    window.share.end();
    const { rotate } = this.#options;
    if (this.#window === window && (window.bytes >= rotate.size || window.events >= rotate.count)) this.flush();
  }

  chunkEnd(): void {
    this.#owed++;
    this.resume();
  }

  resume(): void {
    // A full window behind a flush waits for it, and so must the broker.
    if (this.#flight !== null && (this.#window?.bytes ?? 0) >= this.#options.rotate.size) return;
    while (this.#owed > 0 && this.#options.budget.room) {
      this.#owed--;
      this.#options.credit();
    }
  }

  /** Age is honoured without new traffic: called by a timer. */
  tick(): void {
    if (this.#window !== null && this.#options.tick() - this.#window.openedAt >= this.#options.rotate.age) this.flush();
  }

  /** Asks the store whether the chain went on without this writer, and if so takes it up from there. */
  look(): void {
    const state = this.#state;
    if (state === null || this.#flight !== null || this.#looking) return;
    this.#looking = true;
    const { signal } = this.#attachment;
    const ask = async (): Promise<void> => {
      const n = await this.#run(newest(this.#options.settings), signal);
      if (signal.aborted || this.#flight !== null || this.#state === null) return;
      if (n > this.#state.n) this.#giveUp();
      else {
        this.#knowsNow();
        this.#observe({ kind: 'fine', partition: this.#partition });
      }
    };
    ask()
      .catch(() => {}) // aborted with the attachment
      .finally(() => {
        this.#looking = false;
      });
  }

  /** Begins to write the open window, unless one is being written: then it is looked at again afterwards. */
  flush(): void {
    const window = this.#window;
    if (window === null || window.position === null || this.#flight !== null || this.#state === null) return;
    if (this.#stale()) {
      this.#giveUp();
      return;
    }
    this.#window = null;
    this.#flight = window;
    const { signal } = this.#attachment;
    this.#flushed = this.#write(this.#state, window, window.position, signal)
      .catch((error: unknown) => {
        if (signal.aborted) return;
        this.#observe({ kind: 'failed', partition: this.#partition, error });
        this.#giveUp();
      })
      .finally(() => {
        this.#flight = null;
        window.close();
        this.#flushIfDue();
        this.resume();
      });
  }

  /** Takes nothing more and writes what is open, for a clean stop; the signal ends the waiting. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#draining = true;
    while (this.#state !== null && !signal.aborted && (this.#window !== null || this.#flight !== null)) {
      this.flush();
      if (this.#flight === null) return; // it must recover first, and that is for the next
      await Promise.race([this.#flushed, aborted(signal)]);
    }
  }

  close(): void {
    this.deactivated();
    this.#options.budget.leave(this);
  }

  #flushIfDue(): void {
    const { rotate } = this.#options;
    if (this.#window === null) return;
    if (this.#window.bytes >= rotate.size || this.#window.events >= rotate.count) this.flush();
    else this.tick();
  }

  #openWindow(message: LogMessage): OpenWindow {
    const { tick, mapping, budget } = this.#options;
    const share = new Share(budget);
    return new OpenWindow(tick(), this.#arrival(message), share, () => new Frame(share, mapping));
  }

  #admit(state: ChainState, window: OpenWindow, message: LogMessage): void {
    const { batch, offset } = message;
    window.moveTo({ offset, ...fingerprint(batch) }, message.bytes);
    if (batch.kind === 'invalid') {
      window.refuse({ reason: 'invalid', message: batch.message, offset, body: batch.body });
      return;
    }
    const admission = admit(state, window.taken, batch.identity, batch.ranges);
    const fresh = this.#withoutFlight(batch.identity, admission.ranges);
    if (fresh.length === 0) {
      window.repeated += batch.count;
      return;
    }
    if (admission.kind === 'forgotten') {
      const why = `identity ${batch.identity} is unknown and older than the horizon`;
      window.refuse({ reason: 'forgotten', message: why, offset, body: batch.body });
      window.skip(batch.identity, fresh);
    } else if (!this.#options.matches(batch.type)) {
      window.filtered += countRanges(fresh);
      window.skip(batch.identity, fresh);
    } else window.take(batch, fresh);
  }

  /** The state does not know yet what is being written. */
  #withoutFlight(identity: string, ranges: readonly NumberRange[]): readonly NumberRange[] {
    return this.#flight?.taken.get(identity)?.missing(ranges) ?? ranges;
  }

  async #write(state: ChainState, window: OpenWindow, position: Position, signal: AbortSignal): Promise<void> {
    const { settings, site, dead, now, name } = this.#options;
    const began = now();
    const letters = window.dead.map((found) => toDeadLetter(settings.sink, site, this.#partition, found, began));
    if (letters.length > 0) await dead.put(site, letters, signal);
    const objects: WindowObject[] = [];
    // One after the other: only one stands in memory twice.
    for (const { content, ...group } of window.groups.values())
      objects.push({ ...group, bytes: await content.finish() });
    const bytes = objects.reduce((sum, object) => sum + object.bytes.length, 0);
    const steps = append(settings, state, {
      site,
      position,
      objects,
      skipped: window.skipped,
      name: name(),
      at: now(),
    });
    const appended = await this.#run(steps, signal);
    if (signal.aborted) return;
    if (appended.kind === 'superseded') {
      this.#observe({ kind: 'superseded', partition: this.#partition });
      this.#giveUp();
      return;
    }
    this.#state = appended.state;
    this.#knowsNow();
    const { events, repeated, filtered } = window;
    const { n } = appended.state;
    const ms = now() - began;
    this.#observe({
      kind: 'committed',
      partition: this.#partition,
      n,
      objects: objects.length,
      events,
      repeated,
      filtered,
      dead: window.dead.length,
      bytes,
      ms,
    });
    if (n % settings.snapshotEvery === 0) this.#prune(appended.state, signal);
  }

  /** Beside the work, and never in its way: a sink may lack the right to delete, and old records cost little. */
  #prune(state: ChainState, attachment: AbortSignal): void {
    const signal = AbortSignal.any([attachment, AbortSignal.timeout(PRUNE_MS)]);
    const steps = prune(this.#options.settings, state, this.#options.now());
    const quietly = { signal, concurrency: 4, trouble: () => {}, backoff: DEFAULT_BACKOFF };
    runSteps(steps, this.#options.store, quietly).catch(() => {});
  }

  /** What was read behind the window that failed must not be committed over it. */
  #giveUp(): void {
    this.deactivated();
    this.#options.restart();
  }

  #knowsNow(): void {
    this.#knownAt = { now: this.#options.now(), tick: this.#options.tick() };
  }

  #stale(): boolean {
    const { now, tick } = this.#options;
    return Math.max(now() - this.#knownAt.now, tick() - this.#knownAt.tick) > STALE_MS;
  }

  #run<T>(steps: Steps<T>, signal: AbortSignal): Promise<T> {
    const trouble = (found: Trouble): void =>
      this.#observe({ kind: 'trouble', partition: this.#partition, trouble: found });
    return runSteps(steps, this.#options.store, { signal, concurrency: 4, trouble, backoff: DEFAULT_BACKOFF });
  }

  #observe(event: WriterEvent): void {
    this.#options.observe(event);
  }

  #arrival(message: LogMessage): number {
    return (message.batch.kind === 'batch' ? lineArrival(message.batch.body) : null) ?? this.#options.now();
  }
}
