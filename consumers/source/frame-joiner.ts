// Frames of RabbitMQ's stream protocol out of the reads of a socket: frame = size(uint32, big-endian, of what follows it) payload.

const SIZE = 4;
/** The buffer is used again up to this size; a frame that needs a larger one has it for itself. */
const KEPT = 1024 * 1024;

/** Gives whole frames, each joined once, however the socket cuts them. */
export class FrameJoiner {
  #buffer = Buffer.alloc(0);
  /** What of the buffer is held: the beginning of a frame that is not whole. */
  #from = 0;
  #to = 0;
  /** Bytes of that frame, as far as is known. */
  #wanted = SIZE;

  /** The whole frames that are there now, or null. They are valid until the next call: the buffer is used again. */
  push(data: Buffer): Buffer | null {
    let all = data;
    if (this.#to > this.#from) {
      this.#append(data);
      all = this.#buffer.subarray(this.#from, this.#to);
    }
    let end = 0;
    if (all.length >= this.#wanted) {
      this.#wanted = SIZE;
      while (all.length - end >= SIZE) {
        this.#wanted = SIZE + all.readUInt32BE(end);
        if (all.length - end < this.#wanted) break;
        end += this.#wanted;
        this.#wanted = SIZE;
      }
    }
    if (all === data) {
      this.#from = this.#to = 0;
      if (end < data.length) this.#append(data.subarray(end));
    } else this.#from += end;
    return end === 0 ? null : all.subarray(0, end);
  }

  /** Room is made for the whole frame, so that what was joined is not copied once more. */
  #append(data: Buffer): void {
    const held = this.#to - this.#from;
    if (this.#buffer.length - this.#to < data.length || (this.#buffer.length > KEPT && held === 0)) {
      const needed = Math.max(held + data.length, this.#wanted + data.length);
      const fits = this.#buffer.length >= needed && this.#buffer.length <= Math.max(KEPT, needed);
      const buffer = fits ? this.#buffer : Buffer.allocUnsafeSlow(Math.max(needed, Math.min(KEPT, 2 * needed)));
      this.#buffer.copy(buffer, 0, this.#from, this.#to);
      this.#buffer = buffer;
      this.#from = 0;
      this.#to = held;
    }
    this.#to += data.copy(this.#buffer, this.#to);
  }
}
