// Spool folders of workers that are no more, since `agent.workers` was made smaller: each is drained beside the spool of worker 0, takes nothing
// new, keeps nothing that is confirmed, and goes when it is empty.
import { randomFillSync } from 'node:crypto';
import { access, readdir, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Telemetry } from '#core/io/telemetry.ts';
import { lettersFolder, openLetters, shareSpool } from '../letters.ts';
import type { LiveConfig } from '../reload.ts';
import { addStats } from '../report.ts';
import { createRoutes, routeNames } from '../routes.ts';
import type { SpoolStats } from '../spool/contract.ts';
import { nodeDisk, systemClock } from '../spool/node-disk.ts';
import { openSpool } from '../spool/spool.ts';
import { spoolObserver } from '../spool-events.ts';
import { workersWithFolder } from './folders.ts';
import { folderOfWorker } from './share.ts';

/** How often it is looked whether a folder is empty, in milliseconds. */
const LOOK_EVERY = 1_000;

interface Leftovers extends AsyncDisposable {
  /** Of those that are drained, too: the books of a process go on. */
  readonly stats: () => readonly SpoolStats[];
  /** Rejects where a spool cannot be read. */
  readonly failed: Promise<never>;
}

/** Rejects where a folder cannot be used. */
export async function drainLeftovers(live: LiveConfig, telemetry: Telemetry): Promise<Leftovers> {
  const { spool, workers } = live.now.agent;
  await using opened = new AsyncDisposableStack();
  const drains: Drain[] = [];
  for (const worker of await workersWithFolder(spool.path)) {
    if (worker < workers) continue;
    const path = folderOfWorker(spool.path, worker);
    drains.push(opened.use(await openDrain(live, path, telemetry)));
    telemetry.fact(
      'info',
      'leftover.found',
      { path },
      `${path} is of a worker that is no more (agent.workers is ${workers}): what it holds is sent, then it is removed`,
    );
  }
  const looking = setInterval(() => {
    for (const drain of drains) drain.look();
  }, LOOK_EVERY);
  opened.defer(() => clearInterval(looking));
  const all = opened.move();
  const failed = Promise.race(drains.map((drain) => drain.failed));
  failed.catch(() => {}); // Whoever waits for it is told.
  return {
    stats: () => drains.map((drain) => drain.stats()),
    failed,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

interface Drain extends AsyncDisposable {
  readonly stats: () => SpoolStats;
  /** To be called now and then: once it is empty it ends, and the folder goes. */
  readonly look: () => void;
  readonly failed: Promise<never>;
}

async function openDrain(live: LiveConfig, path: string, telemetry: Telemetry): Promise<Drain> {
  const { agent, log, bee } = live.now;
  const here = { ...agent.spool, path, keep: 0 };
  await using opened = new AsyncDisposableStack();
  const spool = opened.use(
    await openSpool({
      ...here,
      max: shareSpool(here.max, bee !== null).events,
      partitions: log.partitions,
      behind: agent.route.behind,
      routes: routeNames(live.now),
      disk: nodeDisk,
      clock: systemClock,
      random: randomFillSync,
      observe: spoolObserver(telemetry),
      holder: `waggle agent ${agent.host}, process ${process.pid}`,
    }),
  );
  const routes = createRoutes(live, spool, telemetry);
  const stop = new AbortController();
  const running = routes.run(stop.signal);
  running.catch(() => {}); // Whoever waits for `failed` is told.
  opened.defer(async () => {
    stop.abort();
    await running.catch(() => {});
  });
  const hasLetters = bee !== null && (await exists(lettersFolder(path)));
  const letters = hasLetters ? opened.use(await openLetters(live, here, bee.token, telemetry)) : null;
  const read = (): SpoolStats => addStats([spool.stats(), ...(letters ? [letters.stats()] : [])]);
  const failed = Promise.race([running.then(() => new Promise<never>(() => {})), ...(letters ? [letters.failed] : [])]);
  failed.catch(() => {}); // Whoever waits for it is told.
  const parts = opened.move();
  let last: SpoolStats | null = null;
  let closed: Promise<void> | null = null;
  const close = (): Promise<void> => (closed ??= parts.disposeAsync());
  const end = async (): Promise<void> => {
    await close();
    const isGone = await removeEmpty(path);
    const what = isGone ? 'it is removed' : 'it stays for what is in quarantine, or what no route sends';
    telemetry.fact('info', 'leftover.drained', { path, removed: isGone }, `${path} is drained: ${what}`);
  };
  return {
    // It takes nothing, so neither its limit nor that it refuses is of interest.
    stats: () => ({ ...(last ?? read()), max: 0, refusing: null, refusingSince: null }),
    look() {
      const now = last ?? read();
      if (closed !== null || now.segments > 0 || now.routes.some(({ spooled }) => spooled > 0)) return;
      last = { ...now, bytes: 0, kept: 0 };
      end().catch((error: unknown) =>
        telemetry.fact('warn', 'leftover.stays', { path, err: error }, `${path} is drained, and cannot be removed`),
      );
    },
    failed,
    [Symbol.asyncDispose]: close,
  };
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** False, and all left, where it holds a segment or what was put aside. */
async function removeEmpty(path: string): Promise<boolean> {
  const names = await readdir(path, { recursive: true });
  if (names.some((name) => name.endsWith('.seg') || basename(name) === 'quarantine')) return false;
  await rm(path, { recursive: true });
  return true;
}
