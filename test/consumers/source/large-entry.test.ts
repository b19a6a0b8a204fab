import { expect, test } from 'vitest';
import { asSent, decodeFrames, withEmptyEntry } from '../../../consumers/source/large-entry.ts';

/** A delivery of one chunk, with these entries' sizes; data are left out, nothing looks at them. */
function delivery(version: 1 | 2, firstSize: number, key = 0x0008): Buffer {
  const frame = Buffer.alloc((version === 1 ? 9 : 17) + 48 + 8, 7);
  frame.writeUInt32BE(frame.length - 4, 0);
  frame.writeUInt16BE(key, 4);
  frame.writeUInt16BE(version, 6);
  frame.writeUInt16BE(1, frame.length - 8 - 46);
  frame.writeUInt32BE(firstSize, frame.length - 8);
  return frame;
}

test.each([1, 2] as const)('a chunk that begins with 16 MiB gets an empty entry before it (version %i)', (version) => {
  const frame = delivery(version, 2 ** 24);
  const found = withEmptyEntry(Buffer.concat([frame, delivery(version, 1)]));
  const data = frame.length - 8;
  expect(found?.length).toBe(frame.length + 4);
  expect(found?.readUInt32BE(0)).toBe(frame.length);
  expect(found?.readUInt16BE(data - 46)).toBe(2);
  expect(found?.subarray(data)).toEqual(Buffer.concat([Buffer.alloc(4), frame.subarray(data)]));
});

test('all others stay as they are: smaller, compressed, of another kind', () => {
  expect(withEmptyEntry(delivery(2, 2 ** 24 - 1))).toBeNull();
  expect(withEmptyEntry(delivery(2, 0x9000_0001))).toBeNull();
  expect(withEmptyEntry(delivery(2, 2 ** 24, 0x8001))).toBeNull();
  expect(withEmptyEntry(Buffer.from([0, 0, 0, 4, 0, 23, 0, 1]))).toBeNull();
});

test('frames are decoded one after the other, and only what was added is taken off again', () => {
  const [small, large] = [delivery(2, 1), delivery(2, 2 ** 24)];
  const seen: [number, readonly unknown[]][] = [];
  const decode = (frames: Buffer): void => void seen.push([frames.length, asSent([{ offset: 5n }, { offset: 6n }])]);
  decodeFrames(Buffer.concat([large, small, small]), decode);
  decodeFrames(large, decode);
  decodeFrames(small, decode);
  expect(seen).toEqual([
    [large.length + 4, [{ offset: 5n }]],
    [2 * small.length, [{ offset: 5n }, { offset: 6n }]],
    [large.length + 4, [{ offset: 5n }]],
    [small.length, [{ offset: 5n }, { offset: 6n }]],
  ]);
});
