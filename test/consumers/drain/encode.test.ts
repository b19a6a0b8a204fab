import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { encodeGroups } from '../../../consumers/drain/encode.ts';
import type { Group } from '../../../consumers/drain/window.ts';

const group = (pieces: Buffer[]): Group => ({ type: 'a.b', hour: 1, count: pieces.length, numbers: new Map(), pieces });

describe('the objects of a window', () => {
  it('hold the pieces in order, in a frame that says how long they are', async () => {
    const [object] = await encodeGroups([group([Buffer.from('one\n'), Buffer.from('two\n')])]);
    const bytes = object?.bytes ?? Buffer.alloc(0);
    expect(zstdDecompressSync(bytes).toString()).toBe('one\ntwo\n');
    // RFC 8878, section 3.1.1.1: magic, a single segment with its size in one byte, the size.
    expect(bytes.subarray(0, 6).toString('hex')).toBe('28b52ffd2008');
  });

  it('are refused where zlib would cut their length to 32 bits', async () => {
    const piece = Buffer.alloc(2 ** 28);
    // 4 GiB + 10 bytes would make a valid frame of 10 bytes.
    const pieces = [...Array.from({ length: 16 }, () => piece), Buffer.from('0123456789')];
    await expect(encodeGroups([group(pieces)])).rejects.toThrow(/4294967306 bytes in one object.*rotate\.size/);
    await expect(encodeGroups([group(Array.from({ length: 8 }, () => piece))])).rejects.toThrow(RangeError);
  });
});
