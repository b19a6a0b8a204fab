// What a sink can never write goes to the dead letters of its site, durably, before the window that held it is committed.
// A crash between the two makes the same dead letter twice: at least once, told apart by site, stream and offset.
import { setTimeout as delay } from 'node:timers/promises';
import type { ChannelModel, ConfirmChannel } from 'amqplib';
import { unlessAborted } from '#core/io/abort.ts';
import { openAmqpLink, type AmqpLink, type AmqpLinkOptions } from '#core/io/amqp.ts';
import { DEAD_STREAM, EVENTS_DEAD, logStream } from '#topology/names.ts';
import type { DeadMessage } from './window.ts';

export interface DeadLetters extends AsyncDisposable {
  /** Resolves when the broker has confirmed them all; waits for the site while it is away, until the signal. */
  put(site: string, partition: number, messages: readonly DeadMessage[], signal: AbortSignal): Promise<void>;
}

/** Called before each wait with why, for people, and with null once dead letters are taken again. */
export type DeadLetterTrouble = (message: string | null) => void;

const BACKOFF = { first: 200, most: 30_000 };

/** The broker confirms what it returned: it took the message, and no queue has it. */
class Returned extends Error {}

/** Connects when the first dead letter comes: most sinks never have one. */
export function openDeadLetters(sink: string, options: AmqpLinkOptions, trouble: DeadLetterTrouble): DeadLetters {
  let link: AmqpLink | null = null;
  const open = (): AmqpLink => (link ??= openAmqpLink(options, { onUp() {}, onDown() {} }));
  return {
    async put(site, partition, messages, signal) {
      for (let failures = 1; ; failures++) {
        signal.throwIfAborted();
        const connection = await open().up(signal);
        try {
          // A broker under an alarm answers nothing: the attachment must be able to end.
          await unlessAborted(publish(connection, sink, site, partition, messages), signal);
          trouble(null);
          return;
        } catch (error) {
          signal.throwIfAborted();
          const why = error instanceof Error ? error.message : String(error);
          const bound = Math.min(BACKOFF.most, BACKOFF.first * 2 ** Math.min(failures - 1, 20));
          trouble(`dead letters of sink "${sink}" at ${site}: ${why}`);
          // Unless they were returned it is unknown whether they arrived: once more, on a new connection.
          if (!(error instanceof Returned)) open().reconnect(why);
          await delay(bound * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => signal.throwIfAborted());
        }
      }
    },
    [Symbol.asyncDispose]: async () => link?.close(),
  };
}

async function publish(
  connection: ChannelModel,
  sink: string,
  site: string,
  partition: number,
  messages: readonly DeadMessage[],
): Promise<void> {
  const channel: ConfirmChannel = await connection.createConfirmChannel();
  // Without a listener an error of the channel is an uncaught one; the wait for confirms rejects all the same.
  channel.on('error', () => {});
  // A return comes before the confirm of its message (RabbitMQ, "Consumer Acknowledgements and Publisher Confirms").
  let returned = 0;
  channel.on('return', () => returned++);
  for (const dead of messages) {
    channel.publish(EVENTS_DEAD, '', dead.body, {
      persistent: true,
      mandatory: true,
      appId: 'waggle',
      contentType: 'application/octet-stream',
      timestamp: Math.floor(Date.now() / 1000),
      headers: {
        v: '1',
        sink,
        site,
        reason: dead.reason,
        message: dead.message,
        stream: logStream(partition),
        offset: String(dead.offset),
      },
    });
  }
  await channel.waitForConfirms();
  await channel.close();
  if (returned === 0) return;
  throw new Returned(
    `${returned} of ${messages.length} were returned: no queue is bound to ${EVENTS_DEAD}; declare the topology (waggle topology declare), which makes ${DEAD_STREAM}. They wait, and are sent again by themselves`,
  );
}
