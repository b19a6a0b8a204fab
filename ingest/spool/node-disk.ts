// The real disk and clock, over node:fs.
import * as fs from 'node:fs';
import { mkdir, open, readdir, rename, stat, statfs, unlink } from 'node:fs/promises';
import { dirname, join, resolve as absolute } from 'node:path';
import { lockFolder } from './lock.ts';
import type { Disk, DiskEntry, DiskFile, SpoolClock } from './disk.ts';

type Done = (error: NodeJS.ErrnoException | null) => void;

/** Over a bare descriptor and callbacks: a FileHandle's promises cost as much as the write itself. */
class NodeFile implements DiskFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(buffers: readonly Uint8Array[], position: number, done: Done): void {
    let expected = 0;
    for (const buffer of buffers) expected += buffer.length;
    const check = (error: NodeJS.ErrnoException | null, written: number): void => {
      if (error) done(error);
      else if (written < expected)
        done(Object.assign(new Error(`only ${written} of ${expected} bytes were written`), { code: 'ESHORT' }));
      else done(null);
    };
    const [only] = buffers;
    if (buffers.length === 1 && only) fs.write(this.#fd, only, 0, only.length, position, check);
    else fs.writev(this.#fd, buffers, position, check);
  }

  sync(done: Done): void {
    fs.fdatasync(this.#fd, done);
  }

  async read(target: Buffer, length: number, position: number): Promise<number> {
    let got = 0;
    while (got < length) {
      const more = await this.#readSome(target, got, length - got, position + got);
      if (more === 0) break;
      got += more;
    }
    return got;
  }

  #readSome(target: Buffer, offset: number, length: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.read(this.#fd, target, offset, length, position, (error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.close(this.#fd, (error) => (error ? reject(error) : resolve()));
    });
  }
}

function openFile(path: string, flags: string): Promise<DiskFile> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, 0o640, (error, fd) => (error ? reject(error) : resolve(new NodeFile(fd))));
  });
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export const nodeDisk: Disk = {
  async makeFolder(path) {
    const first = await mkdir(path, { recursive: true, mode: 0o750 });
    if (first === undefined) return;
    // The name of each is in the folder above it.
    for (let made = absolute(path); ; made = dirname(made)) {
      await syncFolder(dirname(made));
      if (made === absolute(first)) return;
    }
  },
  async list(path) {
    const entries: DiskEntry[] = [];
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (entry.isFile()) entries.push({ name: entry.name, size: (await stat(join(path, entry.name))).size });
    }
    return entries;
  },
  create: (path) => openFile(path, 'wx'),
  openToRead: (path) => openFile(path, 'r'),
  rename,
  unlink,
  syncFolder,
  async free(path) {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  },
  lock: lockFolder,
};

export const systemClock: SpoolClock = {
  now: () => Date.now(),
  tick: () => performance.now(),
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
  soon: (run) => void setImmediate(run),
};
