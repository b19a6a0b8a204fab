// Where the rest of a file is, once its name has another: renamed beside it, or copied beside it and truncated. Reads folders and samples.
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  birthOf,
  isBirth,
  isCompressed,
  isReadUpTo,
  isRotationOf,
  keyOf,
  rotatedFrom,
  type Position,
} from './position.ts';
import { readSample, type TailedFile } from './tailed-file.ts';

/** The kernel's time of a change may be so many milliseconds behind the clock. */
const GRAIN = 20;

export interface Facts {
  /** Its name now. */
  readonly place: string;
  readonly key: string;
  readonly birth: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly changed: number;
}

/** Of a plain file, following links; null where there is none. */
export async function factsOf(place: string): Promise<Facts | null> {
  try {
    const facts = await stat(place, { bigint: true });
    if (!facts.isFile()) return null;
    const { dev, ino, size, mtimeMs } = facts;
    return { place, key: keyOf(dev, ino), birth: birthOf(facts), size: Number(size), changed: Number(mtimeMs) };
  } catch {
    return null; // it is looked for again
  }
}

/** The files in the folder of the path (of what it links to), itself not among them. */
async function neighbours(path: string): Promise<{ readonly name: string; readonly files: readonly Facts[] }> {
  const real = await realpath(path).catch(() => path);
  const folder = dirname(real);
  const names = await readdir(folder).catch(() => []); // the folder is gone, and all in it
  const files: Facts[] = [];
  for (const name of names) {
    const facts = isCompressed(name) ? null : await factsOf(join(folder, name));
    if (facts !== null) files.push(facts);
  }
  return { name: basename(real), files };
}

export type Found =
  /** The file itself, under another name perhaps. */
  | { readonly kind: 'moved'; readonly facts: Facts }
  | { readonly kind: 'copied'; readonly facts: Facts }
  | { readonly kind: 'gone' };

/** The file of this position, or a copy of it, in the folder of its name. */
export async function findRest(key: string, position: Position): Promise<Found> {
  const { name, files } = await neighbours(position.path);
  const same = files.find((facts) => facts.key === key && isBirth(position.birth, facts.birth));
  if (same !== undefined && (await holds(same, position))) return { kind: 'moved', facts: same };
  if (position.offset === 0) return { kind: 'gone' }; // anything would be a copy of nothing
  for (const facts of files)
    if (facts.key !== key && isRotationOf(name, basename(facts.place)) && (await holds(facts, position)))
      return { kind: 'copied', facts };
  return { kind: 'gone' };
}

/** Beside the files that have a name: what rotations made of it since it is tailed. Compressed ones are left out. */
export async function rotationsOf(
  files: Iterable<TailedFile>,
): Promise<readonly { readonly live: TailedFile; readonly facts: Facts }[]> {
  const found: { readonly live: TailedFile; readonly facts: Facts }[] = [];
  for (const [folder, group] of Map.groupBy(files, ({ real }) => dirname(real))) {
    const names = new Map(group.map((file) => [basename(file.real), file]));
    const known = new Set(names.keys());
    for (const name of await readdir(folder).catch(() => [])) {
      const of = isCompressed(name) || known.has(name) ? null : rotatedFrom(name, known);
      const live = of === null ? undefined : names.get(of);
      const facts = live === undefined ? null : await factsOf(join(folder, name));
      if (live === undefined || facts === null || facts.size === 0) continue;
      if (facts.changed >= live.since - GRAIN) found.push({ live, facts });
    }
  }
  return found;
}

/** Whether the file holds, at this position, what was read. */
export async function holds({ place }: Facts, position: Position): Promise<boolean> {
  try {
    const handle = await open(place, 'r');
    try {
      return isReadUpTo(position, await readSample(handle, position.offset));
    } finally {
      await handle.close();
    }
  } catch {
    return false; // what cannot be read is looked for again
  }
}

/** Both begin with the same bytes, as far as the shorter goes: one is a copy, perhaps not whole yet. */
export async function isCopy(a: Facts, b: Facts): Promise<boolean> {
  const length = Math.min(a.size, b.size);
  if (length === 0) return false;
  try {
    const [one, other] = [await open(a.place, 'r'), await open(b.place, 'r')];
    try {
      const [mine, yours] = [await readSample(one, length), await readSample(other, length)];
      return mine.head.equals(yours.head) && mine.before.equals(yours.before);
    } finally {
      await one.close();
      await other.close();
    }
  } catch {
    return false; // gone meanwhile
  }
}
