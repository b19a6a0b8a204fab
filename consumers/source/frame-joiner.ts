// Frames of RabbitMQ's stream protocol out of the reads of a socket: frame = size(uint32, big-endian, of what follows it) payload.

const SIZE = 4;

/** Gives whole frames, each joined once, however the socket cuts them. */
export class FrameJoiner {
  #pieces: Buffer[] = [];
  #held = 0;
  /** Bytes of the first frame that is not whole, as far as is known. */
  #wanted = SIZE;

  /** The whole frames that are there now, or null. */
  push(data: Buffer): Buffer | null {
    this.#pieces.push(data);
    this.#held += data.length;
    if (this.#held < this.#wanted) return null;
    const all = this.#pieces.length === 1 ? data : Buffer.concat(this.#pieces, this.#held);
    let end = 0;
    this.#wanted = SIZE;
    while (all.length - end >= SIZE) {
      this.#wanted = SIZE + all.readUInt32BE(end);
      if (all.length - end < this.#wanted) break;
      end += this.#wanted;
      this.#wanted = SIZE;
    }
    const rest = all.subarray(end);
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#held = rest.length;
    return end === 0 ? null : all.subarray(0, end);
  }
}
