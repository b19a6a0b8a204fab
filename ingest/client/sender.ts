// Events on their way to an agent: a queue bounded in bytes, batches, retries. An event keeps its id, so that one sent again is known by
// (source, id). Who acknowledges: the agent, at its level; until then an event stays here.
import { postEvents, type PostOutcome } from './post.ts';

export type DropReason =
  /** The queue has no room: the agent is away for too long, or does not keep up. */
  | 'full'
  /** The agent refuses the event for good: its type, its size. */
  | 'refused'
  /** `JSON.stringify` does not make an object's JSON of the data. */
  | 'unserialisable'
  /** Logged after `close`, or not delivered when it ended. */
  | 'closed';

export interface SenderStats {
  readonly queued: number;
  readonly queuedBytes: number;
  readonly delivered: number;
  readonly retries: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Why the last try failed; null after a success. */
  readonly trouble: string | null;
}

export interface SenderOptions {
  /** Of the agent's `POST /events`. */
  readonly url: string;
  /** Bytes of the queue, the batch under way included. */
  readonly maxBytes: number;
  readonly batchBytes: number;
  readonly batchEvents: number;
  /** Milliseconds: how long a batch waits for more events, and for the agent's answer. */
  readonly linger: number;
  readonly timeout: number;
  readonly dropped: (reason: DropReason, count: number, message: string) => void;
}

interface Queued {
  readonly json: string;
  readonly bytes: number;
}

const BATCH = 'application/cloudevents-batch+json; charset=utf-8';
const BACKOFF_FIRST = 100;
const BACKOFF_LAST = 10_000;

export class Sender {
  readonly #options: SenderOptions;
  #queue: Queued[] = [];
  /** Of `#queue`: those under way. */
  #sending = 0;
  #bytes = 0;
  #batchEvents: number;
  #delivered = 0;
  #retries = 0;
  #failures = 0;
  #trouble: string | null = null;
  readonly #dropped: Record<DropReason, number> = { full: 0, refused: 0, unserialisable: 0, closed: 0 };
  #timer: ReturnType<typeof setTimeout> | null = null;
  #waiters: (() => void)[] = [];
  #ended = false;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#batchEvents = options.batchEvents;
  }

  stats(): SenderStats {
    const { length } = this.#queue;
    return {
      queued: length,
      queuedBytes: this.#bytes,
      delivered: this.#delivered,
      retries: this.#retries,
      dropped: { ...this.#dropped },
      trouble: this.#trouble,
    };
  }

  /** Whether there is room for so many bytes more; a queue that is empty takes anything. */
  hasRoom(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#options.maxBytes;
  }

  /** One CloudEvent as JSON. */
  add(json: string): void {
    const bytes = Buffer.byteLength(json);
    if (this.#ended) return this.drop('closed', 1, '');
    if (!this.hasRoom(bytes)) return this.drop('full', 1, this.#trouble ?? 'the agent does not keep up');
    this.#queue.push({ json, bytes });
    this.#bytes += bytes;
    if (this.#sending > 0 || this.#failures > 0) return;
    const isBatch = this.#queue.length >= this.#batchEvents || this.#bytes >= this.#options.batchBytes;
    if (isBatch) this.#start(0);
    else if (this.#timer === null) this.#start(this.#options.linger);
  }

  drop(reason: DropReason, count: number, message: string): void {
    this.#dropped[reason] += count;
    this.#options.dropped(reason, count, message);
  }

  /** Resolves once the queue has changed, or after so many milliseconds. */
  changed(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#waiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** True once all that was added before is delivered or dropped; false after so many milliseconds. */
  async flush(milliseconds: number): Promise<boolean> {
    const { dropped } = this;
    const until = performance.now() + milliseconds;
    let ahead = this.#queue.length;
    let done = this.#delivered + dropped;
    if (this.#sending === 0 && this.#failures === 0 && ahead > 0) this.#start(0);
    while (ahead > 0) {
      const left = until - performance.now();
      if (left <= 0) return false;
      await this.changed(left);
      const now = this.#delivered + this.dropped;
      ahead -= now - done;
      done = now;
    }
    return true;
  }

  /** Takes no more; what is left in the queue is dropped. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const left = this.#queue.length;
    this.#queue = [];
    this.#bytes = 0;
    if (left > 0) this.drop('closed', left, this.#trouble ?? '');
  }

  /** Out of the queue without delivery. */
  private get dropped(): number {
    return this.#dropped.refused;
  }

  #start(delay: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#send(); // it never rejects
    }, delay);
    // An application that wants to end is not held back by events that wait.
    this.#timer.unref?.();
  }

  async #send(): Promise<void> {
    if (this.#sending > 0 || this.#queue.length === 0 || this.#ended) return;
    const { url, batchBytes, timeout } = this.#options;
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && count < this.#batchEvents && (count === 0 || bytes < batchBytes))
      bytes += this.#queue[count++]?.bytes ?? 0;
    this.#sending = count;
    const body = `[${this.#queue
      .slice(0, count)
      .map(({ json }) => json)
      .join(',')}]`;
    const outcome = await postEvents({ url, contentType: BATCH, body, timeout });
    this.#sending = 0;
    if (this.#ended) return;
    const delay = this.#settle(outcome, count);
    for (const wake of this.#waiters.splice(0)) wake();
    if (this.#queue.length > 0) this.#start(delay);
  }

  /** Returns how many milliseconds to wait before the next batch. */
  #settle(outcome: PostOutcome, count: number): number {
    switch (outcome.kind) {
      case 'accepted':
        this.#failures = 0;
        this.#trouble = null;
        this.#batchEvents = Math.min(this.#options.batchEvents, 2 * this.#batchEvents);
        this.#take(count, outcome.refused.length, outcome.refused[0]?.message ?? '');
        return this.#queue.length >= this.#batchEvents ? 0 : this.#options.linger;
      case 'refused':
        this.#failures = 0;
        if (outcome.tooLarge && count > 1) this.#batchEvents = Math.ceil(count / 2);
        else this.#take(count, count, outcome.message);
        return 0;
      case 'busy':
      case 'unreachable': {
        this.#trouble = outcome.message;
        this.#retries++;
        const most = Math.min(BACKOFF_LAST, BACKOFF_FIRST * 2 ** Math.min(10, this.#failures++));
        const asked = outcome.kind === 'busy' ? outcome.retryAfter : null;
        // Not all at once, where many wait for one agent.
        return asked === null ? most * (0.5 + Math.random() / 2) : asked * (1 + Math.random() / 10);
      }
      default:
        return outcome satisfies never;
    }
  }

  #take(count: number, refused: number, message: string): void {
    for (const { bytes } of this.#queue.splice(0, count)) this.#bytes -= bytes;
    this.#delivered += count - refused;
    if (refused > 0) this.drop('refused', refused, message);
  }
}
