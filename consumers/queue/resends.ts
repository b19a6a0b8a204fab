// Requests that are to be sent again: at once, or when they are due.
import type { Request } from './request.ts';

export class Resends<Body, Receipt> {
  #now: Request<Body, Receipt>[] = [];
  /** By `due`. */
  #later: { readonly due: number; readonly request: Request<Body, Receipt> }[] = [];

  /** When the next one is due; null where none waits. */
  get due(): number | null {
    return this.#later[0]?.due ?? null;
  }

  /** Of all that waits here, as the sink counts them. */
  get bytes(): number {
    const now = this.#now.reduce((sum, { bytes }) => sum + bytes, 0);
    return this.#later.reduce((sum, { request }) => sum + request.bytes, now);
  }

  atOnce(...requests: readonly Request<Body, Receipt>[]): void {
    this.#now.push(...requests);
  }

  /** `due`: of a clock that only goes forward, milliseconds. */
  at(due: number, request: Request<Body, Receipt>): void {
    const place = this.#later.findIndex((each) => each.due > due);
    this.#later.splice(place < 0 ? this.#later.length : place, 0, { due, request });
  }

  /** The next one that may go at `now`, without events of messages that are gone; null where there is none. */
  next(now: number): Request<Body, Receipt> | null {
    for (;;) {
      const request = this.#now.shift() ?? ((this.due ?? Infinity) <= now ? this.#later.shift()?.request : undefined);
      if (request === undefined) return null;
      const left = request.pruned();
      if (left.events > 0) return left;
    }
  }

  clear(): void {
    this.#now = [];
    this.#later = [];
  }
}
