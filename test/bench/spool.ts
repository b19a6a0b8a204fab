// The spool alone, on the machine's disk: appends with fdatasync, read-back against a bare read loop, start with a backlog.
import { execFileSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EventGroup, Spool } from '../../ingest/spool/contract.ts';
import { nodeDisk, systemClock } from '../../ingest/spool/node-disk.ts';
import { openSpool, type SpoolOptions } from '../../ingest/spool/spool.ts';

const MEBI = 1024 * 1024;
const EVENT = 330;

/** Rates are a second; sizes are MB of 10^6 bytes. */
export interface SpoolFigures {
  /** 128 callers, one event of 330 bytes an append, each waiting for its fdatasync. */
  readonly singleAppends: number;
  /** 16 callers, 100 events an append. */
  readonly batchedEvents: number;
  readonly batchedMegabytes: number;
  /** The same segments, read by a loop of 1 MiB reads into one buffer, and by the spool's reader: off the disk, and out of the page cache. */
  readonly fromDisk: readonly ReadPair[];
  readonly fromCache: readonly ReadPair[];
  /** Opening a folder with the backlog that the batches left, in milliseconds. */
  readonly backlogBytes: number;
  readonly openMilliseconds: number;
}

/** MB a second. */
export interface ReadPair {
  readonly bare: number;
  readonly spool: number;
}

const options = (path: string): SpoolOptions => ({
  path,
  max: 64 * 1024 * MEBI,
  keep: 0,
  behind: Infinity,
  segment: 64 * MEBI,
  partitions: 8,
  routes: ['bench'],
  disk: nodeDisk,
  clock: systemClock,
  random: (target) => void randomFillSync(target),
  observe: () => undefined,
  holder: 'the bench',
});

function group(count: number): EventGroup {
  const line = `{"n":1,"pad":"${'x'.repeat(EVENT - 17)}"}\n`;
  return { type: 'bench.event', count, payload: Buffer.from(line.repeat(count)) };
}

/** Events a second that so many callers get acknowledged, for so long, or until so many bytes are written. */
async function append(
  spool: Spool,
  callers: number,
  events: EventGroup,
  milliseconds: number,
  bytes: number,
): Promise<number> {
  const started = performance.now();
  let done = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() - started < milliseconds && done * EVENT < bytes) {
      const appended = spool.append([events], 'disk');
      if (appended.kind === 'refused') throw new Error(appended.message);
      const synced = await appended.synced;
      if (synced.kind === 'failed') throw new Error(synced.message);
      done += events.count;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return (done / (performance.now() - started)) * 1000;
}

async function segments(path: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => name.endsWith('.seg')).map((name) => join(path, name));
}

/** Out of the page cache; the files were synced. */
async function forget(path: string): Promise<void> {
  for (const file of await segments(path))
    execFileSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none']);
}

/** MB a second of reads of 1 MiB, one after the other. */
async function readBare(path: string): Promise<number> {
  const target = Buffer.allocUnsafeSlow(MEBI);
  const started = performance.now();
  let bytes = 0;
  for (const file of await segments(path)) {
    const fd = openSync(file, 'r');
    for (;;) {
      const got = readSync(fd, target, 0, MEBI, null);
      if (got === 0) break;
      bytes += got;
    }
    closeSync(fd);
  }
  return bytes / (performance.now() - started) / 1000;
}

async function readSpool(path: string): Promise<number> {
  await using spool = await openSpool(options(path));
  const reader = spool.reader('bench');
  const started = performance.now();
  let bytes = 0;
  for (;;) {
    const records = await reader.read(MEBI);
    if (records.length === 0) break;
    for (const { payload } of records) bytes += payload.length;
  }
  return bytes / (performance.now() - started) / 1000;
}

/** Writes about `backlog` bytes below `parent`, a folder on the disk that is measured, and removes them again. */
export async function measureSpool(parent: string, backlog = 512 * MEBI, pairs = 5): Promise<SpoolFigures> {
  const path = await mkdtemp(join(parent, 'waggle-bench-spool-'));
  try {
    let singleAppends: number;
    let batchedEvents: number;
    {
      await using spool = await openSpool(options(path));
      singleAppends = await append(spool, 128, group(1), 3000, Infinity);
      batchedEvents = await append(spool, 16, group(100), Infinity, backlog);
    }
    const started = performance.now();
    const spool = await openSpool(options(path));
    const openMilliseconds = performance.now() - started;
    const backlogBytes = spool.stats().bytes;
    await spool[Symbol.asyncDispose]();
    const fromDisk: ReadPair[] = [];
    const fromCache: ReadPair[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      await forget(path);
      const bare = await readBare(path);
      fromCache.push({ bare: await readBare(path), spool: await readSpool(path) });
      await forget(path);
      fromDisk.push({ bare, spool: await readSpool(path) });
    }
    const batchedMegabytes = (batchedEvents * EVENT) / 1e6;
    return { singleAppends, batchedEvents, batchedMegabytes, fromDisk, fromCache, backlogBytes, openMilliseconds };
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}
