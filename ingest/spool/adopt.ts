// What is found in a spool folder at start: segments of earlier identities, cursors. Costs a look at each name and header, and a scan of the
// last segment of each identity that did not close.
import { CURSOR_VERSION, decodeCursor, Settled, type Cursor } from './cursor.ts';
import {
  errorCode,
  errorText,
  isFull,
  readWholeFile,
  rewriteFile,
  syncAll,
  type Disk,
  type DiskEntry,
  type DiskFile,
} from './disk.ts';
import {
  checkHeader,
  decodeName,
  decodeRecord,
  FORMAT_VERSION,
  KIND_END,
  newRecordView,
  RECORD_HEADER,
  SEGMENT_HEADER,
  segmentSeed,
  type SegmentName,
} from './format.ts';
import {
  decodeNote,
  decodeNotes,
  NO_NOTES,
  Notes,
  NOTES,
  NOTES_VERSION,
  type KnownNotes,
  type NumberedNote,
} from './notes.ts';
import { scanSegment, SegmentReader } from './segment-reader.ts';
import type { Segment, SegmentTable } from './segments.ts';
import type { SpoolEvent } from './contract.ts';
import { uuidTime } from '#core/uuid.ts';

const FILE_LIMIT = 64 * 1024 * 1024;

/** The folder cannot be used as it is; the message says what to do. */
class SpoolFormatError extends Error {
  override readonly name = 'SpoolFormatError';
}

interface Found {
  readonly name: SegmentName;
  readonly file: string;
  readonly size: number;
}

/** Fills the table; tells of which segments it is not known whether all of them is synced. Rejects with SpoolFormatError for a folder that a newer waggle wrote, and with what the disk says. */
export async function adoptSegments(
  disk: Disk,
  folder: string,
  entries: readonly DiskEntry[],
  table: SegmentTable,
): Promise<ReadonlySet<Segment>> {
  const unclosed = new Set<Segment>();
  const found: Found[] = [];
  for (const { name: file, size } of entries) {
    const name = decodeName(file);
    if (name) found.push({ name, file, size });
  }
  found.sort((a, b) => compare(a.name.identity, b.name.identity) || a.name.index - b.name.index);
  for (const [at, { name, file, size }] of found.entries()) {
    const next = found[at + 1]?.name;
    const end = next?.identity === name.identity ? next.first - 1 : null;
    const created = uuidTime(name.identity) ?? 0;
    const segment = table.add({
      file,
      name,
      seed: segmentSeed(name),
      created,
      size,
      durable: size,
      last: end ?? name.first - 1,
      sealed: true,
      unsynced: 0,
      cut: false,
      noted: 0,
      held: null,
    });
    const opened = await disk.openToRead(`${folder}/${file}`);
    try {
      segment.created = (await checkVersion(opened, `${folder}/${file}`)) ?? created;
      if (end !== null) continue;
      const closed = await closedAt(opened, segment.seed, size);
      if (closed !== null) segment.last = closed - 1;
      else {
        unclosed.add(segment);
        await scanSegment(opened, segment);
      }
    } finally {
      await opened.close();
    }
  }
  return unclosed;
}

/**
 * What inputs noted: what the file knows, and what stands in the segments that it does not know. Those of a process that was killed are
 * brought to the disk first: else a loss of power could take the events, after a later note that counts on them.
 */
export async function loadNotes(
  disk: Disk,
  folder: string,
  table: SegmentTable,
  unclosed: ReadonlySet<Segment>,
  observe: (event: SpoolEvent) => void,
): Promise<Notes> {
  const known = await knownNotes(disk, `${folder}/${NOTES}`, observe);
  const found: NumberedNote[] = [];
  for (const segment of table.all) {
    if (segment.name.index < (known.read.get(segment.name.identity) ?? 0)) continue;
    const file = await disk.openToRead(`${folder}/${segment.file}`);
    const reader = new SegmentReader(file, segment, {
      skip: () => true,
      damaged: () => undefined,
      unreadable: () => undefined,
      seen: () => undefined,
      noted: (bytes) => {
        const note = decodeNote(bytes);
        segment.noted = Math.max(segment.noted, note.number);
        found.push(note);
      },
    });
    try {
      while (!(await reader.read(Infinity, [])));
    } finally {
      await reader.close();
      await file.close();
    }
    if (segment.noted > 0 && unclosed.has(segment)) await secure(disk, folder, segment.file);
  }
  const notes = new Notes(known);
  // Those of identities whose order nobody knows, if the clock was set back.
  for (const note of found.toSorted((a, b) => a.number - b.number)) notes.settle(note);
  return notes;
}

/** Rejects with what the disk says. A full one has no room for a copy; then the file is only synced, which is enough where no sync failed before. */
async function secure(disk: Disk, folder: string, name: string): Promise<void> {
  try {
    await rewriteFile(disk, folder, name);
  } catch (error) {
    if (!isFull(errorCode(error))) throw error;
    const file = await disk.openToRead(`${folder}/${name}`);
    try {
      await syncAll(file);
    } finally {
      await file.close();
    }
    await disk.syncFolder(folder);
  }
}

async function knownNotes(disk: Disk, path: string, observe: (event: SpoolEvent) => void): Promise<KnownNotes> {
  let problem: string;
  try {
    const bytes = await readWholeFile(disk, path, FILE_LIMIT);
    if (bytes === null) return NO_NOTES;
    const check = decodeNotes(bytes);
    if (check.kind === 'good') return check.known;
    if (check.kind === 'newer') throw newer(path, check.version, NOTES_VERSION);
    problem = check.message;
  } catch (error) {
    if (error instanceof SpoolFormatError) throw error;
    problem = errorText(error);
  }
  observe({ kind: 'notes-unreadable', message: `${path}: ${problem}` });
  return NO_NOTES;
}

/** An empty one where there is no file, or none that can be read: then everything is sent again. */
export async function loadCursor(
  disk: Disk,
  folder: string,
  route: string,
  observe: (event: SpoolEvent) => void,
): Promise<Cursor> {
  const path = `${folder}/${cursorFile(route)}`;
  let problem: string;
  try {
    const bytes = await readWholeFile(disk, path, FILE_LIMIT);
    if (bytes === null) return new Map();
    const check = decodeCursor(bytes);
    if (check.kind === 'good') return check.cursor;
    if (check.kind === 'newer') throw newer(path, check.version, CURSOR_VERSION);
    problem = check.message;
  } catch (error) {
    if (error instanceof SpoolFormatError) throw error;
    problem = errorText(error);
  }
  observe({
    kind: 'cursor-unreadable',
    route,
    message: `${path}: ${problem}. What is spooled is sent again from its beginning; repeats are dropped downstream.`,
  });
  return new Map();
}

export const cursorFile = (route: string): string => `cursor.${route}`;

/** Gives every identity with a segment its place in the cursor, and takes the others out. */
export function matchCursor(cursor: Cursor, table: SegmentTable): void {
  const seen = new Set<string>();
  for (const { name } of table.all) {
    if (seen.has(name.identity)) continue;
    seen.add(name.identity);
    let settled = cursor.get(name.identity);
    if (!settled) cursor.set(name.identity, (settled = new Settled()));
    // Segments below the first one went because they were settled, whether the cursor file knows it or not.
    if (name.first > 1) settled.add(settled.confirmed, [[1, name.first - 1]]);
  }
  for (const identity of cursor.keys()) if (!seen.has(identity)) cursor.delete(identity);
}

/**
 * Damage took the end of an identity's last segment, or somebody removed segments: a cursor still knows of numbers there. They count as the
 * last segment's, so that those of them that are not settled are found missing, and quarantined.
 */
export function matchEnds(cursors: Iterable<Cursor>, table: SegmentTable): void {
  const latest = new Map(table.all.map((segment) => [segment.name.identity, segment]));
  for (const cursor of cursors)
    for (const [identity, { highest }] of cursor) {
      const segment = latest.get(identity);
      if (segment !== undefined && highest > segment.last) segment.last = highest;
    }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const newer = (path: string, version: number, known: number): SpoolFormatError =>
  new SpoolFormatError(
    `${path} has format ${version}, which a newer waggle wrote; this one knows up to ${known}. Run the newer one until the spool is empty, or give this one another folder.`,
  );

/** When it was created; null where the header is damaged, which costs nothing else: the name says the same. */
async function checkVersion(file: DiskFile, path: string): Promise<number | null> {
  const bytes = Buffer.alloc(SEGMENT_HEADER);
  const size = await file.read(bytes, SEGMENT_HEADER, 0).catch(() => 0); // an unreadable header is a damaged one
  const check = checkHeader(bytes.subarray(0, size));
  if (check.kind === 'newer') throw newer(path, check.version, FORMAT_VERSION);
  return check.kind === 'good' ? check.created : null;
}

/** The number that would have come next, where the segment ends with a clean close; else null. */
async function closedAt(file: DiskFile, seed: number, size: number): Promise<number | null> {
  if (size < SEGMENT_HEADER + RECORD_HEADER) return null;
  const bytes = Buffer.alloc(RECORD_HEADER);
  const view = newRecordView();
  const got = await file.read(bytes, RECORD_HEADER, size - RECORD_HEADER).catch(() => 0); // then it is scanned
  if (got < RECORD_HEADER || decodeRecord(bytes, 0, RECORD_HEADER, seed, view) !== 'good' || view.kind !== KIND_END)
    return null;
  return view.first;
}
