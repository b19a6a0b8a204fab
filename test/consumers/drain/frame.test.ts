import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { compileMapping } from '#core/mapping.ts';
import { Budget, Share } from '../../../consumers/drain/budget.ts';
import { Frame } from '../../../consumers/drain/frame.ts';

/** Lines that compress as events do, so many bytes at least. */
function lines(bytes: number, from = 0): Buffer {
  const made: string[] = [];
  for (let n = from, length = 0; length < bytes; n++) {
    const line = `{"n":${n},"id":"${(n * 2_654_435_761) % 2 ** 32}","what":"a visit"}\n`;
    made.push(line);
    length += line.length;
  }
  return Buffer.from(made.join(''));
}

/** Of RFC 8878, section 3.1.1.1: magic, descriptor with the size in 8 bytes and nothing else, window, size. */
const sizeInHead = (frame: Buffer): bigint => {
  expect(frame.subarray(0, 5).toString('hex')).toBe('28b52ffdc0');
  return frame.readBigUInt64LE(6);
};

describe('a data object', () => {
  it('that is small is one frame which says how long it is', async () => {
    const frame = new Frame(new Share(new Budget(1)), null);
    frame.add(Buffer.from('one\n'));
    frame.add(Buffer.from('two\n'));
    const bytes = await frame.finish();
    expect(zstdDecompressSync(bytes).toString()).toBe('one\ntwo\n');
    // A single segment with its size in one byte, the size.
    expect(bytes.subarray(0, 6).toString('hex')).toBe('28b52ffd2008');
  });

  it.each([1_000, 50_000, 200_000, 3_000_000])(
    'that grows by %i bytes at a time is one frame which says how long it is',
    async (step) => {
      const frame = new Frame(new Share(new Budget(1)), null);
      const pieces = Array.from({ length: Math.ceil(3_000_000 / step) }, (_, i) => lines(step, i * 100_000));
      for (const piece of pieces) frame.add(piece);
      const bytes = await frame.finish();
      const content = Buffer.concat(pieces);
      expect(zstdDecompressSync(bytes).equals(content)).toBe(true);
      expect(sizeInHead(bytes)).toBe(BigInt(content.length));
      expect(bytes.length).toBeLessThan(content.length / 2);
    },
  );

  it('holds what is compressed, and no longer what was read', async () => {
    let held = 0;
    const frame = new Frame({ change: (bytes) => (held += bytes) }, null);
    for (let i = 0; i < 20; i++) frame.add(lines(200_000, i * 100_000));
    expect(held).toBeGreaterThan(4_000_000);
    await vi.waitFor(() => expect(held).toBeLessThan(2_000_000));
    const bytes = await frame.finish();
    expect(held).toBe(bytes.length - 8); // the size in its head came last
  });

  it('holds the lines as the mapping of the sink makes them', async () => {
    const mapping = compileMapping({ drop: ['/data/card'], rename: {}, set: {} });
    const frame = new Frame(new Share(new Budget(1)), mapping);
    frame.add(Buffer.from('{"data":{"card":1,"n":1}}\n{"data":{"n":2}}\n'));
    frame.add(Buffer.from('{"data":{"n":3,"card":2}}\n'));
    expect(zstdDecompressSync(await frame.finish()).toString()).toBe(
      [1, 2, 3].map((n) => `{"data":{"n":${n}}}\n`).join(''),
    );
  });

  it('that is dropped tells nothing more, and its work ends', async () => {
    let held = 0;
    const frame = new Frame({ change: (bytes) => (held += bytes) }, null);
    frame.add(lines(3_000_000));
    frame.close();
    const after = held;
    await new Promise((resolve) => setImmediate(resolve));
    expect(held).toBe(after);
  });
});
