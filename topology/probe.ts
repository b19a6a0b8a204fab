// The proof of `verify`: a batch published at each site, for each partition, must come out of that partition's stream at every site.
// On the way the dead letters of the last day are read for what no partition took.
import { randomFillSync } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChannelModel, ConsumeMessage } from 'amqplib';
import { decodeBatch, encodeBatch, type BatchMessage } from '#core/batch.ts';
import type { Config } from '#core/config/config.ts';
import { ownEventLine } from '#core/event-line.ts';
import { connectAmqp } from '#core/io/amqp.ts';
import { uuidGenerator } from '#core/uuid.ts';
import type { Check } from './checks.ts';
import { amqpOptions } from './credentials.ts';
import { partitions } from './desired.ts';
import * as names from './names.ts';

const DEADLINE = 20_000;
/** Dead letters were read to their end when none came for so long. */
const QUIET = 300;
const GOODBYE = 3_000;
const DAY = 86_400_000;
const PREFETCH = 500;
const CONNECTION_NAME = 'waggle topology verify';

const uuids = uuidGenerator(Date.now, randomFillSync);

/** One batch, sent at site `from`; its identity is its own. */
interface Probe {
  readonly from: string;
  readonly partition: number;
  readonly identity: string;
}

/** What one site's streams brought. */
interface Watch {
  readonly site: string;
  /** Identities of the probes seen, each in the stream of its partition. */
  readonly seen: Set<string>;
  unrouted: number;
  lastDeadLetter: number;
}

/** As the publisher of an agent sends, with an agent's rights; read with the administrator's. Never rejects. */
export async function probe(config: Config): Promise<readonly Check[]> {
  const probes = config.sites.flatMap((site) =>
    partitions(config).map((partition): Probe => ({ from: site.name, partition, identity: uuids.next() })),
  );
  const watches = config.sites.map((site): Watch => ({
    site: site.name,
    seen: new Set(),
    unrouted: 0,
    lastDeadLetter: 0,
  }));
  const opened: ChannelModel[] = [];
  // A broker in alarm reads nothing more from who publishes, not even a goodbye: then the socket is destroyed.
  const given = new AbortController();
  try {
    // Readers first: they attach at the end of the streams.
    for (const site of config.sites) {
      const connection = await connectAmqp(
        amqpOptions(config, site, names.USER_TOPOLOGY, CONNECTION_NAME),
        given.signal,
      );
      opened.push(connection);
      const watch = watches.find((each) => each.site === site.name);
      if (watch) await read(config, connection, watch);
    }
    for (const site of config.sites) {
      const connection = await connectAmqp(amqpOptions(config, site, names.USER_AGENT, CONNECTION_NAME), given.signal);
      opened.push(connection);
      const own = probes.filter((each) => each.from === site.name);
      const published = publish(
        connection,
        own.map((each) => message(config, each)),
      );
      await within(
        published,
        `site ${site.name} has not confirmed the probe within ${DEADLINE / 1000} s: see its alarms`,
      );
    }
    await arrived(probes, watches);
  } catch (error) {
    return [{ name: 'probe', ok: false, detail: error instanceof Error ? error.message : String(error) }];
  } finally {
    const closed = Promise.allSettled(opened.map((connection) => connection.close()));
    await Promise.race([closed, delay(GOODBYE, undefined, { ref: false })]);
    given.abort();
  }
  return [
    ...config.sites.flatMap((from) =>
      watches.map((to) =>
        arrivalCheck(
          probes.filter((each) => each.from === from.name),
          from.name,
          to,
        ),
      ),
    ),
    ...watches.map(unroutedCheck),
  ];
}

function arrivalCheck(sent: readonly Probe[], from: string, { site, seen }: Watch): Check {
  const missing = sent.filter((each) => !seen.has(each.identity)).map((each) => names.logStream(each.partition));
  const name = `probe ${from} -> ${site}`;
  if (missing.length === 0) return { name, ok: true, detail: `came out of all ${sent.length} log streams` };
  return { name, ok: false, detail: `did not come out of ${missing.join(', ')} within ${DEADLINE / 1000} s` };
}

function unroutedCheck({ site, unrouted }: Watch): Check {
  const name = `unrouted at ${site}`;
  if (unrouted === 0) return { name, ok: true, detail: 'nothing in the last 24 hours' };
  return {
    name,
    ok: false,
    detail: `${unrouted} messages of the last 24 hours reached no log stream (their header "partition" is missing, or not below log.partitions); they are kept in ${names.DEAD_STREAM}`,
  };
}

function message(config: Config, { from, partition, identity }: Probe): BatchMessage {
  const { host } = config.agent;
  const arrival = { receivedAt: Date.now(), host, site: from, source: `/${from}/${host}/topology` };
  const body = ownEventLine(names.PROBE_TYPE, arrival, uuids, { partition });
  return encodeBatch({ identity, partition, type: names.PROBE_TYPE, count: 1, ranges: [[1, 1]], body }, 'identity');
}

async function read(config: Config, connection: ChannelModel, watch: Watch): Promise<void> {
  const channel = await connection.createChannel();
  channel.on('error', () => {}); // What does not arrive then is told as missing.
  await channel.prefetch(PREFETCH);
  const consume = (queue: string, offset: unknown, take: (message: ConsumeMessage) => void): Promise<unknown> =>
    channel.consume(
      queue,
      (delivered) => {
        if (!delivered) return;
        channel.ack(delivered);
        take(delivered);
      },
      { arguments: { 'x-stream-offset': offset } },
    );
  for (const partition of partitions(config)) {
    await consume(names.logStream(partition), 'next', ({ fields, properties, content }) => {
      if (fields.routingKey !== names.PROBE_TYPE) return;
      const batch = decodeBatch({ ...properties, headers: properties.headers ?? {}, body: content });
      if (batch.kind === 'batch' && batch.partition === partition) watch.seen.add(batch.identity);
    });
  }
  const since = Math.floor((Date.now() - DAY) / 1000);
  watch.lastDeadLetter = Date.now();
  // An alternate exchange leaves the name of the exchange that was published to: dead letters come by `events.dead`, all else was not routed.
  await consume(names.DEAD_STREAM, { '!': 'timestamp', value: since }, ({ fields }) => {
    watch.lastDeadLetter = Date.now();
    if (fields.exchange !== names.EVENTS_DEAD) watch.unrouted++;
  });
}

async function publish(connection: ChannelModel, messages: readonly BatchMessage[]): Promise<void> {
  const channel = await connection.createConfirmChannel();
  let returned = 0;
  channel.on('error', () => {}); // Its confirms fail, which is told.
  channel.on('return', () => returned++);
  await Promise.all(
    messages.map(
      ({ routingKey, contentEncoding, body, ...properties }) =>
        new Promise<void>((resolve, reject) => {
          const options = {
            ...properties,
            ...(contentEncoding && { contentEncoding }),
            mandatory: true,
            persistent: true,
          };
          channel.publish(names.EVENTS, routingKey, body, options, (error: Error | null) =>
            error ? reject(error) : resolve(),
          );
        }),
    ),
  );
  if (returned > 0)
    throw new Error(
      `the broker returned ${returned} of ${messages.length} probes: nothing is bound to ${names.EVENTS}`,
    );
}

async function within(work: Promise<void>, otherwise: string): Promise<void> {
  const over = new AbortController();
  const late = delay(DEADLINE, undefined, { signal: over.signal }).then(() => Promise.reject(new Error(otherwise)));
  late.catch(() => {}); // not waited for where the work is done
  try {
    await Promise.race([work, late]);
  } finally {
    work.catch(() => {});
    over.abort();
  }
}

/** Resolves when every probe is seen at every site and the dead letters are read, or when the time is over. */
async function arrived(probes: readonly Probe[], watches: readonly Watch[]): Promise<void> {
  const deadline = Date.now() + DEADLINE;
  const isDone = (): boolean =>
    watches.every(
      (watch) => probes.every((each) => watch.seen.has(each.identity)) && Date.now() - watch.lastDeadLetter > QUIET,
    );
  while (!isDone() && Date.now() < deadline) await delay(20);
}
