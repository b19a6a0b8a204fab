import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BufferPool } from '../../../ingest/publish/buffer-pool.ts';

test('no two users ever hold the same memory, and no more is kept than allowed', () => {
  const act = fc.oneof(
    fc.record({ kind: fc.constant('take' as const), size: fc.integer({ min: 0, max: 300_000 }) }),
    fc.record({ kind: fc.constant('give' as const), which: fc.nat() }),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 80 }), (acts) => {
      const pool = new BufferPool(600_000);
      const held: Buffer[] = [];
      for (const each of acts) {
        if (each.kind === 'take') {
          const buffer = pool.take(each.size);
          expect(buffer.length).toBeGreaterThanOrEqual(each.size);
          expect(held.some((other) => other.buffer === buffer.buffer)).toBe(false);
          held.push(buffer);
        } else if (held.length > 0) {
          const [buffer] = held.splice(each.which % held.length, 1);
          if (buffer) pool.give(buffer.subarray(0, buffer.length >> 1));
        }
        expect(pool.kept).toBeLessThanOrEqual(600_000);
      }
    }),
    { numRuns: 50 },
  );
});

test('what was given is taken again', () => {
  const pool = new BufferPool(1024 ** 2);
  const first = pool.take(100_000);
  pool.give(first.subarray(0, 5));
  expect(pool.take(120_000).buffer).toBe(first.buffer);
  expect(pool.kept).toBe(0);
});
