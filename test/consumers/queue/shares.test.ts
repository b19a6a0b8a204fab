import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shareOf } from '../../../consumers/queue/shares.ts';

const isFair = (permits: number, held: readonly number[]): boolean =>
  held.every((each) => each >= Math.floor(permits / held.length) && each <= Math.ceil(permits / held.length));

test('an instance alone keeps all', () => {
  expect(shareOf({ permits: 8, instances: 1, othersShort: 0, held: 8 }, 0)).toEqual({ short: false, giveBack: 0 });
});

test('more instances than permits: nobody is short, and one is enough', () => {
  expect(shareOf({ permits: 2, instances: 5, othersShort: 0, held: 0 }, 0)).toEqual({ short: false, giveBack: 0 });
  expect(shareOf({ permits: 2, instances: 5, othersShort: 0, held: 2 }, 0)).toEqual({ short: false, giveBack: 1 });
});

test('in a fair state nothing moves; from any other the instances come to one', () => {
  const start = fc.record({
    held: fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 6 }),
    seed: fc.integer(),
  });
  fc.assert(
    fc.property(start, ({ held: begin, seed }) => {
      const permits = Math.max(
        1,
        begin.reduce((a, b) => a + b, 0),
      );
      const held = begin.reduce((a, b) => a + b, 0) === 0 ? [1, ...begin.slice(1)] : [...begin];
      let state = seed;
      const random = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
      const isShort = (index: number): boolean => (held[index] ?? 0) < Math.floor(permits / held.length);
      const look = (index: number): number => {
        const others = held.filter((_, other) => other !== index && isShort(other)).length;
        const seen = { permits, instances: held.length, othersShort: others, held: held[index] ?? 0 };
        return shareOf(seen, random()).giveBack;
      };
      for (let round = 0; round < 200 && !isFair(permits, held); round++) {
        for (let index = 0; index < held.length; index++) {
          for (let given = look(index); given > 0; given--) {
            // To one that is short, else to anybody else.
            const short = held.findIndex((_, other) => other !== index && isShort(other));
            const next = short >= 0 ? short : (index + 1 + Math.floor(random() * (held.length - 1))) % held.length;
            held[index] = (held[index] ?? 0) - 1;
            held[next] = (held[next] ?? 0) + 1;
          }
        }
      }
      expect(isFair(permits, held)).toBe(true);
      expect(held.map((_, index) => look(index))).toEqual(held.map(() => 0));
    }),
  );
});
