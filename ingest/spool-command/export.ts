// `waggle spool export`: the events of the folder as NDJSON, a CloudEvent a line, byte for byte as they are sent.
import { compilePattern } from '#core/patterns.ts';
import { acceptedWithin, openFolder, read } from './folder.ts';
import { countText } from './texts.ts';

export interface ExportOptions {
  /** Pattern of types. */
  readonly type: string | null;
  readonly from: number | null;
  readonly to: number | null;
  /** Only what some route has not settled. */
  readonly unconfirmed: boolean;
}

export interface Output {
  readonly print: (text: string | Buffer) => void;
  readonly tell: (text: string) => void;
}

export async function spoolExport(path: string, options: ExportOptions, output: Output): Promise<number> {
  const folder = await openFolder(path, acceptedWithin(options.from, options.to));
  const matches = options.type === null ? () => true : compilePattern(options.type);
  const cursors = [...folder.cursors.values()];
  const isSettled = (identity: string, first: number, last: number): boolean =>
    cursors.length > 0 && cursors.every((cursor) => cursor.get(identity)?.has(first, last) ?? false);
  const reading = read(folder, new Map());
  let events = 0;
  for await (const records of reading.records()) {
    for (const { identity, first, count, type, payload } of records) {
      if (!matches(type) || (options.unconfirmed && isSettled(identity, first, first + count - 1))) continue;
      output.print(payload);
      events += count;
    }
  }
  await reading.route.close();
  const lost = reading.damages.reduce((sum, { first, last }) => sum + Math.max(0, last - first + 1), 0);
  output.tell(`${countText(events, 'event')} of ${path}\n`);
  for (const trouble of reading.troubles) output.tell(`${trouble}\n`);
  if (lost === 0) return reading.troubles.length === 0 ? 0 : 1;
  output.tell(`${countText(lost, 'event')} more cannot be read: see waggle spool check\n`);
  return 1;
}
