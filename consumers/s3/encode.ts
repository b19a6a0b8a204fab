// How an object becomes requests: its headers, and its parts. Pure.

const MIB = 1_048_576;
/**
 * Larger objects go in parts. Refusing a large body, a server may close the connection before its answer is read (at 5 MiB every second
 * time, facts of versitygw and MinIO), and the whole body is sent again to learn it; the last request of a multipart upload is small.
 */
export const MULTIPART_FROM = 8 * MIB;
/** S3: at least 5 MiB, at most 10,000 parts. */
const PART = 8 * MIB;
const MOST_PARTS = 10_000;

/** No Content-Encoding: with it, clients would decompress what is named `.zst`, or refuse it. */
export const contentType = (key: string): string => (key.endsWith('.json') ? 'application/json' : 'application/zstd');

/** Views of the bytes, at least one. */
export function partsOf(bytes: Buffer): Buffer[] {
  const size = Math.max(PART, Math.ceil(bytes.length / MOST_PARTS));
  const parts: Buffer[] = [];
  for (let from = 0; from === 0 || from < bytes.length; from += size) parts.push(bytes.subarray(from, from + size));
  return parts;
}
