// What a log sink can never write, as dead letters: they go to the dead letters of its site before the window that held it is committed.
import { letterId, type DeadLetter } from '#core/dead-letter.ts';
import { logStream } from '#topology/names.ts';
import type { DeadMessage } from './window.ts';

/** `now`: milliseconds since the epoch; a log sink tries nothing twice. */
export function toDeadLetter(
  sink: string,
  site: string,
  partition: number,
  { reason, message, offset, body }: DeadMessage,
  now: number,
): DeadLetter {
  const stream = logStream(partition);
  return {
    letter: letterId(sink, [site, stream, String(offset)]),
    sink,
    site,
    reason,
    code: reason === 'invalid' ? 'no-batch' : 'identity-forgotten',
    message,
    first: now,
    last: now,
    attempts: 1,
    content: reason === 'invalid' ? 'message' : 'batch',
    event: null,
    position: { stream, offset },
    body,
  };
}
