// Streams of partitions beyond the configured number: left behind where log.partitions was lowered. Identities that were made before
// still write to them, and what they hold must be read to its end, until somebody deletes them by hand (topology plan says how).
import { connectAmqp, type AmqpLinkOptions } from '#core/io/amqp.ts';
import { pause, unlessAborted } from '#core/io/abort.ts';
import { logStream } from '#topology/names.ts';

/**
 * The partitions from `configured` on whose streams are at this site: those in `known`, and the run that begins at `configured`.
 * A passive declare needs no right. Rejects with an error for people where the site does not answer.
 */
export async function oldPartitionsAt(
  link: AmqpLinkOptions,
  configured: number,
  known: Iterable<number>,
  signal: AbortSignal,
): Promise<ReadonlySet<number>> {
  const connection = await connectAmqp(link, signal);
  const exists = async (partition: number): Promise<boolean> => {
    const channel = await connection.createChannel();
    channel.on('error', () => {});
    try {
      await channel.checkQueue(logStream(partition));
    } catch (error) {
      if (isNotFound(error)) return false; // and the broker has closed the channel
      throw error;
    }
    await channel.close();
    return true;
  };
  const look = async (): Promise<ReadonlySet<number>> => {
    const there = new Set<number>();
    for (const partition of new Set(known)) if (await exists(partition)) there.add(partition);
    for (let next = configured; there.has(next) || (await exists(next)); next++) there.add(next);
    return there;
  };
  try {
    return await unlessAborted(look(), signal);
  } finally {
    await unlessAborted(connection.close(), signal).catch(() => {});
  }
}

/** NOT_FOUND of AMQP 0-9-1, section 1.7. A stream whose node is away is answered with it too, but not in these words. */
const isNotFound = (error: unknown): boolean => error instanceof Error && error.message.includes('no queue');

export interface OldPartitionsWatch {
  readonly link: AmqpLinkOptions;
  readonly configured: number;
  /** The last answer; before the first one, those that are read there. */
  readonly assumed: ReadonlySet<number>;
  /** Called with the first answer, and with each that differs. */
  readonly found: (there: ReadonlySet<number>) => void;
  /** What was found is not what was assumed. */
  readonly changed: () => void;
  readonly unknown: (why: string) => void;
  readonly signal: AbortSignal;
}

const LOOK_MS = 60_000;

/** Asks until the site has answered, and on as long as there are any: that one was deleted must be seen too. Never rejects. */
export async function watchOldPartitions(watch: OldPartitionsWatch): Promise<void> {
  const { link, configured, assumed, signal } = watch;
  for (let answered = false; !signal.aborted; await pause(LOOK_MS, signal)) {
    try {
      const there = await oldPartitionsAt(link, configured, assumed, signal);
      const same = there.size === assumed.size && [...there].every((partition) => assumed.has(partition));
      if (!answered || !same) watch.found(there);
      answered = true;
      if (!same) watch.changed();
      if (!same || there.size === 0) return;
    } catch (error) {
      if (!signal.aborted) watch.unknown(error instanceof Error ? error.message : String(error));
    }
  }
}
