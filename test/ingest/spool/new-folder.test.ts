// A new spool folder survives a crash of the machine: the folder above each one that was made is synced.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { nodeDisk } from '../../../ingest/spool/node-disk.ts';

const synced: string[] = [];
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>();
  const open: typeof fs.open = async (path, ...more) => {
    const handle = await real.open(path, ...more);
    const sync = handle.sync.bind(handle);
    handle.sync = async () => {
      await sync();
      synced.push(String(path));
    };
    return handle;
  };
  return { ...real, open };
});

let folder: string;
beforeEach(async () => {
  folder = await fs.mkdtemp(join(tmpdir(), 'waggle-folder-'));
  synced.length = 0;
});
afterEach(() => fs.rm(folder, { recursive: true, force: true }));

it('syncs the parent of each folder that it makes', async () => {
  await nodeDisk.makeFolder(join(folder, 'a', 'b', 'c'));
  expect(synced.toSorted()).toEqual([folder, join(folder, 'a'), join(folder, 'a', 'b')]);
  expect((await fs.stat(join(folder, 'a', 'b', 'c'))).isDirectory()).toBe(true);
});

it('syncs nothing where the folder is there', async () => {
  await nodeDisk.makeFolder(folder);
  expect(synced).toEqual([]);
});
