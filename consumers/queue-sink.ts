// A queue sink's process, as its data flows: quorum queue of the home site -> batches -> connections, a permit each -> target -> acks.
import type { ConsumeMessage } from 'amqplib';
import type { Config } from '#core/config/config.ts';
import type { QueueSinkConfig } from '#core/config/sink-config.ts';
import { aborted, pause, unlessAborted } from '#core/io/abort.ts';
import { startAdmin } from '#core/io/admin.ts';
import { openAmqpLink, type AmqpLink, type AmqpLinkOptions } from '#core/io/amqp.ts';
import { EXIT_CONFIG } from '#core/io/config-file.ts';
import type { Telemetry } from '#core/io/telemetry.ts';
import { openDeadLetters } from './dead/write.ts';
import { Concurrency } from './queue/concurrency.ts';
import { SinkConfigInvalid, type QueueSink } from './queue/contract.ts';
import { QueueDrain } from './queue/drain.ts';
import { Permits } from './queue/permits.ts';
import { QueueSource } from './queue/queue-source.ts';
import { QueueTelemetry } from './queue/queue-telemetry.ts';
import { openQueueSink } from './queue/sinks.ts';

/** Both within the 9 s that a stop may take (core/io/process.ts). */
const DRAIN_MS = 6_000;
const CLOSE_MS = 2_000;
const LOOK_MS = 15_000;
const LOOK_SOON_MS = 1_000;

const tick = (): number => performance.now();

/** Runs until the signal; 0, or 78 where the configuration or the target cannot do it. `open`: for tests of the loop with a target of their own. */
export async function runQueueSink(
  config: Config,
  sink: QueueSinkConfig,
  telemetry: Telemetry,
  signal: AbortSignal,
  open: typeof openQueueSink = openQueueSink,
): Promise<number> {
  try {
    await using target = await open(sink, telemetry);
    await consume(config, sink, target, telemetry, signal);
    return 0;
  } catch (error) {
    if (!(error instanceof SinkConfigInvalid)) throw error;
    telemetry.log.error(`${config.file}: ${error.message}`);
    return EXIT_CONFIG;
  }
}

async function consume(
  config: Config,
  sink: QueueSinkConfig,
  target: QueueSink,
  telemetry: Telemetry,
  signal: AbortSignal,
): Promise<void> {
  const facts = new QueueTelemetry(telemetry, sink.name, tick);
  await using scope = new AsyncDisposableStack();
  scope.use(
    await startAdmin({
      listen: sink.admin,
      registry: telemetry.metrics.registry,
      ready: () => {
        const reasons = [...facts.troubles()];
        return { ok: reasons.length === 0, reasons };
      },
      status: () => ({ sink: sink.name, kind: sink.kind, site: sink.home, permits: permits.held, ...drain.status() }),
    }),
  );
  const dead = scope.use(
    openDeadLetters(sink.name, linkOf(config, sink, 'dead letters'), (why) => facts.deadLetters(why)),
  );
  const source: QueueSource = new QueueSource({
    sink: sink.name,
    site: sink.home,
    received: (held, message) => drain.received(held, message),
    lost: (channel) => drain.lost(channel),
    trouble: (why) => facts.queue(why),
    tick,
  });
  const drain: QueueDrain<unknown, ConsumeMessage> = new QueueDrain({
    sink: target,
    config: sink,
    concurrency: new Concurrency(),
    dead,
    telemetry: facts,
    want: (prefetch) => source.want(prefetch),
    now: Date.now,
    tick,
    random: Math.random,
  });
  const permits = new Permits({
    sink: sink.name,
    connections: sink.connections,
    granted: (permit) => drain.granted(permit),
    revoked: (permit) => drain.revoked(permit),
    trouble: (why) => facts.permits(why),
  });
  facts.linkDown(sink.home, null);
  const link = scope.use(
    openAmqpLink(linkOf(config, sink, 'queue'), {
      onUp(connection) {
        facts.linkUp(sink.home);
        source.attach(connection);
        permits.attach(connection);
      },
      onDown(reason) {
        facts.linkDown(sink.home, reason);
        permits.detach();
        source.detach();
      },
    }),
  );
  // In this order at the end: connections to the target, permits, what is not acked, the link.
  scope.use(source);
  scope.use(permits);
  scope.use(drain);
  void watch(sink.home, link, source, facts, signal);
  await aborted(signal);
  await drain.drain(AbortSignal.timeout(DRAIN_MS));
  // A site or target that says nothing must not turn a clean stop into a late one: nothing is lost by leaving it unsaid goodbye.
  await unlessAborted(scope.disposeAsync(), AbortSignal.timeout(CLOSE_MS)).catch(() => {});
}

/** Until the signal: why there is no connection, or how much waits in the queue. */
async function watch(
  site: string,
  link: AmqpLink,
  source: QueueSource,
  facts: QueueTelemetry,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { state } = link;
    if ((state.kind === 'connecting' || state.kind === 'down') && state.error !== null)
      facts.linkDown(site, state.error);
    // Null where there is no connection, or where the broker does not tell: the gauge stays as it was.
    const depth = await source.depth().catch(() => null);
    if (depth !== null) facts.queueDepth(depth);
    await pause(depth === null ? LOOK_SOON_MS : LOOK_MS, signal);
  }
}

const linkOf = (config: Config, sink: QueueSinkConfig, what: string): AmqpLinkOptions => ({
  site: sink.home,
  nodes: config.sites.find((site) => site.name === sink.home)?.nodes ?? [],
  tls: config.sites.find((site) => site.name === sink.home)?.tls ?? null,
  user: sink.name,
  password: config.users[sink.name]?.password ?? '',
  vhost: config.vhost,
  name: `waggle ${sink.name} ${what}`,
});
