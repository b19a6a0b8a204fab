import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoff, PAUSE } from '../../../consumers/backoff.ts';
import { outcomeFault } from '../../../consumers/queue/outcome.ts';
import { TargetState } from '../../../consumers/queue/target-state.ts';

const running = (): TargetState => {
  const target = new TargetState();
  target.prepared();
  return target;
};

const rejection = (index: number) => ({ index, code: 'x', message: 'x' });

test('a wait is never shorter than the target asked, is bounded, and grows', () => {
  const asked = fc.option(fc.integer({ min: 0, max: 3_600_000 }));
  const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), asked, chance, (failures, after, random) => {
      const wait = backoff(PAUSE, failures, after, random);
      expect(wait).toBeGreaterThanOrEqual(after ?? 0);
      expect(wait).toBeLessThanOrEqual((after ?? 0) + PAUSE.most);
    }),
  );
  expect([1, 2, 3, 20].map((failures) => backoff(PAUSE, failures, null, 0))).toEqual([500, 1000, 2000, PAUSE.most / 2]);
});

test('requests that all fail pause after 30 s, one that succeeds begins the count anew', () => {
  const target = running();
  expect(target.failed(null, 0)).toBe(false);
  expect(target.failed(null, 29_999)).toBe(false);
  target.succeeded();
  expect(target.failed(null, 30_001)).toBe(false);
  expect(target.failed(null, 60_001)).toBe(true);
});

test('a target that asks for a long wait is not waited for with messages in hand', () => {
  expect(running().failed(30_000, 0)).toBe(false);
  expect(running().failed(30_001, 0)).toBe(true);
});

test('after a pause it is asked, then tried with one request; a failure pauses for longer, a success runs', () => {
  const target = running();
  expect(target.pause(null, 0, 0)).toBe(500);
  target.wake(499);
  expect(target.kind).toBe('paused');
  target.wake(500);
  expect(target.kind).toBe('asking');
  target.prepared();
  expect(target.kind).toBe('trying');
  expect(target.failed(null, 501)).toBe(true);
  expect(target.pause(null, 501, 0)).toBe(1000);
  expect(target.failed(null, 600)).toBe(false); // what was sent before the pause
  target.wake(1501);
  target.prepared();
  target.succeeded();
  expect(target.kind).toBe('running');
  expect(target.pause(null, 2000, 0)).toBe(500);
});

test('what a sink answers is checked against its request', () => {
  const partly = { kind: 'partly', code: '', message: '', after: null, repeated: 0 } as const;
  expect(outcomeFault({ ...partly, retry: [0], rejected: [rejection(1)] }, 2)).toBeNull();
  expect(outcomeFault({ ...partly, retry: [2], rejected: [] }, 2)).toMatch('index 2');
  expect(outcomeFault({ ...partly, retry: [1], rejected: [rejection(1)] }, 2)).toMatch('twice');
  expect(outcomeFault(undefined as never, 2)).toMatch('no outcome');
});

test.each([
  [{ kind: 'done' }, 'repeated undefined'],
  [{ kind: 'done', repeated: -1 }, 'repeated -1'],
  [{ kind: 'done', repeated: 3 }, 'repeated 3'],
  [{ kind: 'retry', code: 'x', message: 'x' }, 'after undefined'],
  [{ kind: 'retry', code: 'x', message: 'x', after: Number.NaN }, 'after NaN'],
  [{ kind: 'paused', code: 'x', message: 'x', after: -1 }, 'after -1'],
  [{ kind: 'paused', code: 401, message: 'x', after: null }, 'a code that is no text'],
  [{ kind: 'rejected', code: 'x' }, 'a message that is no text'],
  [
    { kind: 'partly', rejected: [{ index: 0, code: 'x' }], retry: [], code: '', message: '' },
    'a message that is no text',
  ],
])('%j, as a sink in JavaScript may answer, is no outcome', (answer, fault) => {
  expect(outcomeFault(answer as never, 2)).toMatch(fault);
});

test('a target that asks for a year is tried again after an hour', () => {
  expect(backoff(PAUSE, 1, 365 * 86_400_000, 0)).toBe(3_600_000);
});
