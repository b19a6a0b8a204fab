// One timer that is set again and again: it wakes its owner at the earliest time that was asked for.

export class Alarm {
  readonly #tick: () => number;
  readonly #wake: () => void;
  #timer: { readonly at: number; readonly handle: NodeJS.Timeout } | null = null;

  /** `tick`: a clock that only goes forward, milliseconds. */
  constructor(tick: () => number, wake: () => void) {
    this.#tick = tick;
    this.#wake = wake;
  }

  /** Infinity: never. One that is set for an earlier time stays, since waking too soon does no harm, and setting timers costs. */
  set(at: number): void {
    if (this.#timer !== null && this.#timer.at <= at) return;
    this.clear();
    if (at === Infinity) return;
    const handle = setTimeout(
      () => {
        this.#timer = null;
        this.#wake();
      },
      Math.ceil(Math.max(0, at - this.#tick())),
    );
    this.#timer = { at, handle };
  }

  clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer.handle);
    this.#timer = null;
  }
}
