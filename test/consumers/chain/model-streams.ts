// The streams of a model world: the same numbers at two sites, cut, ordered and repeated differently; and its randomness.
import type { NumberSet } from '#core/numbers.ts';
import { uuidv7 } from '#core/uuid.ts';

export const SITES = ['a', 'b'] as const;
export type Site = (typeof SITES)[number];

/** The world's time, in milliseconds, from 0. */
export const HORIZON = 100;
export const KEPT = 60;
export const SKEW = 5;
export const END = 400;

/** A message of a stream: consecutive numbers of an identity, visible from a time on. */
export interface Message {
  readonly identity: string;
  readonly first: number;
  readonly last: number;
  readonly time: number;
}

export interface Streams {
  readonly streams: Readonly<Record<Site, readonly Message[]>>;
  /** When each identity was made. */
  readonly births: ReadonlyMap<string, number>;
}

/** Every number comes at both sites at least once; sometimes long after its identity was made. */
export function makeStreams(random: () => number): Streams {
  const below = (n: number): number => Math.floor(random() * n);
  const births = new Map<string, number>();
  const streams: Record<Site, Message[]> = { a: [], b: [] };
  const identities = 1 + below(4);
  for (let i = 0; i < identities; i++) {
    const birth = i === 0 ? END - below(50) : below(END);
    const identity = uuidv7(birth, Buffer.alloc(16, i));
    births.set(identity, birth);
    const count = 1 + below(6);
    for (const site of SITES) {
      const put = (first: number, last: number, after: number): void => {
        streams[site].push({ identity, first, last, time: Math.min(END, birth + after) });
      };
      for (let first = 1; first <= count;) {
        const last = Math.min(count, first + below(4));
        put(first, last, below(random() < 0.05 ? 300 : 40));
        first = last + 1;
      }
      for (let repeats = below(3); repeats > 0; repeats--) {
        const first = 1 + below(count);
        put(first, first + below(count - first + 1), below(300));
      }
    }
  }
  for (const site of SITES) streams[site].sort((x, y) => x.time - y.time);
  return { streams, births };
}

/** Not wanted by this sink. */
export const isFiltered = (identity: string, number: number): boolean => (identity.charCodeAt(24) + number) % 7 === 0;

export function* each(numbers: NumberSet): Generator<number, void> {
  for (const [first, last] of numbers.ranges()) for (let n = first; n <= last; n++) yield n;
}

/** mulberry32: small, fast, and good enough to mix schedules. */
export function randomOf(seed: number): () => number {
  let state = (seed * 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
