// Framing of syslog over TCP: counted and by lines, cut wherever, and never more held than a message may have.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Frames } from '../../../../ingest/inputs/syslog/frames.ts';

function read(pieces: readonly (string | Uint8Array)[], max = 100): string[] {
  const messages: string[] = [];
  const frames = new Frames(max, (bytes, truncated) => messages.push(`${bytes.toString()}${truncated ? '…' : ''}`));
  for (const piece of pieces) frames.push(Buffer.from(piece));
  frames.end();
  return messages;
}

test('both framings on one connection, told apart for each message', () => {
  expect(read(['5 <1>ab<2>line\n7 <3>\nabc<4>nul\0\r\n<5>end'])).toEqual([
    '<1>ab',
    '<2>line',
    '<3>\nabc',
    '<4>nul',
    '<5>end',
  ]);
  expect(read(['2026 was a year'])).toEqual(['was a year…']);
  expect(read(['12345678 <1>more digits than a length has\n'])).toEqual(['12345678 <1>more digits than a length has']);
  expect(read(['0 <1>x\n'])).toEqual(['0 <1>x']);
});

test('a longer message is cut, the next one is whole', () => {
  const long = 'x'.repeat(250);
  expect(read([`250 ${long}3 abc`])).toEqual([`${'x'.repeat(100)}…`, 'abc']);
  expect(read([`<${long}\n<next\n`])).toEqual([`<${'x'.repeat(99)}…`, '<next']);
  expect(read([`<${'x'.repeat(99)}\n<next\n`])).toEqual([`<${'x'.repeat(99)}`, '<next']);
});

test('what ends early is a message still', () => {
  expect(read(['10 abc'])).toEqual(['abc…']);
  expect(read(['10'])).toEqual(['10']);
  expect(read(['1'])).toEqual(['1']);
});

test('however it is cut into pieces, the messages are the same, and what is held is bounded', () => {
  const message = fc.stringMatching(/^<1>[ -~]{0,150}$/);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(message, fc.boolean()), { maxLength: 8 }),
      fc.array(fc.nat({ max: 40 }), { minLength: 1 }),
      (sent, cuts) => {
        const text = sent.map(([each, counted]) => (counted ? `${each.length} ${each}` : `${each}\n`)).join('');
        const pieces: string[] = [];
        for (let at = 0, i = 0; at < text.length; i++) {
          const size = 1 + (cuts[i % cuts.length] ?? 0);
          pieces.push(text.slice(at, at + size));
          at += size;
        }
        expect(read(pieces)).toEqual(sent.map(([each]) => (each.length > 100 ? `${each.slice(0, 100)}…` : each)));
      },
    ),
  );
});

test('any bytes: no exception, and each piece is done with', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 10 }), (pieces) => {
      for (const message of read(pieces, 480)) expect(message.length).toBeGreaterThan(0);
    }),
    { numRuns: 1000 },
  );
});
