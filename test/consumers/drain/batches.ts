// Batches as agents make them, for tests of what stands behind the stream.
import { decodeBatch, encodeBatch } from '#core/batch.ts';
import { ownEventLine } from '#core/event-line.ts';
import { type NumberRange, countRanges } from '#core/number-ranges.ts';
import { uuidGenerator, uuidv7 } from '#core/uuid.ts';
import { randomFillSync } from 'node:crypto';
import type { LogMessage } from '../../../consumers/source/contract.ts';

const ids = uuidGenerator(Date.now, randomFillSync);

export const identityAt = (ms: number): string => uuidv7(ms, randomFillSync(new Uint8Array(16)));

export interface MadeBatch {
  readonly identity: string;
  readonly ranges: readonly NumberRange[];
  readonly type?: string;
  /** Milliseconds since the epoch. */
  readonly at?: number;
  /** Bytes of filling in each event. */
  readonly fill?: number;
}

/** Each event's data is `{"n": its number}`. */
export function makeMessage(
  offset: number,
  { identity, ranges, type = 'checkin.visit', at = Date.now(), fill = 0 }: MadeBatch,
): LogMessage {
  const arrival = { receivedAt: at, host: 'host', site: 'chicago', source: '/chicago/host/http' };
  const lines: Buffer[] = [];
  for (const [first, last] of ranges)
    for (let n = first; n <= last; n++) lines.push(ownEventLine(type, arrival, ids, { n, fill: 'x'.repeat(fill) }));
  const body = Buffer.concat(lines);
  const message = encodeBatch({ identity, partition: 0, type, count: countRanges(ranges), ranges, body }, 'identity');
  return { partition: 0, offset: BigInt(offset), batch: decodeBatch(message), bytes: body.length };
}

export function invalidMessage(offset: number): LogMessage {
  const body = Buffer.from('no batch');
  return {
    partition: 0,
    offset: BigInt(offset),
    batch: { kind: 'invalid', message: 'no header v', body },
    bytes: body.length,
  };
}
