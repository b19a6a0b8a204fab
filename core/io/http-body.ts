// A request's body, whole: read within limits and inflated. Every way in which it can be bad is a refusal, never an exception.
import type { IncomingMessage } from 'node:http';
import { refusal, type Refusal } from '#core/errors.ts';
import type { ByteBudget } from '../byte-budget.ts';
import { inflateBytes } from '../inflate.ts';

export interface Body {
  readonly kind: 'body';
  readonly bytes: Buffer;
  /** What its owner must give back to the budget. */
  readonly held: number;
}

const NO_ROOM = '(too many bytes of unfinished requests)';
const EMPTY = Buffer.alloc(0);

/** Calls `done` once, on this tick or a later one. What remains of a refused body is read and thrown away, so that the sender gets to see the answer. */
export function readBody(
  request: IncomingMessage,
  maxBody: number,
  budget: ByteBudget,
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
  budget: ByteBudget,
): Body | Refusal {
  budget.release(body.held);
  const bytes = inflateBytes(body.bytes, coding, maxBody);
  if ('kind' in bytes) return bytes;
  if (!budget.take(bytes.length, 0)) return refusal('full', '', NO_ROOM);
  return { kind: 'body', bytes, held: bytes.length };
}
