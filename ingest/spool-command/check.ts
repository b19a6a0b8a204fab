// `waggle spool check`: reads every byte of the folder, and tells what is not as it was written.
import { nodeDisk } from '../spool/node-disk.ts';
import { checkHeader, SEGMENT_HEADER } from '../spool/format.ts';
import type { Damage } from '../spool/segment-reader.ts';
import { eventsIn, isTornEnd, openFolder, read, type SpoolFolder } from './folder.ts';
import { countText, numbersText, sizeText } from './texts.ts';

export interface Checked {
  readonly folder: SpoolFolder;
  readonly events: number;
  readonly damages: readonly Damage[];
  readonly tornEnds: readonly Damage[];
  /** Files whose header is damaged. */
  readonly headers: readonly string[];
  readonly troubles: readonly string[];
}

/** Reads it all. Rejects with SpoolTrouble. */
export async function checkFolder(path: string): Promise<Checked> {
  const folder = await openFolder(path);
  const reading = read(folder, new Map());
  let events = 0;
  for await (const records of reading.records()) for (const { count } of records) events += count;
  await reading.route.close();
  const headers: string[] = [];
  for (const { file, size } of folder.table.all) {
    const opened = await nodeDisk.openToRead(`${path}/${file}`);
    const bytes = Buffer.alloc(SEGMENT_HEADER);
    const got = await opened.read(bytes, SEGMENT_HEADER, 0).catch(() => 0); // what cannot be read is damaged
    await opened.close();
    if (size > 0 && checkHeader(bytes.subarray(0, got)).kind === 'damaged') headers.push(file);
  }
  const damages = reading.damages.filter((damage) => !isTornEnd(damage));
  const tornEnds = reading.damages.filter(isTornEnd);
  return { folder, events, damages, tornEnds, headers, troubles: reading.troubles };
}

export async function spoolCheck(path: string, json: boolean, print: (text: string) => void): Promise<number> {
  const { folder, events, damages, tornEnds, headers, troubles } = await checkFolder(path);
  const { table, unreadable } = folder;
  const bad = damages.length + headers.length + troubles.length + unreadable.size;
  if (json) {
    const all = { damages: damages.map(place), tornEnds: tornEnds.map(place), headers, troubles };
    print(`${JSON.stringify({ path, segments: table.all.length, events, ...all, cursors: [...unreadable.keys()] })}\n`);
    return bad === 0 ? 0 : 1;
  }
  for (const { segment, from, to, first, last } of damages) {
    const lost = last < first ? 'no event is lost' : `events ${numbersText(first, last)} are lost`;
    print(`${segment.file}: damaged at ${from}, ${countText(to - from, 'byte')}: ${lost}\n`);
  }
  for (const { segment, from, to } of tornEnds)
    print(
      `${segment.file}: torn at ${from}, ${countText(to - from, 'byte')}, as a crash leaves it: no event is lost\n`,
    );
  for (const file of headers) print(`${file}: its header is damaged; no event is lost\n`);
  for (const trouble of troubles) print(`${trouble}\n`);
  for (const reason of unreadable.values()) print(`${reason}\n`);
  print(
    `${path}: ${countText(table.all.length, 'segment')}, ${sizeText(table.bytes)}, ${events} of ${eventsIn(table)} events are good`,
  );
  print(bad === 0 ? '\n' : `; ${countText(bad, 'fault')}. waggle spool repair shows what can be done.\n`);
  return bad === 0 ? 0 : 1;
}

const place = ({ segment, from, to, first, last }: Damage): object => ({
  segment: segment.file,
  from,
  to,
  numbers: last < first ? null : numbersText(first, last),
});
