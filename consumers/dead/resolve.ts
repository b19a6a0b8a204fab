// Replays or discards letters: reads their bodies, hands them over in groups, and writes a resolution behind each group. A crash between the
// two delivers that group once more, under the ids its target knows; what is resolved is not touched again.
import type { ChannelModel } from 'amqplib';
import { encodeResolution, type ResolutionReason, type StoredLetter } from '#core/dead-letter.ts';
import type { OperatorAccess } from '../source/site-streams.ts';
import { linesOfBody, type Delivery, type Parcel } from './deliver.ts';
import type { Letter } from './letters.ts';
import { readRecords } from './read.ts';
import { publishRecords } from './write.ts';

export interface Resolver {
  readonly access: OperatorAccess;
  /** At the site where the letters lie, as operator. */
  readonly connection: ChannelModel;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface Resolved {
  readonly done: number;
  /** Letters that were not delivered, with why. */
  readonly failed: ReadonlyMap<Letter, string>;
}

const GROUP_LETTERS = 500;

export async function resolveLetters(
  { connection, now }: Resolver,
  letters: Iterable<Letter>,
  reason: ResolutionReason,
  message: string,
): Promise<void> {
  const at = now();
  const records = Iterator.from(letters).map(({ id, sink, lies, offset }) =>
    encodeResolution({ kind: 'resolution', letter: id, sink, site: lies, reason, message, at, upto: offset }),
  );
  await publishRecords(connection, records);
}

/** All letters of one delivery that lie at the resolver's site. `bodyOf`: what is delivered of a letter; its own body unless it was mended. */
export async function replayLetters(
  resolver: Resolver,
  letters: readonly Letter[],
  delivery: Delivery,
  bodyOf: (found: StoredLetter) => Buffer,
  message: string,
  progress: (done: number) => void,
): Promise<Resolved> {
  const wanted = new Map(letters.map((letter) => [letter.offset, letter]));
  const failed = new Map<Letter, string>();
  let done = 0;
  let group: Parcel[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    if (group.length === 0) return;
    const refused = await delivery.deliver(group);
    for (const [letter, why] of refused) failed.set(letter, why);
    const delivered = group.map(({ letter }) => letter).filter((letter) => !refused.has(letter));
    await resolveLetters(resolver, delivered, 'replayed', message);
    done += delivered.length;
    group = [];
    bytes = 0;
    progress(done);
  };
  const first = letters.reduce<bigint | null>(
    (least, { offset }) => (least === null || offset < least ? offset : least),
    null,
  );
  for await (const { record, offset } of first === null ? [] : readRecords(resolver.access, first)) {
    const letter = wanted.get(offset);
    if (letter === undefined || record.kind !== 'letter' || record.letter !== letter.id) continue;
    wanted.delete(offset);
    const body = bodyOf(record);
    const lines = linesOfBody(body);
    if (lines === null) {
      failed.set(letter, 'what it holds is no event');
      continue;
    }
    if (bytes + body.length > delivery.limit || group.length === GROUP_LETTERS) await flush();
    group.push({ letter, lines });
    bytes += body.length;
    if (wanted.size === 0) break;
  }
  await flush();
  for (const letter of wanted.values()) failed.set(letter, 'retention has deleted it meanwhile');
  return { done, failed };
}
