// What was compressed, whole and within a limit. A fault is a refusal, never an exception.
import zlib from 'node:zlib';
import { refusal, type Refusal } from '#core/errors.ts';

// An empty frame has 9 bytes; without a limit a body of them would keep the process busy for long.
const MAX_ZSTD_FRAMES = 1000;

/** Several gzip members, or zstd frames, one behind the other, are one text. On this thread: the thread pool is the disk's, and a small body costs less so. */
export function inflateBytes(bytes: Buffer, coding: 'gzip' | 'zstd', max: number): Buffer | Refusal {
  return coding === 'gzip' ? gunzip(bytes, max) : unzstd(bytes, max);
}

function gunzip(bytes: Buffer, max: number): Buffer | Refusal {
  try {
    return zlib.gunzipSync(bytes, { maxOutputLength: max });
  } catch (error) {
    return inflateFault(error, max);
  }
}

// Node ends in silence at the end of the first zstd frame, though a stream may hold several (RFC 8878, 3.1): go on until all bytes are used.
function unzstd(bytes: Buffer, max: number): Buffer | Refusal {
  const parts: Buffer[] = [];
  let length = 0;
  let at = 0;
  try {
    do {
      // With `info` the result holds the engine too, which its type does not say.
      const frame = zlib.zstdDecompressSync(bytes.subarray(at), {
        maxOutputLength: max,
        info: true,
      }) as unknown as ZstdFrame;
      parts.push(frame.buffer);
      length += frame.buffer.length;
      if (length > max) return refusal('body-inflated-too-large', '', max);
      if (frame.engine.bytesWritten === 0 || parts.length > MAX_ZSTD_FRAMES) return refusal('encoding-corrupt');
      at += frame.engine.bytesWritten;
    } while (at < bytes.length);
  } catch (error) {
    return inflateFault(error, max);
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts, length);
}

interface ZstdFrame {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

const inflateFault = (error: unknown, max: number): Refusal =>
  error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
    ? refusal('body-inflated-too-large', '', max)
    : refusal('encoding-corrupt');
