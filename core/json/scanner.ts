// One pass over the bytes of one JSON value (RFC 8259): the grammar, where the value ends, and two things that JSON.parse lets pass:
// nesting above a limit, and escaped halves of surrogate pairs (section 8.2: their meaning is unpredictable). No value is built.
// Line breaks between tokens are replaced by blanks in place: inside strings there are none, so a value is one line afterwards.

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
export const COMMA = 0x2c;
const COLON = 0x3a;
export const OPEN_ARRAY = 0x5b;
export const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const BLANK = 0x20;
export const LF = 0x0a;
const CR = 0x0d;

/** 1: goes on inside a string. Quote, backslash and control characters do not. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= BLANK && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);
/** 1: white space of JSON. */
export const SPACE = Uint8Array.from({ length: 256 }, (_, byte) => ([0x20, 0x09, LF, CR].includes(byte) ? 1 : 0));
const SHORT_ESCAPE = Uint8Array.from({ length: 256 }, (_, byte) =>
  '"\\/bfnrt'.includes(String.fromCharCode(byte)) ? 1 : 0,
);
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

/** Scans values one after the other; what is wrong is left in its fields, since faults are rare and objects are not free. */
export class Scanner {
  readonly buf: Buffer;
  readonly depthLimit: number;
  /** Where the grammar was left, or -1; and what was expected there. */
  syntaxAt = -1;
  syntax = '';
  /** The first of this value, or -1. */
  deepAt = -1;
  loneAt = -1;
  /** 1 an object, 0 an array, for each open level. It grows with the body, so that a document too deep is still framed rightly. */
  #open = new Uint8Array(128);

  constructor(buf: Buffer, depthLimit: number) {
    this.buf = buf;
    this.depthLimit = depthLimit;
  }

  fail(at: number, what: string): -1 {
    this.syntaxAt = at;
    this.syntax = what;
    return -1;
  }

  /** The first byte at or after i that is not white space. */
  space(i: number, end: number): number {
    const { buf } = this;
    while (i < end) {
      const byte = buf[i] as number; // below end
      if (byte > BLANK || SPACE[byte] === 0) return i;
      if (byte === LF || byte === CR) buf[i] = BLANK;
      i++;
    }
    return i;
  }

  /** One value from its first byte; its end, or -1. */
  value(start: number, end: number): number {
    const { buf } = this;
    let depth = 0;
    let i = start;
    for (;;) {
      const byte = i < end ? (buf[i] as number) : 0;
      if (byte === QUOTE) {
        i = this.string(i + 1, end);
        if (i < 0) return -1;
      } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        const object = byte === OPEN_OBJECT;
        const from = i;
        i = this.space(i + 1, end);
        if (buf[i] === (object ? CLOSE_OBJECT : CLOSE_ARRAY) && i < end) {
          if (depth >= this.depthLimit && this.deepAt < 0) this.deepAt = from;
          i++;
        } else {
          this.#push(depth++, object, from);
          if (object) {
            i = this.key(i, end);
            if (i < 0) return -1;
          }
          continue;
        }
      } else {
        i = this.scalar(i, end);
        if (i < 0) return -1;
      }
      // A value has ended: close what closes here, up to the next value.
      for (;;) {
        if (depth === 0) return i;
        if (i < end && (SPACE[buf[i] as number] as number) === 1) i = this.space(i, end);
        const next = i < end ? buf[i] : 0;
        const object = this.#open[depth - 1] === 1;
        if (next === COMMA) {
          i = this.space(i + 1, end);
          if (object) {
            i = this.key(i, end);
            if (i < 0) return -1;
          }
          break;
        }
        if (next !== (object ? CLOSE_OBJECT : CLOSE_ARRAY))
          return this.fail(i, object ? 'a comma or } was expected' : 'a comma or ] was expected');
        depth--;
        i++;
      }
    }
  }

  /** A member's name and its colon; where the value starts, or -1. */
  key(i: number, end: number): number {
    if (i >= end || this.buf[i] !== QUOTE) return this.fail(i, 'a member in double quotes was expected');
    i = this.string(i + 1, end);
    if (i < 0) return -1;
    i = this.space(i, end);
    if (i >= end || this.buf[i] !== COLON) return this.fail(i, 'a colon was expected');
    return this.space(i + 1, end);
  }

  /** From behind the opening quote to behind the closing one, or -1. */
  string(i: number, end: number): number {
    const { buf } = this;
    for (;;) {
      while (i < end && PLAIN[buf[i] as number] === 1) i++;
      if (i >= end) return this.fail(end, 'it ends inside a string');
      if (buf[i] === QUOTE) return i + 1;
      if (buf[i] !== BACKSLASH) return this.fail(i, 'a control character inside a string must be escaped');
      i = this.#escape(i, end);
      if (i < 0) return -1;
    }
  }

  /** true, false, null or a number; its end, or -1. */
  scalar(i: number, end: number): number {
    const { buf } = this;
    if (i >= end) return this.fail(i, 'it ends where a value was expected');
    const start = i;
    if (buf[i] === 0x2d) i++;
    if (i < end && isDigit(buf[i])) {
      if (buf[i] === 0x30) i++;
      else while (i < end && isDigit(buf[i])) i++;
      if (i < end && buf[i] === 0x2e) {
        if (++i >= end || !isDigit(buf[i])) return this.fail(i, 'a digit was expected');
        while (i < end && isDigit(buf[i])) i++;
      }
      if (i < end && (buf[i] === 0x65 || buf[i] === 0x45)) {
        i++;
        if (i < end && (buf[i] === 0x2b || buf[i] === 0x2d)) i++;
        if (i >= end || !isDigit(buf[i])) return this.fail(i, 'a digit was expected');
        while (i < end && isDigit(buf[i])) i++;
      }
      return i;
    }
    if (i > start) return this.fail(i, 'a digit was expected');
    const word = buf[i] === 0x74 ? TRUE : buf[i] === 0x66 ? FALSE : NULL;
    let matched = 0;
    while (matched < word.length && i + matched < end && buf[i + matched] === word[matched]) matched++;
    if (matched === word.length) return i + matched;
    return this.fail(i, 'a value was expected');
  }

  #push(depth: number, object: boolean, at: number): void {
    if (depth >= this.depthLimit && this.deepAt < 0) this.deepAt = at;
    if (depth === this.#open.length) {
      const grown = new Uint8Array(2 * depth);
      grown.set(this.#open);
      this.#open = grown;
    }
    this.#open[depth] = object ? 1 : 0;
  }

  /** From the backslash to behind the escape, or -1. */
  #escape(i: number, end: number): number {
    const { buf } = this;
    if (i + 1 >= end) return this.fail(end, 'it ends inside a string');
    const byte = buf[i + 1] as number;
    if (SHORT_ESCAPE[byte] === 1) return i + 2;
    if (byte !== 0x75) return this.fail(i, 'this escape is unknown to JSON');
    const unit = this.#unit(i + 2, end);
    if (unit < 0) return this.fail(i, 'four hexadecimal digits were expected after \\u');
    if (unit < 0xd800 || unit > 0xdfff) return i + 6;
    if (unit <= 0xdbff && i + 7 < end && buf[i + 6] === BACKSLASH && buf[i + 7] === 0x75) {
      const low = this.#unit(i + 8, end);
      if (low >= 0xdc00 && low <= 0xdfff) return i + 12;
    }
    if (this.loneAt < 0) this.loneAt = i;
    return i + 6;
  }

  /** Four hexadecimal digits, or -1. */
  #unit(i: number, end: number): number {
    if (i + 4 > end) return -1;
    const text = this.buf.toString('latin1', i, i + 4);
    return /^[0-9a-fA-F]{4}$/.test(text) ? Number.parseInt(text, 16) : -1;
  }
}
