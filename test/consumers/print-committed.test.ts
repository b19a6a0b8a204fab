import { expect, test } from 'vitest';
import { parseHour } from '../../consumers/print-committed.ts';

const hours = (iso: string): number => Date.parse(iso) / 3_600_000;

test('an hour is itself at both ends; a day is its first and its last hour', () => {
  expect(parseHour('2026-11-23T14', 'from')).toBe(hours('2026-11-23T14:00:00Z'));
  expect(parseHour('2026-11-23T14', 'to')).toBe(hours('2026-11-23T14:00:00Z'));
  expect(parseHour('2026-11-23', 'from')).toBe(hours('2026-11-23T00:00:00Z'));
  expect(parseHour('2026-11-23', 'to')).toBe(hours('2026-11-23T23:00:00Z'));
});

test.each(['', 'noon', '2026-11-23T24', '2026-13-01', '2026-11-23T14:30', '2026-11-23T14:00:00Z'])(
  '%j is none',
  (text) => {
    expect(parseHour(text, 'from')).toBeNull();
  },
);
