// Bytes that the senders of an input make it hold, all together: many large bodies cannot take the memory of the host.

export class ByteBudget {
  readonly #max: number;
  #held = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** One body alone always finds room; its own limit is checked elsewhere. */
  take(bytes: number, heldByThisBody: number): boolean {
    if (this.#held + bytes > this.#max && this.#held > heldByThisBody) return false;
    this.#held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }
}
