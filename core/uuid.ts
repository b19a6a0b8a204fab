// UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, version, 12 bits, variant, 62 bits. Text in lower case.

/** Milliseconds since the epoch. */
export type Clock = () => number;
/** Fills the array with random bytes (node:crypto's randomFillSync). */
export type RandomSource = (target: Uint8Array) => unknown;

export interface UuidGenerator {
  next(): string;
  /** Writes the 36 characters at `at`; for hot paths that build bytes. */
  write(target: Uint8Array, at: number): void;
}

export const UUID_LENGTH = 36;
const MAX_TIME = 2 ** 48 - 1;
const POOL = 4096;
const TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const DIGITS = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
const HIGH = Uint8Array.from({ length: 256 }, (_, byte) => DIGITS[byte >> 4] ?? 0);
const LOW = Uint8Array.from({ length: 256 }, (_, byte) => DIGITS[byte & 15] ?? 0);
const DASH = 0x2d;

function hex(target: Uint8Array, at: number, byte: number): void {
  target[at] = HIGH[byte] as number; // both tables hold all 256 bytes
  target[at + 1] = LOW[byte] as number;
}

/** `a`: 12 bits of rand_a; `random[from … from+8)`: rand_b, of which the variant takes two bits. */
function write(target: Uint8Array, at: number, now: number, a: number, random: Uint8Array, from: number): void {
  const high = Math.floor(now / 0x1_0000); // 32 bits; the shifts below stay exact
  hex(target, at, high >>> 24);
  hex(target, at + 2, (high >>> 16) & 255);
  hex(target, at + 4, (high >>> 8) & 255);
  hex(target, at + 6, high & 255);
  target[at + 8] = DASH;
  const low = now % 0x1_0000;
  hex(target, at + 9, low >>> 8);
  hex(target, at + 11, low & 255);
  target[at + 13] = DASH;
  hex(target, at + 14, 0x70 | (a >>> 8));
  hex(target, at + 16, a & 255);
  target[at + 18] = DASH;
  hex(target, at + 19, 0x80 | ((random[from] as number) & 0x3f));
  hex(target, at + 21, random[from + 1] as number);
  target[at + 23] = DASH;
  for (let i = 2; i < 8; i++) hex(target, at + 20 + 2 * i, random[from + i] as number);
}

function checkTime(now: number): number {
  if (!(now >= 0 && now <= MAX_TIME)) throw new RangeError(`UUIDv7: the time ${now} is not in 0 … 2^48-1 milliseconds`);
  return Math.floor(now);
}

/** One UUIDv7 of a time and 16 random bytes (the first six are not used). Throws RangeError for a time outside 48 bits. */
export function uuidv7(now: number, random: Uint8Array): string {
  if (random.length < 16) throw new RangeError('UUIDv7: 16 random bytes are needed');
  const target = Buffer.allocUnsafe(UUID_LENGTH);
  write(target, 0, checkTime(now), (((random[6] as number) & 15) << 8) | (random[7] as number), random, 8);
  return target.toString('latin1', 0, UUID_LENGTH);
}

export const isUuidv7 = (text: string): boolean => TEXT.test(text);

/** Milliseconds since the epoch, or null where the text is no UUIDv7. */
export function uuidTime(text: string): number | null {
  return isUuidv7(text) ? Number.parseInt(text.slice(0, 8) + text.slice(9, 13), 16) : null;
}

/**
 * Ascending ids (RFC 9562, section 6.2, method 1): rand_a is a counter, seeded below its half with each new millisecond; where it
 * overflows, or the clock goes back, the time runs ahead of the clock. rand_b is random in every id. Random bytes are drawn 4 KiB at a time.
 */
export function uuidGenerator(clock: Clock, random: RandomSource): UuidGenerator {
  const pool = new Uint8Array(POOL);
  const text = Buffer.allocUnsafe(UUID_LENGTH);
  let used = POOL;
  let time = -1;
  let counter = 0;

  const put = (target: Uint8Array, at: number): void => {
    if (used + 10 > POOL) {
      random(pool);
      used = 0;
    }
    const now = checkTime(clock());
    counter++;
    if (now > time || counter > 0xfff) {
      time = now > time ? now : time + 1;
      counter = (((pool[used] as number) & 7) << 8) | (pool[used + 1] as number);
      used += 2;
    }
    write(target, at, time, counter, pool, used);
    used += 8;
  };
  return {
    write: put,
    next: () => {
      put(text, 0);
      return text.toString('latin1', 0, UUID_LENGTH);
    },
  };
}
