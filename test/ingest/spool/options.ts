// A spool on the machine's disk, as the tests open it.
import { randomFillSync } from 'node:crypto';
import { nodeDisk, systemClock } from '../../../ingest/spool/node-disk.ts';
import type { SpoolOptions } from '../../../ingest/spool/spool.ts';

const MEBI = 1024 * 1024;

export const spoolOptions = (path: string): SpoolOptions => ({
  path,
  max: 1024 * MEBI,
  keep: 64 * MEBI,
  segment: 4 * MEBI,
  behind: Infinity,
  partitions: 8,
  routes: ['sites'],
  disk: nodeDisk,
  clock: systemClock,
  random: (target) => void randomFillSync(target),
  observe: () => undefined,
  holder: `process ${process.pid}`,
});
