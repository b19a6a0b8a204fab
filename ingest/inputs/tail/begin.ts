// How a file is begun: from its first byte, from its end, or from the place that the spool knows.
import { realpathSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { TailFileConfig } from '#core/config/input-config.ts';
import { fieldsOf, type Parser } from './parse.ts';
import type { Position, Sample } from './position.ts';
import type { Facts } from './siblings.ts';
import { readSample, TailedFile, type FileTools } from './tailed-file.ts';

/** One of the configuration. */
export interface Entry {
  readonly config: TailFileConfig;
  readonly parser: Parser;
}

/** A record without its end is whole after so long, where the configuration does not say. */
const TIMEOUT = 5000;
const EMPTY = Buffer.alloc(0);

type Place = Pick<Position, 'path' | 'offset' | 'skip' | 'since'>;

function make(tools: FileTools, entry: Entry, facts: Facts, at: Place, head: Buffer, before: Buffer): TailedFile {
  const { place, key, birth } = facts;
  const { path, offset, skip, since } = at;
  const timeout = entry.config.multiline?.timeout ?? TIMEOUT;
  const start = { path, place, real: realPath(path), key, birth, offset, skip, head, before, since };
  return new TailedFile(tools, entry.parser, fieldsOf(entry.config, path), timeout, start);
}

export const fromBeginning = (tools: FileTools, entry: Entry, facts: Facts, path: string, since: number): TailedFile =>
  make(tools, entry, facts, { path, offset: 0, skip: false, since }, EMPTY, EMPTY);

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // its name is gone
  }
}

/** Null where it cannot be read any more. */
export async function fromPlace(tools: FileTools, entry: Entry, facts: Facts, at: Place): Promise<TailedFile | null> {
  let sample: Sample;
  try {
    const handle = await open(facts.place, 'r');
    try {
      sample = await readSample(handle, at.offset);
    } finally {
      await handle.close();
    }
  } catch {
    return null; // it is looked for again
  }
  return make(tools, entry, facts, at, sample.head, sample.before);
}
