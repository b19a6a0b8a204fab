// The four calls on which the chain stands (DESIGN.md, log sinks). Implemented by every log sink, checked by one conformance suite.

/** `created`: this call made the key. `exists`: it was there, with whatever bytes. `unknown`: no answer; the key may or may not hold our bytes (the caller reads it back). */
export type Created =
  | { readonly kind: 'created' }
  | { readonly kind: 'exists' }
  | { readonly kind: 'unknown'; readonly message: string };

export interface ObjectStore {
  /** Atomic and exclusive: of all calls ever made with one key at most one is answered `created`, and the object is then whole and never changes. */
  createIfAbsent(key: string, bytes: Buffer, signal: AbortSignal): Promise<Created>;
  /** Length in bytes, or null where the key is absent. */
  head(key: string, signal: AbortSignal): Promise<{ readonly length: number } | null>;
  get(key: string, signal: AbortSignal): Promise<Buffer | null>;
  /** At most `limit` keys with this prefix that sort after `after` (exclusive; '' for the beginning), in ascending order of bytes. */
  list(prefix: string, after: string, limit: number, signal: AbortSignal): Promise<readonly string[]>;
  /** Only below a snapshot and after 30 days (chain records). Absent is success. */
  remove(key: string, signal: AbortSignal): Promise<void>;
  /** This store once for each way in which it creates (S3: one request, multipart): `probe` tries them all. */
  ways(): readonly ObjectStore[];
  close(): Promise<void>;
}
// Every call may throw StoreUnavailable (retry later: the drain loop backs off) or StoreRefused (configuration or rights: alarm, pause).
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}
export class StoreRefused extends Error {
  override readonly name = 'StoreRefused';
}
