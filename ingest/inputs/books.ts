// The books of the inputs: for each, what was accepted, refused and lost, as metrics and on /status. That an accepted event is in the spool is
// the ledger's affair (ledger.ts).
import type { RefusalCode } from '#core/errors.ts';
import type { Telemetry } from '#core/io/telemetry.ts';
import type { InputObserver } from './contract.ts';

export interface InputBooks extends InputObserver {
  /** For /status. */
  readonly figures: () => object;
}

export function createBooks(input: string, { metrics, fact }: Telemetry): InputBooks {
  let accepted = 0;
  const refused: Partial<Record<RefusalCode, number>> = {};
  const lost: Record<string, number> = {};
  const closed: Record<string, number> = {};
  return {
    accepted(events) {
      accepted += events;
      metrics.inputEvents.inc({ input, reason: 'accepted' }, events);
    },
    refused(code, events = 1) {
      refused[code] = (refused[code] ?? 0) + events;
      metrics.inputEvents.inc({ input, reason: code }, events);
    },
    lost(reason, events) {
      lost[reason] = (lost[reason] ?? 0) + events;
      metrics.inputEvents.inc({ input, reason: `lost-${reason}` }, events);
    },
    closed(reason) {
      closed[reason] = (closed[reason] ?? 0) + 1;
      metrics.inputClosed.inc({ input, reason });
    },
    fault(error) {
      fact(
        'error',
        'input.fault',
        { input, err: error },
        `the ${input} input failed in a way that nobody thought of; please report it`,
      );
    },
    figures: () => ({ accepted, refused, lost, closed }),
  };
}
