// What the benchmarks of sinks share: a sink as its users have it, a site declared for it, and a backlog that lies ready there.
import { randomFillSync } from 'node:crypto';
import { connect } from 'amqplib';
import { BATCH_EVENTS, encodeBatch } from '#core/batch.ts';
import { checkConfig } from '#core/config/check.ts';
import type { Config } from '#core/config/config.ts';
import { needsEverything } from '#core/config/needs.ts';
import type { SinkConfig } from '#core/config/sink-config.ts';
import { uuidv7 } from '#core/uuid.ts';
import { amqpUrl } from '#topology/credentials.ts';
import { topologyReport } from '#topology/main.ts';
import { EVENTS, USER_AGENT } from '#topology/names.ts';
import { type ConsumerProcess } from '../system/consumer-process.ts';
import { TYPE } from './backlog.ts';

const HOME = 'chicago';
const WINDOW = 8 * 1024 ** 2;

/** As waggle.yaml has them, by name, and with the defaults of the schema; home is chicago. Throws where they are not valid. */
export function sinksOf(sinks: Readonly<Record<string, object>>): SinkConfig[] {
  const named = Object.entries(sinks).map(([name, sink]) => [name, { home: HOME, ...sink }] as const);
  const names = ['topology', 'federation', 'agent', 'monitoring', 'operator', ...Object.keys(sinks)];
  const text = JSON.stringify({
    version: 1,
    sites: {
      [HOME]: { nodes: ['amqp://127.0.0.1:5672'], stream: ['127.0.0.1:5552'], management: 'http://127.0.0.1:15672' },
    },
    users: Object.fromEntries(names.map((name) => [name, { password: '${BENCH}' }])),
    agent: { site: HOME },
    sinks: Object.fromEntries(named),
  });
  const checked = checkConfig(
    text,
    { file: 'waggle.yaml', host: 'bench', env: { BENCH: 'x' }, readFile: () => null },
    needsEverything,
  );
  if (checked.kind === 'invalid') throw new Error(checked.problems.map(({ message }) => message).join('; '));
  return [...checked.config.sinks];
}

export async function declare(config: Config): Promise<void> {
  const { sites } = await topologyReport('declare', config);
  if (sites.some(({ error, checks }) => error !== null || checks.some(({ ok }) => !ok)))
    throw new Error(JSON.stringify(sites));
}

/** As agents send them, an identity in each partition; resolves once all is confirmed. The bodies hold full batches, and take turns. */
export async function publishBacklog(config: Config, bodies: readonly Buffer[], batches: number): Promise<void> {
  const connection = await connect(amqpUrl(config, config.sites[0]?.nodes[0] ?? '', USER_AGENT), { noDelay: true });
  const channel = await connection.createConfirmChannel();
  const { partitions } = config.log;
  const identities = Array.from({ length: partitions }, () => uuidv7(Date.now(), randomFillSync(new Uint8Array(16))));
  const flow = { unconfirmed: 0, writable: true };
  let wake: (() => void) | null = null;
  channel.on('drain', () => {
    flow.writable = true;
    wake?.();
  });
  channel.on('return', () => {
    throw new Error('a message was returned');
  });
  for (let i = 0; i < batches; i++) {
    while (flow.unconfirmed >= WINDOW || !flow.writable) await new Promise<void>((resolve) => (wake = resolve));
    const partition = i % partitions;
    const first = 1 + BATCH_EVENTS * Math.floor(i / partitions);
    const body = bodies[i % bodies.length] ?? Buffer.alloc(0);
    const { routingKey, headers, contentType, appId, messageId } = encodeBatch(
      {
        identity: identities[partition] ?? '',
        partition,
        type: TYPE,
        count: BATCH_EVENTS,
        body,
        ranges: [[first, first + BATCH_EVENTS - 1]],
      },
      'identity',
    );
    flow.unconfirmed += body.length;
    const options = { persistent: true, mandatory: true, headers, contentType, appId, messageId };
    flow.writable = channel.publish(EVENTS, routingKey, body, options, (error) => {
      if (error) throw error;
      flow.unconfirmed -= body.length;
      wake?.();
    });
  }
  await channel.waitForConfirms();
  await connection.close();
}

/** Of /metrics: the sum of what a sink's books say of its events, by reason (waggle_events_total). */
export async function booksOf({ admin, name }: SinkConfig): Promise<ReadonlyMap<string, number>> {
  const books = new Map<string, number>();
  const answer = await fetch(`http://${admin}/metrics`).catch(() => null);
  if (answer === null) return books; // it does not listen yet
  for (const [, labels = '', value] of (await answer.text()).matchAll(/^waggle_events_total\{(.*)\} (\S+)$/gm)) {
    if (!labels.includes(`route="${name}"`)) continue;
    const reason = /reason="([^"]*)"/.exec(labels)?.[1] ?? '';
    books.set(reason, (books.get(reason) ?? 0) + Number(value));
  }
  return books;
}

/** With the end of the sink's log: why it does not get on. */
export const withLog =
  ({ log }: ConsumerProcess) =>
  (error: unknown): never => {
    const last = log.slice(-5).map((entry) => JSON.stringify(entry));
    throw new Error(`the sink does not get on: ${last.join('\n')}`, { cause: error });
  };
