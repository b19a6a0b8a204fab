// A buffer that grows: lines of events are written one behind the other without an object for each.
const SHORT = 48;

export class ByteWriter {
  /** Valid up to `length`; another buffer after `ensure` had to grow it. */
  bytes: Buffer;
  length = 0;

  constructor(capacity = 4096) {
    this.bytes = Buffer.allocUnsafeSlow(capacity);
  }

  /** Makes room for n bytes more. */
  ensure(n: number): void {
    const needed = this.length + n;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  copy(source: Buffer, start = 0, end = source.length): void {
    this.ensure(end - start);
    const { bytes } = this;
    let at = this.length;
    // A call out of JavaScript costs as much as some 50 bytes.
    if (end - start <= SHORT) for (let i = start; i < end; i++) bytes[at++] = source[i] as number; // within both
    else at += source.copy(bytes, at, start, end);
    this.length = at;
  }

  /** Text of which every character is ASCII. */
  ascii(text: string): void {
    this.ensure(text.length);
    const { bytes } = this;
    let at = this.length;
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
    this.length = at;
  }

  text(text: string): void {
    this.ensure(3 * text.length); // a UTF-16 unit is three bytes of UTF-8 at most
    this.length += this.bytes.write(text, this.length, 'utf8');
  }

  byte(byte: number): void {
    this.ensure(1);
    this.bytes[this.length++] = byte;
  }

  /** What was written; it shares memory with the writer, which is done then. */
  finish(): Buffer {
    return this.bytes.subarray(0, this.length);
  }
}
