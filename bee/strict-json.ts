// JSON bytes to a value, where the value says what the bytes said: no member twice, no number that a double changes beyond 2^53.
//
// The bytes have passed the scanner, so they are well formed, UTF-8 and not too deep. One pass counts members and looks for long numbers;
// JSON.parse builds the value, and a member that stood twice shows as one key too few. Where it is, a slow walk tells.
import { decodeString } from '#core/json/members.ts';
import { pointerAt, pointerStep } from '#core/json/pointer.ts';
import { type Rejection, rejection } from './codes.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
/** Digits below which an integer is surely below 2^53. */
const SAFE_DIGITS = 15;
/** 1: may stand in a number. 2: makes it an exponent. */
const NUMERIC = Uint8Array.from({ length: 256 }, (_, byte) =>
  (byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x2e ? 1 : byte === 0x65 || byte === 0x45 ? 2 : 0,
);
/** A key that may be named in a pointer: it says nothing that a value would. */
const TELLABLE = /^[A-Za-z0-9_.-]{1,64}$/;

export type Parsed = { readonly kind: 'value'; readonly value: unknown } | Rejection;

/** The value at start … end, or why it cannot be trusted. */
export function parseStrict(buf: Buffer, start: number, end: number): Parsed {
  let members = 0;
  let isAscii = true;
  let suspect = false;
  let i = start;
  while (i < end) {
    const byte = buf[i] as number; // below end
    if (byte === QUOTE) {
      i++;
      for (;;) {
        const inner = buf[i] as number; // a string ends before end
        if (inner === QUOTE) break;
        if (inner === BACKSLASH) i++;
        else if (inner >= 0x80) isAscii = false;
        i++;
      }
      i++;
    } else if (byte === COLON) {
      members++;
      i++;
    } else if (NUMERIC[byte] === 1) {
      const from = i;
      let kinds = 0;
      while (i < end) {
        const kind = NUMERIC[buf[i] as number] as number; // all 256 bytes are there; a "+" follows an exponent only
        if (kind === 0 && buf[i] !== 0x2b) break;
        kinds |= kind;
        i++;
      }
      if (kinds > 1 || i - from > SAFE_DIGITS) suspect = true;
    } else i++;
  }
  if (suspect) {
    const fault = numberFault(buf, start, end);
    if (fault !== null) return fault;
  }
  const value: unknown = JSON.parse(buf.toString(isAscii ? 'latin1' : 'utf8', start, end));
  return countKeys(value) === members ? { kind: 'value', value } : duplicateFault(buf, start, end);
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object') count += countKeys(item);
    return count;
  }
  for (const key in value) {
    count++;
    const inner = (value as Record<string, unknown>)[key];
    if (typeof inner === 'object') count += countKeys(inner);
  }
  return count;
}

function afterString(buf: Buffer, open: number): number {
  let i = open + 1;
  while (buf[i] !== QUOTE) i += buf[i] === BACKSLASH ? 2 : 1;
  return i + 1;
}

function numberFault(buf: Buffer, start: number, end: number): Rejection | null {
  for (let i = start; i < end; i++) {
    if (buf[i] === QUOTE) {
      i = afterString(buf, i) - 1;
      continue;
    }
    if (NUMERIC[buf[i] as number] !== 1) continue;
    const from = i;
    while (i + 1 < end && (NUMERIC[buf[i + 1] as number] !== 0 || buf[i + 1] === 0x2b)) i++;
    const number = Math.abs(Number(buf.toString('latin1', from, i + 1)));
    if (number === Number.POSITIVE_INFINITY)
      return rejection('number-overflow', tellablePointer(pointerAt(buf, start, from)));
    if (number > Number.MAX_SAFE_INTEGER)
      return rejection('number-unsafe', tellablePointer(pointerAt(buf, start, from)));
  }
  return null;
}

/** The first member that stands twice, by its decoded name: `"a"` and `"\u0061"` are one. */
function duplicateFault(buf: Buffer, start: number, end: number): Rejection {
  const open: (Set<string> | null)[] = [];
  for (let i = start; i < end; i++) {
    const byte = buf[i];
    if (byte === 0x7b) open.push(new Set());
    else if (byte === 0x5b) open.push(null);
    else if (byte === 0x7d || byte === 0x5d) open.pop();
    else if (byte === QUOTE) {
      const stop = afterString(buf, i);
      let next = stop;
      while (next < end && (buf[next] as number) <= 0x20) next++;
      const names = open.at(-1);
      if (buf[next] === COLON && names !== null && names !== undefined) {
        const name = decodeString(buf, i, stop);
        if (names.has(name)) return rejection('member-duplicate', tellablePointer(pointerAt(buf, start, next + 1)));
        names.add(name);
      }
      i = stop - 1;
    }
  }
  return rejection('member-duplicate', '');
}

/** The pointer up to the first name that a sender may have filled with anything. */
export function tellablePointer(pointer: string): string {
  const steps = pointer.split('/').slice(1);
  const untold = steps.findIndex((step) => !TELLABLE.test(step));
  return steps
    .slice(0, untold < 0 ? steps.length : untold)
    .map((step) => `/${step}`)
    .join('');
}

/** Whether a member's name may be repeated to its sender and into logs. */
export const isTellable = (name: string): boolean => TELLABLE.test(name);

/** `pointer` with one more step, or without it where the name may be anything. */
export const stepBelow = (pointer: string, name: string | number): string =>
  typeof name === 'number' || TELLABLE.test(name) ? pointer + pointerStep(name) : pointer;
