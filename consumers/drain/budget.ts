// Bytes that one process holds, over all its partitions: who must flush, and who may read on.

export interface Spender {
  /** Bytes that the open window holds. */
  readonly open: number;
  readonly flushing: boolean;
  flush(): void;
  /** There is room again: give back the credits that are owed. */
  resume(): void;
}

export class Budget {
  readonly #limit: number;
  readonly #spenders = new Set<Spender>();
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  /** While false no new chunk is asked for; what is on its way still comes (a few chunks for each partition). */
  get room(): boolean {
    return this.#held < this.#limit;
  }

  join(spender: Spender): void {
    this.#spenders.add(spender);
  }

  leave(spender: Spender): void {
    this.#spenders.delete(spender);
  }

  take(bytes: number): void {
    this.#held += bytes;
    this.#relieve();
  }

  release(bytes: number): void {
    this.#held -= bytes;
    // What came meanwhile may fill it by itself: nobody else would begin to write that.
    this.#relieve();
    if (!this.room) return;
    for (const spender of this.#spenders) spender.resume();
  }

  #relieve(): void {
    if (this.#held < this.#limit / 2) return;
    // Open windows hold half of it: begin to write the largest, so that reading need not stop at the limit. What is being
    // written does not count, or a slow store would make ever smaller objects.
    let largest: Spender | null = null;
    let open = 0;
    for (const spender of this.#spenders) {
      open += spender.open;
      if (!spender.flushing && spender.open > (largest?.open ?? 0)) largest = spender;
    }
    if (open >= this.#limit / 2) largest?.flush();
  }
}

/** What one window holds of it. */
export class Share {
  readonly #budget: Budget;
  #held = 0;
  /** Bytes that the budget knows of. */
  #told = 0;
  #open = false;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  get held(): number {
    return this.#held;
  }

  change(bytes: number): void {
    this.#held += bytes;
    if (!this.#open) this.#tell();
  }

  /** Until `end` the budget is not told. */
  begin(): void {
    this.#open = true;
  }

  end(): void {
    this.#open = false;
    this.#tell();
  }

  /** Nothing is held any more. */
  close(): void {
    this.change(-this.#held);
  }

  #tell(): void {
    const change = this.#held - this.#told;
    this.#told = this.#held;
    if (change > 0) this.#budget.take(change);
    else if (change < 0) this.#budget.release(-change);
  }
}
