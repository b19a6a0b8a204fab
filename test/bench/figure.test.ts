// What of the benchmarks could be wrong in silence: the median, the verdict, the page.
import { describe, expect, test } from 'vitest';
import {
  amount,
  type Figure,
  figureOf,
  isMet,
  median,
  performancePage,
  quantile,
  tableHead,
  tableLines,
} from './figure.ts';

const rate = figureOf(
  { what: 'a|b', unit: 'events/s', target: { kind: 'ratio', atLeast: 0.6 }, detail: 'more' },
  [50, 70, 90, 10, 200],
  [100, 100, 100, 100, 100],
);

const judged = (kind: 'below' | 'at-least', value: number): Figure =>
  figureOf({ what: 'x', unit: 'ms', target: { kind, value: 10 } }, [value], null);

describe('figures', () => {
  test('the median is the middle one, or between the middle two', () => {
    expect(median([3, 100, 1])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  test('a quantile is a value that was measured, by nearest rank', () => {
    const values = Array.from({ length: 200 }, (_, i) => 200 - i);
    expect([quantile(values, 0.99), quantile(values, 0.5), quantile([7], 0.99)]).toEqual([198, 100, 7]);
  });

  test('a ratio is judged by the median of the pairs, not by the ratio of the medians', () => {
    const skewed = figureOf(
      { what: 'x', unit: 's', target: { kind: 'ratio', atLeast: 0.6 } },
      [10, 20, 90],
      [10, 100, 900],
    );
    expect(skewed.rounds).toEqual([1, 0.2, 0.1]);
    expect([isMet(rate), isMet(skewed)]).toEqual([true, false]);
  });

  test('an amount is judged on its side of the target', () => {
    expect([9, 10, Number.NaN].map((value) => isMet(judged('below', value)))).toEqual([true, false, false]);
    expect([10, 9, Number.NaN].map((value) => isMet(judged('at-least', value)))).toEqual([true, false, false]);
  });

  test('amounts are whole from 100 on, and have three digits below', () => {
    expect([1234567.8, 100.4, 12.345, 0.01234].map(amount)).toEqual(['1,234,568', '100', '12.3', '0.0123']);
  });

  test('lines and page hold every figure, its verdict, and what was not measured', () => {
    const measured = [
      { benchmark: 'one', about: 'About it.', figures: [rate], failure: null },
      { benchmark: 'two', about: 'Else.', figures: [], failure: 'no broker' },
    ];
    const [line, failed] = measured.flatMap(tableLines);
    expect(line?.slice(tableHead().indexOf('of the pairs'))).toBe('0.10 – 2.00     met');
    expect(failed).toBe('two: not measured: no broker');
    const page = performancePage(measured, { day: '2026-11-23', machine: [['CPU', 'x']], notes: '## Notes\n' });
    expect(page).toContain('| a\\|b | 70 events/s | 100 events/s | 0.70 | ratio ≥ 0.60 | 0.10 – 2.00 | met |');
    expect(page).toContain('two: not measured: no broker');
    expect(page.endsWith('## Notes\n')).toBe(true);
  });
});
