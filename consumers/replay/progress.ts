// How far a replay has come, in a file, so that it can be broken off and go on: what was asked, and for each partition where to read on.
// Written after the confirms of what it counts; so what was published behind it goes once more, under the numbers and ids it had.
import { open, readFile, rename, rm } from 'node:fs/promises';

/** What a replay is; another one has another progress. */
export interface ReplayAsked {
  readonly sink: string;
  /** The site whose log is read. */
  readonly site: string;
  /** Arrival of the events, RFC 3339: from ≤ arrival < to. */
  readonly from: string;
  readonly to: string;
  readonly match: readonly string[];
}

/** Offsets of one partition's stream: first ≤ next ≤ end + 1; all before `next` is done. */
export interface PartitionProgress {
  readonly partition: number;
  readonly first: bigint;
  next: bigint;
  readonly end: bigint;
  /** Fingerprint of the message at `end`, by which the stream is known again. */
  readonly mark: string;
}

export interface Progress {
  readonly asked: ReplayAsked;
  readonly partitions: readonly PartitionProgress[];
  /** Events published so far. */
  events: number;
}

const VERSION = 2;

export function encodeProgress({ asked, partitions, events }: Progress): string {
  const offsets = partitions.map(({ partition, first, next, end, mark }) => ({
    partition,
    first: String(first),
    next: String(next),
    end: String(end),
    mark,
  }));
  return `${JSON.stringify({ version: VERSION, asked, events, partitions: offsets }, null, 2)}\n`;
}

/** Null where the text is no progress of this version. */
export function decodeProgress(text: string): Progress | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(json) || json['version'] !== VERSION || !isObject(json['asked']) || !Array.isArray(json['partitions']))
    return null;
  const { sink, site, from, to, match } = json['asked'];
  const { events } = json;
  if (![sink, site, from, to].every((each) => typeof each === 'string') || !Array.isArray(match)) return null;
  if (!Number.isSafeInteger(events) || !match.every((each) => typeof each === 'string')) return null;
  const partitions = json['partitions'].map(decodePartition);
  if (!partitions.every((each) => each !== null)) return null;
  const asked = { sink, site, from, to, match } as ReplayAsked; // checked above
  return { asked, partitions, events: Number(events) };
}

function decodePartition(json: unknown): PartitionProgress | null {
  if (!isObject(json) || !Number.isSafeInteger(json['partition'])) return null;
  const offsets = [json['first'], json['next'], json['end']];
  if (!offsets.every((each) => typeof each === 'string' && /^[0-9]{1,19}$/.test(each))) return null;
  const [first = 0n, next = 0n, end = 0n] = offsets.map((each) => BigInt(String(each)));
  const { partition, mark } = json;
  if (typeof mark !== 'string' || first > next || next > end + 1n) return null;
  return { partition: Number(partition), first, next, end, mark };
}

const isObject = (json: unknown): json is Record<string, unknown> => typeof json === 'object' && json !== null;

/** Null where there is no such file. Rejects with an error for people where it is no progress of ours. */
export async function loadProgress(file: string): Promise<Progress | null> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  });
  const progress = text === null ? null : decodeProgress(text);
  if (text !== null && progress === null)
    throw new Error(`${file} is no progress of a replay; name another file with --progress, or delete it`);
  return progress;
}

/** Whole or not at all, also through a crash. */
export async function saveProgress(file: string, progress: Progress): Promise<void> {
  const temporary = `${file}.tmp`;
  const handle = await open(temporary, 'w');
  try {
    await handle.writeFile(encodeProgress(progress));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

export async function removeProgress(file: string): Promise<void> {
  await rm(file, { force: true });
}
