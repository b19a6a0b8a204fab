// Messages out of a stream of syslog (RFC 6587, RFC 5425): octet counting or a line feed, told apart anew for each message. Pure.
//   frame = 1*7DIGIT SP message (so many bytes)  /  message LF, or NUL
// Longer messages are cut: the rest is skipped as it comes, so that no more is held than a message may have.

const LF = 0x0a;
const NUL = 0x00;
const MAX_DIGITS = 7;

export class Frames {
  readonly #max: number;
  readonly #message: (bytes: Buffer, truncated: boolean) => void;
  #held: Buffer = Buffer.alloc(0);
  /** Bytes of a cut message that are still to come; Infinity: up to the end of its line. */
  #skip = 0;

  /** `message`: is called for each, with bytes that it must copy where it keeps them. */
  constructor(max: number, message: (bytes: Buffer, truncated: boolean) => void) {
    this.#max = max;
    this.#message = message;
  }

  /** A message has begun, and is not whole. */
  get isOpen(): boolean {
    return this.#held.length > 0 || this.#skip > 0;
  }

  push(chunk: Buffer): void {
    const buf = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    let at = 0;
    while (at < buf.length) {
      const next = this.#next(buf, at);
      if (next < 0) break;
      at = next;
    }
    this.#held = at === buf.length ? Buffer.alloc(0) : Buffer.from(buf.subarray(at));
  }

  /** No more will come: what there is of a message is one. */
  end(): void {
    const counted = this.#countAt(this.#held, 0);
    const [at, length] = counted === null || counted[0] < 0 ? [0, this.#held.length] : counted;
    const rest = this.#held.subarray(at);
    this.#held = Buffer.alloc(0);
    if (rest.length > 0) this.#message(rest, rest.length < length);
  }

  /** Behind what stands at `at`, or -1: more is needed. */
  #next(buf: Buffer, at: number): number {
    if (this.#skip === Infinity) {
      const end = lineEnd(buf, at, buf.length);
      if (end < 0) return buf.length;
      this.#skip = 0;
      return end + 1;
    }
    if (this.#skip > 0) {
      const skipped = Math.min(this.#skip, buf.length - at);
      this.#skip -= skipped;
      return at + skipped;
    }
    const byte = buf[at];
    if (byte === LF || byte === NUL || byte === 0x0d || byte === 0x20) return at + 1; // between messages
    const counted = this.#countAt(buf, at);
    if (counted === null) return this.#line(buf, at);
    const [start, length] = counted;
    if (start < 0) return -1;
    const taken = Math.min(length, this.#max);
    if (start + taken > buf.length) return -1;
    this.#skip = length - taken;
    this.#message(buf.subarray(start, start + taken), length > taken);
    return start + taken;
  }

  #line(buf: Buffer, at: number): number {
    const limit = Math.min(buf.length, at + this.#max);
    const end = lineEnd(buf, at, limit);
    if (end >= 0) {
      this.#message(buf.subarray(at, end), false);
      return end + 1;
    }
    if (buf.length - at <= this.#max) return -1;
    this.#message(buf.subarray(at, limit), !isLineEnd(buf[limit]));
    this.#skip = Infinity;
    return limit;
  }

  /** Where the counted bytes begin, and how many they are; a start of -1 where that is not known yet; null where it is a line. */
  #countAt(buf: Buffer, at: number): readonly [start: number, length: number] | null {
    let length = 0;
    for (let i = at; i <= at + MAX_DIGITS; i++) {
      const byte = buf[i];
      if (byte === undefined) return i > at ? [-1, 0] : null;
      if (byte === 0x20 && i > at) return [i + 1, length];
      if (byte < 0x30 || byte > 0x39 || (byte === 0x30 && i === at)) return null;
      length = length * 10 + byte - 0x30;
    }
    return null;
  }
}

const isLineEnd = (byte: number | undefined): boolean => byte === LF || byte === NUL;

function lineEnd(buf: Buffer, from: number, end: number): number {
  for (let i = from; i < end; i++) if (isLineEnd(buf[i])) return i;
  return -1;
}
