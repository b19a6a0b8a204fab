// What the file system's errors mean to the chain. Pure.
import { StoreRefused, StoreUnavailable } from '../chain/store.ts';

const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'give this user the right to read and write there',
  EPERM: 'give this user the right, and use a file system that has hard links',
  EROFS: 'the file system is mounted read-only; mount it for writing',
  EEXIST: 'a file stands where a folder must be; move it elsewhere',
  ENOTDIR: 'a file stands where a folder must be; move it elsewhere',
  EISDIR: 'a folder stands where a file must be; move it elsewhere',
  ELOOP: 'the path leads through a loop of symbolic links; mend it',
  ENAMETOOLONG: 'a name is too long for this file system',
  ENOTSUP: 'the file system has no hard links; use another',
  EOPNOTSUPP: 'the file system has no hard links; use another',
  EXDEV: 'all of the folder must lie in one file system',
};

export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** `EXDEV` and the like need somebody's hand; a full disk, an I/O error, too many open files may pass. Null: an error of the program. */
export function classify(error: unknown, doing: string, path: string): StoreRefused | StoreUnavailable | null {
  const code = codeOf(error);
  if (code === '') return null;
  const advice = ADVICE[code];
  const what = `folder sink: cannot ${doing} ${path}: ${code}`;
  if (advice !== undefined) return new StoreRefused(`${what}; ${advice}.`, { cause: error });
  return new StoreUnavailable(`${what}.`, { cause: error });
}
