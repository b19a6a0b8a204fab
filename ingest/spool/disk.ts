// What the spool needs of a disk and of a clock: small, so that a model test can lose what was not synced and fail at every step.

/** Errors carry `code` (ENOSPC, EIO, ENOENT, …), as those of node:fs do. Paths are absolute or relative to the process, as given. */
export interface Disk {
  /** With its parents, where they are missing. Those it made survive a crash once it resolves. */
  makeFolder(path: string): Promise<void>;
  /** Names and sizes of the files in a folder, in no order. Folders, and what is no plain file, are left out. */
  list(path: string): Promise<readonly DiskEntry[]>;
  /** Fails with EEXIST where there is one. Until `syncFolder` a crash may forget the name. */
  create(path: string): Promise<DiskFile>;
  openToRead(path: string): Promise<DiskFile>;
  /** Replaces `to` at once. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Names that were made, replaced or removed in the folder survive a crash from now on. */
  syncFolder(path: string): Promise<void>;
  /** Bytes that this user may still write. */
  free(path: string): Promise<number>;
  /** Held until it is disposed of or the process ends, however it ends. Rejects with SpoolLockedError while somebody else has it. */
  lock(folder: string, holder: string): Promise<AsyncDisposable>;
}

export interface DiskEntry {
  readonly name: string;
  readonly size: number;
}

export interface DiskFile {
  /** All the bytes at this place, or an error; a short write is an error with the code ESHORT. Hot path: a callback, no promise. */
  write(buffers: readonly Uint8Array[], position: number, done: (error: NodeJS.ErrnoException | null) => void): void;
  /** The bytes survive a crash from now on (fdatasync). Hot path: a callback, no promise. */
  sync(done: (error: NodeJS.ErrnoException | null) => void): void;
  /** How many bytes were read into `target` from its offset 0; fewer than asked for only at the end of the file. */
  read(target: Buffer, length: number, position: number): Promise<number>;
  close(): Promise<void>;
}

/** Milliseconds of Unix time, and timers. */
export interface SpoolClock {
  now(): number;
  /** For durations: never goes back, and has fractions. */
  tick(): number;
  /** Calls back once, after this many milliseconds; the result cancels it. */
  after(milliseconds: number, run: () => void): () => void;
  /** Calls back once what is ready to run has run: appends that arrive together go into one write. */
  soon(run: () => void): void;
}

const PIECE = 4096;
const COPY = 1024 * 1024;

/** Another process has the spool folder. */
export class SpoolLockedError extends Error {
  override readonly name = 'SpoolLockedError';
}

export const errorCode = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'UNKNOWN';

export const errorText = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The disk is full, or as good as: room may come back, and what is kept may make some. */
export const isFull = (code: string): boolean => code === 'ENOSPC' || code === 'EDQUOT' || code === 'ESHORT';

export function writeAll(file: DiskFile, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write([bytes], position, (error) => (error ? reject(error) : resolve()));
  });
}

export function syncAll(file: DiskFile): Promise<void> {
  return new Promise((resolve, reject) => {
    file.sync((error) => (error ? reject(error) : resolve()));
  });
}

/** A whole file, on the disk for good once it resolves: temporary name, write, sync, rename, sync of the folder. */
export async function replaceFile(disk: Disk, folder: string, name: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${folder}/${name}.tmp`;
  await disk.unlink(temporary).catch(() => undefined); // left by a crash, or not there
  try {
    const file = await disk.create(temporary);
    try {
      await writeAll(file, bytes, 0);
      await syncAll(file);
    } finally {
      await file.close();
    }
    await disk.rename(temporary, `${folder}/${name}`);
  } catch (error) {
    await disk.unlink(temporary).catch(() => undefined);
    throw error;
  }
  await disk.syncFolder(folder);
}

/** The same bytes in a new file of the same name, on the disk for good once it resolves: whatever an fdatasync of the old one failed to keep. */
export async function rewriteFile(disk: Disk, folder: string, name: string): Promise<void> {
  const temporary = `${folder}/${name}.tmp`;
  await disk.unlink(temporary).catch(() => undefined); // left by a crash, or not there
  const source = await disk.openToRead(`${folder}/${name}`);
  try {
    const target = await disk.create(temporary);
    try {
      const piece = Buffer.allocUnsafe(COPY);
      for (let at = 0, got = COPY; got === COPY; at += got) {
        got = await source.read(piece, COPY, at);
        await writeAll(target, piece.subarray(0, got), at);
      }
      await syncAll(target);
    } finally {
      await target.close();
    }
    await disk.rename(temporary, `${folder}/${name}`);
  } catch (error) {
    await disk.unlink(temporary).catch(() => undefined);
    throw error;
  } finally {
    await source.close();
  }
  await disk.syncFolder(folder);
}

/** The file, or null where there is none. Throws where it is longer than `limit` bytes or cannot be read. */
export async function readWholeFile(disk: Disk, path: string, limit: number): Promise<Buffer | null> {
  let file: DiskFile;
  try {
    file = await disk.openToRead(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    let bytes = Buffer.allocUnsafe(PIECE);
    let size = 0;
    for (;;) {
      const got = await file.read(bytes.subarray(size), bytes.length - size, size);
      size += got;
      if (size < bytes.length) return bytes.subarray(0, size);
      if (size > limit) throw new Error(`${path} is longer than ${limit} bytes`);
      bytes = Buffer.concat([bytes, Buffer.allocUnsafe(size)]);
    }
  } finally {
    await file.close();
  }
}
