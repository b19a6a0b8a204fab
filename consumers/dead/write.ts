// Records of dead letters, put durably into the dead letters of a site. What no sink can deliver goes there before its ack or its commit.
// A crash between the two makes the same letter twice: at least once, told by the letter's id.
import { setTimeout as delay } from 'node:timers/promises';
import type { ChannelModel, ConfirmChannel } from 'amqplib';
import { encodeDeadLetter, type DeadLetter, type RecordMessage } from '#core/dead-letter.ts';
import { unlessAborted } from '#core/io/abort.ts';
import { openAmqpLink, type AmqpLink, type AmqpLinkOptions } from '#core/io/amqp.ts';
import { DEAD_STREAM, EVENTS_DEAD } from '#topology/names.ts';
import { backoff } from '../backoff.ts';

export interface DeadLetters extends AsyncDisposable {
  /** Resolves when the broker has confirmed them all; waits for the site while it is away, until the signal (then it rejects). `site`: for messages. */
  put(site: string, letters: readonly DeadLetter[], signal: AbortSignal): Promise<void>;
}

/** Called before each wait with why, for people, and with null once dead letters are taken again. */
export type DeadLetterTrouble = (message: string | null) => void;

const BACKOFF = { first: 200, most: 30_000 };
/** Bytes on their way to the broker at a time: letters may be many, and 16 MiB each. */
const WINDOW_BYTES = 16 * 1024 * 1024;
/** What a record takes beside its body: a resolution has none, and there may be a million of them. */
const RECORD_BYTES = 1024;

/** The broker confirms what it returned: it took the message, and no queue has it. */
class Returned extends Error {}

/** Connects when the first dead letter comes: most sinks never have one. */
export function openDeadLetters(sink: string, options: AmqpLinkOptions, trouble: DeadLetterTrouble): DeadLetters {
  let link: AmqpLink | null = null;
  const open = (): AmqpLink => (link ??= openAmqpLink(options, { onUp() {}, onDown() {} }));
  return {
    async put(site, letters, signal) {
      for (let failures = 1; ; failures++) {
        signal.throwIfAborted();
        const connection = await open().up(signal);
        try {
          // A broker under an alarm answers nothing: the attachment must be able to end.
          await unlessAborted(publishRecords(connection, letters.values().map(encodeDeadLetter)), signal);
          trouble(null);
          return;
        } catch (error) {
          signal.throwIfAborted();
          const why = error instanceof Error ? error.message : String(error);
          trouble(`dead letters of sink "${sink}" at ${site}: ${why}`);
          // Unless they were returned it is unknown whether they arrived: once more, on a new connection.
          if (!(error instanceof Returned)) open().reconnect(why);
          await delay(backoff(BACKOFF, failures, null, Math.random()), undefined, { signal }).catch(() =>
            signal.throwIfAborted(),
          );
        }
      }
    },
    [Symbol.asyncDispose]: async () => link?.close(),
  };
}

/** Resolves when all are confirmed. Rejects where the connection ends before, or where no queue took one. */
export async function publishRecords(connection: ChannelModel, records: Iterable<RecordMessage>): Promise<void> {
  const channel: ConfirmChannel = await connection.createConfirmChannel();
  // Without a listener an error of the channel is an uncaught one; the wait for confirms rejects all the same.
  channel.on('error', () => {});
  // A return comes before the confirm of its message (RabbitMQ, "Consumer Acknowledgements and Publisher Confirms").
  let returned = 0;
  channel.on('return', () => returned++);
  let count = 0;
  let bytes = 0;
  for (const { headers, body } of records) {
    channel.publish(EVENTS_DEAD, '', body, {
      persistent: true,
      mandatory: true,
      appId: 'waggle',
      contentType: 'application/octet-stream',
      timestamp: Math.floor(Date.now() / 1000),
      headers,
    });
    count++;
    bytes += body.length + RECORD_BYTES;
    if (bytes < WINDOW_BYTES) continue;
    bytes = 0;
    await channel.waitForConfirms();
  }
  await channel.waitForConfirms();
  await channel.close();
  if (returned === 0) return;
  throw new Returned(
    `${returned} of ${count} were returned: no queue is bound to ${EVENTS_DEAD}; declare the topology (waggle topology declare), which makes ${DEAD_STREAM}. They wait, and are sent again by themselves`,
  );
}
