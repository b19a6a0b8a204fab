import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compilePattern, matcher, memoised, patternFault } from '#core/patterns.ts';

describe('one pattern', () => {
  test.each([
    ['a.*', ['a.b'], ['a', 'a.b.c', 'b.a']],
    ['a.**', ['a', 'a.b', 'a.b.c'], ['ab', 'ab.c', 'b.a']],
    ['**', ['a', 'a.b.c'], []],
    ['*', ['a'], ['a.b']],
    ['**.c', ['c', 'a.c', 'a.b.c', 'c.c'], ['a.cc', 'c.a']],
    ['a.**.c', ['a.c', 'a.b.c', 'a.b.b.c', 'a.c.c'], ['a', 'c', 'a.b']],
    ['*.b.**', ['a.b', 'a.b.c.d'], ['b', 'a.c.b']],
    ['**.a.**.b', ['a.b', 'x.a.y.b', 'a.a.b.b'], ['b.a', 'a']],
    ['A.b', ['A.b'], ['a.b', 'A.bc']],
  ])('%s', (pattern, yes, no) => {
    const matches = compilePattern(pattern);
    for (const name of yes) expect([name, matches(name)]).toEqual([name, true]);
    for (const name of no) expect([name, matches(name)]).toEqual([name, false]);
  });

  test('agrees with a regular expression made of the same words', () => {
    const word = fc.constantFrom('a', 'b', 'ab');
    fc.assert(
      fc.property(
        fc.array(fc.oneof(word, fc.constantFrom('*', '**')), { minLength: 1, maxLength: 6 }),
        fc.array(word, { minLength: 1, maxLength: 7 }),
        (pattern, name) => {
          // Every word is followed by a dot here, so that ** is simply any number of "word." groups.
          const oracle = new RegExp(
            `^${pattern.map((p) => (p === '**' ? String.raw`(?:[^.]+\.)*` : p === '*' ? String.raw`[^.]+\.` : String.raw`${p}\.`)).join('')}$`,
          );
          expect(compilePattern(pattern.join('.'))(name.join('.'))).toBe(oracle.test(`${name.join('.')}.`));
        },
      ),
      { numRuns: 2000 },
    );
  });

  test.each(['', 'a..b', '.a', 'a.', 'a*', 'a.b*c', '***', '{a,b}'])('%j is refused', (pattern) => {
    expect(patternFault(pattern)).not.toBeNull();
    expect(() => compilePattern(pattern)).toThrow(TypeError);
  });
});

describe('the patterns of a sink', () => {
  test('any of them, and none for an empty list', () => {
    const matches = matcher(['checkin.*', 'order.**']);
    expect(['checkin.created', 'order', 'order.a.b', 'checkin', 'other'].map(matches)).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(matcher([])('a')).toBe(false);
  });

  test('waggle.** is left out unless a pattern names it', () => {
    expect(matcher(['**'])('waggle.probe')).toBe(false);
    expect(matcher(['*.probe'])('waggle.probe')).toBe(false);
    expect(matcher(['**'])('waggles.probe')).toBe(true);
    expect(matcher(['**', 'waggle.**'])('waggle.probe')).toBe(true);
    expect(matcher(['**', 'waggle.probe'])('waggle.alarm')).toBe(false);
    expect(matcher(['**', 'waggle.probe'])('a.b')).toBe(true);
  });

  test('an answer is computed once, and memory is bounded', () => {
    let calls = 0;
    const length = memoised((name) => {
      calls++;
      return name.length;
    });
    expect([length('abc'), length('abc'), calls]).toEqual([3, 3, 1]);
    for (let i = 0; i < 5000; i++) length(`t${i}`);
    expect(length('abc')).toBe(3);
    expect(calls).toBe(5002);
  });
});
