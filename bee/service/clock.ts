// Clocks of senders. A phone's clock may be wrong by years: where it says what it shows when it sends, the difference to ours is its error, and
// event times are set right by it. Small differences are the network, and stay (Sentry's Relay draws the line at 55 minutes). Pure.
import { parseTime } from '#core/time.ts';

export interface ClockReading {
  /** By the sender's clock, milliseconds since the epoch; null where it did not say. */
  readonly sent: number | null;
  /** By ours. */
  readonly received: number;
}

export interface CorrectedTime {
  /** RFC 3339; null where the event has none. */
  readonly time: string | null;
  /** Attributes that tell what was done, each a JSON member with a comma before it; '' where the sender's clock is not known. */
  readonly members: string;
}

/** The last moment that RFC 3339 can write, year 9999. */
const LAST = 253_402_300_799_999;

/** `tolerance`: milliseconds up to which a difference is left alone. */
export function correctTime(time: string | null, clock: ClockReading, tolerance: number): CorrectedTime {
  const { sent, received } = clock;
  if (sent === null || sent > LAST) return { time, members: '' };
  const skew = received - sent;
  const told = `,"sentat":"${new Date(sent).toISOString()}","clockskew":${Math.round(skew / 1000)}`;
  const at = time === null || Math.abs(skew) <= tolerance ? null : parseTime(time);
  if (at === null) return { time, members: told };
  const corrected = Math.min(LAST, Math.max(0, at + skew));
  return { time: new Date(corrected).toISOString(), members: `${told},"senttime":${JSON.stringify(time)}` };
}
