// Indexer acknowledgement: requests that the collector has taken and not yet indexed. (Splunk, "About HTTP Event Collector Indexer
// Acknowledgment".)
//
// An id counts on its channel, and its status is true once: who asked and lost the answer hears false for ever. So what is not acknowledged in
// time is sent again and may come twice; what could not be asked for is never taken for delivered. Channels belong to a socket each: those of
// earlier sockets are asked for too, since an idle socket may be closed any time, and sending all of it again would have no end.
import type { Outcome } from '../queue/contract.ts';

/** What became of a question; `unknown`: it failed, and is asked again. */
export type AckAnswer =
  | { readonly kind: 'told'; readonly indexed: readonly number[] }
  | { readonly kind: 'unknown' }
  | Extract<Outcome, { kind: 'paused' }>;

/** Asks for the status of these ids of a channel. Does not reject. */
export type AskAcks = (channel: string, ids: readonly number[], signal: AbortSignal) => Promise<AckAnswer>;

export interface AckTimes {
  /** Between two questions, milliseconds. */
  readonly poll: number;
  /** After which a request is sent again, milliseconds. */
  readonly timeout: number;
}

/** A connection takes no further request while so many wait: a stalled indexer must not make memory and repeats grow. */
export const MOST_OPEN = 256;

type Settle = (outcome: Outcome) => void;
interface Open {
  readonly since: number;
  readonly settle: Settle;
}
interface Channel {
  readonly open: Map<number, Open>;
  last: number;
}

const again = (code: string, message: string): Outcome => ({ kind: 'retry', code, message, after: null });

export class IndexerAcks {
  readonly #times: AckTimes;
  readonly #ask: AskAcks;
  /** Goes only forward, milliseconds. */
  readonly #clock: () => number;
  readonly #channels = new Map<string, Channel>();
  /** Those to be told once there is room. */
  readonly #full: (() => void)[] = [];
  readonly #closing = new AbortController();
  #count = 0;
  #timer: NodeJS.Timeout | null = null;
  #asking = false;

  constructor(times: AckTimes, ask: AskAcks, clock: () => number) {
    this.#times = times;
    this.#ask = ask;
    this.#clock = clock;
  }

  /**
   * Resolves once the request with this id is indexed, must be sent again, or the signal aborts. `taken` is called when there is room for
   * another request. Call it as soon as the id is known: ids of a channel are told apart by their order.
   */
  wait(name: string, id: number, signal: AbortSignal, taken: () => void): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    if (signal.aborted || this.#closing.signal.aborted) return Promise.resolve(again('closing', 'given up'));
    this.noteId(name, id);
    const channel = this.#channelOf(name);
    channel.last = id;
    const abort = (): void => channel.open.get(id)?.settle(again('closing', 'given up'));
    signal.addEventListener('abort', abort, { once: true });
    const settle = (outcome: Outcome): void => {
      signal.removeEventListener('abort', abort);
      channel.open.delete(id);
      this.#count--;
      this.#full.shift()?.();
      resolve(outcome);
    };
    channel.open.set(id, { since: this.#clock(), settle });
    if (++this.#count < MOST_OPEN) taken();
    else this.#full.push(taken);
    this.#plan();
    return promise;
  }

  /**
   * To be told of every id that the collector gives. One that starts again behind a proxy counts from the beginning: what is open has lost
   * its ids to others.
   */
  noteId(name: string, id: number): void {
    const channel = this.#channels.get(name);
    if (channel !== undefined && id <= channel.last)
      settleAll(channel, again('ack-reset', 'the collector has started again, its acknowledgements are lost'));
  }

  /** What is open, of one channel or of all, is sent again: nobody will ever tell what became of it. */
  giveUp(code: string, message: string, only?: string): void {
    for (const [name, channel] of this.#channels)
      if (only === undefined || name === only) settleAll(channel, again(code, message));
  }

  close(): void {
    this.#closing.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.giveUp('closing', 'given up');
  }

  #channelOf(name: string): Channel {
    const known = this.#channels.get(name);
    if (known !== undefined) return known;
    const channel: Channel = { open: new Map(), last: -1 };
    this.#channels.set(name, channel);
    return channel;
  }

  #plan(): void {
    if (this.#timer !== null || this.#asking || this.#count === 0 || this.#closing.signal.aborted) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        void this.#round();
      },
      Math.min(this.#times.poll, this.#times.timeout),
    );
  }

  async #round(): Promise<void> {
    this.#asking = true;
    for (const [name, channel] of this.#channels) {
      if (channel.open.size === 0) this.#channels.delete(name);
      else await this.#askFor(name, channel);
      if (this.#closing.signal.aborted) return;
    }
    this.#asking = false;
    this.#plan();
  }

  async #askFor(name: string, { open }: Channel): Promise<void> {
    const asked = new Map(open);
    const answer = await this.#ask(name, [...asked.keys()], this.#closing.signal);
    const now = this.#clock();
    const indexed = answer.kind === 'told' ? new Set(answer.indexed) : new Set<number>();
    for (const [id, waiting] of asked) {
      // Settled while we asked, and the id may be another request's.
      if (open.get(id) !== waiting) continue;
      if (answer.kind === 'paused') waiting.settle(answer);
      else if (indexed.has(id)) waiting.settle({ kind: 'done', repeated: 0 });
      else if (now - waiting.since >= this.#times.timeout)
        waiting.settle(
          again('ack-timeout', `not acknowledged in ${this.#times.timeout / 1000} s; some of it may be there`),
        );
    }
  }
}

function settleAll({ open }: Channel, outcome: Outcome): void {
  for (const { settle } of open.values()) settle(outcome);
}
