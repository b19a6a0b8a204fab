// How far a file was read, and which file that was. Pure.
//
//   note  = key value              key = "tail " DEVICE ":" INODE; value = json of a Position
//
// A file is the same where device and inode are, its birth is no other, it is not shorter than it was read, and both its first bytes and
// those before the place of reading are what they were. So an inode that is used again, a file that was truncated and has grown beyond
// that place, and one that was written anew are told apart; and a copy of a file (copytruncate) is known by its bytes alone.
import { hash } from 'node:crypto';
import type { Note } from '../../spool/contract.ts';

/** Bytes that are remembered of the beginning, and of what was read last. */
export const SAMPLE = 256;
const PREFIX = 'tail ';

export interface Position {
  /** Its name when it was read last. */
  readonly path: string;
  /** Nanoseconds since the epoch; '0' where the file system does not tell. */
  readonly birth: string;
  /** Bytes below it are events in the spool. */
  readonly offset: number;
  /** It lies within a line whose beginning was taken: the rest of that line is left out. */
  readonly skip: boolean;
  /** Of the first bytes, `SAMPLE` at most, and of those before `offset`. */
  readonly head: string;
  readonly before: string;
  /** Milliseconds since the epoch: when its name was first tailed. */
  readonly since: number;
}

export const keyOf = (device: bigint, inode: bigint): string => `${PREFIX}${device}:${inode}`;

export const encodePosition = (key: string, position: Position): Note => ({ key, value: JSON.stringify(position) });

/** Null where it is none of ours: then the file is read from its beginning. */
export function decodePosition(value: string): Position | null {
  try {
    const { path, birth, offset, skip, head, before, since } = JSON.parse(value) as Partial<Position>;
    if (path === undefined || birth === undefined || offset === undefined || head === undefined) return null;
    return { path, birth, offset, skip: skip ?? false, head, before: before ?? '', since: since ?? 0 };
  } catch {
    return null;
  }
}

/** What a file holds at its beginning and before a place. */
export interface Sample {
  readonly size: number;
  readonly head: Buffer;
  readonly before: Buffer;
}

/** Whether it holds what was read up to there. */
export const isReadUpTo = ({ offset, head, before }: Position, sample: Sample): boolean =>
  sample.size >= offset && sampleHash(sample.head) === head && sampleHash(sample.before) === before;

export const sampleHash = (bytes: Buffer): string => hash('sha256', bytes, 'hex').slice(0, 32);

/** How many bytes the hashes of a position are of. */
export const sampleLength = (offset: number): number => Math.min(SAMPLE, offset);

/** A birth that is not known says nothing. Some systems give the time of the last change instead. */
export function birthOf({ birthtimeNs, ctimeNs }: { readonly birthtimeNs: bigint; readonly ctimeNs: bigint }): string {
  return birthtimeNs <= 0n || birthtimeNs === ctimeNs ? '0' : String(birthtimeNs);
}

export const isBirth = (known: string, found: string): boolean => known === '0' || found === '0' || known === found;

const COMPRESSED = /\.(gz|xz|zst|bz2|lz4|lzma|zip|Z)$/;
const ROTATED = /^[.\-_]\d[\d.\-_T:Z]*$/;

export const isCompressed = (name: string): boolean => COMPRESSED.test(name);

/** Whether `name` is what a rotation makes of `live` (both without folder): `app.log.1`, `app.log-20261126`, `app-20261126.log`, `app.1.log`. */
export function isRotationOf(live: string, name: string): boolean {
  if (name === live) return false;
  if (name.startsWith(live)) return ROTATED.test(name.slice(live.length));
  const dot = live.lastIndexOf('.');
  const [stem, end] = dot > 0 ? [live.slice(0, dot), live.slice(dot)] : [live, ''];
  return (
    end !== '' &&
    name.length > live.length &&
    name.startsWith(stem) &&
    name.endsWith(end) &&
    ROTATED.test(name.slice(stem.length, -end.length))
  );
}

const DIGIT_BEHIND_MARK = /^[.\-_]\d$/;

/** The name, of these, that a rotation made this one of: tried without what follows a mark and a digit, with and without its ending. */
export function rotatedFrom(name: string, names: ReadonlySet<string>): string | null {
  const dot = name.lastIndexOf('.');
  for (let at = 1; at < name.length - 1; at++) {
    if (!DIGIT_BEHIND_MARK.test(name.slice(at, at + 2))) continue;
    for (const live of [name.slice(0, at), dot > at ? name.slice(0, at) + name.slice(dot) : ''])
      if (names.has(live) && isRotationOf(live, name)) return live;
  }
  return null;
}
