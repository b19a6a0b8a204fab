import { expect, test } from 'vitest';
import { REFUSALS, type RefusalCode, refusal } from '#core/errors.ts';

const codes = Object.keys(REFUSALS) as RefusalCode[];

test('the table has the codes that clients know; a code is never renamed nor reused', () => {
  expect(codes).toHaveLength(50);
  for (const code of codes) expect(code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
});

test('only what may succeed later asks for a retry', () => {
  expect(codes.filter((code) => REFUSALS[code].retry).toSorted()).toEqual([
    'agent-unavailable',
    'body-incomplete',
    'body-slow',
    'closing',
    'disk',
    'full',
    'rate-exceeded',
  ]);
});

test('every refusal is a 4xx, but for the state of the agent', () => {
  expect(codes.filter((code) => REFUSALS[code].status >= 500).toSorted()).toEqual([
    'agent-unavailable',
    'closing',
    'disk',
  ]);
});

test.each(codes)('%s reads as a sentence with and without a detail', (code) => {
  for (const { message } of [refusal(code), refusal(code, '/a', 'DETAIL$&')]) {
    expect(message).toMatch(/^["A-Z].*\.$/);
    expect(message).not.toMatch(/[{}] |\{detail\}| {2}| \.| ;|: ?\./);
  }
});

test('a refusal carries status, pointer and the detail as it is', () => {
  expect(refusal('event-too-large', '/data', 1024)).toEqual({
    kind: 'refused',
    code: 'event-too-large',
    status: 413,
    pointer: '/data',
    message: 'The event is larger than 1024 bytes; send less data in one event.',
    retry: false,
  });
  expect(refusal('json-malformed', '', 'a $& b').message).toBe('This is not valid JSON: a $& b.');
  expect(refusal('full').message).toContain('The spool is full; nothing');
});
