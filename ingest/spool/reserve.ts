// Room on the disk that is kept for the day when it is full: what is pending then still goes to the disk, and cursors are still written.
import { syncAll, writeAll, errorCode, errorText, type Disk } from './disk.ts';
import type { SpoolEvent } from './contract.ts';

export const RESERVE = 'reserve';
const PIECE = 256 * 1024;

export class Reserve {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #size: number;
  readonly #observe: (event: SpoolEvent) => void;
  #held = 0;

  constructor(disk: Disk, folder: string, size: number, observe: (event: SpoolEvent) => void) {
    this.#disk = disk;
    this.#folder = folder;
    this.#size = size;
    this.#observe = observe;
  }

  /** Bytes that it takes at the moment. */
  get bytes(): number {
    return this.#held;
  }

  /** It was there at start. */
  found(size: number): void {
    if (size === this.#size) this.#held = size;
  }

  /** Gives the room back to the disk. Never rejects. */
  async release(): Promise<void> {
    this.#held = 0;
    await this.#disk.unlink(this.#path).catch(() => undefined);
  }

  /** True once it is there. Takes it only where as much again stays free. Never rejects. */
  async restore(): Promise<boolean> {
    if (this.#held === this.#size) return true;
    try {
      if ((await this.#disk.free(this.#folder)) < 2 * this.#size) return false;
      await this.#disk.unlink(this.#path).catch(() => undefined);
      const file = await this.#disk.create(this.#path);
      try {
        // Not zeros: some file systems give those no room.
        const piece = Buffer.alloc(Math.min(PIECE, this.#size), 'waggle reserve\n');
        for (let at = 0; at < this.#size; at += piece.length)
          await writeAll(file, piece.subarray(0, this.#size - at), at);
        await syncAll(file);
      } finally {
        await file.close();
      }
      this.#held = this.#size;
      return true;
    } catch (error) {
      this.#observe({
        kind: 'disk-failed',
        step: 'reserve',
        path: this.#path,
        code: errorCode(error),
        message: errorText(error),
      });
      await this.release();
      return false;
    }
  }

  get #path(): string {
    return `${this.#folder}/${RESERVE}`;
  }
}
