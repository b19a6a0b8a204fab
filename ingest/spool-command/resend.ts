// `waggle spool resend`: what the folder still holds, to a site that lost it, under the numbers it has: whoever saw them drops them. It only reads
// the folder, so an agent may be at work in it.
import type { Config } from '#core/config/config.ts';
import { amqpOptions } from '#topology/credentials.ts';
import { USER_AGENT } from '#topology/names.ts';
import { outgoingEvents, outgoingMirrored } from '../publish/outgoing.ts';
import { Publisher, type PublisherEvents } from '../publish/publisher.ts';
import type { SpoolReader } from '../spool/contract.ts';
import { acceptedWithin, eventsIn, openFolder, read, SpoolTrouble, type Reading } from './folder.ts';
import { countText, sizeText, timeText } from './texts.ts';

export interface ResendOptions {
  readonly site: string;
  readonly from: number | null;
  readonly to: number | null;
  readonly yes: boolean;
}

/** So long without a connection, in milliseconds, and it gives up. */
const PATIENCE = 30_000;

export async function spoolResend(
  config: Config,
  path: string,
  options: ResendOptions,
  print: (text: string) => void,
): Promise<number> {
  const folder = await openFolder(path, acceptedWithin(options.from, options.to));
  const { table } = folder;
  const events = eventsIn(table);
  if (events === 0) {
    print(`${path}: nothing of that time is kept (agent.spool.keep says how much is)\n`);
    return 0;
  }
  const since = timeText(Math.min(...table.all.map(({ created }) => created)));
  const what = `${countText(events, 'event')} in ${countText(table.all.length, 'segment')} (${sizeText(table.bytes)}), accepted since ${since}`;
  if (!options.yes) {
    print(`${what}, would be sent to ${options.site} under the numbers they have. With --yes it is done.\n`);
    return 0;
  }
  const reading = read(folder, new Map());
  await send(config, options.site, reading);
  const { confirmed, dropped } = reading.route.ledger();
  const lost = events - confirmed;
  print(`${countText(confirmed, 'event')} confirmed by ${options.site}\n`);
  for (const [reason, count] of Object.entries(dropped)) print(`${countText(count, 'event')} given up: ${reason}\n`);
  if (lost === 0) return 0;
  print(
    `${countText(lost, 'event')} could not be sent: damaged (waggle spool check), or removed by the agent meanwhile\n`,
  );
  return 1;
}

/** Resolves when all that can be read is confirmed. Rejects with SpoolTrouble where there is no connection for too long. */
async function send(config: Config, name: string, reading: Reading): Promise<void> {
  const site = config.sites.find((each) => each.name === name);
  if (!site) throw new SpoolTrouble(`there is no site ${name}`);
  const done = Promise.withResolvers<void>();
  const { route } = reading;
  let exhausted = false;
  const look = (): void => {
    if (exhausted && route.ledger().spooled === 0) done.resolve();
  };
  const reader: SpoolReader = {
    async read(maxBytes) {
      const records = await route.read(maxBytes);
      exhausted = records.length === 0;
      look();
      return records;
    },
    readable: (signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
    confirm(identity, ranges) {
      route.confirm(identity, ranges);
      look();
    },
    drop(identity, ranges, reason) {
      route.drop(identity, ranges, reason);
      look();
    },
  };
  let trouble = `site ${name} does not answer`;
  const giveUp = setTimeout(
    () => done.reject(new SpoolTrouble(`${trouble}; nothing confirmed is sent twice when this is run again`)),
    PATIENCE,
  );
  const events: PublisherEvents = {
    linked: () => clearTimeout(giveUp),
    lost: () => void giveUp.refresh(),
    unreachable: (_site, reason) => void (trouble = reason),
    blocked: () => undefined,
    unblocked: () => undefined,
    moved: () => undefined,
    confirmed: () => undefined,
    dropped: () => undefined,
  };
  const links = [amqpOptions(config, site, USER_AGENT, `waggle spool resend ${config.agent.host}`)];
  const outgoing = config.agent.route.mode === 'mirror' ? outgoingMirrored : outgoingEvents;
  const publisher = new Publisher(reader, { links, outgoing, route: config.agent.route }, events);
  const stop = new AbortController();
  const running = publisher.run(stop.signal);
  try {
    await Promise.race([done.promise, running]);
  } finally {
    clearTimeout(giveUp);
    stop.abort();
    await running;
    await route.close();
  }
}
