// The books of a queue sink, read from its metrics.
import type { Telemetry } from '#core/io/telemetry.ts';

export interface Books {
  readonly read: number;
  readonly delivered: number;
  readonly repeated: number;
  readonly dead: number;
  readonly filtered: number;
  readonly returned: number;
  readonly held: number;
}

export async function booksOf({ metrics }: Telemetry): Promise<Books> {
  const { values } = await metrics.events.get();
  const of = (stage: string, reason: string): number =>
    values.find(({ labels }) => labels.stage === stage && labels.reason === reason)?.value ?? 0;
  const held = (await metrics.sinkHeld.get()).values.find(({ labels }) => labels.unit === 'events')?.value ?? 0;
  return {
    read: of('read', 'read'),
    delivered: of('settle', 'delivered'),
    repeated: of('settle', 'repeated'),
    dead: of('settle', 'dead'),
    filtered: of('settle', 'filtered'),
    returned: of('settle', 'returned'),
    held,
  };
}

/** read = delivered + repeated + dead + filtered + returned + in hand. */
export const imbalance = ({ read, delivered, repeated, dead, filtered, returned, held }: Books): number =>
  read - delivered - repeated - dead - filtered - returned - held;
