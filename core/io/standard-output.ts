// Standard output and standard error for commands: written whole before the call returns, so that nothing is lost when the process ends.
import { writeSync } from 'node:fs';

const waiting = new Int32Array(new SharedArrayBuffer(4));
const READER_SLOW_MS = 5;

/** Into a pipe too, whose reader is waited for. One that has gone away (`| head`) is not told of the rest: what the command does goes on. */
export function writeWhole(fd: 1 | 2, text: string | Buffer): void {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') return;
      if (code !== 'EAGAIN') throw error;
      // Node makes a pipe that does not block: it is full.
      Atomics.wait(waiting, 0, 0, READER_SLOW_MS);
    }
  }
}
