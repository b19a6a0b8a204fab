// A record in msgpack as JSON, byte to byte: no value is built on the way, so integers of 64 bits stay exact. Pure.
//
//   nil true false   as in JSON
//   integers         all digits
//   floats           the shortest digits that read back as the same number; NaN and the infinities as "NaN", "Infinity", "-Infinity" (as protobuf)
//   str              text; bytes that are not UTF-8 become U+FFFD, as a browser reads them
//   bin              text where it is UTF-8, else base64
//   map              names in their order, repeated ones too (a reader takes the last, as Fluentd does); integers, floats, nil, booleans as
//                    names are their JSON as text; other names are refused
//   ext 0, ext -1    Fluentd's EventTime and msgpack's timestamp: RFC 3339 with nanoseconds
//   other ext        {"ext":<type>,"data":"<base64>"}
import { isUtf8 } from 'node:buffer';
import { ByteWriter } from '#core/bytes.ts';
import type { RefusalCode } from '#core/errors.ts';
import { Head, uint16, uint32 } from './msgpack.ts';

/** As core/json/scan.ts has it. */
const DEPTH = 64;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
/** 1: stands in a JSON string as it is, and is ASCII. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);
const HEX = Buffer.from('0123456789abcdef');
/** The letter behind the backslash of a control character, or 0. */
const SHORT = new Uint8Array(0x20);
for (const [byte, letter] of [
  [8, 'b'],
  [9, 't'],
  [10, 'n'],
  [12, 'f'],
  [13, 'r'],
] as const)
  SHORT[byte] = letter.charCodeAt(0);
/** Of a number or a word. */
const SCALAR = 40;

export class Transcoder {
  /** Why `value` answered -1. */
  fault: Extract<RefusalCode, 'msgpack-malformed' | 'json-too-deep' | 'key-invalid'> = 'msgpack-malformed';
  #src: Buffer = Buffer.alloc(0);
  #end = 0;
  #out = new ByteWriter(0);
  readonly #head = new Head();

  /** Writes the value at `at` of `src`, which must end before `end`. Behind it, or -1 (`fault` tells why; what was written is to be taken back). */
  write(out: ByteWriter, src: Buffer, at: number, end: number): number {
    this.#out = out;
    this.#src = src;
    this.#end = end;
    return this.#value(at, 0);
  }

  #fail(fault: Transcoder['fault']): -1 {
    this.fault = fault;
    return -1;
  }

  #value(at: number, depth: number): number {
    if (at >= this.#end) return this.#fail('msgpack-malformed');
    const byte = this.#src[at] as number; // below end
    if (byte >= 0xa0 && byte < 0xc0) return this.#text(at + 1, byte & 31);
    if (byte < 0x80) {
      this.#out.ensure(SCALAR);
      this.#digits(byte);
      return at + 1;
    }
    if (byte >= 0xe0) {
      this.#out.ascii(String(byte - 256));
      return at + 1;
    }
    if (byte < 0x90) return this.#map(at + 1, byte & 15, depth);
    if (byte < 0xa0) return this.#array(at + 1, byte & 15, depth);
    const head = this.#head;
    if (!head.read(this.#src, at, this.#end)) return this.#fail('msgpack-malformed');
    switch (head.kind) {
      case 'str':
        return this.#text(head.body, head.length);
      case 'bin':
        return this.#binary(head.body, head.length);
      case 'array':
        return this.#array(head.body, head.length, depth);
      case 'map':
        return this.#map(head.body, head.length, depth);
      case 'other':
        return this.#scalar(at, byte);
      default:
        return head.kind satisfies never;
    }
  }

  #array(at: number, length: number, depth: number): number {
    if (depth >= DEPTH) return this.#fail('json-too-deep');
    const out = this.#out;
    out.byte(0x5b);
    for (let i = 0; i < length; i++) {
      if (i > 0) out.byte(COMMA);
      at = this.#value(at, depth + 1);
      if (at < 0) return at;
    }
    out.byte(0x5d);
    return at;
  }

  #map(at: number, length: number, depth: number): number {
    if (depth >= DEPTH) return this.#fail('json-too-deep');
    const out = this.#out;
    out.byte(0x7b);
    for (let i = 0; i < length; i++) {
      if (i > 0) out.byte(COMMA);
      at = this.#key(at);
      if (at < 0) return at;
      out.byte(0x3a);
      at = this.#value(at, depth + 1);
      if (at < 0) return at;
    }
    out.byte(0x7d);
    return at;
  }

  #key(at: number): number {
    const byte = at < this.#end ? (this.#src[at] as number) : 0xc1;
    if (byte >= 0xa0 && byte < 0xc0) return this.#text(at + 1, byte & 31);
    const isText = (byte >= 0xd9 && byte <= 0xdb) || (byte >= 0xc4 && byte <= 0xc6);
    if (isText) return this.#value(at, 0);
    const isContainer = (byte >= 0x80 && byte < 0xa0) || (byte >= 0xdc && byte <= 0xdf);
    const isExtension = (byte >= 0xc7 && byte <= 0xc9) || (byte >= 0xd4 && byte <= 0xd8);
    if (isContainer || isExtension) return this.#fail('key-invalid');
    const out = this.#out;
    const from = out.length;
    out.byte(QUOTE);
    const next = this.#value(at, 0);
    // A float that is no number is in quotes already.
    if (next >= 0 && out.bytes[from + 1] === QUOTE) {
      out.bytes.copyWithin(from, from + 1, out.length);
      out.length--;
    } else out.byte(QUOTE);
    return next;
  }

  /** nil, booleans, numbers and extensions. */
  #scalar(at: number, byte: number): number {
    const src = this.#src;
    const out = this.#out;
    out.ensure(SCALAR);
    switch (byte) {
      case 0xc0:
        out.ascii('null');
        return at + 1;
      case 0xc2:
        out.ascii('false');
        return at + 1;
      case 0xc3:
        out.ascii('true');
        return at + 1;
      case 0xca:
      case 0xcb:
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
      case 0xd0:
      case 0xd1:
      case 0xd2:
      case 0xd3: {
        const next = at + 1 + (byte < 0xcc ? 4 << (byte - 0xca) : 1 << (byte & 3));
        if (next > this.#end) return this.#fail('msgpack-malformed');
        if (byte < 0xcc) this.#float(byte === 0xca ? src.readFloatBE(at + 1) : src.readDoubleBE(at + 1));
        else this.#integer(at + 1, byte);
        return next;
      }
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(at, byte);
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extensionOf(at + 1, 1 << (byte - 0xd4));
      default:
        return this.#fail('msgpack-malformed');
    }
  }

  #integer(at: number, byte: number): void {
    const src = this.#src;
    const out = this.#out;
    switch (byte) {
      case 0xcc:
        return this.#digits(src[at] as number); // within the end
      case 0xcd:
        return this.#digits(uint16(src, at));
      case 0xce:
        return this.#digits(uint32(src, at));
      case 0xcf: {
        const high = uint32(src, at);
        return high < 0x20_0000
          ? this.#digits(high * 2 ** 32 + uint32(src, at + 4))
          : out.ascii(String(src.readBigUInt64BE(at)));
      }
      case 0xd0:
        return out.ascii(String(src.readInt8(at)));
      case 0xd1:
        return out.ascii(String(src.readInt16BE(at)));
      case 0xd2:
        return out.ascii(String(src.readInt32BE(at)));
      default:
        return out.ascii(String(src.readBigInt64BE(at)));
    }
  }

  #float(value: number): void {
    if (Number.isFinite(value)) this.#out.ascii(Object.is(value, -0) ? '-0' : String(value));
    else this.#out.ascii(`"${value}"`);
  }

  /** A safe integer that is not negative; there is room. */
  #digits(value: number): void {
    const { bytes } = this.#out;
    let at = this.#out.length;
    let digits = 1;
    for (let power = 10; power <= value; power *= 10) digits++;
    this.#out.length = at + digits;
    for (at += digits - 1; digits > 0; digits--) {
      const rest = Math.floor(value / 10);
      bytes[at--] = 0x30 + (value - rest * 10);
      value = rest;
    }
  }

  #extension(at: number, byte: number): number {
    const lengthBytes = 1 << (byte - 0xc7);
    if (at + 2 + lengthBytes > this.#end) return this.#fail('msgpack-malformed');
    return this.#extensionOf(at + 1 + lengthBytes, this.#src.readUIntBE(at + 1, lengthBytes));
  }

  /** `at`: its type, behind which `length` bytes stand. */
  #extensionOf(at: number, length: number): number {
    const src = this.#src;
    const out = this.#out;
    const body = at + 1;
    if (body + length > this.#end) return this.#fail('msgpack-malformed');
    const type = src.readInt8(at);
    const time = timestampOf(src, type, body, length);
    if (time !== null) out.ascii(`"${time}"`);
    else out.ascii(`{"ext":${type},"data":"${src.toString('base64', body, body + length)}"}`);
    return body + length;
  }

  #binary(at: number, length: number): number {
    const bytes = this.#src.subarray(at, at + length);
    if (isUtf8(bytes)) return this.#text(at, length);
    this.#out.ascii(`"${bytes.toString('base64')}"`);
    return at + length;
  }

  /** A string with its quotes. */
  #text(at: number, length: number): number {
    const end = at + length;
    if (end > this.#end) return this.#fail('msgpack-malformed');
    const src = this.#src;
    const out = this.#out;
    out.ensure(6 * length + 2);
    const { bytes } = out;
    let to = out.length;
    bytes[to++] = QUOTE;
    for (;;) {
      let byte = 0;
      while (at < end && PLAIN[(byte = src[at] as number)] === 1) {
        bytes[to++] = byte;
        at++;
      }
      if (at >= end) break;
      if (byte >= 0x80) {
        const size = sequence(src, at, end);
        if (size > 0) for (let i = 0; i < size; i++) bytes[to++] = src[at++] as number;
        else {
          bytes[to++] = 0xef;
          bytes[to++] = 0xbf;
          bytes[to++] = 0xbd;
          at -= size;
        }
        continue;
      }
      bytes[to++] = BACKSLASH;
      const short = byte < 0x20 ? (SHORT[byte] as number) : byte;
      at++;
      if (short !== 0) bytes[to++] = short;
      else {
        bytes[to++] = 0x75;
        bytes[to++] = 0x30;
        bytes[to++] = 0x30;
        bytes[to++] = HEX[byte >> 4] as number;
        bytes[to++] = HEX[byte & 15] as number;
      }
    }
    bytes[to++] = QUOTE;
    out.length = to;
    return end;
  }
}

/**
 * Bytes of the character at `at`, whose first is not ASCII; or less than 0: so many bytes stand for one U+FFFD (Unicode, table 3-7 and
 * "substitution of maximal subparts").
 */
function sequence(src: Buffer, at: number, end: number): number {
  const first = src[at] as number; // below end
  const size =
    first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
  if (size === 0) return -1;
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  for (let i = 1; i < size; i++) {
    const byte = at + i < end ? (src[at + i] as number) : 0;
    if (byte < (i === 1 ? low : 0x80) || byte > (i === 1 ? high : 0xbf)) return -i;
  }
  return size;
}

/** RFC 3339 of Fluentd's EventTime and of msgpack's timestamp; null for another extension, and for a time beyond the year 9999. */
function timestampOf(src: Buffer, type: number, at: number, length: number): string | null {
  if (type === 0 && length === 8) return timeText(uint32(src, at), uint32(src, at + 4));
  if (type !== -1) return null;
  if (length === 4) return timeText(uint32(src, at), 0);
  if (length === 8)
    return timeText((uint32(src, at) % 4) * 2 ** 32 + uint32(src, at + 4), Math.floor(uint32(src, at) / 4));
  return length === 12 ? timeText(Number(src.readBigInt64BE(at + 4)), uint32(src, at)) : null;
}

function timeText(seconds: number, nanos: number): string | null {
  if (!(seconds >= -62_167_219_200 && seconds < 253_402_300_800) || nanos > 999_999_999) return null;
  return `${new Date(seconds * 1000).toISOString().slice(0, 20)}${String(nanos).padStart(9, '0')}Z`;
}
