// What Bee rejected, on its way to the dead letters: a spool and a publisher of their own, so that letters take neither numbers of the log nor the
// place of events. The promises are those of events: the same levels, the same ledger.
import { hash, randomFillSync, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { SpoolConfig } from '#core/config/config.ts';
import { readRecordLine } from '#core/dead-letter.ts';
import { refusal, type Refusal } from '#core/errors.ts';
import { scanEvents } from '#core/json/scan.ts';
import type { Telemetry } from '#core/io/telemetry.ts';
import { SITE_PATIENCE, createAccept } from './accept.ts';
import type { Accept } from './inputs/contract.ts';
import type { Taken } from './inputs/http/events.ts';
import { outgoingLetter } from './publish/outgoing.ts';
import { Publisher, type PublisherEvents } from './publish/publisher.ts';
import { SiteWaiters } from './publish/waiters.ts';
import type { LiveConfig } from './reload.ts';
import type { SpoolStats } from './spool/contract.ts';
import { nodeDisk, systemClock } from './spool/node-disk.ts';
import { openSpool } from './spool/spool.ts';
import { spoolObserver } from './spool-events.ts';

const ROUTE = 'dead';
/** Of the agent's spool: letters are few. */
const SHARE = 16;
const LF = 0x0a;

const clock = (): number => performance.now();

/** What the HTTP input needs of them. */
export interface LetterIntake {
  /** Whether a request with this Authorization header is Bee's. */
  readonly allows: (authorization: string | undefined) => boolean;
  /** All lines of the body, or a refusal of all. */
  readonly take: (body: Buffer) => Taken | Refusal;
  readonly accept: Accept;
}

export interface Letters extends LetterIntake, AsyncDisposable {
  readonly stats: () => SpoolStats;
  /** To be called now and then: waiters for a site have a deadline. */
  readonly expire: () => void;
  readonly giveUp: () => void;
  /** Rejects where the spool can no longer be read. */
  readonly failed: Promise<never>;
}

/** Of the agent's spool, bytes for letters and bytes for events; letters have a part only where there is a Bee. */
export function shareSpool(max: number, hasBee: boolean): { readonly events: number; readonly letters: number } {
  const letters = hasBee ? Math.floor(max / SHARE) : 0;
  return { events: max - letters, letters };
}

/** Where letters are in the folder of a spool. */
export const lettersFolder = (spool: string): string => join(spool, 'letters');

/** In the folder of this spool, that of events. Rejects where it cannot be used, as the spool of events does. */
export async function openLetters(
  live: LiveConfig,
  events: SpoolConfig,
  token: string,
  telemetry: Telemetry,
): Promise<Letters> {
  const { agent, log } = live.now;
  const { letters: max } = shareSpool(events.max, true);
  const segment = Math.min(events.segment, Math.floor(max / 4));
  const spool = await openSpool({
    path: lettersFolder(events.path),
    max,
    keep: 0,
    behind: Infinity,
    segment,
    partitions: log.partitions,
    routes: [ROUTE],
    disk: nodeDisk,
    clock: systemClock,
    random: randomFillSync,
    observe: spoolObserver(telemetry),
    holder: `waggle agent ${agent.host}, process ${process.pid}`,
  });
  const waiters = new SiteWaiters(SITE_PATIENCE);
  const links = live.links(`waggle agent ${agent.host}, letters`);
  const options = { links, route: agent.route, outgoing: outgoingLetter, maxEvents: 1 };
  const publisher = new Publisher(spool.reader(ROUTE), options, letterEvents(telemetry, waiters));
  const stop = new AbortController();
  const running = publisher.run(stop.signal);
  const failed = running.then(() => new Promise<never>(() => {}));
  failed.catch(() => {}); // Whoever waits for it is told.
  let closed: Promise<void> | null = null;
  return {
    allows: createGate(token),
    take: takeLetters,
    accept: createAccept({ spool, waiters: [waiters], clock, drainRate: () => publisher.drainRate, segment }),
    stats: () => spool.stats(),
    expire: () => waiters.expire(clock()),
    giveUp: () => waiters.giveUp(),
    failed,
    [Symbol.asyncDispose]: () =>
      (closed ??= (async () => {
        stop.abort();
        await running.catch(() => {});
        await spool[Symbol.asyncDispose]();
      })()),
  };
}

/** In a time that does not depend on what is presented. */
export function createGate(token: string): LetterIntake['allows'] {
  const wanted = hash('sha256', `Bearer ${token}`, 'buffer');
  return (authorization) => timingSafeEqual(hash('sha256', authorization ?? '', 'buffer'), wanted);
}

export function takeLetters(body: Buffer): Taken | Refusal {
  const scanned = scanEvents(body, 'lines');
  if (scanned.kind === 'refused') return scanned;
  if (scanned.faults.size > 0) return refusal('letters-invalid');
  const lines: Buffer[] = [];
  for (let i = 0; i < scanned.spans.length; i += 2) {
    const line = body.subarray(scanned.spans[i], scanned.spans[i + 1]);
    if (readRecordLine(line)?.headers['record'] !== 'letter') return refusal('letters-invalid');
    lines.push(line, Buffer.of(LF));
  }
  const count = lines.length / 2;
  return { kind: 'taken', groups: [{ type: 'letter', count, payload: Buffer.concat(lines) }], count, errors: [] };
}

/** The publisher of events tells of the same sites; here is told what concerns letters alone. */
function letterEvents({ fact }: Telemetry, waiters: SiteWaiters): PublisherEvents {
  return {
    linked() {},
    lost(site, fault, reason) {
      if (fault === 'returned')
        fact('error', 'letters.returned', { site, reason }, `site ${site} has no place for dead letters: ${reason}`);
      else fact('debug', 'letters.lost', { site, fault, reason });
    },
    unreachable() {},
    blocked() {},
    unblocked() {},
    moved() {},
    confirmed(_site, { identity, ranges }) {
      waiters.confirm(identity, ranges);
    },
    dropped(batch, reason) {
      const fields = { reason, identity: batch.identity, bytes: batch.body.length };
      fact(
        'error',
        'letter.dropped',
        fields,
        `a dead letter of ${batch.body.length} bytes is given up: no site takes it`,
      );
    },
  };
}
