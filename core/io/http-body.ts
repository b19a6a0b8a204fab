// A request's body, whole: read within limits and inflated. Every way in which it can be bad is a refusal, never an exception.
import type { IncomingMessage } from 'node:http';
import zlib from 'node:zlib';
import { refusal, type Refusal } from '#core/errors.ts';

export interface Body {
  readonly kind: 'body';
  readonly bytes: Buffer;
  /** What its owner must give back to the budget. */
  readonly held: number;
}

/** Bytes of bodies held by all requests together, so that many large ones cannot take the memory of the host. */
export class BodyBudget {
  readonly #max: number;
  #held = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** A body alone always finds room; its own limit is checked elsewhere. */
  take(bytes: number, heldByThisBody: number): boolean {
    if (this.#held + bytes > this.#max && this.#held > heldByThisBody) return false;
    this.#held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }
}

const NO_ROOM = '(too many bytes of unfinished requests)';
const EMPTY = Buffer.alloc(0);
// An empty frame has 9 bytes; without a limit a body of them would keep the process busy for long.
const MAX_ZSTD_FRAMES = 1000;

/** Calls `done` once, on this tick or a later one. What remains of a refused body is read and thrown away, so that the sender gets to see the answer. */
export function readBody(
  request: IncomingMessage,
  maxBody: number,
  budget: BodyBudget,
  done: (body: Body | Refusal) => void,
): void {
  if (Number(request.headers['content-length'] ?? 0) > maxBody) {
    request.resume();
    done(refusal('body-too-large', '', maxBody));
    return;
  }
  let first: Buffer | null = null;
  let more: Buffer[] | null = null;
  let length = 0;
  let ended = false;
  const refuse = (refused: Refusal): void => {
    ended = true;
    budget.release(length);
    done(refused);
  };
  request.on('data', (chunk: Buffer) => {
    if (ended) return;
    if (length + chunk.length > maxBody) return refuse(refusal('body-too-large', '', maxBody));
    if (!budget.take(chunk.length, length)) return refuse(refusal('full', '', NO_ROOM));
    length += chunk.length;
    if (first === null) first = chunk;
    else (more ??= [first]).push(chunk);
  });
  request.on('end', () => {
    if (ended) return;
    ended = true;
    done({ kind: 'body', bytes: more === null ? (first ?? EMPTY) : Buffer.concat(more, length), held: length });
  });
  // The sender went away; node tells no error where nobody listens for one.
  request.on('close', () => {
    if (!ended) refuse(refusal('body-incomplete'));
  });
}

export type Coding = 'none' | 'gzip' | 'zstd';

/** RFC 9110, 8.4.1: `x-gzip` is gzip, `identity` is nothing. One coding at most. */
export function codingOf(header: string | undefined): Coding | Refusal {
  if (header === undefined) return 'none';
  const name = header.trim().toLowerCase();
  if (name === '' || name === 'identity') return 'none';
  if (name === 'gzip' || name === 'x-gzip') return 'gzip';
  if (name === 'zstd') return 'zstd';
  return refusal('encoding-unsupported');
}

/**
 * Takes over what `body` holds of the budget. On this thread, since the thread pool is the disk's, a small body costs less so, and
 * only one body at a time can then be as large as `maxBody` before the budget knows.
 */
export function inflate(
  body: Body,
  coding: Exclude<Coding, 'none'>,
  maxBody: number,
  budget: BodyBudget,
): Body | Refusal {
  budget.release(body.held);
  const bytes = coding === 'gzip' ? gunzip(body.bytes, maxBody) : unzstd(body.bytes, maxBody);
  if ('kind' in bytes) return bytes;
  if (!budget.take(bytes.length, 0)) return refusal('full', '', NO_ROOM);
  return { kind: 'body', bytes, held: bytes.length };
}

function gunzip(bytes: Buffer, maxBody: number): Buffer | Refusal {
  try {
    return zlib.gunzipSync(bytes, { maxOutputLength: maxBody });
  } catch (error) {
    return inflateFault(error, maxBody);
  }
}

// Node ends in silence at the end of the first zstd frame, though a stream may hold several (RFC 8878, 3.1): go on until all bytes are used.
function unzstd(bytes: Buffer, maxBody: number): Buffer | Refusal {
  const parts: Buffer[] = [];
  let length = 0;
  let at = 0;
  try {
    do {
      // With `info` the result holds the engine too, which its type does not say.
      const frame = zlib.zstdDecompressSync(bytes.subarray(at), {
        maxOutputLength: maxBody,
        info: true,
      }) as unknown as ZstdFrame;
      parts.push(frame.buffer);
      length += frame.buffer.length;
      if (length > maxBody) return refusal('body-inflated-too-large', '', maxBody);
      if (frame.engine.bytesWritten === 0 || parts.length > MAX_ZSTD_FRAMES) return refusal('encoding-corrupt');
      at += frame.engine.bytesWritten;
    } while (at < bytes.length);
  } catch (error) {
    return inflateFault(error, maxBody);
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts, length);
}

interface ZstdFrame {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

const inflateFault = (error: unknown, maxBody: number): Refusal =>
  error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
    ? refusal('body-inflated-too-large', '', maxBody)
    : refusal('encoding-corrupt');
