import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Concurrency, type End } from '../../../consumers/queue/concurrency.ts';

const of = (most: number): Concurrency => {
  const concurrency = new Concurrency();
  concurrency.most = most;
  return concurrency;
};
/** Answers of one latency, with as many open as the limit allows, for so many rounds. */
const even = (concurrency: Concurrency, rounds: number, latency = 50): void => {
  for (let round = 0; round < rounds; round++) {
    const { limit } = concurrency;
    for (let answer = 0; answer < limit; answer++) concurrency.observe('ok', latency, limit);
  }
};

describe('the limit', () => {
  test('begins at one, and is none without permits', () => {
    expect(of(8).limit).toBe(1);
    expect(of(0).limit).toBe(0);
  });

  test('is doubled with each round up to four, then rises by one, while it is reached and latency stays, up to the most', () => {
    const concurrency = of(6);
    const seen = [1, 2, 3, 4, 5].map(() => {
      even(concurrency, 1);
      return concurrency.limit;
    });
    expect(seen).toEqual([2, 4, 5, 6, 6]);
  });

  test('rises by one a round once it fell', () => {
    const concurrency = of(11);
    even(concurrency, 2);
    concurrency.observe('overload', 5, 4);
    even(concurrency, 1); // The rest of the round.
    const fallen = concurrency.limit;
    const seen = [1, 2, 3].map(() => {
      even(concurrency, 1);
      return concurrency.limit;
    });
    expect(fallen).toBe(3);
    expect(seen).toEqual([4, 5, 6]);
  });

  test('stays where it is not reached, whatever the latency', () => {
    const concurrency = of(20);
    even(concurrency, 10);
    const { limit } = concurrency;
    for (let answer = 0; answer < 200; answer++) concurrency.observe('ok', answer % 40 === 0 ? 5_000 : 50, limit - 1);
    expect(concurrency.limit).toBe(limit);
  });

  test('falls once a round under refusals, not once an answer', () => {
    const concurrency = of(20);
    even(concurrency, 30);
    expect(concurrency.limit).toBe(20);
    for (let answer = 0; answer < 20; answer++) concurrency.observe('overload', 5, 20);
    expect(concurrency.limit).toBe(18);
    for (let answer = 0; answer < 18; answer++) concurrency.observe(answer === 0 ? 'overload' : 'ok', 50, 18);
    expect(concurrency.limit).toBe(16);
  });

  test('falls when latency leaves the usual, and rises again once the slower is the usual', () => {
    const concurrency = of(20);
    even(concurrency, 30);
    even(concurrency, 1, 100);
    expect(concurrency.limit).toBe(18);
    for (let round = 0; round < 60; round++) even(concurrency, 1, round % 2 === 0 ? 102 : 98);
    expect(concurrency.limit).toBe(20);
  });

  test('comes back to what it was when permits come back', () => {
    const concurrency = of(10);
    even(concurrency, 20);
    concurrency.most = 3;
    expect(concurrency.limit).toBe(3);
    concurrency.most = 10;
    expect(concurrency.limit).toBe(10);
  });
});

test('the invariants hold for any answers', () => {
  const answer = fc.record({
    most: fc.option(fc.integer({ min: 0, max: 40 }), { freq: 10, nil: null }),
    end: fc.constantFrom<End>('ok', 'ok', 'ok', 'overload', 'neutral'),
    latency: fc.oneof(fc.constant(50), fc.double({ min: 0, max: 1e6, noNaN: true })),
    inFlight: fc.oneof(fc.constant<'limit'>('limit'), fc.integer({ min: 1, max: 60 })),
  });
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 400 }), (answers) => {
      const concurrency = of(8);
      let [count, overloaded, reached] = [0, false, false];
      for (const { most, end, latency, inFlight } of answers) {
        if (most !== null) concurrency.most = most;
        const before = concurrency.limit;
        const open = inFlight === 'limit' ? Math.max(1, before) : inFlight;
        concurrency.observe(end, latency, open);
        const after = concurrency.limit;
        if (end === 'overload') overloaded = true;
        if (end !== 'neutral' && open >= before) reached = true;
        if (end !== 'neutral') count++;
        expect(after).toBeLessThanOrEqual(concurrency.most);
        expect(after).toBeGreaterThanOrEqual(Math.min(1, concurrency.most));
        expect([
          before,
          before + 1,
          Math.min(2 * before, concurrency.most),
          Math.max(Math.min(1, before), Math.floor(before * 0.9)),
        ]).toContain(after);
        if (end === 'neutral') expect(after).toBe(before);
        if (after > before) expect([overloaded, reached]).toEqual([false, true]);
        if (after < before) expect(overloaded || reached).toBe(true);
        if (after !== before) expect(count).toBeGreaterThanOrEqual(before);
        if (end !== 'neutral' && count >= before) [count, overloaded, reached] = [0, false, false];
      }
    }),
  );
});

interface Target {
  /** So many requests at once it works on at full speed; more share it. */
  readonly knee: number;
  /** Latency of a request alone, and by which share it varies. */
  readonly base: number;
  readonly noise: number;
  /** It refuses what comes while so many are open. */
  readonly refusesAbove: number;
}

/** A target that shares its time between the requests open, always under as many as the limit allows; what the last three quarters saw. */
function simulate({ knee, base, noise, refusesAbove }: Target, most: number, until: number) {
  let seed = 42;
  const random = (): number => (seed = (seed * 1_664_525 + 1_013_904_223) >>> 0) / 2 ** 32;
  const concurrency = of(most);
  const open: { readonly start: number; readonly refused: boolean; left: number }[] = [];
  const limits: number[] = [];
  let now = 0;
  let done = 0;
  while (now < until) {
    while (open.length < concurrency.limit) {
      const refused = open.length >= refusesAbove;
      open.push({ start: now, refused, left: refused ? base / 10 : base * (1 + noise * (random() * 2 - 1)) });
    }
    const next = open.reduce((a, b) => (a.left <= b.left ? a : b));
    const share = Math.min(1, knee / open.length);
    const passed = next.left;
    now += passed / share;
    for (const each of open) each.left -= passed;
    concurrency.observe(next.refused ? 'overload' : 'ok', now - next.start, open.length);
    open.splice(open.indexOf(next), 1);
    if (now < until / 4) continue;
    limits.push(concurrency.limit);
    if (!next.refused) done++;
  }
  limits.sort((a, b) => a - b);
  const at = (share: number): number => limits[Math.floor(limits.length * share)] ?? 0;
  return { low: at(0.05), high: at(0.95), rate: done / (until * 0.75), best: knee / base };
}

describe('against a target with a knee', () => {
  const target = { base: 50, noise: 0, refusesAbove: Infinity };

  test.each([1, 4, 10, 30])('an even one that slows down above %i at once: the limit settles there', (knee) => {
    const { low, high, rate, best } = simulate({ ...target, knee }, 100, 60_000);
    expect(low).toBeGreaterThanOrEqual(knee);
    expect(high).toBeLessThanOrEqual(Math.ceil(knee * 1.2) + 1);
    expect(rate).toBeGreaterThan(best * 0.95);
  });

  test.each([4, 10, 30])('an uneven one that refuses more than %i at once: the limit settles there', (knee) => {
    const found = simulate({ ...target, knee, noise: 0.3, refusesAbove: knee }, 100, 60_000);
    expect(found.low).toBeGreaterThanOrEqual(Math.floor(knee * 0.75));
    expect(found.high).toBeLessThanOrEqual(knee + 1);
    expect(found.rate).toBeGreaterThan(found.best * 0.85);
  });

  test('one that is faster than all permits together is given them all', () => {
    const { low, rate } = simulate({ ...target, knee: 1000, noise: 0.3 }, 8, 60_000);
    expect(low).toBeGreaterThanOrEqual(6);
    expect(rate).toBeGreaterThan((8 / 50) * 0.85);
  });
});
