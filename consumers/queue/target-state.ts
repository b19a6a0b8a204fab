// Whether the target takes requests now. Pure: time and chance are inputs.
//
//   asking   prepare is asked, before the first request and after each pause
//   running  as many requests as concurrency allows
//   paused   none: the target refuses all, or none succeeded for 30 s; each pause in a row is longer
//   trying   after a pause: one request at a time, until one succeeds; one that fails pauses again. It is made of one message, and of twice
//            as many after each pause: an event that is refused for ever, yet not for good, must not stand before all others
import { backoff, PAUSE } from '../backoff.ts';

/** Longer than this no request is tried again and again while its messages are held, and no Retry-After is waited out with them in hand. */
const PATIENCE_MS = 30_000;

export type TargetKind = 'asking' | 'running' | 'paused' | 'trying';

export class TargetState {
  #kind: TargetKind = 'asking';
  /** Pauses since something succeeded. */
  #pauses = 0;
  #until = 0;
  /** Since when all requests failed; null: the last one did not. */
  #failingSince: number | null = null;

  get kind(): TargetKind {
    return this.#kind;
  }

  /** While paused: when it ends. Times are of a clock that only goes forward, milliseconds. */
  get until(): number {
    return this.#until;
  }

  /** For how long no request has succeeded, milliseconds; 0 where the last one did, or nothing runs. */
  failingFor(now: number): number {
    return this.#kind === 'running' && this.#failingSince !== null ? now - this.#failingSince : 0;
  }

  /** While trying: so many messages are tried together. */
  get tried(): number {
    return 2 ** Math.min(Math.max(this.#pauses - 1, 0), 20);
  }

  /** Prepare is done, or there is nothing to prepare. */
  prepared(): void {
    if (this.#kind === 'asking') this.#kind = this.#pauses === 0 ? 'running' : 'trying';
  }

  /** The target took something. */
  succeeded(): void {
    this.#failingSince = null;
    if (this.#kind !== 'trying' && this.#kind !== 'running') return;
    this.#kind = 'running';
    this.#pauses = 0;
  }

  /** It answered, if only to refuse what was in the request. */
  answered(): void {
    this.#failingSince = null;
  }

  /** A request is to be sent again. Answers whether this calls for a pause. */
  failed(after: number | null, now: number): boolean {
    // What was sent before the pause, and fails only now, is no news.
    if (this.#kind !== 'running') return this.#kind === 'trying';
    this.#failingSince ??= now;
    return now - this.#failingSince >= PATIENCE_MS || (after ?? 0) > PATIENCE_MS;
  }

  /** Answers for how long, milliseconds. */
  pause(after: number | null, now: number, random: number): number {
    this.#kind = 'paused';
    this.#failingSince = null;
    this.#pauses++;
    const wait = backoff(PAUSE, this.#pauses, after, random);
    this.#until = now + wait;
    return wait;
  }

  /** To be called at `until`. */
  wake(now: number): void {
    if (this.#kind === 'paused' && now >= this.#until) this.#kind = 'asking';
  }
}
