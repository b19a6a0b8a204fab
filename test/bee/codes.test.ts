import { expect, expectTypeOf, test } from 'vitest';
import { REFUSALS } from '#core/errors.ts';
import { REJECTIONS, rejection, rejectionCodes } from '../../bee/codes.ts';
import { type OpenRules, type Rules, RulesInvalid, SANITIZERS } from '../../bee/verdict.ts';

const own = Object.keys(REJECTIONS) as (keyof typeof REJECTIONS)[];

test('the table has the codes that clients know; a code is never renamed nor reused', () => {
  expect(own).toHaveLength(22);
  for (const code of own) expect(code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
});

test('no code is in two tables', () => {
  expect(own.filter((code) => code in REFUSALS)).toEqual([]);
  expect(new Set(rejectionCodes).size).toBe(rejectionCodes.length);
});

test('no rejection may succeed later: the same event is rejected again until it, or the rule, is mended', () => {
  expect(own.filter((code) => REJECTIONS[code].retry)).toEqual([]);
});

test.each(own)('%s reads as sentences', (code) => {
  const { message } = rejection(code, '/data/a', 'DETAIL$&');
  expect(message).toMatch(/^[A-Z].*\.$/);
  expect(message).not.toMatch(/\{detail\}| {2}| \.|: ?\./);
});

test('codes of the agent keep their message', () => {
  expect(rejection('member-duplicate', '/data/a')).toEqual({
    kind: 'rejection',
    code: 'member-duplicate',
    pointer: '/data/a',
    message: 'The event has this member twice; send it once.',
    retry: false,
  });
});

test('problems of a set are one text, a line each', () => {
  expect(new RulesInvalid(['a.yaml:1:1: x', 'b.yaml:2:1: y']).message).toBe('a.yaml:1:1: x\nb.yaml:2:1: y');
  expect(SANITIZERS).toHaveLength(9);
  expectTypeOf<OpenRules>().returns.resolves.toEqualTypeOf<Rules>();
});
