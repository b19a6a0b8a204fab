import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameJoiner } from '../../../consumers/source/frame-joiner.ts';

const frame = (payload: Uint8Array): Buffer => {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(payload.length);
  return Buffer.concat([size, payload]);
};

test('hands out the bytes of whole frames, in order, wherever the reads are cut', () => {
  const payloads = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 });
  const cuts = fc.array(fc.nat(500), { maxLength: 30 });
  fc.assert(
    fc.property(payloads, cuts, (sent, at) => {
      const stream = Buffer.concat(sent.map(frame));
      const places = [0, ...at.map((cut) => cut % (stream.length + 1)), stream.length].toSorted((a, b) => a - b);
      const joiner = new FrameJoiner();
      const out: Buffer[] = [];
      let pushed = 0;
      for (let i = 1; i < places.length; i++) {
        pushed = places[i] ?? 0;
        const whole = joiner.push(stream.subarray(places[i - 1], pushed));
        if (whole !== null) out.push(Buffer.from(whole));
        // All frames that are complete so far, and not a byte of another.
        let complete = 0;
        for (const each of sent.map(frame)) {
          if (complete + each.length > pushed) break;
          complete += each.length;
        }
        expect(Buffer.concat(out)).toEqual(stream.subarray(0, complete));
      }
    }),
  );
});
