// Senders that wait until a site has confirmed their events (`level=site`): found by the confirmed numbers, one entry for each request.

interface Waiter {
  readonly first: number;
  readonly last: number;
  readonly deadline: number;
  readonly resolve: (confirmed: boolean) => void;
  /** Numbers not yet confirmed; 0 when answered. */
  left: number;
}

/** Every number is confirmed at most once while somebody waits for it, so counting is enough. Times are milliseconds of one clock. */
export class SiteWaiters {
  /** By identity, ascending and disjoint, as the numbers were given. */
  readonly #waiters = new Map<string, Waiter[]>();
  readonly #patience: number;

  constructor(patience: number) {
    this.#patience = patience;
  }

  /** `resolve(true)` once all numbers are confirmed, `resolve(false)` after the patience. Call it in the order in which the numbers were given. */
  add(identity: string, first: number, last: number, now: number, resolve: (confirmed: boolean) => void): void {
    let list = this.#waiters.get(identity);
    if (!list) this.#waiters.set(identity, (list = []));
    list.push({ first, last, deadline: now + this.#patience, resolve, left: last - first + 1 });
  }

  confirm(identity: string, ranges: readonly (readonly [first: number, last: number])[]): void {
    const list = this.#waiters.get(identity);
    if (!list) return;
    for (const [first, last] of ranges) {
      for (let at = firstEndingAtOrAfter(list, first); at < list.length; at++) {
        const waiter = list[at];
        if (!waiter || waiter.first > last) break;
        if (waiter.left === 0) continue;
        waiter.left -= Math.min(last, waiter.last) - Math.max(first, waiter.first) + 1;
        if (waiter.left === 0) waiter.resolve(true);
      }
    }
    this.#forget(identity, list);
  }

  /** Answers those whose patience is over. */
  expire(now: number): void {
    for (const [identity, list] of this.#waiters) {
      for (const waiter of list) {
        if (waiter.deadline > now) break;
        if (waiter.left === 0) continue;
        waiter.left = 0;
        waiter.resolve(false);
      }
      this.#forget(identity, list);
    }
  }

  /** Answers all: the agent stops. */
  giveUp(): void {
    this.expire(Infinity);
  }

  /** Drops the answered ones at the head, when they are many enough to be worth moving the rest. */
  #forget(identity: string, list: Waiter[]): void {
    let done = 0;
    while (done < list.length && list[done]?.left === 0) done++;
    if (done === list.length) this.#waiters.delete(identity);
    else if (done > 64 && done * 2 > list.length) list.splice(0, done);
  }
}

/** Index of the first waiter whose last number is `first` or later. */
function firstEndingAtOrAfter(list: readonly Waiter[], first: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle]?.last ?? Infinity) < first) low = middle + 1;
    else high = middle;
  }
  return low;
}
