import { expect, test } from 'vitest';
import { DrainRate, retryAfter } from '../../../ingest/publish/drain-rate.ts';

test('an even flow is measured as what it is, wherever the clock started', () => {
  for (const start of [0, 999, 123_456]) {
    const drain = new DrainRate(start);
    for (let now = start; now < start + 60_000; now += 10) {
      drain.add(1_000, now);
      if (now - start > 3_000) expect(Math.abs(drain.rate(now) - 100_000)).toBeLessThan(1_000);
    }
  }
});

test('a flow that stopped is forgotten after ten seconds', () => {
  const drain = new DrainRate(0);
  for (let now = 0; now < 5_000; now += 10) drain.add(1_000, now);
  expect(drain.rate(9_000)).toBeGreaterThan(0);
  expect(drain.rate(9_000)).toBeLessThan(100_000);
  expect(drain.rate(15_001)).toBe(0);
  expect(drain.rate(1_000_000)).toBe(0);
});

test('Retry-After is whole seconds, at least 1, and bounded', () => {
  expect([retryAfter(1, 1e9), retryAfter(25, 10), retryAfter(1e12, 1), retryAfter(1, 0)]).toEqual([1, 3, 120, 30]);
});
