// What the log streams are to a log sink: batches with offsets, one partition at a time, by single active consumer.
import type { ReadBatch } from '#core/batch.ts';

/** The last message a sink has taken from a partition at a site: offset, and the fingerprint by which it is known again. */
export interface Position {
  readonly offset: bigint;
  readonly identity: string;
  readonly first: number;
}

/** By what a message is known again: identity and first number; of one that is no batch of ours, a constant. */
export function fingerprint(batch: LogMessage['batch']): Omit<Position, 'offset'> {
  if (batch.kind === 'invalid') return { identity: '00000000-0000-7000-8000-000000000000', first: 1 };
  return { identity: batch.identity, first: batch.ranges[0]?.[0] ?? 1 };
}

/** One message of a log stream; its body may be read while it is given, and is to be copied where it is kept. `batch` is an error text where the message is no batch of ours: it goes to the dead letters. */
export interface LogMessage {
  readonly partition: number;
  readonly offset: bigint;
  readonly batch: ReadBatch | { readonly kind: 'invalid'; readonly message: string; readonly body: Buffer };
  /** Bytes of the body. */
  readonly bytes: number;
}

/** Called by the reader; every call is in order for a partition. The sink applies back pressure through `credit`. */
export interface PartitionListener {
  /** This instance became the active one. Answers where to attach: at the last committed message, or at `first`; null: do not read. A later call supersedes. */
  activated(partition: number): Promise<Position | 'first' | null>;
  /** Another instance is active now, or the connection went: messages delivered so far may be delivered to another. Also where it was not active. */
  deactivated(partition: number): void;
  /** `positionLost`: the message at the committed position is not the one known (stream rebuilt, retention overtook, offset past the end): alarm; reading goes on at `first`. */
  positionLost(partition: number, wanted: Position, found: string): void;
  /** Retention deleted messages before they were read: about so many, since the stream's own bookkeeping takes offsets too. */
  gap(partition: number, missing: bigint): void;
  message(message: LogMessage): void;
  /** A chunk is over: one credit is used up. The sink gives it back when it has room. */
  chunkEnd(partition: number): void;
}
