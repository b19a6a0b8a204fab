// Sets of numbers (positive safe integers) as intervals: what was seen, what is confirmed, what a batch carries.
//
// In memory: sorted chunks of at most 512 intervals, each a Float64Array of first, last, first, last … A random insertion moves
// half a chunk (4 KiB), whatever the size of the set; a set of few intervals is one small array.
import { countRanges, decodeRanges, encodeRanges, type NumberRange } from './number-ranges.ts';

interface Chunk {
  /** Intervals in use. */
  size: number;
  bounds: Float64Array;
}

const CHUNK = 512;

function check(first: number, last: number): void {
  if (!(Number.isSafeInteger(first) && Number.isSafeInteger(last) && first >= 1 && last >= first))
    throw new RangeError(`numbers: ${first}-${last} is no range of positive safe integers`);
}

export class NumberSet {
  #chunks: Chunk[] = [];
  #count = 0;
  #intervals = 0;
  // The place that `find` found: an interval, or the end (chunk = number of chunks).
  #chunk = 0;
  #index = 0;

  static of(ranges: Iterable<NumberRange>): NumberSet {
    const set = new NumberSet();
    for (const [first, last] of ranges) set.addRange(first, last);
    return set;
  }

  /** Throws NumberSyntaxError. */
  static decode(text: string): NumberSet {
    return NumberSet.of(decodeRanges(text));
  }

  encode(): string {
    return encodeRanges(this.ranges());
  }

  /** How many numbers. */
  get count(): number {
    return this.#count;
  }

  get intervals(): number {
    return this.#intervals;
  }

  /** Ascending, never touching. The set may not be changed meanwhile. */
  *ranges(): Generator<NumberRange, void> {
    for (const { bounds, size } of this.#chunks)
      for (let i = 0; i < size; i++) yield [bounds[2 * i] as number, bounds[2 * i + 1] as number];
  }

  /** Costs a copy of the bounds: 16 bytes an interval. */
  copy(): NumberSet {
    const set = new NumberSet();
    set.#chunks = this.#chunks.map(({ bounds, size }) => ({ bounds: bounds.slice(0, Math.max(2, 2 * size)), size }));
    set.#count = this.#count;
    set.#intervals = this.#intervals;
    return set;
  }

  contains(n: number): boolean {
    this.#find(n);
    const chunk = this.#chunks[this.#chunk];
    return chunk !== undefined && (chunk.bounds[2 * this.#index] as number) <= n;
  }

  /** True where the number is new. Throws RangeError for what is no positive safe integer. */
  add(n: number): boolean {
    return this.addRange(n, n) === 1;
  }

  /** How many of first … last are new. */
  addRange(first: number, last: number): number {
    check(first, last);
    this.#find(first - 1);
    const chunk = this.#chunks[this.#chunk];
    const fresh = last - first + 1;
    if (chunk === undefined) {
      this.#append(first, last);
      this.#count += fresh;
      return fresh;
    }
    const at = 2 * this.#index;
    const { bounds } = chunk;
    const low = bounds[at] as number;
    const high = bounds[at + 1] as number;
    if (low > last + 1) {
      this.#insert(chunk, first, last);
      this.#count += fresh;
      return fresh;
    }
    if (low <= first && last <= high) return 0;
    // The interval grows; those above that it now reaches go into it.
    let known = Math.max(0, Math.min(high, last) - Math.max(low, first) + 1);
    bounds[at] = Math.min(low, first);
    let end = Math.max(high, last);
    let absorbed = 0;
    let c = this.#chunk;
    let i = this.#index + 1;
    for (;;) {
      const next = this.#chunks[c];
      if (next === undefined) break;
      if (i >= next.size) {
        c++;
        i = 0;
        continue;
      }
      const nextLow = next.bounds[2 * i] as number;
      if (nextLow > last + 1) break;
      const nextHigh = next.bounds[2 * i + 1] as number;
      known += Math.max(0, Math.min(nextHigh, last) - nextLow + 1);
      end = Math.max(end, nextHigh);
      absorbed++;
      i++;
    }
    bounds[at + 1] = end;
    if (absorbed > 0) this.#remove(this.#chunk, this.#index + 1, absorbed);
    this.#count += fresh - known;
    return fresh - known;
  }

  /**
   * Adds a batch: ascending, disjoint ranges, whose numbers are those of its lines in order. Null where all were new (no memory
   * is taken then), else a byte a line: 1 where its number is new.
   */
  addRanges(ranges: readonly NumberRange[]): Uint8Array | null {
    let mask: Uint8Array | null = null;
    let line = 0;
    for (const [first, last] of ranges) {
      const length = last - first + 1;
      if (this.#touches(first, last)) {
        mask ??= new Uint8Array(countRanges(ranges)).fill(1);
        const from = line - first;
        this.#overlap(first, last, (low, high) => mask?.fill(0, from + low, from + high + 1));
      }
      this.addRange(first, last);
      line += length;
    }
    return mask;
  }

  /** Those parts of the ranges (ascending, disjoint) that are not in the set. */
  missing(ranges: Iterable<NumberRange>): NumberRange[] {
    const missing: NumberRange[] = [];
    for (const [first, last] of ranges) {
      let next = first;
      this.#overlap(first, last, (low, high) => {
        if (low > next) missing.push([next, low - 1]);
        next = high + 1;
      });
      if (next <= last) missing.push([next, last]);
    }
    return missing;
  }

  /** Adds all numbers of the other set; how many were new. */
  merge(other: NumberSet): number {
    const before = this.#count;
    for (const [first, last] of other === this ? [] : other.ranges()) this.addRange(first, last);
    return this.#count - before;
  }

  /** A new set: the numbers of this one that are not in the other. */
  subtract(other: NumberSet): NumberSet {
    return NumberSet.of(other.missing(this.ranges()));
  }

  #touches(first: number, last: number): boolean {
    this.#find(first);
    const chunk = this.#chunks[this.#chunk];
    return chunk !== undefined && (chunk.bounds[2 * this.#index] as number) <= last;
  }

  /** Calls for each part of first … last that is in the set, ascending. */
  #overlap(first: number, last: number, part: (low: number, high: number) => void): void {
    this.#find(first);
    for (let c = this.#chunk, i = this.#index; c < this.#chunks.length; c++, i = 0) {
      const { bounds, size } = this.#chunks[c] as Chunk; // c is below the length
      for (; i < size; i++) {
        const low = bounds[2 * i] as number;
        if (low > last) return;
        part(Math.max(low, first), Math.min(bounds[2 * i + 1] as number, last));
      }
    }
  }

  /** Sets the place to the first interval whose last is n or above. */
  #find(n: number): void {
    const chunks = this.#chunks;
    let low = 0;
    let high = chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { bounds, size } = chunks[middle] as Chunk; // below the length, and no chunk is empty
      if ((bounds[2 * size - 1] as number) < n) low = middle + 1;
      else high = middle;
    }
    this.#chunk = low;
    this.#index = 0;
    const chunk = chunks[low];
    if (chunk === undefined) return;
    const { bounds } = chunk;
    let from = 0;
    let to = chunk.size - 1; // its last is n or above
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((bounds[2 * middle + 1] as number) < n) from = middle + 1;
      else to = middle;
    }
    this.#index = from;
  }

  #append(first: number, last: number): void {
    const chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.size === CHUNK) {
      // A set of many intervals grows by full chunks; a first one starts small, since most sets stay so.
      const bounds = new Float64Array(chunk === undefined ? 4 : 2 * CHUNK);
      bounds[0] = first;
      bounds[1] = last;
      this.#chunks.push({ size: 1, bounds });
      this.#intervals++;
      return;
    }
    this.#index = chunk.size;
    this.#insertInto(chunk, chunk.size, first, last);
  }

  #insert(chunk: Chunk, first: number, last: number): void {
    if (chunk.size < CHUNK) {
      this.#insertInto(chunk, this.#index, first, last);
      return;
    }
    const half = CHUNK / 2;
    const bounds = new Float64Array(2 * CHUNK);
    bounds.set(chunk.bounds.subarray(2 * half, 2 * CHUNK));
    const upper: Chunk = { size: CHUNK - half, bounds };
    chunk.size = half;
    this.#chunks.splice(this.#chunk + 1, 0, upper);
    if (this.#index <= half) this.#insertInto(chunk, this.#index, first, last);
    else this.#insertInto(upper, this.#index - half, first, last);
  }

  #insertInto(chunk: Chunk, index: number, first: number, last: number): void {
    const end = 2 * chunk.size;
    if (end === chunk.bounds.length) {
      const grown = new Float64Array(Math.min(2 * CHUNK, Math.max(4, 2 * end)));
      grown.set(chunk.bounds);
      chunk.bounds = grown;
    }
    const { bounds } = chunk;
    const at = 2 * index;
    if (at < end) bounds.copyWithin(at + 2, at, end);
    bounds[at] = first;
    bounds[at + 1] = last;
    chunk.size++;
    this.#intervals++;
  }

  /** Removes `count` intervals from this place on; the first chunk named keeps at least one. */
  #remove(from: number, index: number, count: number): void {
    this.#intervals -= count;
    let c = from;
    let i = index;
    let left = count;
    while (left > 0) {
      const chunk = this.#chunks[c] as Chunk; // the count never exceeds what is there
      const here = Math.min(left, chunk.size - i);
      chunk.bounds.copyWithin(2 * i, 2 * (i + here), 2 * chunk.size);
      chunk.size -= here;
      left -= here;
      c++;
      i = 0;
    }
    // Those emptied lie together; what is left of the last one may be small, so it goes to its neighbour where there is room.
    let emptied = from + 1;
    while (this.#chunks[emptied]?.size === 0) emptied++;
    this.#chunks.splice(from + 1, emptied - from - 1);
    this.#join(from);
  }

  /** Two neighbours that fill at most half a chunk become one, so that a set which fills up does not keep its chunks. */
  #join(at: number): void {
    const lower = this.#chunks[at];
    const upper = this.#chunks[at + 1];
    if (lower === undefined || upper === undefined || lower.size + upper.size > CHUNK / 2) return;
    const bounds = new Float64Array(2 * CHUNK);
    bounds.set(lower.bounds.subarray(0, 2 * lower.size));
    bounds.set(upper.bounds.subarray(0, 2 * upper.size), 2 * lower.size);
    this.#chunks.splice(at, 2, { size: lower.size + upper.size, bounds });
  }
}
