// `waggle spool …` as people call it: options to what is run.
import type { Config } from '#core/config/config.ts';
import { patternFault } from '#core/patterns.ts';
import { parseMoment } from '#core/time.ts';
import { errorText, SpoolLockedError } from '../spool/disk.ts';
import { nodeDisk } from '../spool/node-disk.ts';
import { workersWithFolder } from '../workers/folders.ts';
import { folderOfWorker } from '../workers/share.ts';
import { spoolCheck } from './check.ts';
import { spoolExport, type Output } from './export.ts';
import { openFolder, SpoolTrouble } from './folder.ts';
import { spoolRepair } from './repair.ts';
import { spoolResend } from './resend.ts';
import { spoolStatus } from './status.ts';

type Options = Readonly<Record<string, string | boolean | undefined>>;

/** The exit code, or what is wrong with the use. */
export async function spoolCommand(
  config: Config,
  what: string,
  options: Options,
  output: Output,
): Promise<number | string> {
  const text = (name: string): string | null => {
    const value = options[name];
    return typeof value === 'string' ? value : null;
  };
  const path = text('path') ?? config.agent.spool.path;
  const json = options['json'] === true;
  const yes = options['yes'] === true;
  const type = text('type');
  const fault = type === null ? null : patternFault(type);
  if (fault !== null) return `--type: ${fault}`;
  for (const name of ['from', 'to']) {
    const given = text(name);
    if (given !== null && parseMoment(given) === null)
      return `--${name}: a time is written 2026-11-23T14:05 (UTC), 2026-11-23T14 or 2026-11-23`;
  }
  const moment = (name: string): number | null => {
    const given = text(name);
    return given === null ? null : parseMoment(given);
  };
  const span = { from: moment('from'), to: moment('to') };
  /** For the folder of each worker, the agent's own first; what is in the way of one is in the way of no other. */
  const run = async (task: (path: string) => Promise<number>): Promise<number> => {
    const workers = await forPeople(() => foldersOf(path), output);
    if (workers === null) return 1;
    let code = 0;
    for (const worker of [0, ...workers]) {
      const folder = folderOfWorker(path, worker);
      code = Math.max(code, (await forPeople(() => task(folder), output)) ?? 1);
    }
    return code;
  };
  switch (what) {
    case 'status':
      return run((folder) => spoolStatus(folder, json, output.print));
    case 'check':
      return run((folder) => alone(folder, 'check', () => spoolCheck(folder, json, output.print)));
    case 'export': {
      const chosen = { ...span, type, unconfirmed: options['unconfirmed'] === true };
      return run((folder) => alone(folder, 'export', () => spoolExport(folder, chosen, output)));
    }
    case 'repair':
      return run((folder) => alone(folder, 'repair', () => spoolRepair(folder, yes, output.print)));
    case 'resend': {
      const site = text('site');
      const known = config.sites.map(({ name }) => name).join(', ');
      if (site === null || !config.sites.some(({ name }) => name === site))
        return `spool resend: --site names the site to send to; the sites are ${known}`;
      return run((folder) => spoolResend(config, folder, { ...span, site, yes }, output.print));
    }
    default:
      return `spool ${what}: it is status, check, export, repair or resend`;
  }
}

/** While nobody else uses the folder. */
async function alone(path: string, what: string, task: () => Promise<number>): Promise<number> {
  await openFolder(path, () => []); // says what is wrong with it, before a lock is tried for
  await using _lock = await nodeDisk.lock(path, `waggle spool ${what}, process ${process.pid}`);
  return await task();
}

const foldersOf = (path: string): Promise<readonly number[]> =>
  workersWithFolder(path).catch((error: unknown) => {
    throw new SpoolTrouble(errorText(error));
  });

/** Null where something is in the way, which is told. */
async function forPeople<T>(task: () => Promise<T>, output: Output): Promise<T | null> {
  try {
    return await task();
  } catch (error) {
    if (!(error instanceof SpoolTrouble) && !(error instanceof SpoolLockedError)) throw error;
    output.tell(`${error.message}\n`);
    return null;
  }
}
