import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Batch } from '#core/batch.ts';
import { BATCH_LIMITS, Batcher, type BatchLimits } from '../../../ingest/publish/batcher.ts';
import { BufferPool } from '../../../ingest/publish/buffer-pool.ts';
import type { SpoolRecord } from '../../../ingest/spool/contract.ts';

const small: BatchLimits = {
  maxEvents: 7,
  maxBytes: 120,
  maxRangesText: 40,
  maxOpen: 3,
  maxOpenBytes: 300,
  linger: 10,
};

const pool = new BufferPool(1024 ** 2);

/** Lines that tell their own number, of the lengths given. */
function record(identity: string, type: string, first: number, lengths: readonly number[]): SpoolRecord {
  const lines = lengths.map((length, index) => `${String(first + index).padEnd(length, '.')}\n`);
  return { identity, partition: 1, type, first, count: lengths.length, payload: Buffer.from(lines.join('')) };
}

function numbersOf(batch: Batch): number[] {
  return batch.ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index));
}

const text = (batch: Batch): string =>
  batch.ranges.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join(',');

const shape = fc.record({
  identity: fc.constantFrom('a', 'b'),
  type: fc.constantFrom('t1', 't2', 't3', 't4', 't5'),
  lengths: fc.array(fc.integer({ min: 1, max: 160 }), { minLength: 1, maxLength: 20 }),
  pause: fc.integer({ min: 0, max: 6 }),
});

test('every number travels once, with its own line, within all limits and its linger', () => {
  fc.assert(
    fc.property(fc.array(shape, { maxLength: 60 }), fc.integer({ min: 1, max: 2 ** 40 }), (shapes, start) => {
      const batcher = new Batcher(small, pool);
      const out: Batch[] = [];
      const sent: string[] = [];
      const next = new Map<string, number>();
      let now = 0;
      for (const { identity, type, lengths, pause } of shapes) {
        now += pause;
        const first = next.get(identity) ?? start;
        next.set(identity, first + lengths.length);
        lengths.forEach((_, index) => sent.push(`${identity} ${type} ${first + index}`));
        batcher.add(record(identity, type, first, lengths), now, out);
        expect(batcher.bytes).toBeLessThanOrEqual(small.maxOpenBytes);
        batcher.due(now, out);
        expect(batcher.nextDue() ?? Infinity).toBeGreaterThan(now);
      }
      batcher.flush(out);
      expect([batcher.bytes, batcher.count, batcher.nextDue()]).toEqual([0, 0, null]);
      const received: string[] = [];
      for (const batch of out) {
        const numbers = numbersOf(batch);
        expect(batch.count).toBe(numbers.length);
        expect(batch.count).toBeLessThanOrEqual(small.maxEvents);
        expect(batch.count === 1 || batch.body.length <= small.maxBytes).toBe(true);
        expect(text(batch).length).toBeLessThanOrEqual(small.maxRangesText);
        for (let at = 1; at < batch.ranges.length; at++) {
          expect(batch.ranges[at]?.[0]).toBeGreaterThan((batch.ranges[at - 1]?.[1] ?? 0) + 1);
        }
        const lines = batch.body.toString().split('\n');
        expect(lines.pop()).toBe('');
        expect(lines.map((line) => line.replace(/\.*$/, ''))).toEqual(
          // A line as short as its number is cut to nothing else.
          numbers.map(String),
        );
        received.push(...numbers.map((number) => `${batch.identity} ${batch.type} ${number}`));
      }
      expect(received.toSorted()).toEqual(sent.toSorted());
    }),
  );
});

test('one type in a row makes full batches with one range each', () => {
  const batcher = new Batcher(BATCH_LIMITS, pool);
  const out: Batch[] = [];
  for (let first = 1; first < 2_000; first += 100) {
    batcher.add(
      record(
        'a',
        't',
        first,
        Array.from({ length: 100 }, () => 300),
      ),
      0,
      out,
    );
  }
  expect(out.map((batch) => [batch.count, batch.ranges])).toEqual([
    [500, [[1, 500]]],
    [500, [[501, 1000]]],
    [500, [[1001, 1500]]],
    [500, [[1501, 2000]]],
  ]);
});

test('an event larger than a batch travels alone, and its neighbours are not lost', () => {
  const batcher = new Batcher(BATCH_LIMITS, pool);
  const out: Batch[] = [];
  batcher.add(record('a', 't', 1, [10, 1024 * 1024, 10]), 0, out);
  batcher.flush(out);
  expect(out.map((batch) => batch.ranges)).toEqual([[[1, 1]], [[2, 2]], [[3, 3]]]);
});

test('a record whose lines are fewer than its count is an error, not a wrong number', () => {
  const bad = {
    ...record(
      'a',
      't',
      1,
      Array.from({ length: 600 }, () => 4),
    ),
    count: 601,
  };
  expect(() => new Batcher(BATCH_LIMITS, pool).add(bad, 0, [])).toThrow('holds 600 lines, not 601');
});
