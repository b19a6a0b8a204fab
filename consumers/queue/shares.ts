// How the permits of a sink are shared between its instances: each decides for itself, from how many there are and what it holds. Pure.
//
// With N permits and I instances each should hold floor(N/I) or ceil(N/I). One that holds less than the floor is short: it shows this to the
// others, and is served before them. One above the ceiling gives back what is too much; one above the floor gives one while others are short.
// So in a fair state nothing moves, and an unfair one always has an instance that gives.

export interface Seen {
  /** Permits there are, over all instances; >= 1. */
  readonly permits: number;
  /** Instances there are, this one included. */
  readonly instances: number;
  /** Instances that are short, without this one. */
  readonly othersShort: number;
  /** Permits that this one holds. */
  readonly held: number;
}

export interface Share {
  readonly short: boolean;
  /** How many to give back now. */
  readonly giveBack: number;
}

/** `random` is in [0, 1): of several that could give to one that is short, about half do at a time. */
export function shareOf({ permits, instances, othersShort, held }: Seen, random: number): Share {
  const all = Math.max(1, instances);
  const least = Math.floor(permits / all);
  const most = Math.ceil(permits / all);
  const helps = othersShort > 0 && held > least && random < 0.5;
  return { short: held < least, giveBack: held > most ? held - most : helps ? 1 : 0 };
}
