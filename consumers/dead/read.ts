// Reads the dead-letter stream of a site up to what is its end when reading begins.
import { decodeDeadRecord, type DeadRecord } from '#core/dead-letter.ts';
import { DEAD_STREAM } from '#topology/names.ts';
import { receivedOf } from '../source/received.ts';
import { SiteStreams, type OperatorAccess } from '../source/site-streams.ts';
import { LetterFold, type Letter } from './letters.ts';

export interface PlacedRecord {
  readonly record: DeadRecord;
  /** In the dead-letter stream. */
  readonly offset: bigint;
}

/** All records from an offset on, in order. Rejects with an error for people where the site does not answer. */
export async function* readRecords(
  access: OperatorAccess,
  from: bigint | 'first' = 'first',
): AsyncGenerator<PlacedRecord, void> {
  await using streams = await SiteStreams.connect(access);
  const last = await streams.last(DEAD_STREAM);
  if (last === null) return;
  for await (const chunk of streams.read(DEAD_STREAM, from, last.offset)) {
    for (const message of chunk) {
      const { offset } = message;
      const place = { site: access.site.name, stream: DEAD_STREAM, offset };
      yield { record: decodeDeadRecord({ ...receivedOf(message), ...place }), offset };
    }
  }
}

/** The letters of a site that the filter takes; their memory is that of LetterFold. */
export async function readLetters(access: OperatorAccess, filter: (letter: Letter) => boolean): Promise<Letter[]> {
  const fold = new LetterFold(access.site.name);
  for await (const { record, offset } of readRecords(access)) fold.add(record, offset);
  return fold.letters().filter(filter).toArray();
}
