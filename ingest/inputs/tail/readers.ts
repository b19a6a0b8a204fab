// Who reads next: some files at once, each with one of the buffers, in the order in which they were found to have something.
import type { TailedFile } from './tailed-file.ts';

export interface ReadersOptions {
  /** How many read at once, and bytes of a buffer. */
  readonly count: number;
  readonly chunk: number;
  /** Milliseconds. */
  readonly clock: () => number;
  /** Reads a file as far as it wants to. */
  readonly read: (file: TailedFile, buffer: Buffer) => Promise<void>;
  readonly fault: (error: unknown) => void;
}

export class Readers {
  readonly #options: ReadersOptions;
  readonly #buffers: Buffer[] = [];
  readonly #ready = new Set<TailedFile>();
  readonly #busy = new Map<TailedFile, Promise<void>>();
  #spare: number;
  #pausedUntil = 0;
  #stopped = false;

  constructor(options: ReadersOptions) {
    this.#options = options;
    this.#spare = options.count;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Another file waits for a buffer. */
  get awaited(): boolean {
    return this.#ready.size > 0;
  }

  isBusy(file: TailedFile): boolean {
    return this.#busy.has(file);
  }

  /** Resolves when it is not being read, or not as it was at the call. */
  async idle(file: TailedFile): Promise<void> {
    await this.#busy.get(file);
  }

  /** It may have something to read. */
  offer(file: TailedFile): void {
    if (this.#stopped || this.#busy.has(file)) return;
    this.#ready.add(file);
    this.pump();
  }

  /** Of a file that is being read: once more, after the others. */
  again(file: TailedFile): void {
    if (!this.#stopped) this.#ready.add(file);
  }

  /** Nothing is begun for so many milliseconds. */
  pause(milliseconds: number): void {
    this.#pausedUntil = this.#options.clock() + milliseconds;
  }

  pump(): void {
    const { clock, read, chunk, fault } = this.#options;
    if (this.#stopped || clock() < this.#pausedUntil) return;
    for (const file of this.#ready) {
      const buffer = this.#buffers.pop() ?? (this.#spare-- > 0 ? Buffer.allocUnsafeSlow(chunk) : null);
      if (buffer === null) return void (this.#spare = 0);
      this.#ready.delete(file);
      const run = read(file, buffer)
        .catch(fault)
        .finally(() => {
          this.#busy.delete(file);
          this.#buffers.push(buffer);
          this.pump();
        });
      this.#busy.set(file, run);
    }
  }

  /** Begins nothing; resolves when those that read are done with their chunk. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ready.clear();
    await Promise.all(this.#busy.values());
  }
}
