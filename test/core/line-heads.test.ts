import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isEventLine, lineHour, lineType } from '#core/event-line.ts';
import { readHeads } from '#core/line-heads.ts';

const HOUR = 3_600_000;
const AT = Date.parse('2026-11-23T14:05:33.123Z');
const iso = (time: number): string => new Date(time).toISOString();

interface Line {
  readonly type?: string;
  readonly received?: string;
  readonly time?: string;
}

const lineOf = ({ type = 'a.b', received = iso(AT), time = received }: Line): string =>
  `{"specversion":"1.0","type":"${type}","receivedat":"${received}","time":"${time}","id":"1","source":"/a","host":"h","site":"s","data":{}}\n`;

/** Line by line, as what is shared between lines may not change it. */
function slowly(lines: readonly string[]): { type: string; hours: number[] } | null {
  const bodies = lines.map((line) => Buffer.from(line));
  const [first] = bodies;
  const type = first === undefined ? null : lineType(first, 0, first.length);
  if (type === null || !bodies.every((line) => isEventLine(line, 0, line.length))) return null;
  if (!bodies.every((line) => lineType(line, 0, line.length) === type)) return null;
  return { type, hours: bodies.map((line) => lineHour(line, 0, line.length)) };
}

function read(lines: readonly string[]): { type: string; hours: number[] } | null {
  const body = Buffer.from(lines.join(''));
  const heads = readHeads(body, lines.length);
  if (typeof heads === 'string') return null;
  expect(heads.hours.at(-1)?.end).toBe(body.length);
  return { type: heads.type, hours: heads.hours.flatMap(({ hour, lines: n }) => Array<number>(n).fill(hour)) };
}

describe('the heads of a batch’s lines', () => {
  test('say of each line what it says alone', () => {
    const moment = fc.oneof(
      fc.integer({ min: -10, max: 10 }).map((minutes) => AT + minutes * 60_000),
      fc.integer({ min: -8 * 24, max: 3 }).map((hours) => AT + hours * HOUR),
      // around the bounds of 7 days and 1 hour, which lie in the middle of an hour
      fc
        .tuple(fc.constantFrom(-7 * 24 * HOUR, HOUR), fc.integer({ min: -2, max: 2 }))
        .map(([bound, minutes]) => AT + bound + minutes * 60_000),
    );
    const text = fc.oneof(
      { weight: 9, arbitrary: moment.map(iso) },
      moment.map((time) => iso(time).replace('Z', '+02:00')),
      moment.map((time) => iso(time).replace(/\.\d{3}/, '')),
      fc.constantFrom('2026-11-23T14:65:33.123Z', '2026-11-23T14:05:61.123Z', '2026-11-23T14:05:3x.123Z', 'x', ''),
    );
    const received = fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(0, 1_000, HOUR).map((ms) => iso(AT + ms)) },
      text,
    );
    const line = fc.record({
      type: fc.oneof({ weight: 30, arbitrary: fc.constant('a.b') }, fc.constantFrom('a.c', 'a.bb', 'a')),
      received,
      time: text,
    });
    let whole = 0;
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 12 }), (lines) => {
        const texts = lines.map(lineOf);
        const expected = slowly(texts);
        if (expected !== null) whole++;
        expect(read(texts)).toEqual(expected);
      }),
      { numRuns: 3_000 },
    );
    expect(whole).toBeGreaterThan(300);
  });

  test('a byte that is another in any place of the head is seen', () => {
    const good = lineOf({});
    for (let at = 0; at < good.indexOf('"id"'); at++) {
      const spoiled = `${good.slice(0, at)}~${good.slice(at + 1)}`;
      expect(read([good, spoiled, good])).toEqual(slowly([good, spoiled, good]));
    }
  });

  test('lines are counted strictly', () => {
    const line = lineOf({});
    for (const [text, count] of [
      [line + line.trimEnd(), 2],
      [line + line, 1],
      [line + line, 3],
      [`${line}\n${line}`, 3],
      ['\n', 1],
      ['', 1],
    ] as const)
      expect(readHeads(Buffer.from(text), count)).toMatch(/lines|line \d+ is no event/);
  });
});
