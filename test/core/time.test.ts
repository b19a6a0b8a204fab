import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventHour, parseMoment, parseTime } from '#core/time.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;
const two = (n: number): string => String(n).padStart(2, '0');

test('agrees with Date on what Date writes, in any zone', () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date('0000-01-02T00:00:00Z'), max: new Date('9999-12-30T00:00:00Z'), noInvalidDate: true }),
      fc.integer({ min: -1439, max: 1439 }),
      (date, minutes) => {
        expect(parseTime(date.toISOString())).toBe(date.getTime());
        const local = new Date(date.getTime() + minutes * 60_000).toISOString().slice(0, -1);
        fc.pre(/^[0-9]{4}-/.test(local));
        const zone = `${minutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
        expect(parseTime(local + zone)).toBe(date.getTime());
      },
    ),
    { numRuns: 2000 },
  );
});

test.each([
  ['2026-11-23T14:00:00Z', '2026-11-23T14:00:00.000Z'],
  ['2026-11-23t14:00:00z', '2026-11-23T14:00:00.000Z'],
  ['2026-11-23T14:00:00.1Z', '2026-11-23T14:00:00.100Z'],
  ['2026-11-23T14:00:00.123456789Z', '2026-11-23T14:00:00.123Z'],
  ['2024-02-29T00:00:00-00:00', '2024-02-29T00:00:00.000Z'],
  ['1990-12-31T15:59:60-08:00', '1991-01-01T00:00:00.000Z'],
  ['2016-12-31T23:59:60.5Z', '2017-01-01T00:00:00.500Z'],
])('%s is a timestamp (RFC 3339, sections 5.6 to 5.8)', (text, iso) => {
  expect(parseTime(text)).toBe(Date.parse(iso));
});

test.each([
  '',
  '2026-11-23',
  '2026-11-23 14:00:00Z',
  '2026-11-23T14:00:00',
  '2026-11-23T14:00Z',
  '2026-11-23T24:00:00Z',
  '2026-11-23T14:60:00Z',
  '2026-11-23T14:00:60Z',
  '2026-11-23T14:00:61Z',
  '2026-13-01T00:00:00Z',
  '2026-00-01T00:00:00Z',
  '2026-02-29T00:00:00Z',
  '1900-02-29T00:00:00Z',
  '2026-04-31T00:00:00Z',
  '2026-11-00T00:00:00Z',
  '2026-11-23T14:00:00.Z',
  '2026-11-23T14:00:00+24:00',
  '2026-11-23T14:00:00+0100',
  '2026-11-23T14:00:00+01:60',
  '2026-11-23T14:00:00ZZ',
  '2026-11-23T14:00:00Z ',
  ' 2026-11-23T14:00:00Z',
  '+002026-11-23T14:00:00Z',
  '20261123T140000Z',
  `2026-11-23T14:00:00.${'0'.repeat(99)}Z`,
])('%j is none', (text) => {
  expect(parseTime(text)).toBeNull();
});

test('the hour is of the event within 7 days before and 1 hour after arrival, else of the arrival', () => {
  const arrival = Date.parse('2026-11-23T14:30:00.000Z');
  const hour = Math.floor(arrival / HOUR);
  expect(eventHour(arrival - 7 * DAY, arrival)).toBe(hour - 7 * 24);
  expect(eventHour(arrival - 7 * DAY - 1, arrival)).toBe(hour);
  expect(eventHour(arrival + HOUR, arrival)).toBe(hour + 1);
  expect(eventHour(arrival + HOUR + 1, arrival)).toBe(hour);
  expect(eventHour(Number.NaN, arrival)).toBe(hour);
});

const at = (text: string): string | null => {
  const time = parseMoment(text);
  return time === null ? null : new Date(time).toISOString();
};

test('a moment is written short in UTC, or as RFC 3339', () => {
  expect(at('2026-11-23')).toBe('2026-11-23T00:00:00.000Z');
  expect(at('2026-11-23T14')).toBe('2026-11-23T14:00:00.000Z');
  expect(at('2026-11-23T14:05')).toBe('2026-11-23T14:05:00.000Z');
  expect(at('2026-11-23T14:05:06.5+01:00')).toBe('2026-11-23T13:05:06.500Z');
  for (const none of ['', '2026-11', '2026-02-30', '2026-11-23T24', '2026-11-23T14:05:00', 'now'])
    expect(parseMoment(none), none).toBeNull();
});
