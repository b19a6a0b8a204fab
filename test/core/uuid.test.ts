import { randomFillSync } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { isUuidv7, uuidGenerator, uuidTime, uuidv7 } from '#core/uuid.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

test("RFC 9562, appendix A.6: the example's fields give the example's text", () => {
  const random = bytes(0, 0, 0, 0, 0, 0, 0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f);
  expect(uuidv7(1_645_557_742_000, random)).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f');
});

test('the time comes back, whatever the random bytes', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      (now, random) => {
        const text = uuidv7(now, random);
        expect(isUuidv7(text)).toBe(true);
        expect(uuidTime(text)).toBe(now);
      },
    ),
  );
  expect(() => uuidv7(2 ** 48, new Uint8Array(16))).toThrow(RangeError);
  expect(() => uuidv7(-1, new Uint8Array(16))).toThrow(RangeError);
  expect(() => uuidv7(1, new Uint8Array(15))).toThrow(RangeError);
});

test.each([
  '00000000-0000-0000-0000-000000000000',
  'urn:uuid:017f22e2-79b0-7cc3-98c4-dc0c0c07398f',
  '017F22E2-79B0-7CC3-98C4-DC0C0C07398F',
  '017f22e2-79b0-4cc3-98c4-dc0c0c07398f',
  '017f22e2-79b0-7cc3-c8c4-dc0c0c07398f',
  '017f22e279b07cc398c4dc0c0c07398f',
  '',
])('%j is no UUIDv7 of ours', (text) => {
  expect(isUuidv7(text)).toBe(false);
  expect(uuidTime(text)).toBeNull();
});

test('a generator ascends, also where the clock stands still, jumps back, or one millisecond gives more than 4,096 ids', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 60 }), (clock) => {
      let call = 0;
      const ids = uuidGenerator(() => clock[Math.floor(call++ / 200) % clock.length] ?? 0, randomFillSync);
      const texts = Array.from({ length: 12_000 }, () => ids.next());
      for (let i = 1; i < texts.length; i++) expect((texts[i] ?? '') > (texts[i - 1] ?? '')).toBe(true);
      expect(texts.every(isUuidv7)).toBe(true);
      expect(uuidTime(texts[0] ?? '')).toBe(clock[0]);
    }),
    { numRuns: 10 },
  );
});

const fixed = (): ReturnType<typeof uuidGenerator> =>
  uuidGenerator(
    () => 1_764_000_000_000,
    (target) => target.fill(0xa5),
  );

test('the generator writes the same text into bytes', () => {
  const target = Buffer.alloc(40, '.');
  fixed().write(target, 2);
  expect(target.toString()).toBe(`..${fixed().next()}..`);
});

test('the generator follows the clock within a millisecond', () => {
  let now = 1_764_000_000_000;
  const ids = uuidGenerator(() => now, randomFillSync);
  for (let i = 0; i < 1000; i++) expect(uuidTime(ids.next())).toBe(now++);
});
