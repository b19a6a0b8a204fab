// One connection of syslog over TCP or TLS. Its sender is never answered and does not send again: what the spool does not take is held,
// and nothing more is read meanwhile, so that the sender's own buffer fills and not ours.
import type { Link, Session } from '../connections.ts';
import type { Accepted, InputObserver } from '../contract.ts';
import type { EventGroup } from '../../spool/contract.ts';
import { Frames } from './frames.ts';

export interface SyslogShared {
  readonly accept: (groups: readonly EventGroup[]) => Promise<Accepted>;
  readonly observe: InputObserver;
  readonly maxMessage: number;
  /** Forgets what was written before. */
  readonly begin: () => void;
  readonly write: (message: Buffer, truncated: boolean) => void;
  /** What was written, and how many events. */
  readonly written: () => { readonly groups: readonly EventGroup[]; readonly count: number };
  /** Milliseconds for a message to arrive. */
  readonly patience: number;
  /** Milliseconds until the spool is asked again, at most. */
  readonly again: number;
}

interface Batch {
  readonly groups: readonly EventGroup[];
  readonly count: number;
}

/** Batches, of a read each, that wait while one is being stored. */
const WAITING = 8;

export class SyslogSession implements Session {
  readonly #shared: SyslogShared;
  readonly #link: Link;
  readonly #frames: Frames;
  readonly #waiting: Batch[] = [];
  #storing = false;
  #since: number | null = null;
  #ended = false;
  #closing = false;
  #drained: (() => void) | null = null;
  /** Ends a wait for the spool early. */
  #wake: (() => void) | null = null;

  constructor(shared: SyslogShared, link: Link) {
    this.#shared = shared;
    this.#link = link;
    this.#frames = new Frames(shared.maxMessage, shared.write);
  }

  data(chunk: Buffer): void {
    this.#take(() => this.#frames.push(chunk));
    if (!this.#frames.isOpen) this.#since = null;
    else this.#since ??= performance.now();
    if (this.#waiting.length >= WAITING) this.#link.pause();
  }

  ended(): void {
    this.#finish();
    this.#settle();
  }

  gone(): void {
    this.#finish();
  }

  overdue(now: number): string | null {
    if (this.#since === null || this.#waiting.length >= WAITING || now - this.#since < this.#shared.patience)
      return null;
    this.#finish();
    return 'message-slow';
  }

  drain(): Promise<void> {
    this.#closing = true;
    this.#link.pause();
    this.#finish();
    this.#wake?.();
    if (!this.#storing) return Promise.resolve();
    return new Promise((resolve) => (this.#drained = resolve));
  }

  /** What there is of a message will not be more. */
  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#take(() => this.#frames.end());
  }

  #take(read: () => void): void {
    const { begin, written } = this.#shared;
    begin();
    read();
    const { groups, count } = written();
    if (count === 0) return;
    this.#waiting.push({ groups, count });
    if (!this.#storing) void this.#store();
  }

  async #store(): Promise<void> {
    this.#storing = true;
    for (let batch = this.#waiting.shift(); batch !== undefined; batch = this.#waiting.shift()) {
      await this.#storeOne(batch);
      if (this.#waiting.length < WAITING / 2 && !this.#closing) this.#link.resume();
    }
    this.#storing = false;
    this.#drained?.();
    this.#settle();
  }

  /** Until the spool takes it; only at the end of the agent is it given up. */
  async #storeOne({ groups, count }: Batch): Promise<void> {
    const { accept, observe, again } = this.#shared;
    for (;;) {
      const result = await accept(groups).catch((error: unknown) => {
        observe.fault(error);
        return null;
      });
      if (result?.kind === 'accepted') return observe.accepted(count);
      if (this.#closing || result?.reason === 'closing') return observe.lost(result?.reason ?? 'disk', count);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(again, 1000 * (result?.retryAfter ?? 1)));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** The other side has ended, and all is stored. */
  #settle(): void {
    if (this.#ended && !this.#storing && !this.#link.over) this.#link.end();
  }
}
