// msgpack (github.com/msgpack/msgpack, spec.md): where values end, scalars, and the few values that we send.
//   00-7f fixint   80-8f fixmap   90-9f fixarray   a0-bf fixstr   c0 nil   c1 unused   c2 c3 false true   c4-c6 bin   c7-c9 ext
//   ca cb float   cc-cf uint   d0-d3 int   d4-d8 fixext   d9-db str   dc dd array   de df map   e0-ff negative fixint
// Nothing here makes an object for a value; what is read was walked before, or is bounded by `end`.

/** More bytes are needed. */
export const MORE = -1;
/** The bytes are no msgpack, or the value would be longer than it may be. */
export const BAD = -2;
export const TOO_LONG = -3;

/** For c0 … df, in the order of the table above: bytes of the head, and of a body of fixed length; -1 for c1. */
const FIXED = Int8Array.from(
  '1 -1 1 1  2 3 5  3 4 6  5 9  2 3 5 9  2 3 5 9  3 4 6 10 18  2 3 5  3 5  3 5'.split(/ +/),
  Number,
);
/** For the same: how many bytes behind the first are a length; 0 for those without. */
const LENGTH_BYTES = Int8Array.from(
  '0 0 0 0  1 2 4  1 2 4  0 0  0 0 0 0  0 0 0 0  0 0 0 0 0  1 2 4  2 4  2 4'.split(/ +/),
  Number,
);

/** Finds the end of one value, and goes on where it stopped once more bytes are there: no byte is walked twice. */
export class Walk {
  /** Where it goes on. */
  at = 0;
  /** At least so many bytes of the buffer are needed. */
  needed = 0;
  #missing = 1;

  begin(at: number): void {
    this.at = at;
    this.needed = at + 1;
    this.#missing = 1;
  }

  /** The buffer has moved: what stood at `by` is its first byte. */
  shift(by: number): void {
    this.at -= by;
    this.needed -= by;
  }

  /** Behind the value, or MORE, BAD, TOO_LONG. `limit`: the value must end there. */
  end(buf: Buffer, end: number, limit: number): number {
    let { at } = this;
    let missing = this.#missing;
    while (missing > 0) {
      if (at + missing > limit) return TOO_LONG;
      if (at >= end) break;
      const byte = buf[at] as number; // below end
      let size = 1;
      let children = 0;
      if (byte < 0x80 || byte >= 0xe0) size = 1;
      else if (byte < 0x90) children = 2 * (byte & 15);
      else if (byte < 0xa0) children = byte & 15;
      else if (byte < 0xc0) size = 1 + (byte & 31);
      else {
        size = FIXED[byte - 0xc0] as number; // of all 32
        if (size < 0) return BAD;
        if (at + size > end && LENGTH_BYTES[byte - 0xc0] !== 0) break;
        const length = lengthAt(buf, at, byte);
        if (byte < 0xdc) size += length;
        else children = byte < 0xde ? length : 2 * length;
      }
      if (at + size > limit) return TOO_LONG;
      if (at + size > end) {
        this.at = at;
        this.#missing = missing;
        this.needed = at + size;
        return MORE;
      }
      at += size;
      missing += children - 1;
    }
    this.at = at;
    this.#missing = missing;
    this.needed = at + missing;
    return missing === 0 ? at : MORE;
  }
}

/** The length that stands behind the byte c0 … df at `at`; 0 for those without. */
function lengthAt(buf: Buffer, at: number, byte: number): number {
  switch (LENGTH_BYTES[byte - 0xc0]) {
    case 1:
      return buf[at + 1] as number;
    case 2:
      return uint16(buf, at + 1);
    case 4:
      return uint32(buf, at + 1);
    default:
      return 0;
  }
}

export const uint16 = (buf: Buffer, at: number): number => ((buf[at] as number) << 8) | (buf[at + 1] as number);
export const uint32 = (buf: Buffer, at: number): number =>
  (buf[at] as number) * 0x100_0000 +
  (((buf[at + 1] as number) << 16) | ((buf[at + 2] as number) << 8) | (buf[at + 3] as number));

/** Head of a container or a string at `at`: sets where its body begins. The whole head must be there. */
export class Head {
  /** `other`: a scalar or an extension. */
  kind: 'array' | 'map' | 'str' | 'bin' | 'other' = 'other';
  /** Elements, pairs, or bytes. */
  length = 0;
  body = 0;

  /** False where the head, or the bytes of a string, do not end before `end`. */
  read(buf: Buffer, at: number, end: number): boolean {
    const byte = at < end ? (buf[at] as number) : 0xc1;
    if (byte >= 0x80 && byte < 0xc0) {
      this.kind = byte < 0x90 ? 'map' : byte < 0xa0 ? 'array' : 'str';
      this.length = byte < 0xa0 ? byte & 15 : byte & 31;
      this.body = at + 1;
    } else if ((byte >= 0xc4 && byte <= 0xc6) || (byte >= 0xd9 && byte <= 0xdf)) {
      this.body = at + (FIXED[byte - 0xc0] as number); // of all 32
      if (this.body > end) return false;
      this.kind = byte <= 0xc6 ? 'bin' : byte <= 0xdb ? 'str' : byte <= 0xdd ? 'array' : 'map';
      this.length = lengthAt(buf, at, byte);
    } else {
      this.kind = 'other';
      return at < end;
    }
    return this.kind === 'array' || this.kind === 'map' || this.body + this.length <= end;
  }
}

/** The bytes of a str or bin that was walked, or null. They share memory with `buf`. */
export function bytesAt(buf: Buffer, at: number, end: number): Buffer | null {
  const head = new Head();
  if (!head.read(buf, at, end) || (head.kind !== 'str' && head.kind !== 'bin')) return null;
  return buf.subarray(head.body, head.body + head.length);
}

/** An integer that is not negative and safe, or null. */
export function integerAt(buf: Buffer, at: number): number | null {
  const byte = buf[at] as number; // was walked
  if (byte < 0x80) return byte;
  switch (byte) {
    case 0xcc:
      return buf[at + 1] as number; // was walked
    case 0xcd:
      return uint16(buf, at + 1);
    case 0xce:
      return uint32(buf, at + 1);
    case 0xcf: {
      const value = uint32(buf, at + 1) * 2 ** 32 + uint32(buf, at + 5);
      return Number.isSafeInteger(value) ? value : null;
    }
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: {
      const value = buf.readIntBE(at + 1, Math.min(6, 1 << (byte - 0xd0)));
      const whole = byte === 0xd3 ? value * 2 ** 16 + uint16(buf, at + 7) : value;
      return whole >= 0 && Number.isSafeInteger(whole) ? whole : null;
    }
    default:
      return null;
  }
}

// What we send.

export const encodeArrayHead = (length: number): Buffer => Buffer.of(0x90 | length);
export const encodeBoolean = (value: boolean): Buffer => Buffer.of(value ? 0xc3 : 0xc2);

/** Up to 65,535 bytes. */
export function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text);
  const head =
    bytes.length < 32
      ? [0xa0 | bytes.length]
      : bytes.length < 256
        ? [0xd9, bytes.length]
        : [0xda, bytes.length >> 8, bytes.length & 255];
  return Buffer.concat([Buffer.from(head), bytes]);
}

/** Up to 255 bytes. */
export const encodeBytes = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.of(0xc4, bytes.length), bytes]);

/** Up to 15 pairs. */
export const encodeMap = (pairs: readonly (readonly [string, Buffer])[]): Buffer =>
  Buffer.concat([Buffer.of(0x80 | pairs.length), ...pairs.flatMap(([key, value]) => [encodeText(key), value])]);
