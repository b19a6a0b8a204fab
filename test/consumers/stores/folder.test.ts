// The folder as a store: the conformance suite, and what only a file system does.
import { chmod, mkdtemp, readdir, rm, symlink, utimes, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { StoreRefused, StoreUnavailable } from '../../../consumers/chain/store.ts';
import { classify } from '../../../consumers/folder/classify.ts';
import { FolderStore } from '../../../consumers/folder/send.ts';
import { raceWriters } from './chain-over-store.ts';
import { freshName, storeConformance } from './conformance.ts';

const root = await mkdtemp(join(tmpdir(), 'waggle-folder-'));
afterAll(() => rm(root, { recursive: true }));
const { signal } = new AbortController();
const open = (path = root): FolderStore => new FolderStore(path, freshName);

storeConformance('a folder', open);

describe('a folder', () => {
  it('holds every number once, after writers that took over from one another', async () => {
    const path = join(root, 'chain');
    await raceWriters(
      () => open(path),
      () => open(path),
      'folder',
      { events: 600, window: 10, windows: 4, padding: 20 },
    );
  });

  it('makes the folders above it, and leaves no temporary file', async () => {
    const path = join(root, 'not', 'yet');
    await open(path).createIfAbsent('type=a.b/dt=2026-11-23/hour=14/s3-p0-1-x.ndjson.zst', Buffer.from('x'), signal);
    expect(await readdir(path)).toEqual(['.waggle-tmp', 'type=a.b']);
    expect(await readdir(join(path, '.waggle-tmp'))).toEqual([]);
  });

  it('lists an empty and an absent folder as empty', async () => {
    expect(await open(join(root, 'absent')).list('_waggle/', '', 10, signal)).toEqual([]);
  });

  it('does not list files that others leave under hidden names', async () => {
    const path = join(root, 'hidden');
    await mkdir(join(path, 'a'), { recursive: true });
    await writeFile(join(path, 'a', '.DS_Store'), '');
    await open(path).createIfAbsent('a/b', Buffer.from('x'), signal);
    expect(await open(path).list('', '', 10, signal)).toEqual(['a/b']);
  });

  it('sweeps temporary files of a crash once they are a day old', async () => {
    const path = join(root, 'swept');
    const temporary = join(path, '.waggle-tmp');
    await mkdir(temporary, { recursive: true });
    await writeFile(join(temporary, 'old'), 'torn');
    await writeFile(join(temporary, 'young'), 'of another process');
    const yesterday = Date.now() / 1000 - 90_000;
    await utimes(join(temporary, 'old'), yesterday, yesterday);
    await open(path).createIfAbsent('a', Buffer.from('x'), signal);
    expect(await readdir(temporary)).toEqual(['young']);
  });

  it.each(['type=a/dt=2026-11-16', '.waggle-tmp', 'type=a', ''])('goes on where "%s" was removed', async (removed) => {
    const path = await mkdtemp(join(root, 'removed-'));
    const store = open(path);
    const folder = 'type=a/dt=2026-11-16/hour=00';
    await store.createIfAbsent(`${folder}/x`, Buffer.from('x'), signal);
    await rm(join(path, removed), { recursive: true });
    expect(await store.createIfAbsent(`${folder}/y`, Buffer.from('y'), signal)).toEqual({ kind: 'created' });
    expect(await store.get(`${folder}/y`, signal)).toEqual(Buffer.from('y'));
  });

  it('writes where sweeping fails, and sweeps again', async () => {
    const path = join(root, 'unswept');
    const temporary = join(path, '.waggle-tmp');
    // What it finds there first cannot be unlinked, nor looked at.
    await mkdir(join(temporary, 'odd'), { recursive: true });
    await symlink('loop', join(temporary, 'loop'));
    const yesterday = Date.now() / 1000 - 90_000;
    await utimes(join(temporary, 'odd'), yesterday, yesterday);
    const store = open(path);
    expect(await store.createIfAbsent('a', Buffer.from('x'), signal)).toEqual({ kind: 'created' });
    await rm(join(temporary, 'loop'));
    await writeFile(join(temporary, 'old'), 'torn');
    await utimes(join(temporary, 'old'), yesterday, yesterday);
    expect(await store.createIfAbsent('b', Buffer.from('x'), signal)).toEqual({ kind: 'created' });
    expect(await readdir(temporary)).toEqual(['odd']);
  });

  it.each(['', '/a', 'a//b', 'a/', '../a', 'a/../b', 'a/.b', 'a\0b'])('refuses %j, which is no key', async (key) => {
    await expect(open().createIfAbsent(key, Buffer.alloc(0), signal)).rejects.toThrow(RangeError);
  });

  it('says what to do where a file stands in the way', async () => {
    await open().createIfAbsent('file', Buffer.from('x'), signal);
    const refused = open().createIfAbsent('file/below', Buffer.from('x'), signal);
    await expect(refused).rejects.toThrow(StoreRefused);
    await expect(open().createIfAbsent('file/below', Buffer.from('x'), signal)).rejects.toThrow(/move it elsewhere/);
  });

  it.runIf(process.getuid?.() !== 0)('says what to do where rights are missing', async () => {
    const path = join(root, 'locked');
    await mkdir(path);
    await chmod(path, 0o500);
    await expect(open(path).createIfAbsent('a', Buffer.from('x'), signal)).rejects.toThrow(StoreRefused);
  });

  it.each([
    ['ENOSPC', StoreUnavailable],
    ['EIO', StoreUnavailable],
    ['EMFILE', StoreUnavailable],
    ['EROFS', StoreRefused],
    ['EPERM', StoreRefused],
  ])('takes %s as %o', (code, kind) => {
    const error = classify(Object.assign(new Error('x'), { code }), 'create', '/data/a');
    expect(error).toBeInstanceOf(kind);
    expect(error?.message).toContain('/data/a');
  });
});
