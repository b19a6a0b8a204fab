// The folders of workers 1, 2, … as they are on the disk, whatever the configuration says.
import { readdir } from 'node:fs/promises';
import { workersFolder, workersOf } from './share.ts';

/** In that of this spool, which is worker 0's. */
export async function workersWithFolder(spool: string): Promise<readonly number[]> {
  const entries = await readdir(workersFolder(spool), { withFileTypes: true }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  return workersOf(entries.filter((entry) => entry.isDirectory()).map(({ name }) => name));
}
