// How fast a set of 100,000 intervals takes numbers at random places. `node test/bench/numbers.bench.ts` prints one line of JSON.
import { NumberSet } from '../../core/numbers.ts';

const INTERVALS = 100_000;
const ADDITIONS = 1_000_000;

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

/** Additions for a second of processor time, at random places: the set starts with 100,000 intervals and ends with a million. */
export function benchNumbers(rounds = 5): {
  name: string;
  perSecond: number;
  copyMilliseconds: number;
  intervals: number;
} {
  const rates: number[] = [];
  const copies: number[] = [];
  let intervals = 0;
  for (let round = 0; round < rounds; round++) {
    let seed = 0x9e3779b9 + round;
    const random = (): number => {
      seed ^= seed << 13;
      seed ^= seed >>> 17;
      seed ^= seed << 5;
      return (seed >>> 0) / 2 ** 32;
    };
    const set = new NumberSet();
    const span = INTERVALS * 1000;
    for (let i = 0; i < INTERVALS; i++) set.addRange(i * 1000 + 1, i * 1000 + 10);
    const numbers = Float64Array.from({ length: ADDITIONS }, () => 1 + Math.floor(random() * span));
    const before = process.cpuUsage();
    for (const n of numbers) set.add(n);
    const { user, system } = process.cpuUsage(before);
    rates.push((ADDITIONS * 1e6) / (user + system));
    intervals = set.intervals;
    const start = performance.now();
    set.copy();
    copies.push(performance.now() - start);
  }
  return { name: 'numbers', perSecond: Math.round(median(rates)), copyMilliseconds: median(copies), intervals };
}

if (import.meta.main) console.log(JSON.stringify(benchNumbers()));
