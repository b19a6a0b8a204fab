// What a sink can never write goes to the dead letters of its site, durably, before the window that held it is committed.
// A crash between the two makes the same dead letter twice: at least once, told apart by site, stream and offset.
import type { ConfirmChannel } from 'amqplib';
import { openAmqpLink, type AmqpLink, type AmqpLinkOptions } from '#core/io/amqp.ts';
import { EVENTS_DEAD, logStream } from '#topology/names.ts';
import type { DeadMessage } from './window.ts';

export interface DeadLetters extends AsyncDisposable {
  /** Resolves when the broker has confirmed them all; waits for the site while it is away, until the signal. */
  put(site: string, partition: number, messages: readonly DeadMessage[], signal: AbortSignal): Promise<void>;
}

/** Connects when the first dead letter comes: most sinks never have one. */
export function openDeadLetters(sink: string, options: AmqpLinkOptions): DeadLetters {
  let link: AmqpLink | null = null;
  const open = (): AmqpLink => (link ??= openAmqpLink(options, { onUp() {}, onDown() {} }));
  return {
    async put(site, partition, messages, signal) {
      for (;;) {
        signal.throwIfAborted();
        const connection = await open().up(signal);
        let channel: ConfirmChannel | null = null;
        try {
          channel = await connection.createConfirmChannel();
          // Without a listener an error of the channel is an uncaught one; the wait for confirms rejects all the same.
          channel.on('error', () => {});
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
          return;
        } catch (error) {
          signal.throwIfAborted();
          // Unknown whether they arrived: once more, on a new connection.
          open().reconnect(error instanceof Error ? error.message : String(error));
        }
      }
    },
    [Symbol.asyncDispose]: async () => link?.close(),
  };
}
