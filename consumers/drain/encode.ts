// A window's groups as data objects: NDJSON compressed by zstd (RFC 8878), one frame an object.
import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import type { WindowObject } from '../chain/machine.ts';
import type { Group } from './window.ts';

const compress = promisify(zstdCompress);

/** Compresses on the thread pool, one group after the other: only one group stands in memory twice. */
export async function encodeGroups(groups: Iterable<Group>): Promise<WindowObject[]> {
  const objects: WindowObject[] = [];
  for (const { type, hour, count, numbers, pieces } of groups) {
    objects.push({ type, hour, count, numbers, bytes: await compress(Buffer.concat(pieces)) });
    // Let the bodies go: the compressed object is a tenth of them.
    pieces.length = 0;
  }
  return objects;
}
