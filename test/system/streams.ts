// The log streams of a site, handled by a plain AMQP client: read whole, deleted, and their messages published again.
import { type ChannelModel, connect, type ConsumeMessage } from 'amqplib';
import { EVENTS_PARTITION, logStream } from '#topology/names.ts';
import { ADMIN_PASSWORD, type Site } from '../containers.ts';

export interface Copy {
  readonly type: string;
  readonly message: ConsumeMessage;
}

async function connectAdmin(site: Site): Promise<ChannelModel> {
  const url = new URL(site.nodes[0]?.amqp ?? '');
  url.username = 'topology';
  url.password = ADMIN_PASSWORD;
  return connect(url.href);
}

/** All messages that the streams hold now. */
export async function readStreams(site: Site, partitions: number): Promise<Copy[]> {
  const connection = await connectAdmin(site);
  const channel = await connection.createChannel();
  await channel.prefetch(100);
  const copies: Copy[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    // The end of a stream is where a consumer that begins at "last" finds nothing after its last chunk: so ask how many there are.
    const { messageCount } = await channel.checkQueue(logStream(partition));
    if (messageCount === 0) continue;
    const { promise, resolve } = Promise.withResolvers<void>();
    let count = 0;
    const { consumerTag } = await channel.consume(
      logStream(partition),
      (message) => {
        if (message === null) return resolve();
        channel.ack(message);
        copies.push({ type: message.fields.routingKey, message });
        if (++count === messageCount) resolve();
      },
      { arguments: { 'x-stream-offset': 'first' } },
    );
    await promise;
    await channel.cancel(consumerTag);
  }
  await connection.close();
  return copies;
}

export async function deleteStreams(site: Site, partitions: number): Promise<void> {
  const connection = await connectAdmin(site);
  const channel = await connection.createChannel();
  for (let partition = 0; partition < partitions; partition++) await channel.deleteQueue(logStream(partition));
  await connection.close();
}

/** Straight into the streams of this site: federation does not see it. */
export async function publishAgain(site: Site, copies: readonly Copy[]): Promise<void> {
  const connection = await connectAdmin(site);
  const channel = await connection.createConfirmChannel();
  for (const { type, message } of copies) {
    const { headers, contentType, messageId, appId } = message.properties;
    const sent = Object.fromEntries(Object.entries(headers ?? {}).filter(([name]) => !name.startsWith('x-')));
    channel.publish(EVENTS_PARTITION, type, message.content, {
      headers: sent,
      contentType,
      messageId,
      appId,
      persistent: true,
    });
  }
  await channel.waitForConfirms();
  await connection.close();
}
