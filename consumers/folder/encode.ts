// From keys to paths and back, and the order of keys in a tree of folders. Pure.
import { join } from 'node:path';

/** Names that begin with a dot are not keys: temporary files, and what the system leaves (`.nfs…`, `.DS_Store`). */
export const TEMPORARY = '.waggle-tmp';
export const isHidden = (name: string): boolean => name.startsWith('.');

/** Throws RangeError for a key that would leave the folder, or that `list` would not show. */
export function pathOf(root: string, key: string): string {
  const segments = key.split('/');
  if (segments.some((segment) => segment === '' || isHidden(segment) || segment.includes('\0')))
    throw new RangeError(`folder sink: "${key}" is no key`);
  return join(root, ...segments);
}

/** Compares as bytes of UTF-8. */
export const byBytes = (x: string, y: string): number => Buffer.compare(Buffer.from(x), Buffer.from(y));

/** Whether a folder (its key ends in a slash) can hold keys with this prefix that sort after `after`. */
export function mayHold(folder: string, prefix: string, after: string): boolean {
  if (!folder.startsWith(prefix) && !prefix.startsWith(folder)) return false;
  return after.startsWith(folder) || byBytes(folder, after) > 0;
}
