// What one route is done with, by identity, and the cursor file that remembers it. Pure.
//
//   file = json LF crc LF      crc: CRC-32 of the json, 8 hexadecimal digits
//   json = {"version":1,"identities":{IDENTITY:{"confirmed":RANGES,"quarantined":RANGES,"dropped":{REASON:RANGES}}}}
//
// The file is a hint: what it does not know is sent again, and dropped downstream as a repeat.
// Invariant: each number is in at most one of the sets, and `settled` is their union.
import { crc32 } from 'node:zlib';
import { countRanges, type NumberRange } from '#core/number-ranges.ts';
import { NumberSet } from '#core/numbers.ts';

export const CURSOR_VERSION = 1;

export class Settled {
  readonly confirmed: NumberSet;
  readonly quarantined: NumberSet;
  readonly dropped: Map<string, NumberSet>;
  readonly #all = new NumberSet();
  #prefix = 0;
  #highest = 0;

  constructor(confirmed = new NumberSet(), quarantined = new NumberSet(), dropped = new Map<string, NumberSet>()) {
    this.confirmed = confirmed;
    this.quarantined = quarantined;
    this.dropped = dropped;
    for (const set of [confirmed, quarantined, ...dropped.values()]) this.#all.merge(set);
    for (const [, last] of this.#all.ranges()) this.#highest = last;
    this.#measure();
  }

  /** All numbers up to this one are settled. */
  get prefix(): number {
    return this.#prefix;
  }

  /** No number above this one is settled. */
  get highest(): number {
    return this.#highest;
  }

  get count(): number {
    return this.#all.count;
  }

  /** How many of these numbers are not settled. */
  missing(ranges: Iterable<NumberRange>): number {
    return countRanges(this.#all.missing(ranges));
  }

  has(first: number, last: number): boolean {
    return last <= this.#prefix || (first <= this.#highest && this.#all.missing([[first, last]]).length === 0);
  }

  /** Numbers that are settled already stay where they are. True where there were others. */
  add(set: NumberSet, ranges: readonly NumberRange[]): boolean {
    const before = this.#all.count;
    for (const range of ranges) {
      for (const [first, last] of this.#all.missing([range])) {
        set.addRange(first, last);
        this.#all.addRange(first, last);
        if (last > this.#highest) this.#highest = last;
      }
    }
    if (this.#all.count === before) return false;
    this.#measure();
    return true;
  }

  reason(reason: string): NumberSet {
    let set = this.dropped.get(reason);
    if (!set) this.dropped.set(reason, (set = new NumberSet()));
    return set;
  }

  #measure(): void {
    // The first interval alone: the set may have many.
    for (const [first, last] of this.#all.ranges()) {
      if (first === 1) this.#prefix = last;
      return;
    }
  }
}

export type Cursor = Map<string, Settled>;

export type CursorCheck =
  | { readonly kind: 'good'; readonly cursor: Cursor }
  | { readonly kind: 'newer'; readonly version: number }
  | { readonly kind: 'damaged'; readonly message: string };

export function encodeCursor(cursor: ReadonlyMap<string, Settled>): Buffer {
  const identities = Object.fromEntries(
    Array.from(cursor, ([identity, settled]) => [
      identity,
      {
        confirmed: settled.confirmed.encode(),
        quarantined: settled.quarantined.encode(),
        dropped: Object.fromEntries(Array.from(settled.dropped, ([reason, set]) => [reason, set.encode()])),
      },
    ]),
  );
  const json = JSON.stringify({ version: CURSOR_VERSION, identities });
  return Buffer.from(`${json}\n${crc32(json).toString(16).padStart(8, '0')}\n`);
}

export function decodeCursor(bytes: Buffer): CursorCheck {
  const [json, crc] = bytes.toString('utf8').split('\n');
  if (json === undefined || crc === undefined || crc !== crc32(json).toString(16).padStart(8, '0'))
    return { kind: 'damaged', message: 'its checksum does not fit' };
  try {
    const { version, identities } = JSON.parse(json) as CursorJson; // the checksum says that it is ours
    if (version > CURSOR_VERSION) return { kind: 'newer', version };
    const cursor: Cursor = new Map();
    for (const [identity, { confirmed, quarantined, dropped }] of Object.entries(identities)) {
      const reasons = new Map(Object.entries(dropped).map(([reason, text]) => [reason, NumberSet.decode(text)]));
      cursor.set(identity, new Settled(NumberSet.decode(confirmed), NumberSet.decode(quarantined), reasons));
    }
    return { kind: 'good', cursor };
  } catch (error) {
    return { kind: 'damaged', message: String(error) };
  }
}

interface CursorJson {
  readonly version: number;
  readonly identities: Readonly<
    Record<
      string,
      { readonly confirmed: string; readonly quarantined: string; readonly dropped: Readonly<Record<string, string>> }
    >
  >;
}
