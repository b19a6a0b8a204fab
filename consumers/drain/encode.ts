// A window's groups as data objects: NDJSON compressed by zstd (RFC 8878), one frame an object.
import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import type { LineMapping } from '#core/mapping.ts';
import type { WindowObject } from '../chain/machine.ts';
import type { Group } from './window.ts';

/** node:zlib takes lengths modulo 2^32 and says nothing; what a signed length holds is safe. `rotate.size` is far below. */
const MOST_BYTES = 2 ** 31 - 1;

const compress = promisify(zstdCompress);

/**
 * Compresses on the thread pool, one group after the other: only one group stands in memory twice. Rejects with RangeError for a group
 * that is too large, and with zlib's error where not all of it was taken: nothing of the window is written then.
 */
export async function encodeGroups(groups: Iterable<Group>, mapping: LineMapping | null): Promise<WindowObject[]> {
  const objects: WindowObject[] = [];
  for (const { type, hour, count, numbers, pieces } of groups) {
    if (mapping !== null) replaceAll(pieces, mappedLines(pieces.slice(), mapping));
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (length > MOST_BYTES)
      throw new RangeError(
        `${type}: ${length} bytes in one object, but at most ${MOST_BYTES} can be compressed; lower sinks.*.rotate.size`,
      );
    // The pledge stands in the frame's header, and zstd fails where other than so many bytes went in.
    const bytes = await compress(Buffer.concat(pieces, length), { pledgedSrcSize: length });
    objects.push({ type, hour, count, numbers, bytes });
    // Let the bodies go: the compressed object is a tenth of them.
    pieces.length = 0;
  }
  return objects;
}

const FEED = Buffer.from('\n');

function* mappedLines(pieces: readonly Buffer[], mapping: LineMapping): Generator<Buffer> {
  for (const piece of pieces) {
    for (let start = 0; start < piece.length;) {
      const end = piece.indexOf(FEED, start);
      yield mapping(piece.subarray(start, end));
      yield FEED;
      start = end + 1;
    }
  }
}

// Not by spread arguments: there may be a million.
function replaceAll(pieces: Buffer[], replacement: Iterable<Buffer>): void {
  pieces.length = 0;
  for (const piece of replacement) pieces.push(piece);
}
