// A spool folder as the commands see it: read, and never changed by looking.
import type { SpoolRecord } from '../spool/contract.ts';
import { adoptSegments, loadCursor, matchCursor, matchEnds } from '../spool/adopt.ts';
import type { Cursor } from '../spool/cursor.ts';
import { errorCode, errorText, type DiskEntry } from '../spool/disk.ts';
import { nodeDisk, systemClock } from '../spool/node-disk.ts';
import { Route } from '../spool/route.ts';
import type { Damage } from '../spool/segment-reader.ts';
import { type Segment, SegmentTable } from '../spool/segments.ts';

/** What is in the way, for people; the exit code is 1. */
export class SpoolTrouble extends Error {
  override readonly name = 'SpoolTrouble';
}

export interface SpoolFolder {
  readonly path: string;
  readonly entries: readonly DiskEntry[];
  readonly table: SegmentTable;
  /** By route, of the cursor files that can be read; matched with the segments. */
  readonly cursors: ReadonlyMap<string, Cursor>;
  /** Cursor files that cannot be read, with the reason. */
  readonly unreadable: ReadonlyMap<string, string>;
}

/** A reading of the folder by a cursor (everything, where it is empty). What is damaged counts as settled once it is met. */
export interface Reading {
  readonly route: Route;
  readonly damages: readonly Damage[];
  /** Segments, or parts of them, that could not be read. */
  readonly troubles: readonly string[];
  /** Records in order, until there is no more; their payload is good until the next. */
  records(): AsyncGenerator<readonly SpoolRecord[], void>;
}

const READ_BYTES = 1024 * 1024;
const ATTEMPTS = 5;
const CURSOR = /^cursor\.([a-z0-9-]+)$/;

/** Rejects with SpoolTrouble. `keep`: which segments count; all unless given. */
export async function openFolder(
  path: string,
  keep: (segments: readonly Segment[]) => readonly Segment[] = (all) => all,
) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await look(path, keep);
    } catch (error) {
      const code = errorCode(error);
      // An agent at work removes segments meanwhile.
      if (code === 'ENOENT' && attempt < ATTEMPTS && (await exists(path))) continue;
      if (code === 'ENOENT')
        throw new SpoolTrouble(`there is no spool at ${path}: see agent.spool.path, or say --path`);
      if (code === 'EACCES' || code === 'EPERM')
        throw new SpoolTrouble(`${path} cannot be read: ${errorText(error)}. Run this as the user of the agent.`);
      throw new SpoolTrouble(errorText(error));
    }
  }
}

const exists = (path: string): Promise<boolean> =>
  nodeDisk.list(path).then(
    () => true,
    () => false,
  );

async function look(path: string, keep: (segments: readonly Segment[]) => readonly Segment[]): Promise<SpoolFolder> {
  const entries = await nodeDisk.list(path);
  const table = new SegmentTable();
  await adoptSegments(nodeDisk, path, entries, table);
  const cursors = new Map<string, Cursor>();
  const unreadable = new Map<string, string>();
  for (const { name } of entries) {
    const [, route] = CURSOR.exec(name) ?? [];
    if (route === undefined) continue;
    const cursor = await loadCursor(nodeDisk, path, route, (event) => {
      if (event.kind === 'cursor-unreadable') unreadable.set(name, event.message);
    });
    matchCursor(cursor, table);
    cursors.set(route, cursor);
  }
  matchEnds(cursors.values(), table);
  const kept = new Set(keep(table.all));
  for (const segment of table.all.filter((each) => !kept.has(each))) table.remove(segment);
  return { path, entries, table, cursors, unreadable };
}

export function read({ path, table }: SpoolFolder, cursor: Cursor): Reading {
  const damages: Damage[] = [];
  const troubles: string[] = [];
  const route: Route = new Route({
    name: 'offline',
    disk: nodeDisk,
    folder: path,
    table,
    cursor,
    clock: systemClock,
    changed: () => undefined,
    damaged(damage) {
      damages.push(damage);
      route.quarantined(damage.segment.name.identity, damage.first, damage.last);
    },
    unreadable: (segment, error) => troubles.push(`${segment.file}: ${errorText(error)}`),
  });
  for (const { name } of table.all) route.settled(name.identity);
  return {
    route,
    damages,
    troubles,
    async *records() {
      for (;;) {
        const records = await route.read(READ_BYTES);
        if (records.length === 0) return;
        yield records;
      }
    },
  };
}

/** Segments that may hold what was accepted in that time. A segment ends where the next of its identity begins. */
export function acceptedWithin(from: number | null, to: number | null) {
  return (segments: readonly Segment[]): readonly Segment[] =>
    segments.filter(({ created, name }, at) => {
      const next = segments[at + 1];
      const end = next?.name.identity === name.identity ? next.created : Infinity;
      return created < (to ?? Infinity) && end >= (from ?? -Infinity);
    });
}

/** A torn end is what a crash leaves; it holds nothing that was acknowledged, and the agent puts it aside at its start. */
export const isTornEnd = ({ segment, first, last, to }: Damage): boolean => last < first && to >= segment.size;

export const eventsIn = (table: SegmentTable): number =>
  table.all.reduce((sum, { name, last }) => sum + Math.max(0, last - name.first + 1), 0);
