// Why an append is not taken: all or nothing, with a reason for the sender.
import type { Appended, Refusal } from './contract.ts';
import type { Down } from './outage.ts';

/** Appended and not synced, at most: more is refused. */
const PENDING_BYTES = 64 * 1024 * 1024;

export function refusalOf(
  bytes: number,
  pending: number,
  closing: boolean,
  down: Down | null,
  room: (bytes: number) => boolean,
): Appended | null {
  if (closing) return refused('closing', 'The agent stops and takes no more events.');
  if (down) return refused('disk', down.message);
  if (pending > 0 && pending + bytes > PENDING_BYTES)
    return refused('disk', `The disk of the spool does not keep up: ${pending} bytes wait for it.`);
  if (room(bytes)) return null;
  return refused(
    'full',
    'The spool has reached its limit in bytes (spool.max). It takes events again when a site has confirmed some.',
  );
}

const refused = (reason: Refusal, message: string): Appended => ({ kind: 'refused', reason, message });
