import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SiteWaiters } from '../../../ingest/publish/waiters.ts';

test('each waiter is answered once: confirmed when all its numbers are, else when its patience is over', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 40 }),
      fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 200 }),
      fc.integer({ min: 0, max: 2 ** 31 }),
      (sizes, cuts, seed) => {
        const waiters = new SiteWaiters(10_000);
        const requests: { first: number; last: number; answers: boolean[] }[] = [];
        let next = 1;
        for (const size of sizes) {
          const request = { first: next, last: next + size - 1, answers: [] as boolean[] };
          requests.push(request);
          waiters.add('a', request.first, request.last, 0, (confirmed) => request.answers.push(confirmed));
          next += size;
        }
        // Cut what was given into ranges, and confirm three quarters of them in a scattered order.
        const ranges: (readonly [number, number])[] = [];
        for (let first = 1, i = 0; first < next; i++) {
          const last = Math.min(next - 1, first + (cuts[i % cuts.length] ?? 1) - 1);
          ranges.push([first, last]);
          first = last + 1;
        }
        const scattered = ranges.toSorted((x, y) => ((x[0] * 7919 + seed) % 101) - ((y[0] * 7919 + seed) % 101));
        const confirmed = new Set<number>();
        scattered.forEach((range, index) => {
          if (index % 4 === 3) return;
          waiters.confirm('b', [range]);
          waiters.confirm('a', [range]);
          for (let number = range[0]; number <= range[1]; number++) confirmed.add(number);
          for (const { first, last, answers } of requests) {
            let whole = true;
            for (let number = first; number <= last; number++) whole &&= confirmed.has(number);
            expect(answers).toEqual(whole ? [true] : []);
          }
        });
        waiters.expire(9_999);
        const before = requests.map(({ answers }) => [...answers]);
        expect(requests.map(({ answers }) => answers)).toEqual(before);
        waiters.expire(10_000);
        for (const { answers } of requests) expect(answers).toHaveLength(1);
        expect(requests.map(({ answers }) => answers[0])).toEqual(before.map((answers) => answers[0] ?? false));
      },
    ),
  );
});
