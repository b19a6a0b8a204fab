// Fair shares: no type, and no input, has more of the spool than its part, so that one that is noisy leaves room for the others.
//
// Bytes are counted by segment as they are appended, and count until every route has passed the segment; what an earlier process left belongs
// to nobody. As long as all that waits is less than one part, nobody can have more than that, and nothing is looked up.
import type { Appended, EventGroup, SpoolEvent } from './contract.ts';
import type { SegmentTable, Segment } from './segments.ts';

/** Bytes of one segment, by who has them. */
export class Holdings {
  readonly types = new Map<string, number>();
  readonly inputs = new Map<string, number>();

  add(groups: readonly EventGroup[], input: string): void {
    let all = 0;
    for (const { type, payload } of groups) {
      all += payload.length;
      this.types.set(type, (this.types.get(type) ?? 0) + payload.length);
    }
    this.inputs.set(input, (this.inputs.get(input) ?? 0) + all);
  }
}

export interface SharesOptions {
  readonly max: number;
  /** Of `max`, for one type and for one input; 1: no limit. */
  readonly share: number;
  readonly table: SegmentTable;
  /** Whether all routes have passed it. */
  readonly hasPassed: (segment: Segment) => boolean;
  /** Bytes that wait for a site, on the disk or not yet. */
  readonly waiting: () => number;
  readonly observe: (event: SpoolEvent) => void;
}

const MOST_TOLD = 5;

export class Shares {
  readonly #options: SharesOptions;
  /** Who is refused at the moment. */
  readonly #refused = new Set<string>();

  constructor(options: SharesOptions) {
    this.#options = options;
  }

  /** Null where each of these may have so much more. */
  refusal(groups: readonly EventGroup[], input: string): Extract<Appended, { kind: 'refused' }> | null {
    const { share, max, waiting } = this.#options;
    if (share >= 1) return null;
    const part = share * max;
    let all = 0;
    for (const { payload } of groups) all += payload.length;
    if (this.#refused.size === 0 && waiting() + all <= part) return null;
    for (const { type, payload } of groups)
      if (this.#exceeds('type', type, payload.length, part)) return this.#refuse('type', type);
    return this.#exceeds('input', input, all, part) ? this.#refuse('input', input) : null;
  }

  /** The types that have most of what waits, the greatest first. */
  most(): readonly { readonly type: string; readonly bytes: number }[] {
    const sums = new Map<string, number>();
    for (const { types } of this.#waiting())
      for (const [type, bytes] of types) sums.set(type, (sums.get(type) ?? 0) + bytes);
    const sorted = Array.from(sums, ([type, bytes]) => ({ type, bytes })).toSorted((a, b) => b.bytes - a.bytes);
    return sorted.slice(0, MOST_TOLD);
  }

  *#waiting(): Generator<Holdings> {
    const { table, hasPassed } = this.#options;
    for (const segment of table.all) if (segment.held !== null && !hasPassed(segment)) yield segment.held;
  }

  #exceeds(kind: 'type' | 'input', name: string, more: number, part: number): boolean {
    let bytes = more;
    for (const { types, inputs } of this.#waiting()) bytes += (kind === 'type' ? types : inputs).get(name) ?? 0;
    if (bytes > part) return true;
    this.#refused.delete(`${kind} ${name}`);
    return false;
  }

  #refuse(kind: 'type' | 'input', name: string): Extract<Appended, { kind: 'refused' }> {
    const { share, observe } = this.#options;
    const holder = `${kind} ${name}`;
    const message = `The ${holder} has its share of the spool (agent.spool.share, ${Math.round(share * 100)}% of spool.max); others are taken. It is taken again when a site has confirmed some.`;
    if (!this.#refused.has(holder)) observe({ kind: 'share-full', holder, share });
    this.#refused.add(holder);
    return { kind: 'refused', reason: 'full', message };
  }
}
