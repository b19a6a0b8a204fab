// For senders that are not answered and cannot be held back: what the spool does not take is lost, and counted.
import type { Level } from '#core/config/config.ts';
import type { InputContext } from './contract.ts';
import type { EventWriter } from './event-writer.ts';

/** Bytes of lines that wait for the spool; beyond, events are lost. */
const PENDING_BYTES = 32 * 2 ** 20;

/** Stores what was written. Resolves once it is dealt with; never rejects. */
export function createBestEffort(
  { accept, observe }: Pick<InputContext, 'accept' | 'observe'>,
  level: Level,
  input: string,
): (writer: EventWriter) => Promise<void> {
  let pending = 0;
  return async (writer) => {
    const { count, bytes } = writer;
    if (count === 0) return;
    if (pending + bytes > PENDING_BYTES) return observe.lost('full', count);
    pending += bytes;
    try {
      const result = await accept(writer.groups(), level, input);
      if (result.kind === 'accepted') observe.accepted(count);
      else observe.lost(result.reason, count);
    } catch (error) {
      observe.fault(error);
      observe.lost('disk', count);
    } finally {
      pending -= bytes;
    }
  };
}
