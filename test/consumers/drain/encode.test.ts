import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { compileMapping } from '#core/mapping.ts';
import { encodeGroups } from '../../../consumers/drain/encode.ts';
import type { Group } from '../../../consumers/drain/window.ts';

const group = (pieces: Buffer[]): Group => ({ type: 'a.b', hour: 1, count: pieces.length, numbers: new Map(), pieces });

describe('the objects of a window', () => {
  it('hold the pieces in order, in a frame that says how long they are', async () => {
    const [object] = await encodeGroups([group([Buffer.from('one\n'), Buffer.from('two\n')])], null);
    const bytes = object?.bytes ?? Buffer.alloc(0);
    expect(zstdDecompressSync(bytes).toString()).toBe('one\ntwo\n');
    // RFC 8878, section 3.1.1.1: magic, a single segment with its size in one byte, the size.
    expect(bytes.subarray(0, 6).toString('hex')).toBe('28b52ffd2008');
  });

  it('hold the lines as the mapping of the sink makes them', async () => {
    const mapping = compileMapping({ drop: ['/data/card'], rename: {}, set: {} });
    const pieces = ['{"data":{"card":1,"n":1}}\n{"data":{"n":2}}\n', '{"data":{"n":3,"card":2}}\n'].map((text) =>
      Buffer.from(text),
    );
    const [object] = await encodeGroups([group(pieces)], mapping);
    expect(zstdDecompressSync(object?.bytes ?? Buffer.alloc(0)).toString()).toBe(
      [1, 2, 3].map((n) => `{"data":{"n":${n}}}\n`).join(''),
    );
  });

  it('are refused where zlib would cut their length to 32 bits', async () => {
    const piece = Buffer.alloc(2 ** 28);
    // 4 GiB + 10 bytes would make a valid frame of 10 bytes.
    const pieces = [...Array.from({ length: 16 }, () => piece), Buffer.from('0123456789')];
    await expect(encodeGroups([group(pieces)], null)).rejects.toThrow(/4294967306 bytes in one object.*rotate\.size/);
    await expect(encodeGroups([group(Array.from({ length: 8 }, () => piece))], null)).rejects.toThrow(RangeError);
  });
});
