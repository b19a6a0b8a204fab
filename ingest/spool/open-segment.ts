// The first and the last step of writing a segment.
import type { Disk, SpoolClock } from './disk.ts';
import { encodeEnd, encodeName, RECORD_HEADER, segmentSeed } from './format.ts';
import type { SegmentTable } from './segments.ts';
import type { Home } from './write-group.ts';

interface Place {
  readonly disk: Disk;
  readonly folder: string;
  readonly clock: SpoolClock;
  readonly table: SegmentTable;
}

/** Makes the file, named after the first number that it is going to hold. Its name is not synced yet. Rejects with what the disk says. */
export async function createSegment({ disk, folder, clock, table }: Place, home: Home, first: number): Promise<void> {
  const { identity } = home;
  // Never used twice, even where this fails.
  const name = { identity: identity.id, partition: identity.partition, index: identity.nextIndex++, first };
  const file = encodeName(name);
  const created = clock.now();
  home.file = await disk.create(`${folder}/${file}`);
  const seed = segmentSeed(name);
  home.segment = table.add({
    file,
    name,
    seed,
    created,
    size: 0,
    durable: 0,
    last: first - 1,
    sealed: false,
    unsynced: 0,
    cut: false,
    noted: 0,
    held: home.held,
  });
}

/** Writes the end record of a clean close. It is a hint: without it the segment is read through at the next start. Never rejects. */
export async function endSegment({ clock, table }: Place, { segment, file }: Home): Promise<void> {
  if (!segment || !file) return;
  const end = encodeEnd(segment.last + 1, clock.now(), segment.seed);
  await new Promise<void>((resolve) => {
    file.write([end], segment.size, (failed) => {
      if (failed) return resolve();
      table.grow(segment, segment.size + RECORD_HEADER);
      file.sync(() => resolve());
    });
  });
  segment.sealed = true;
  await file.close().catch(() => undefined); // all that counts is synced
}
