import { randomFillSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { decodeBatch, encodeBatch, linesOf, type Batch } from '#core/batch.ts';
import { ownEventLine, parseEventLine } from '#core/event-line.ts';
import { encodeRanges, type NumberRange } from '#core/number-ranges.ts';
import { uuidGenerator } from '#core/uuid.ts';
import { arrivedWithin, lineBatches } from '../../../consumers/replay/batches.ts';
import { Pace } from '../../../consumers/replay/pace.ts';
import { decodeProgress, encodeProgress } from '../../../consumers/replay/progress.ts';
import { progressLine } from '../../../consumers/replay/report.ts';

const ids = uuidGenerator(Date.now, randomFillSync);
const lineAt = (receivedAt: number, data: unknown, type = 'a.b'): Buffer =>
  ownEventLine(type, { receivedAt, host: 'h', site: 's', source: '/s' }, ids, data);

/** Lines as a receiver finds them: data's `n`, and the number. */
function received(batch: Batch): { readonly n: number; readonly number: number }[] {
  const decoded = decodeBatch(encodeBatch(batch, 'identity'));
  if (decoded.kind === 'invalid') throw new Error(decoded.message);
  const lines: { n: number; number: number }[] = [];
  let start = 0;
  for (const { number, end } of linesOf(decoded)) {
    const line = decoded.body.subarray(start, end);
    const [from = 0, to = 0] = parseEventLine(line)?.data ?? [];
    lines.push({ n: (JSON.parse(line.toString().slice(from, to)) as { n: number }).n, number });
    start = end;
  }
  return lines;
}

test('what arrived within a time keeps its numbers, in batches that receivers take, however it is scattered', () => {
  const step = fc.record({ gap: fc.nat(3), inside: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 150 }), fc.constantFrom(1, 2 ** 52), (steps, base) => {
      let number = base;
      const lines = steps.map(({ gap, inside }) => ({ number: (number += 1 + gap), inside }));
      // A header holds 1,024 bytes of ranges: what does not fit never was a batch.
      const ranges: NumberRange[] = lines.map((line) => [line.number, line.number]);
      fc.pre(encodeRanges(ranges).length <= 1024);
      const body = Buffer.concat(lines.map((line) => lineAt(line.inside ? 5_000 : 4_999, { n: line.number })));
      const merged = decodeBatch(
        encodeBatch({ identity: ids.next(), partition: 1, type: 'a.b', count: lines.length, ranges, body }, 'identity'),
      );
      if (merged.kind === 'invalid') throw new Error(merged.message);
      const found = arrivedWithin(merged, 5_000, 5_001).flatMap(received);
      expect(found).toEqual(
        lines.filter(({ inside }) => inside).map((line) => ({ n: line.number, number: line.number })),
      );
    }),
    { numRuns: 50 },
  );
});

test('a batch cut out of a long range is as many batches as its numbers need', () => {
  const count = 500;
  const first = 2 ** 52;
  const body = Buffer.concat(
    Array.from({ length: count }, (_, n) => lineAt(n % 2 === 0 ? 5_000 : 1, { n: first + n })),
  );
  const batch: Batch = {
    kind: 'batch',
    identity: ids.next(),
    partition: 0,
    type: 'a.b',
    count,
    ranges: [[first, first + count - 1]],
    body,
  };
  const parts = arrivedWithin(batch, 5_000, 5_001);
  expect(parts.length).toBeGreaterThan(1);
  expect(parts.flatMap(received).map(({ number }) => number)).toEqual(
    Array.from({ length: 250 }, (_, n) => first + 2 * n),
  );
  expect(arrivedWithin(batch, 0, 10_000)).toEqual([batch]);
  expect(arrivedWithin(batch, 10_000, 20_000)).toEqual([]);
});

test('lines of letters become batches by type, numbered without gaps, none beyond the limits', () => {
  const line = fc.record({ type: fc.constantFrom('a', 'b.c'), fill: fc.constantFrom(0, 1_000, 100_000, 300_000) });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), fc.boolean(), (given, ended) => {
      const lines = given.map(({ type, fill }, n) => lineAt(1, { n, fill: 'x'.repeat(fill) }, type));
      const batches = lineBatches(
        lines.map((each) => (ended ? each : each.subarray(0, -1))),
        ids.next(),
        7,
      );
      const found = batches.flatMap(received);
      expect(found.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(lines.map((_, n) => n));
      expect(found.map(({ number }) => number)).toEqual(lines.map((_, n) => 7 + n));
    }),
    { numRuns: 30 },
  );
  const many = Array.from({ length: 1_200 }, (_, n) => lineAt(1, { n }));
  expect(lineBatches(many, ids.next(), 1).map(({ count }) => count)).toEqual([500, 500, 200]);
});

describe('a rate', () => {
  test('holds over time, and what was not used is not saved up', async () => {
    let now = 0;
    const wait = vi.fn(async (ms: number) => void (now += ms));
    const pace = new Pace(1_000, () => now, wait);
    for (let n = 0; n < 2_000; n++) await pace.take(1);
    expect(now).toBeGreaterThan(1_985);
    expect(now).toBeLessThan(2_005);
    expect(wait.mock.calls.length).toBeLessThan(500);
    now += 60_000;
    const before = now;
    for (let n = 0; n < 1_000; n++) await pace.take(1);
    expect(now - before).toBeGreaterThan(985);
  });
});

describe('progress', () => {
  const asked = { sink: 's', site: 'x', from: 'a', to: 'b', match: ['c'] };
  const partitions = [{ partition: 3, first: 5n, next: 7n, end: 2n ** 60n, mark: 'i:7' }];

  test('is read as it was written', () => {
    expect(decodeProgress(encodeProgress({ asked, partitions, events: 9 }))).toEqual({ asked, partitions, events: 9 });
  });

  test('that is none is told from one', () => {
    const good = encodeProgress({ asked, partitions, events: 9 });
    for (const bad of [
      '',
      '[]',
      'null',
      good.replace('"version": 2', '"version": 1'),
      good.replace('"i:7"', '7'),
      good.replace('"7"', '"-7"'),
      good.replace('"7"', '"4"'),
    ])
      expect(decodeProgress(bad), bad).toBeNull();
  });

  test('is told with a share, a rate and what is left', () => {
    const progress = {
      asked,
      partitions: [{ partition: 0, first: 1n, next: 51n, end: 200n, mark: 'i:7' }],
      events: 1_000,
    };
    const since = { read: 0, events: 0, ms: 10_000 };
    expect(progressLine(progress, since, false)).toBe(
      's: 25 % of 200 messages read, 1000 events published, 100 a second, about 30 s left\n',
    );
    expect(JSON.parse(progressLine(progress, since, true))).toEqual({
      sink: 's',
      messages_read: 50,
      messages: 200,
      events: 1_000,
      events_per_second: 100,
      seconds_left: 30,
    });
  });
});
