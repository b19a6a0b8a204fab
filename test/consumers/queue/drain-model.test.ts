// The loop under random outcomes, permits that come and go and channels that are lost: whatever happens, once all is well again each event is at
// the target or in the dead letters, each message is acked once, never before, and the books balance.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Outcome } from '../../../consumers/queue/contract.ts';
import { imbalance } from './books.ts';
import { batchOf, Simulated } from './simulated.ts';

beforeEach(
  () =>
    void vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'],
    }),
);
afterEach(() => void vi.useRealTimers());

const PERMITS = 3;

const act = fc.oneof(
  fc.record({ kind: fc.constant('publish' as const), events: fc.integer({ min: 1, max: 25 }) }),
  fc.record({ kind: fc.constant('grant' as const), permit: fc.integer({ min: 1, max: PERMITS }) }),
  fc.record({ kind: fc.constant('revoke' as const), permit: fc.integer({ min: 1, max: PERMITS }) }),
  fc.record({ kind: fc.constant('lose' as const) }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 40_000 }) }),
);

/** How a request ends; `bits` choose among its events. */
const answer = fc.record({
  kind: fc.constantFrom('done', 'retry', 'partly', 'rejected', 'paused', 'throws', 'never'),
  taken: fc.boolean(),
  wait: fc.integer({ min: 0, max: 3_000 }),
  after: fc.option(fc.integer({ min: 0, max: 50_000 })),
  bits: fc.infiniteStream(fc.integer({ min: 0, max: 2 })),
});

test('nothing is lost, nothing is acked too early, and the books balance', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 25 }), fc.array(answer, { maxLength: 25 }), async (acts, answers) => {
      await using loop = new Simulated({ memory: 3 * 262_144 });
      /** At the target; and those that it refused for good. */
      const stored = new Set<string>();
      const refused = new Set<string>();
      let calm = false;
      loop.script = async (ids, signal, taken): Promise<Outcome> => {
        const next = calm ? undefined : answers.shift();
        if (next === undefined) {
          for (const id of ids) stored.add(id);
          return { kind: 'done', repeated: 0 };
        }
        if (next.taken) taken();
        if (next.kind === 'never') await new Promise((resolve) => signal.addEventListener('abort', resolve));
        await new Promise((resolve) => setTimeout(resolve, next.wait));
        const why = { code: 'code', message: 'message', after: next.after };
        switch (next.kind) {
          case 'done':
            for (const id of ids) stored.add(id);
            return { kind: 'done', repeated: 0 };
          case 'partly': {
            const fates = ids.map(() => next.bits.next().value);
            ids.forEach((id, index) => {
              if (fates[index] === 0) stored.add(id);
              if (fates[index] === 1) refused.add(id);
            });
            const of = (fate: number): number[] => [...fates.keys()].filter((index) => fates[index] === fate);
            const rejected = of(1).map((index) => ({ index, code: 'code', message: 'message' }));
            return { kind: 'partly', rejected, retry: of(2), repeated: 0, ...why };
          }
          case 'rejected':
            if (ids.length === 1) refused.add(ids[0] ?? '');
            return { kind: 'rejected', ...why };
          case 'retry':
          case 'paused':
            return { kind: next.kind, ...why };
          default:
            throw new Error(next.kind);
        }
      };
      const published = [];
      const check = (): void => {
        const dead = new Set(loop.letters.map(({ event }) => event?.id));
        for (const id of dead) expect(refused.has(id ?? '')).toBe(true);
        for (const { ids } of loop.acked) {
          expect(ids.filter((id) => !stored.has(id) && !dead.has(id))).toEqual([]);
        }
        expect(loop.mostUnacked).toBeLessThanOrEqual(3);
        expect(loop.mostOpen).toBeLessThanOrEqual(PERMITS);
      };
      for (const step of acts) {
        if (step.kind === 'publish') {
          const message = batchOf(step.events);
          published.push(message);
          loop.publish(message);
        }
        if (step.kind === 'grant') loop.drain.granted(step.permit);
        if (step.kind === 'revoke') void loop.drain.revoked(step.permit);
        if (step.kind === 'lose') loop.loseChannel();
        if (step.kind === 'pass') await loop.pass(step.ms);
        await loop.pass(0);
        check();
      }
      calm = true;
      for (let permit = 1; permit <= PERMITS; permit++) loop.drain.granted(permit);
      // Longer than any pause and Retry-After, and than a message may be held by a request that never ends.
      await loop.pass(800_000);
      for (let permit = 1; permit <= PERMITS; permit++) await loop.drain.revoked(permit);
      for (let permit = 1; permit <= PERMITS; permit++) loop.drain.granted(permit);
      await loop.pass(200_000);
      check();
      expect(loop.queue).toEqual([]);
      expect(loop.acked).toHaveLength(published.length);
      const books = await loop.books();
      expect(books.held).toBe(0);
      expect(imbalance(books)).toBe(0);
    }),
    { numRuns: 60 },
  );
});
