// What one channel has sent and the broker has not confirmed, by delivery tag: a ring, so that a message costs no closure and a
// `multiple` confirm no search.

/** Tags are those of RabbitMQ's confirms: 1, 2, 3 … for each channel in the order of publishing (rabbitmq.com/docs/confirms). */
export class ConfirmWindow<T> {
  #slots: (T | null)[] = Array.from({ length: 64 }, () => null);
  #sentAt = new Float64Array(64);
  /** The oldest tag that is unconfirmed; `next` when there is none. */
  #low = 1;
  #next = 1;

  /** Nothing unconfirmed. */
  get empty(): boolean {
    return this.#low === this.#next;
  }

  /** Notes a message as sent, and returns the tag that the broker will confirm it by. */
  sent(item: T, now: number): number {
    if (this.#next - this.#low === this.#slots.length) this.#grow();
    const tag = this.#next++;
    const slot = tag & (this.#slots.length - 1);
    this.#slots[slot] = item;
    this.#sentAt[slot] = now;
    return tag;
  }

  /** Takes out what an ack or nack covers, and hands each to `settle`, in the order sent. A tag that is not known is ignored. */
  settle(tag: number, multiple: boolean, settle: (item: T) => void): void {
    if (tag >= this.#next) return;
    if (multiple) {
      while (this.#low <= tag) this.#take(this.#low++, settle);
    } else if (tag >= this.#low) {
      this.#take(tag, settle);
    }
    const mask = this.#slots.length - 1;
    while (this.#low < this.#next && this.#slots[this.#low & mask] === null) this.#low++;
  }

  /** When the oldest unconfirmed message was sent, or null. */
  oldest(): number | null {
    return this.empty ? null : (this.#sentAt[this.#low & (this.#slots.length - 1)] ?? null);
  }

  /** True where an unconfirmed message meets the condition. */
  some(condition: (item: T) => boolean): boolean {
    for (let tag = this.#low; tag < this.#next; tag++) {
      const item = this.#slots[tag & (this.#slots.length - 1)];
      if (item !== null && item !== undefined && condition(item)) return true;
    }
    return false;
  }

  /** Takes everything out, in the order sent: its fate is unknown. Confirms that still come are ignored. */
  takeAll(): T[] {
    const items: T[] = [];
    while (this.#low < this.#next) this.#take(this.#low++, (item) => items.push(item));
    return items;
  }

  #take(tag: number, settle: (item: T) => void): void {
    const slot = tag & (this.#slots.length - 1);
    const item = this.#slots[slot];
    if (item === null || item === undefined) return;
    this.#slots[slot] = null;
    settle(item);
  }

  #grow(): void {
    const size = this.#slots.length * 2;
    const slots: (T | null)[] = Array.from({ length: size }, () => null);
    const sentAt = new Float64Array(size);
    for (let tag = this.#low; tag < this.#next; tag++) {
      const from = tag & (this.#slots.length - 1);
      slots[tag & (size - 1)] = this.#slots[from] ?? null;
      sentAt[tag & (size - 1)] = this.#sentAt[from] ?? 0;
    }
    this.#slots = slots;
    this.#sentAt = sentAt;
  }
}
