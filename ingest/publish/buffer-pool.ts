// Buffers for the bodies of batches, used again once their batch is confirmed. Memory outside V8's heap makes it collect the whole heap about
// every 32 MB, so with a fresh body for each batch the collector took more processor time than the publishing.

const SMALLEST = 4 * 1024;
/** Larger ones are rare (an event larger than a batch), and left to the collector. */
const LARGEST = 256 * 1024;

/** Sizes are powers of two. Whoever gives a buffer back must not touch it again, nor give it twice. */
export class BufferPool {
  readonly #free = new Map<number, Buffer[]>();
  readonly #keep: number;
  #kept = 0;

  /** `keep`: bytes of free buffers held for later. */
  constructor(keep: number) {
    this.#keep = keep;
  }

  /** Bytes of free buffers held. */
  get kept(): number {
    return this.#kept;
  }

  /** Lets go of what is free. */
  clear(): void {
    this.#free.clear();
    this.#kept = 0;
  }

  /** At least `size` bytes, not cleared. */
  take(size: number): Buffer {
    if (size > LARGEST) return Buffer.allocUnsafeSlow(size);
    let capacity = SMALLEST;
    while (capacity < size) capacity *= 2;
    const found = this.#free.get(capacity)?.pop();
    if (!found) return Buffer.allocUnsafeSlow(capacity);
    this.#kept -= capacity;
    return found;
  }

  /** `view`: what `take` gave, or its beginning. */
  give(view: Buffer): void {
    const capacity = view.buffer.byteLength;
    if (capacity > LARGEST || this.#kept + capacity > this.#keep) return;
    let list = this.#free.get(capacity);
    if (!list) this.#free.set(capacity, (list = []));
    list.push(Buffer.from(view.buffer));
    this.#kept += capacity;
  }
}
