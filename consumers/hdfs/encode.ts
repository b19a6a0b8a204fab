// From keys to paths of HDFS, the URLs of WebHDFS, and the order of keys in a tree of folders. Pure.
//
// A folder's entries come sorted by their bare names; keys sort as if a folder's name ended in a slash. So `a` comes before `a.b` in a
// listing, but the keys below `a/` after those below `a.b/`: blank to "." sort before "/".
import { dirname } from 'node:path';

/** Names that begin with a dot are not keys: the folder of temporary files, `.snapshot`, `.Trash`. */
export const TEMPORARY = '_waggle/.tmp';
export const isHidden = (name: string): boolean => name.startsWith('.');

/** HDFS: no `:` in names, none of them empty, `.` or `..` (DFSUtil.isValidName). */
const isRefused = (name: string): boolean => name === '' || isHidden(name) || /[:\0]/.test(name);

/** Throws RangeError for a key that is no path, or that `list` would not show. */
export function pathOf(root: string, key: string): string {
  if (key.split('/').some(isRefused)) throw new RangeError(`HDFS sink: "${key}" is no key`);
  return `${root}/${key}`;
}

/** `folder` ends in a slash, or is empty: the root itself. */
export const folderPath = (root: string, folder: string): string =>
  folder === '' ? root : pathOf(root, folder.slice(0, -1));

export const parentOf = (path: string): string => dirname(path);
export const encodePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** As whom: one of both. */
export type Caller = Readonly<Record<'user.name', string>> | Readonly<Record<'delegation', string>>;
export const callerOf = (user: string, token: string | null): Caller =>
  token === null ? { 'user.name': user } : { delegation: token };

/** Names of parameters in lower case: HDFS 3.5.0 ignores others (`startAfter` as documented, and then pages for ever). */
export function urlOf(base: string, path: string, query: Readonly<Record<string, string>>): URL {
  return new URL(`${base}/webhdfs/v1${encodePath(path)}?${new URLSearchParams(query).toString()}`);
}

const UPLOAD_STEP = 16 * 1_048_576;
/** Milliseconds for so many bytes: the time-out for each 16 MiB. */
export const deadlineFor = (bytes: number, timeout: number): number =>
  timeout * Math.max(1, Math.ceil(bytes / UPLOAD_STEP));

/** Compares as bytes of UTF-8, as HDFS does. */
export const byBytes = (x: string, y: string): number => Buffer.compare(Buffer.from(x), Buffer.from(y));

/** What of `after` lies in a folder (its key ends in a slash, or is empty): '' where all of it comes, null where nothing does. */
export function afterIn(folder: string, after: string): string | null {
  if (after.startsWith(folder)) return after.slice(folder.length);
  return byBytes(folder, after) > 0 ? '' : null;
}

export interface Seek {
  /** Looked up one by one, ascending, all of them up to `after`. */
  readonly exact: readonly string[];
  /** The listing begins after this name. */
  readonly after: string;
}

/**
 * Which entries of a folder can hold keys that begin with `start` (no slash in it) and sort after `rest`. Besides those behind the name that
 * `rest` begins with, it is that name, and folders of which it is a longer name that sorts before their slash (`a` where it is `a.b`).
 * Null: none.
 */
export function seek(start: string, rest: string): Seek | null {
  if (!rest.startsWith(start)) return byBytes(rest, start) < 0 ? seek(start, start) : null;
  if (rest === '') return { exact: [], after: '' };
  const [name = ''] = rest.split('/', 1);
  const exact: string[] = [];
  for (let length = Math.max(1, start.length); length <= name.length; length++)
    if (length === name.length || name.charAt(length) < '/') exact.push(name.slice(0, length));
  return { exact: exact.filter((other) => !isHidden(other)), after: name };
}
