// The spool on the machine's own disk: two processes, SIGKILL, a full file system.
import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventGroup, Spool, SpoolEvent, Synced } from '../../../ingest/spool/contract.ts';
import { nodeDisk } from '../../../ingest/spool/node-disk.ts';
import { openSpool } from '../../../ingest/spool/spool.ts';
import { spoolOptions } from './options.ts';

const lines = (first: number, count: number): EventGroup => ({
  type: 'test.numbered',
  count,
  payload: Buffer.from(
    Array.from({ length: count }, (_, i) => `{"n":${first + i},"pad":"${'x'.repeat(200)}"}\n`).join(''),
  ),
});

/** All numbers of events that the spool hands out, confirmed as they come. */
async function drain(spool: Spool, signal = AbortSignal.timeout(10_000)): Promise<number[]> {
  const reader = spool.reader('sites');
  const numbers: number[] = [];
  for (;;) {
    const records = await reader.read(1024 * 1024);
    for (const { identity, first, count, payload } of records) {
      for (const line of payload.toString('utf8').trimEnd().split('\n'))
        numbers.push((JSON.parse(line) as { n: number }).n);
      reader.confirm(identity, [[first, first + count - 1]]);
    }
    if (records.length === 0) return numbers;
    signal.throwIfAborted();
  }
}

describe('the spool on a real disk', () => {
  let folder: string;
  const children: ChildProcess[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'waggle-spool-'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  it('hands out after a restart what was appended before, and nothing that was confirmed', async () => {
    {
      await using spool = await openSpool(spoolOptions(folder));
      for (let n = 1; n <= 100; n += 10) spool.append([lines(n, 10)], 'memory');
    }
    {
      await using spool = await openSpool(spoolOptions(folder));
      expect(await drain(spool)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    }
    await using spool = await openSpool(spoolOptions(folder));
    expect(await drain(spool)).toEqual([]);
    expect(spool.stats().routes[0]).toMatchObject({ accepted: 100, confirmed: 100, spooled: 0 });
  });

  it('syncs level memory without being asked', async () => {
    await using spool = await openSpool(spoolOptions(folder));
    const appended = spool.append([lines(1, 1)], 'memory');
    if (appended.kind !== 'appended') throw new Error(appended.message);
    const started = performance.now();
    expect(await appended.synced).toEqual({ kind: 'synced' } satisfies Synced);
    expect(performance.now() - started).toBeGreaterThan(20);
    expect(spool.stats()).toMatchObject({ pendingEvents: 0, pendingBytes: 0 });
  });

  it('wakes a reader that waits', async () => {
    await using spool = await openSpool(spoolOptions(folder));
    const reader = spool.reader('sites');
    expect(await reader.read(1000)).toEqual([]);
    const readable = reader.readable(AbortSignal.timeout(10_000));
    spool.append([lines(7, 1)], 'disk');
    await readable;
    expect(await drain(spool)).toEqual([7]);
    const controller = new AbortController();
    const never = reader.readable(controller.signal);
    controller.abort();
    await never;
  });

  it('refuses a folder that another process has, and says which', async () => {
    await using spool = await openSpool({ ...spoolOptions(folder), holder: 'agent 4711 of host a' });
    await expect(openSpool(spoolOptions(folder))).rejects.toThrow(/in use by agent 4711 of host a/);
    await spool[Symbol.asyncDispose]();
    await using again = await openSpool(spoolOptions(folder));
    expect(again.stats().segments).toBe(0);
  });

  it('gives the lock to at most one of many that start at once, whatever the path is long', async () => {
    const deep = join(folder, 'd'.repeat(120));
    const opened = await Promise.allSettled(Array.from({ length: 8 }, () => openSpool(spoolOptions(deep))));
    const won = opened.filter((one) => one.status === 'fulfilled');
    expect(won.length).toBeLessThanOrEqual(1);
    for (const { value } of won) await value[Symbol.asyncDispose]();
    await using last = await openSpool(spoolOptions(deep));
    expect(last.stats().refusing).toBe(null);
    expect((await readdir(deep)).filter((name) => name.endsWith('.sock')).length).toBe(1);
  });

  it('refuses a folder of a newer version', async () => {
    {
      await using spool = await openSpool(spoolOptions(folder));
      spool.append([lines(1, 1)], 'disk');
    }
    const json = '{"version":2,"identities":{}}';
    await writeFile(join(folder, 'cursor.sites'), `${json}\n${crc32(json).toString(16).padStart(8, '0')}\n`);
    await expect(openSpool(spoolOptions(folder))).rejects.toThrow(/format 2, which a newer waggle wrote/);
  });

  it('refuses a segment of a newer version, says which and what to do, and changes nothing', async () => {
    {
      await using spool = await openSpool(spoolOptions(folder));
      spool.append([lines(1, 1)], 'disk');
    }
    const name = (await readdir(folder)).find((each) => each.endsWith('.seg')) ?? '';
    const bytes = await readFile(join(folder, name));
    bytes.writeUInt16LE(7, 8); // the version, and the checksum over the header that goes with it
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
    await writeFile(join(folder, name), bytes);
    const before = await readdir(folder);
    const opening = openSpool(spoolOptions(folder));
    await expect(opening).rejects.toThrow(`${name} has format 7, which a newer waggle wrote; this one knows up to 2.`);
    await expect(opening).rejects.toThrow(
      'Run the newer one until the spool is empty, or give this one another folder.',
    );
    expect(await readdir(folder)).toEqual(before);
    expect(await readFile(join(folder, name))).toEqual(bytes);
  });

  it('says how long it took to open in whole milliseconds', async () => {
    const facts: SpoolEvent[] = [];
    await using spool = await openSpool({ ...spoolOptions(folder), observe: (fact) => facts.push(fact) });
    expect(spool.stats().refusing).toBe(null);
    const opened = facts.find((fact) => fact.kind === 'opened');
    expect(Number.isInteger(opened?.milliseconds)).toBe(true);
  });

  it('loses nothing it acknowledged when its process is killed', { timeout: 60_000 }, async () => {
    const acknowledged = new Set<number>();
    for (let life = 0; life < 5; life++) {
      const child = fork(join(import.meta.dirname, 'append-child.ts'), [folder, String(life * 1_000_000)], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      children.push(child);
      let seen = 0;
      const enough = Promise.withResolvers<void>();
      child.on('message', (numbers: number[]) => {
        for (const n of numbers) acknowledged.add(n);
        seen += numbers.length;
        if (seen > 2000) enough.resolve();
      });
      await Promise.race([
        enough.promise,
        once(child, 'exit').then(() => Promise.reject(new Error('the child ended by itself'))),
      ]);
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    expect(acknowledged.size).toBeGreaterThan(10_000);
    await using spool = await openSpool(spoolOptions(folder));
    const found = await drain(spool);
    const unique = new Set(found);
    expect(unique.size).toBe(found.length);
    expect(Array.from(acknowledged).filter((n) => !unique.has(n))).toEqual([]);
    const [route] = spool.stats().routes;
    expect(route).toMatchObject({ spooled: 0, quarantined: 0, confirmed: found.length, accepted: found.length });
  });

  it('refuses when it is full, and takes again when sites have confirmed', async () => {
    const facts: SpoolEvent[] = [];
    await using spool = await openSpool({
      ...spoolOptions(folder),
      max: 1024 * 1024,
      keep: 64 * 1024,
      segment: 128 * 1024,
      observe: (fact) => facts.push(fact),
    });
    let taken = 0;
    let synced: Promise<Synced> | null = null;
    for (;;) {
      const appended = spool.append([lines(taken + 1, 10)], 'disk');
      if (appended.kind === 'refused') {
        expect(appended.reason).toBe('full');
        break;
      }
      taken += 10;
      synced = appended.synced;
    }
    expect((await synced)?.kind).toBe('synced');
    expect(spool.stats().refusing).toBe('full');
    expect(spool.stats().bytes).toBeLessThanOrEqual(1024 * 1024);
    expect((await drain(spool)).length).toBe(taken);
    await expect.poll(() => spool.stats().refusing).toBe(null);
    expect(spool.append([lines(taken + 1, 10)], 'disk').kind).toBe('appended');
    expect(facts.map(({ kind }) => kind)).toContain('recovered');
  });

  it(
    'on a disk that is full refuses, drains, tears nothing, and recovers by itself',
    { timeout: 30_000 },
    async ({ skip }) => {
      const mount = join(folder, 'small');
      await mkdir(mount);
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', mount], { stdio: 'ignore' });
      } catch {
        skip('a small tmpfs cannot be mounted here: that needs root');
      }
      try {
        const path = join(mount, 'spool');
        const filler = join(mount, 'filler');
        await using spool = await openSpool({ ...spoolOptions(path), max: 64 * 1024 * 1024, segment: 1024 * 1024 });
        await writeFile(filler, Buffer.alloc(4 * 1024 * 1024, 1));
        const acknowledged: number[] = [];
        let n = 0;
        let reason = '';
        while (reason === '') {
          const first = n + 1;
          const appended = spool.append([lines(first, 100)], 'disk');
          if (appended.kind === 'refused') reason = appended.reason;
          else {
            n += 100;
            // The reserve has room for what was under way when the disk became full.
            expect((await appended.synced).kind).toBe('synced');
            for (let i = 0; i < 100; i++) acknowledged.push(first + i);
          }
        }
        expect(reason).toBe('disk');
        expect(n).toBeGreaterThan(1000);
        // Draining goes on, and its segments make room again.
        expect(await drain(spool)).toEqual(acknowledged);
        await rm(filler);
        await expect.poll(() => spool.stats().refusing, { timeout: 15_000 }).toBe(null);
        const appended = spool.append([lines(n + 1, 1)], 'disk');
        if (appended.kind !== 'appended') throw new Error(appended.message);
        expect((await appended.synced).kind).toBe('synced');
        expect(await drain(spool)).toEqual([n + 1]);
      } finally {
        execFileSync('umount', ['-l', mount]);
      }
    },
  );
});

it('says what is not there as the disk does', async () => {
  await expect(nodeDisk.openToRead('/nonexistent/file')).rejects.toMatchObject({ code: 'ENOENT' });
});
