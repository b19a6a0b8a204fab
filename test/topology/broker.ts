// What the tests do with a real site: publish as the agent does, read a stream from its beginning, ask and change by hand.
import { randomFillSync } from 'node:crypto';
import type { ChannelModel } from 'amqplib';
import { decodeBatch, encodeBatch, type Batch } from '#core/batch.ts';
import type { Config, SiteConfig } from '#core/config/config.ts';
import { ownEventLine } from '#core/event-line.ts';
import { connectAmqp } from '#core/io/amqp.ts';
import { uuidGenerator } from '#core/uuid.ts';
import { amqpOptions } from '#topology/credentials.ts';
import { runTopology, type TopologyCommand } from '#topology/main.ts';
import { management, type Management } from '#topology/management.ts';
import { logStream } from '#topology/names.ts';
import { ADMIN_PASSWORD, until } from '../containers.ts';

const uuids = uuidGenerator(Date.now, randomFillSync);

export interface Outcome {
  readonly code: number;
  readonly text: string;
}

export async function run(command: TopologyCommand | 'diagram', config: Config, json = false): Promise<Outcome> {
  let text = '';
  const code = await runTopology(command, config, { json, print: (part) => void (text += part) });
  return { code, text };
}

/** Declares what a test needs; throws what was said where that fails. */
export async function declared(config: Config): Promise<void> {
  const { code, text } = await run('declare', config);
  if (code !== 0) throw new Error(`topology declare ended with ${code}:\n${text}`);
}

/** Until nothing differs and every check holds; what does not is in the error. */
export function verified(config: Config, timeout = 90_000): Promise<void> {
  const look = async (): Promise<boolean> => {
    const { code, text } = await run('verify', config);
    if (code !== 0)
      throw new Error(
        text
          .split('\n')
          .filter((line) => /^ {2}([+~!?-]|FAIL)/.test(line))
          .join('\n'),
      );
    return true;
  };
  return until('verified', look, timeout);
}

export const byHand = (site: SiteConfig): Management => management(site.management, 'topology', ADMIN_PASSWORD);

export function connectAs(config: Config, site: SiteConfig, user: string): Promise<ChannelModel> {
  return connectAmqp(amqpOptions(config, site, user, `test as ${user}`));
}

/** A batch of `count` events of one type, of a new identity. */
export function batchOf(count: number, partition: number, type = 'test.event'): Batch {
  const identity = uuids.next();
  const arrival = { receivedAt: Date.now(), host: 'test-host', site: 'test', source: '/test' };
  const lines = Array.from({ length: count }, (_, index) => ownEventLine(type, arrival, uuids, { index }));
  return { kind: 'batch', identity, partition, type, count, ranges: [[1, count]], body: Buffer.concat(lines) };
}

/** Publishes as an agent does; resolves when all are confirmed, rejects when one is refused or returned. */
export async function publishBatches(
  config: Config,
  site: SiteConfig,
  batches: readonly Batch[],
  exchange = 'events',
): Promise<void> {
  const connection = await connectAs(config, site, 'agent');
  try {
    const channel = await connection.createConfirmChannel();
    const failed = new Promise<never>((_, reject) => {
      channel.on('error', reject);
      channel.on('return', () => reject(new Error('returned')));
    });
    for (const batch of batches) {
      const { routingKey, body, contentEncoding: _, ...properties } = encodeBatch(batch, 'identity');
      channel.publish(exchange, routingKey, body, { ...properties, mandatory: true, persistent: true });
    }
    await Promise.race([failed, channel.waitForConfirms()]);
  } finally {
    await connection.close().catch(() => {});
  }
}

/** All batches in a site's log streams, from the first message on; resolves once each awaited identity was seen and 500 ms passed without more. */
export async function readLog(
  config: Config,
  site: SiteConfig,
  awaited: ReadonlySet<string>,
): Promise<readonly Batch[]> {
  const connection = await connectAs(config, site, 'topology');
  try {
    const found: Batch[] = [];
    let last = Date.now();
    const channel = await connection.createChannel();
    await channel.prefetch(100);
    for (let partition = 0; partition < config.log.partitions; partition++) {
      await channel.consume(
        logStream(partition),
        (message) => {
          if (!message) return;
          channel.ack(message);
          last = Date.now();
          const { properties, content } = message;
          const batch = decodeBatch({ ...properties, headers: properties.headers ?? {}, body: content });
          if (batch.kind === 'batch' && batch.partition === partition) found.push(batch);
        },
        { arguments: { 'x-stream-offset': 'first' } },
      );
    }
    await until(`${awaited.size} identities at ${site.name}`, () => {
      const seen = new Set(found.map(({ identity }) => identity));
      return awaited.isSubsetOf(seen) && Date.now() - last > 500;
    });
    return found;
  } finally {
    await connection.close();
  }
}

/** Those of the given identities alone. */
export async function readBatches(
  config: Config,
  site: SiteConfig,
  identities: ReadonlySet<string>,
): Promise<readonly Batch[]> {
  return (await readLog(config, site, identities)).filter(({ identity }) => identities.has(identity));
}
