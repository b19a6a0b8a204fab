// What the log of a site holds, read as a plain AMQP consumer of its streams: the numbers of each identity, and each event's own payload.
import { type ChannelModel, type ConsumeMessage, connect } from 'amqplib';
import { decodeBatch } from '#core/batch.ts';
import { logStream } from '#topology/names.ts';
import { ADMIN_PASSWORD, type Site, until } from '../containers.ts';

export interface LogOracle extends AsyncDisposable {
  /** Data of the events, each number of each identity once. */
  readonly data: ReadonlyMap<string, unknown>;
  /** Batches that came again, wholly or in part, under their numbers. */
  readonly repeats: number;
  /** Messages that are not what the wire's grammar says. */
  readonly invalid: readonly string[];
  /** Those of `data` that were published at this site, not copied to it by federation: `identity:number`. */
  readonly local: ReadonlySet<string>;
  /** True where each identity's numbers are 1 … n. */
  contiguous(): boolean;
}

/** Follows the streams of a site from their beginning; `partitions` as declared. */
export async function followLog(site: Site, partitions: number): Promise<LogOracle> {
  const url = new URL(site.nodes[0]?.amqp ?? '');
  url.username = 'topology';
  url.password = ADMIN_PASSWORD;
  await until(`the streams of ${site.name} run`, () => canRead(url.href, partitions));
  const connection: ChannelModel = await connect(url.href);
  connection.on('error', () => {}); // A test that stops the broker follows it anew.
  const data = new Map<string, unknown>();
  const highest = new Map<string, number>();
  const invalid: string[] = [];
  const local = new Set<string>();
  let repeats = 0;
  const channel = await connection.createChannel();
  await channel.prefetch(100);
  const take = (message: ConsumeMessage): void => {
    const { headers = {}, contentType, contentEncoding, appId, messageId } = message.properties;
    const batch = decodeBatch({ headers, contentType, contentEncoding, appId, messageId, body: message.content });
    if (batch.kind === 'invalid') {
      invalid.push(batch.message);
      return;
    }
    const lines = batch.body.toString().split('\n');
    let at = 0;
    let repeated = false;
    for (const [first, last] of batch.ranges) {
      for (let number = first; number <= last; number++) {
        const event = JSON.parse(lines[at++] ?? '') as { data?: unknown };
        const key = `${batch.identity}:${number}`;
        repeated ||= data.has(key);
        data.set(key, event.data);
        if (headers['x-received-from'] === undefined) local.add(key);
        highest.set(batch.identity, Math.max(highest.get(batch.identity) ?? 0, number));
      }
    }
    if (repeated) repeats++;
  };
  for (let partition = 0; partition < partitions; partition++) {
    await channel.consume(
      logStream(partition),
      (message) => {
        if (!message) return;
        take(message);
        channel.ack(message);
      },
      { arguments: { 'x-stream-offset': 'first' } },
    );
  }
  return {
    data,
    invalid,
    local,
    get repeats() {
      return repeats;
    },
    contiguous: () => [...highest.values()].reduce((sum, each) => sum + each, 0) === data.size,
    [Symbol.asyncDispose]: () => connection.close().catch(() => {}),
  };
}

/** A broker that has just started may not have its streams yet; being told so costs the channel, or the connection (541 INTERNAL_ERROR). */
async function canRead(url: string, partitions: number): Promise<boolean> {
  const connection = await connect(url);
  connection.on('error', () => {});
  const channel = await connection.createChannel();
  channel.on('error', () => {});
  await channel.prefetch(1);
  for (let partition = 0; partition < partitions; partition++)
    await channel.consume(logStream(partition), () => {}, { arguments: { 'x-stream-offset': 'next' } });
  await connection.close();
  return true;
}
