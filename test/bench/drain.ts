// How fast a filled spool drains to one site, against amqplib publishing the same batches from memory with confirms, in the same run.
// `node test/bench/drain.ts [events] [pairs]` prints JSON, a line each: records of 100 events of one type, and records of one event.
// Fair: one broker for both, taking turns, new streams for nobody; the same window of unconfirmed bytes, the same properties and headers (encoded for
// each message by both), one callback a message for the baseline, as its users write it. Ours is timed from the link being up to the last confirm: it opens, reads
// and checks the segments, gathers, publishes and keeps the cursor. CPU is this process's alone.
import { randomFillSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { BATCH_EVENTS, type Batch, encodeBatch } from '../../core/batch.ts';
import { type Config } from '../../core/config/config.ts';
import { Publisher } from '../../ingest/publish/publisher.ts';
import { nodeDisk, systemClock } from '../../ingest/spool/node-disk.ts';
import { openSpool } from '../../ingest/spool/spool.ts';
import { amqpOptions, amqpUrl } from '../../topology/credentials.ts';
import { topologyReport } from '../../topology/main.ts';
import { EVENTS, USER_AGENT } from '../../topology/names.ts';
import { type Site, configFor, startSite } from '../containers.ts';

export interface DrainFigure {
  readonly name: string;
  /** Median of the pairs' ratios of events a second, ours to the baseline's. */
  readonly ratio: number;
  readonly target: number;
  /** Medians, events a second. */
  readonly perSecond: number;
  readonly baselinePerSecond: number;
  /** Medians, microseconds of this process's CPU for an event. */
  readonly cpuMicros: number;
  readonly baselineCpuMicros: number;
  readonly ratios: readonly number[];
}

interface Turn {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

const ignore = (): void => {};

const ROUTE = 'bench';
const TYPE = 'bench.drain';
const TIME = '2026-11-23T14:00:00.000Z';
const IDENTITY = '01890000-0000-7000-8000-000000000000';
const WINDOW = 16 * 1024 * 1024;
const TARGET = 0.7;

/** An event's line of 330 bytes. */
const head = `{"specversion":"1.0","type":"${TYPE}","receivedat":"${TIME}","time":"${TIME}","id":"0","source":"/bench","host":"h","site":"s","datacontenttype":"application/json","data":"`;
const LINE = `${head}${'x'.repeat(330 - head.length - 3)}"}\n`;

/** Starts a broker of its own, and drains `events` in each turn. */
export async function benchDrain(events = 300_000, pairs = 5): Promise<DrainFigure[]> {
  await using site = await startSite('bench');
  const config = configFor([site.config]);
  const declared = await topologyReport('declare', config);
  if (declared.sites.some(({ error }) => error !== null)) throw new Error(JSON.stringify(declared));
  const figures: DrainFigure[] = [];
  for (const perRecord of [100, 1]) {
    const turns: { ours: Turn; baseline: Turn }[] = [];
    await baselineTurn(config, site, events); // Warm.
    for (let pair = 0; pair < pairs; pair++) {
      turns.push({
        baseline: await baselineTurn(config, site, events),
        ours: await drainTurn(config, events, perRecord),
      });
    }
    const ratios = turns.map(({ ours, baseline }) => ours.perSecond / baseline.perSecond);
    figures.push({
      name: `drain-records-of-${perRecord}`,
      ratio: median(ratios),
      target: TARGET,
      perSecond: median(turns.map(({ ours }) => ours.perSecond)),
      baselinePerSecond: median(turns.map(({ baseline }) => baseline.perSecond)),
      cpuMicros: median(turns.map(({ ours }) => ours.cpuMicros)),
      baselineCpuMicros: median(turns.map(({ baseline }) => baseline.cpuMicros)),
      ratios,
    });
  }
  return figures;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

async function drainTurn(config: Config, events: number, perRecord: number): Promise<Turn> {
  const path = await mkdtemp(join(tmpdir(), 'waggle-bench-'));
  try {
    const options = {
      path,
      max: 8 * 1024 ** 3,
      keep: 0,
      behind: Infinity,
      segment: 64 * 1024 ** 2,
      partitions: config.log.partitions,
      routes: [ROUTE],
      disk: nodeDisk,
      clock: systemClock,
      random: randomFillSync,
      observe: () => {},
      holder: 'bench',
    };
    await fill(options, events, perRecord);
    await using spool = await openSpool(options);
    const linked = Promise.withResolvers<void>();
    const drained = Promise.withResolvers<void>();
    let confirmed = 0;
    const publisher = new Publisher(
      spool.reader(ROUTE),
      {
        links: config.sites.map((site) => amqpOptions(config, site, USER_AGENT, 'bench')),
        route: { ...config.agent.route, window: WINDOW },
      },
      {
        linked: () => linked.resolve(),
        lost: (_site, _fault, reason) => drained.reject(new Error(reason)),
        unreachable: ignore,
        dropped: (_batch, reason) => drained.reject(new Error(reason)),
        blocked: ignore,
        unblocked: ignore,
        moved: ignore,
        confirmed(_site, batch) {
          confirmed += batch.count;
          if (confirmed === events) drained.resolve();
        },
      },
    );
    const stop = new AbortController();
    const running = publisher.run(stop.signal);
    await linked.promise;
    const turn = await measure(events, () => drained.promise);
    stop.abort();
    await running;
    return turn;
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

async function fill(options: Parameters<typeof openSpool>[0], events: number, perRecord: number): Promise<void> {
  await using spool = await openSpool(options);
  const payload = Buffer.from(LINE.repeat(perRecord));
  let synced: Promise<unknown> = Promise.resolve();
  for (let at = 0; at < events; at += perRecord) {
    const appended = spool.append([{ type: TYPE, count: perRecord, payload }], 'disk');
    if (appended.kind === 'refused') throw new Error(appended.message);
    synced = appended.synced;
    if ((at / perRecord) % 1000 === 999) await synced;
  }
  await synced;
}

async function baselineTurn(config: Config, site: Site, events: number): Promise<Turn> {
  const connection = await connect(amqpUrl(config, site.config.nodes[0] ?? '', USER_AGENT), { noDelay: true });
  const channel = await connection.createConfirmChannel();
  const body = Buffer.from(LINE.repeat(BATCH_EVENTS));
  const flow = { unconfirmed: 0, writable: true };
  let wake: (() => void) | null = null;
  channel.on('drain', () => {
    flow.writable = true;
    wake?.();
  });
  const turn = await measure(events, async () => {
    for (let first = 1; first <= events; first += BATCH_EVENTS) {
      while (flow.unconfirmed >= WINDOW || !flow.writable) await new Promise<void>((resolve) => (wake = resolve));
      const batch: Omit<Batch, 'kind'> = {
        identity: IDENTITY,
        partition: 1,
        type: TYPE,
        count: BATCH_EVENTS,
        ranges: [[first, first + BATCH_EVENTS - 1]],
        body,
      };
      const { routingKey, headers, contentType, appId, messageId } = encodeBatch(batch, 'identity');
      flow.unconfirmed += body.length;
      flow.writable = channel.publish(
        EVENTS,
        routingKey,
        body,
        { persistent: true, mandatory: true, headers, contentType, appId, messageId },
        (error) => {
          if (error) throw error;
          flow.unconfirmed -= body.length;
          wake?.();
        },
      );
    }
    await channel.waitForConfirms();
  });
  await connection.close();
  return turn;
}

async function measure(events: number, work: () => Promise<void>): Promise<Turn> {
  const started = performance.now();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { perSecond: (events * 1000) / (performance.now() - started), cpuMicros: (user + system) / events };
}

if (import.meta.main) {
  const [events = '300000', pairs = '5'] = process.argv.slice(2);
  for (const figure of await benchDrain(Number(events), Number(pairs))) console.log(JSON.stringify(figure));
}
