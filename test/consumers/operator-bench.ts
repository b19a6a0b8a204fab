// A site with a queue sink and a log sink, as an operator finds it: what is in its queue and its dead letters, and the commands run on it.
import { type ChannelModel, type ConsumeMessage, connect } from 'amqplib';
import { decodeBatch, encodeBatch, linesOf, type Batch } from '#core/batch.ts';
import type { Config } from '#core/config/config.ts';
import { parseEventLine } from '#core/event-line.ts';
import type { CommandOptions } from '../../consumers/operator-command.ts';
import { deadCommand } from '../../consumers/dead/command.ts';
import { replayCommand } from '../../consumers/replay/command.ts';
import { EVENTS, sinkQueue } from '#topology/names.ts';
import { ADMIN_PASSWORD, type Site, until } from '../containers.ts';

export function connectAdmin(site: Site): Promise<ChannelModel> {
  const url = new URL(site.nodes[0]?.amqp ?? '');
  url.username = 'topology';
  url.password = ADMIN_PASSWORD;
  return connect(url.href);
}

/** Publishes as an agent does, and waits for the confirms. */
export async function publishBatches(connection: ChannelModel, batches: Iterable<Batch>): Promise<void> {
  const channel = await connection.createConfirmChannel();
  for (const batch of batches) {
    const { routingKey, headers, contentType, messageId, appId, body } = encodeBatch(batch, 'identity');
    channel.publish(EVENTS, routingKey, body, { persistent: true, headers, contentType, messageId, appId });
  }
  await channel.waitForConfirms();
  await channel.close();
}

/** Takes from a sink's queue until it has so many events; every message must be a batch. */
export async function takeEvents(connection: ChannelModel, sink: string, count: number): Promise<readonly Taken[]> {
  const channel = await connection.createChannel();
  const taken: Taken[] = [];
  const take = (message: ConsumeMessage | null): void => {
    if (message === null) return;
    taken.push(...eventsOf(message));
  };
  await channel.consume(sinkQueue(sink), take);
  await until(`${count} events of ${sink}`, () => taken.length >= count);
  // All in one: RabbitMQ holds many acks of a quorum queue back, and forgets those when the channel is closed.
  channel.ackAll();
  await channel.close();
  return taken;
}

export interface Taken {
  readonly id: string;
  readonly identity: string;
  readonly number: number;
  readonly line: string;
}

function eventsOf({ properties, content }: ConsumeMessage): Taken[] {
  const batch = decodeBatch({
    headers: properties.headers ?? {},
    contentType: properties.contentType,
    contentEncoding: properties.contentEncoding,
    messageId: properties.messageId,
    appId: properties.appId,
    body: content,
  });
  if (batch.kind === 'invalid') throw new Error(batch.message);
  const events: Taken[] = [];
  let start = 0;
  for (const { number, end } of linesOf(batch)) {
    const line = batch.body.subarray(start, end);
    events.push({ id: parseEventLine(line)?.id ?? '', identity: batch.identity, number, line: line.toString() });
    start = end;
  }
  return events;
}

/** How many messages are in the queue. */
export async function depth(connection: ChannelModel, sink: string): Promise<number> {
  const channel = await connection.createChannel();
  const { messageCount } = await channel.checkQueue(sinkQueue(sink));
  await channel.close();
  return messageCount;
}

export interface Ran {
  /** A text: wrong use. */
  readonly code: number | string;
  readonly out: string;
  readonly err: string;
}

async function ran(run: (output: Parameters<typeof deadCommand>[3]) => Promise<number | string>): Promise<Ran> {
  let [out, err] = ['', ''];
  const code = await run({ print: (text) => (out += text.toString()), tell: (text) => (err += text) });
  return { code, out, err };
}

export const dead = (config: Config, args: readonly string[], options: CommandOptions = {}): Promise<Ran> =>
  ran((output) => deadCommand(config, args, { rate: '50000', ...options }, output));

export const replay = (config: Config, options: CommandOptions): Promise<Ran> =>
  ran((output) => replayCommand(config, { rate: '50000', sink: 'search', ...options }, output));
