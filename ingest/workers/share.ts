// What each of several workers has of the agent: worker 0 the folder of the spool as it is with one worker, the others `workers/N` below it, and
// each an equal part of its bytes.
import { join } from 'node:path';
import type { Config } from '#core/config/config.ts';

const FOLDER = 'workers';
const NUMBER = /^[1-9]\d{0,3}$/;

/** Where the folders of workers 1, 2, … are, in that of worker 0. */
export const workersFolder = (spool: string): string => join(spool, FOLDER);

export const folderOfWorker = (spool: string, worker: number): string =>
  worker === 0 ? spool : join(workersFolder(spool), String(worker));

/** Of the names in `workersFolder`: the workers whose folders they are, in order. */
export function workersOf(names: readonly string[]): readonly number[] {
  return names
    .filter((name) => NUMBER.test(name))
    .map(Number)
    .toSorted((one, other) => one - other);
}

/** The configuration by which this worker runs; with one worker, the agent's own. */
export function configOfWorker(config: Config, worker: number): Config {
  const { agent } = config;
  const { workers, spool, route } = agent;
  const part = (bytes: number): number => Math.floor(bytes / workers);
  return {
    ...config,
    agent: {
      ...agent,
      spool: {
        ...spool,
        path: folderOfWorker(spool.path, worker),
        max: part(spool.max),
        keep: part(spool.keep),
      },
      route: { ...route, behind: part(route.behind) },
    },
  };
}
