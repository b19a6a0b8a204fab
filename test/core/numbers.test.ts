import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NumberSyntaxError, type NumberRange, countRanges, decodeRanges, encodeRanges } from '#core/number-ranges.ts';
import { NumberSet } from '#core/numbers.ts';

const elements = (set: NumberSet): number[] => {
  const numbers: number[] = [];
  for (const [first, last] of set.ranges()) for (let n = first; n <= last; n++) numbers.push(n);
  return numbers;
};
const sorted = (model: Set<number>): number[] => [...model].toSorted((a, b) => a - b);

function expectSame(set: NumberSet, model: Set<number>): void {
  expect(elements(set)).toEqual(sorted(model));
  expect(set.count).toBe(model.size);
  const ranges = [...set.ranges()];
  expect(set.intervals).toBe(ranges.length);
  ranges.slice(1).forEach((range, i) => expect(range[0]).toBeGreaterThan((ranges[i]?.[1] ?? 0) + 1));
}

const range = (most: number, length: number) =>
  fc
    .tuple(fc.integer({ min: 1, max: most }), fc.integer({ min: 0, max: length }))
    .map(([first, more]): NumberRange => [first, first + more]);

/** Ascending, disjoint ranges, sometimes touching, as a batch's. */
const batch = (most: number) =>
  fc
    .array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 5 })), { minLength: 1, maxLength: 12 })
    .chain((steps) => fc.integer({ min: 1, max: most }).map((start) => ({ start, steps })))
    .map(({ start, steps }) => {
      let next = start;
      return steps.map(([gap, more]): NumberRange => {
        const first = next + gap;
        next = first + more + 1;
        return [first, first + more];
      });
    });

function addModel(model: Set<number>, [first, last]: NumberRange): number {
  const before = model.size;
  for (let n = first; n <= last; n++) model.add(n);
  return model.size - before;
}

describe('NumberSet against Set<number>', () => {
  test('add, addRange, contains', () => {
    fc.assert(
      fc.property(fc.array(range(300, 12), { maxLength: 120 }), (ranges) => {
        const set = new NumberSet();
        const model = new Set<number>();
        for (const [first, last] of ranges) {
          if (first === last) expect(set.add(first)).toBe(addModel(model, [first, last]) === 1);
          else expect(set.addRange(first, last)).toBe(addModel(model, [first, last]));
        }
        expectSame(set, model);
        for (let n = 1; n < 320; n++) expect(set.contains(n)).toBe(model.has(n));
      }),
    );
  });

  test('across many chunks: single numbers first, then ranges that swallow hundreds of intervals', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(range(8000, 3000), { maxLength: 6 }), (seed, ranges) => {
        const set = new NumberSet();
        const model = new Set<number>();
        let state = seed | 1;
        for (let i = 0; i < 4000; i++) {
          state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
          const n = 1 + ((state >>> 8) % 4000) * 2;
          expect(set.add(n)).toBe(addModel(model, [n, n]) === 1);
        }
        expect(set.intervals).toBeGreaterThan(1024);
        for (const each of ranges) expect(set.addRange(...each)).toBe(addModel(model, each));
        expectSame(set, model);
      }),
      { numRuns: 25 },
    );
  });

  test('merge and subtract; the other set stays as it was', () => {
    fc.assert(
      fc.property(fc.array(range(200, 10)), fc.array(range(200, 10)), (one, two) => {
        const [a, b] = [NumberSet.of(one), NumberSet.of(two)];
        const [left, right] = [new Set(elements(a)), new Set(elements(b))];
        expectSame(a.subtract(b), left.difference(right));
        expect(a.merge(b)).toBe(right.difference(left).size);
        expectSame(a, left.union(right));
        expectSame(b, right);
        expect(a.merge(a)).toBe(0);
        expect(a.subtract(a).count).toBe(0);
      }),
    );
  });

  test('addRanges says which lines of a batch are new; missing says it without adding', () => {
    fc.assert(
      fc.property(fc.array(range(120, 8), { maxLength: 20 }), batch(100), (seen, ranges) => {
        const set = NumberSet.of(seen);
        const model = new Set(elements(set));
        const numbers = ranges.flatMap(([first, last]) =>
          Array.from({ length: last - first + 1 }, (_, i) => first + i),
        );
        const fresh = numbers.map((n) => (model.has(n) ? 0 : 1));
        const missing = set
          .missing(ranges)
          .flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i));
        expect(missing).toEqual(numbers.filter((n) => !model.has(n)));
        expectSame(set, model);
        const mask = set.addRanges(ranges);
        if (fresh.every((bit) => bit === 1)) expect(mask).toBeNull();
        else expect([...(mask ?? [])]).toEqual(fresh);
        expectSame(set, new Set([...model, ...numbers]));
      }),
    );
  });

  test('encode and decode are inverse, and one set has one text', () => {
    fc.assert(
      fc.property(fc.array(range(500, 9)), (ranges) => {
        const set = NumberSet.of(ranges);
        const text = set.encode();
        expect(elements(NumberSet.decode(text))).toEqual(elements(set));
        expect(NumberSet.decode(text).encode()).toBe(text);
        expect(encodeRanges(decodeRanges(text))).toBe(text);
        expect(countRanges(decodeRanges(text))).toBe(set.count);
      }),
    );
  });

  test('a copy does not follow its original, nor the original the copy', () => {
    fc.assert(
      fc.property(
        fc.array(range(3000, 1), { minLength: 1, maxLength: 900 }),
        fc.array(range(3000, 40)),
        (ranges, more) => {
          const set = NumberSet.of(ranges);
          const before = elements(set);
          const copy = set.copy();
          const model = new Set(before);
          for (const each of more) {
            copy.addRange(...each);
            addModel(model, each);
          }
          expect(elements(set)).toEqual(before);
          expectSame(copy, model);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('the text of a set', () => {
  test('as the wire has it', () => {
    expect(NumberSet.decode('100-180,185').encode()).toBe('100-180,185');
    expect(NumberSet.decode('100-180,185').count).toBe(82);
    expect(NumberSet.decode('').count).toBe(0);
    expect(
      encodeRanges([
        [1, 3],
        [4, 4],
        [6, 6],
      ]),
    ).toBe('1-4,6');
    expect(encodeRanges([[Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]])).toBe('9007199254740991');
  });

  test.each([
    ['0', 0],
    ['01', 0],
    ['-1', 0],
    ['1-', 2],
    ['1-1', 2],
    ['5-4', 2],
    ['1,', 2],
    ['1,,2', 2],
    ['1 ,2', 1],
    ['1-3,4', 4],
    ['1-3,2', 4],
    ['7,5', 2],
    ['1-2-3', 3],
    ['9007199254740992', 0],
    ['99999999999999999', 0],
    ['1,x', 2],
    ['1e3', 1],
  ])('%s is refused, and the error says where', (text, at) => {
    const error: unknown = (() => {
      try {
        return NumberSet.decode(text);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(NumberSyntaxError);
    expect(error).toMatchObject({ at });
  });

  test('numbers that are no positive safe integers are refused', () => {
    const set = new NumberSet();
    for (const n of [0, -1, 1.5, Number.NaN, Number.MAX_SAFE_INTEGER + 1]) expect(() => set.add(n)).toThrow(RangeError);
    expect(() => set.addRange(5, 4)).toThrow(RangeError);
    expect(set.add(Number.MAX_SAFE_INTEGER)).toBe(true);
    expect(set.add(1)).toBe(true);
    expect(set.intervals).toBe(2);
  });
});
