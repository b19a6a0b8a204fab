// `waggle spool repair`: writes damaged files anew without their damage. What was there goes to the quarantine folder, whole; nothing is deleted.
import { encodeHeader } from '../spool/format.ts';
import { nodeDisk } from '../spool/node-disk.ts';
import { replaceFile } from '../spool/disk.ts';
import { readOrZero, type Damage } from '../spool/segment-reader.ts';
import type { Segment } from '../spool/segments.ts';
import { checkFolder } from './check.ts';
import { SpoolTrouble } from './folder.ts';
import { countText } from './texts.ts';

const QUARANTINE = 'quarantine';

/** Without `yes` it only tells what it would do. */
export async function spoolRepair(path: string, yes: boolean, print: (text: string) => void): Promise<number> {
  const { folder, damages, tornEnds, headers, troubles } = await checkFolder(path);
  const bySegment = new Map<Segment, Damage[]>();
  for (const damage of [...damages, ...tornEnds]) {
    const list = bySegment.get(damage.segment);
    if (list) list.push(damage);
    else bySegment.set(damage.segment, [damage]);
  }
  for (const segment of folder.table.all)
    if (headers.includes(segment.file) && !bySegment.has(segment)) bySegment.set(segment, []);
  const quarantined = `${path}/${QUARANTINE}`;
  const verb = yes ? '' : 'would be ';
  if (bySegment.size + folder.unreadable.size > 0 && yes) await nodeDisk.makeFolder(quarantined);
  for (const [segment, places] of bySegment) {
    const lost = places.reduce((sum, { first, last }) => sum + Math.max(0, last - first + 1), 0);
    const bytes = places.reduce((sum, { from, to }) => sum + to - from, 0);
    if (yes) await rewrite(path, quarantined, segment, places);
    print(
      `${segment.file}: ${verb}written anew without ${countText(bytes, 'byte')}; ${countText(lost, 'event')} of it lost; the original ${verb}kept as ${QUARANTINE}/${segment.file}\n`,
    );
  }
  for (const file of folder.unreadable.keys()) {
    if (yes) await moveAside(path, quarantined, file);
    print(
      `${file}: ${verb}moved to ${QUARANTINE}; what is spooled is sent again then, and dropped where it was seen\n`,
    );
  }
  for (const trouble of troubles) print(`${trouble}: nothing can be done about it here\n`);
  const faults = bySegment.size + folder.unreadable.size;
  if (faults === 0) print(`${path}: nothing to repair\n`);
  else if (!yes) print('Nothing is changed yet: with --yes it is done.\n');
  return troubles.length === 0 ? 0 : 1;
}

/** First the original is safe, then the new one takes its name: a crash in between changes nothing. */
async function rewrite(path: string, quarantined: string, segment: Segment, places: readonly Damage[]): Promise<void> {
  const { file, name, size, created } = segment;
  const opened = await nodeDisk.openToRead(`${path}/${file}`);
  const bytes = Buffer.alloc(size);
  try {
    const got = await readOrZero(opened, bytes, size, 0, () => undefined);
    await replaceFile(nodeDisk, quarantined, await freeName(quarantined, file), bytes.subarray(0, got));
  } finally {
    await opened.close();
  }
  const header = encodeHeader(name, created);
  const pieces: Buffer[] = [header];
  let at = header.length;
  for (const { from, to } of places.toSorted((a, b) => a.from - b.from)) {
    pieces.push(bytes.subarray(at, from));
    at = to;
  }
  pieces.push(bytes.subarray(at));
  await replaceFile(nodeDisk, path, file, Buffer.concat(pieces));
}

async function moveAside(path: string, quarantined: string, file: string): Promise<void> {
  await nodeDisk.rename(`${path}/${file}`, `${quarantined}/${await freeName(quarantined, file)}`);
  await nodeDisk.syncFolder(quarantined);
  await nodeDisk.syncFolder(path);
}

/** One that is not taken: an earlier repair may have put the same file there. */
async function freeName(folder: string, file: string): Promise<string> {
  const taken = new Set((await nodeDisk.list(folder)).map(({ name }) => name));
  for (let copy = 1; copy < 10_000; copy++) {
    const name = copy === 1 ? file : `${file}.${copy}`;
    if (!taken.has(name)) return name;
  }
  throw new SpoolTrouble(`${folder} holds ten thousand copies of ${file}: move some elsewhere`);
}
