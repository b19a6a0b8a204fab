// One route over the segments: hands out their records in order, and knows what is settled. Who acks: the publisher, by `confirm`.
import type { NumberRange } from '#core/number-ranges.ts';
import { NumberSet } from '#core/numbers.ts';
import type { RouteLedger, SpoolReader, SpoolRecord } from './contract.ts';
import { Settled, type Cursor } from './cursor.ts';
import { errorCode, type Disk, type DiskFile, type SpoolClock } from './disk.ts';
import { SegmentReader, type Damage } from './segment-reader.ts';
import { isEmpty, type Segment, type SegmentTable } from './segments.ts';
import { bytesBehind } from './skip.ts';

export interface RouteOptions {
  readonly name: string;
  readonly disk: Disk;
  readonly folder: string;
  readonly table: SegmentTable;
  readonly cursor: Cursor;
  readonly clock: SpoolClock;
  /** Something was settled: the cursor file is behind. */
  readonly changed: () => void;
  readonly damaged: (damage: Damage) => void;
  readonly unreadable: (segment: Segment, error: unknown) => void;
}

/** When a record was accepted that was handed out; at most one a second and identity is kept. */
interface Mark {
  readonly last: number;
  readonly time: number;
}

interface Totals {
  accepted: number;
  confirmed: number;
  quarantined: number;
  readonly dropped: Map<string, number>;
}

const MARK_EVERY = 1000;
/** A segment that cannot be opened is tried again after so long. */
const OPEN_EVERY = 1000;

/** Invariant: records below the place of reading were handed out, are settled, or are damaged and on their way to quarantine. */
export class Route implements SpoolReader {
  readonly name: string;
  readonly cursor: Cursor;
  readonly #options: RouteOptions;
  readonly #table: SegmentTable;
  /** Handed out by this process, or on its way to quarantine. Kept for the ledger alone: what is spooled must not be derived from what is settled. */
  readonly #taken = new Map<string, NumberSet>();
  readonly #marks = new Map<string, Mark[]>();
  /** Of identities whose last segment is gone. */
  readonly #gone: Totals = { accepted: 0, confirmed: 0, quarantined: 0, dropped: new Map() };
  #segment: Segment | null = null;
  #file: DiskFile | null = null;
  #reader: SegmentReader | null = null;
  #done = 0;
  #wake: PromiseWithResolvers<void> | null = null;
  #blocked = false;

  constructor(options: RouteOptions) {
    this.#options = options;
    this.name = options.name;
    this.cursor = options.cursor;
    this.#table = options.table;
    options.table.onReadable(() => this.#wakeUp());
  }

  /** Call it for every identity that has a segment or may get one; others are forgotten, and repeated confirms of theirs ignored. */
  settled(identity: string): Settled {
    let settled = this.cursor.get(identity);
    if (!settled) this.cursor.set(identity, (settled = new Settled()));
    return settled;
  }

  /** The route needs nothing of the segment any more. */
  passed(segment: Segment): boolean {
    if (!segment.sealed || segment.cut) return false;
    return segment.last < segment.name.first || (this.cursor.get(segment.name.identity)?.prefix ?? 0) >= segment.last;
  }

  async read(maxBytes: number): Promise<readonly SpoolRecord[]> {
    const out: SpoolRecord[] = [];
    while (out.length === 0) {
      if (this.#segment === null && !(await this.#next())) break;
      const segment = this.#segment;
      if (segment === null || this.#reader === null) break;
      const { sealed } = segment;
      const through = await this.#reader.read(maxBytes, out);
      if (!through) continue;
      // It may have been sealed while it was read: then it is read again, to its end.
      if (!sealed) break;
      this.#done = segment.ordinal;
      await this.close();
    }
    return out;
  }

  async readable(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#mayRead()) {
      const wake = (this.#wake ??= Promise.withResolvers<void>());
      const abort = (): void => wake.resolve();
      signal.addEventListener('abort', abort, { once: true });
      await wake.promise;
      signal.removeEventListener('abort', abort);
      if (this.#wake === wake) this.#wake = null;
    }
  }

  confirm(identity: string, ranges: readonly NumberRange[]): void {
    const settled = this.cursor.get(identity);
    if (settled) this.#settle(identity, settled, settled.add(settled.confirmed, ranges));
  }

  drop(identity: string, ranges: readonly NumberRange[], reason: string): void {
    const settled = this.cursor.get(identity);
    if (settled) this.#settle(identity, settled, settled.add(settled.reason(reason), ranges));
  }

  /** Those of these numbers that were not handed out. */
  unread(identity: string, ranges: Iterable<NumberRange>): readonly NumberRange[] {
    return this.#taken.get(identity)?.missing(ranges) ?? [...ranges];
  }

  /** The bytes are in the quarantine folder. */
  quarantined(identity: string, first: number, last: number): void {
    const settled = this.settled(identity);
    if (last >= first) this.#settle(identity, settled, settled.add(settled.quarantined, [[first, last]]));
  }

  /** Identities without a segment: their numbers go into the totals of this process. */
  forget(identity: string): void {
    const settled = this.cursor.get(identity);
    if (!settled) return;
    add(this.#gone, settled, this.#table.lasts().get(identity) ?? 0);
    this.cursor.delete(identity);
    this.#marks.delete(identity);
    this.#taken.delete(identity);
  }

  /**
   * Three accounts that know nothing of each other: accepted is the highest numbers of the segments, settled what the publisher and the
   * janitor said, spooled what is to be read and what was taken and is not settled. So a number that is lost between them, or settled and
   * never accepted, shows.
   */
  ledger(): RouteLedger {
    const totals: Totals = { ...this.#gone, dropped: new Map(this.#gone.dropped) };
    const due = new Map(Array.from(this.#taken, ([identity, taken]) => [identity, taken.copy()]));
    let oldest = Infinity;
    for (const segment of this.#table.all) {
      const { identity } = segment.name;
      const next = this.#nextOf(segment);
      if (next <= segment.last) numbersOf(due, identity).addRange(next, segment.last);
      if (segment.last > (this.cursor.get(identity)?.prefix ?? 0) && !isEmpty(segment))
        oldest = Math.min(oldest, this.#oldest(segment));
    }
    const lasts = this.#table.lasts();
    let spooled = 0;
    for (const [identity, settled] of this.cursor) {
      add(totals, settled, lasts.get(identity) ?? 0);
      spooled += settled.missing(due.get(identity)?.ranges() ?? []);
    }
    const { accepted, confirmed, quarantined } = totals;
    const oldestUnconfirmed =
      spooled === 0 || oldest === Infinity ? 0 : Math.max(0, this.#options.clock.now() - oldest);
    return {
      route: this.name,
      accepted,
      spooled,
      confirmed,
      quarantined,
      dropped: Object.fromEntries(totals.dropped),
      bytes: bytesBehind(this, this.#table),
      oldestUnconfirmed,
    };
  }

  async close(): Promise<void> {
    const file = this.#file;
    await this.#reader?.close();
    this.#segment = null;
    this.#reader = null;
    this.#file = null;
    await file?.close().catch(() => undefined); // it was only read
  }

  /** The first number of the segment that was not read yet; above its last where there is none. */
  #nextOf(segment: Segment): number {
    if (segment.ordinal <= this.#done) return segment.last + 1;
    return segment === this.#segment && this.#reader !== null ? this.#reader.next : segment.name.first;
  }

  #settle(identity: string, settled: Settled, changed: boolean): void {
    if (!changed) return;
    const marks = this.#marks.get(identity);
    let done = 0;
    while (marks?.[done] !== undefined && (marks[done]?.last ?? Infinity) <= settled.prefix) done++;
    if (done > 0) marks?.splice(0, done);
    this.#options.changed();
  }

  #wakeUp(): void {
    this.#wake?.resolve();
    this.#wake = null;
  }

  #mayRead(): boolean {
    if (this.#blocked) return false;
    if (this.#segment !== null && this.#reader !== null) {
      if (this.#reader.at < this.#segment.durable || this.#segment.sealed) return true;
      return this.#table.after(this.#segment.ordinal) !== undefined;
    }
    const next = this.#candidate();
    return next !== undefined && (next.sealed || next.durable > 0);
  }

  /** The next segment with something to read, or that may get it. */
  #candidate(): Segment | undefined {
    for (;;) {
      const next = this.#table.after(this.#done);
      if (next === undefined || !this.passed(next)) return next;
      this.#done = next.ordinal;
    }
  }

  async #next(): Promise<boolean> {
    const next = this.#blocked ? undefined : this.#candidate();
    if (next === undefined || (!next.sealed && next.durable === 0)) return false;
    try {
      this.#file = await this.#options.disk.openToRead(`${this.#options.folder}/${next.file}`);
    } catch (error) {
      this.#cannotOpen(next, error);
      return false;
    }
    const marks = this.#marks;
    const taken = this.#taken;
    this.#reader = new SegmentReader(this.#file, next, {
      skip: (first, last) => this.#isDone(next.name.identity, first, last),
      damaged: (damage) => this.#damaged(damage),
      unreadable: (error) => this.#options.unreadable(next, error),
      seen: (record, time) => {
        numbersOf(taken, record.identity).addRange(record.first, record.first + record.count - 1);
        mark(marks, record, time);
      },
    });
    this.#segment = next;
    return true;
  }

  /** Settled by an earlier process, or given up before it was read. */
  #isDone(identity: string, first: number, last: number): boolean {
    return this.cursor.get(identity)?.has(first, last) ?? false;
  }

  #damaged(damage: Damage): void {
    const { segment, first, last } = damage;
    if (last >= first) numbersOf(this.#taken, segment.name.identity).addRange(first, last);
    this.#options.damaged(damage);
  }

  #cannotOpen(segment: Segment, error: unknown): void {
    this.#options.unreadable(segment, error);
    if (errorCode(error) === 'ENOENT') {
      // Somebody removed it: its numbers are lost.
      this.#done = segment.ordinal;
      this.#damaged({
        segment,
        from: segment.durable,
        to: segment.durable,
        first: segment.name.first,
        last: segment.last,
      });
      this.#wakeUp();
      return;
    }
    this.#blocked = true;
    this.#options.clock.after(OPEN_EVERY, () => {
      this.#blocked = false;
      this.#wakeUp();
    });
  }

  /** When the oldest event of the segment that is not settled was accepted, as near as is known. */
  #oldest(segment: Segment): number {
    const { identity } = segment.name;
    const next = Math.max((this.cursor.get(identity)?.prefix ?? 0) + 1, segment.name.first);
    const marks = this.#marks.get(identity);
    const found = marks?.find(({ last }) => last >= next);
    return Math.max(segment.created, found?.time ?? 0);
  }
}

function numbersOf(sets: Map<string, NumberSet>, identity: string): NumberSet {
  let set = sets.get(identity);
  if (!set) sets.set(identity, (set = new NumberSet()));
  return set;
}

function mark(marks: Map<string, Mark[]>, record: SpoolRecord, time: number): void {
  const last = record.first + record.count - 1;
  let list = marks.get(record.identity);
  if (!list) marks.set(record.identity, (list = []));
  const latest = list.at(-1);
  if (latest !== undefined && time - latest.time < MARK_EVERY) list[list.length - 1] = { last, time: latest.time };
  else list.push({ last, time });
}

function add(totals: Totals, settled: Settled, accepted: number): void {
  totals.accepted += accepted;
  totals.confirmed += settled.confirmed.count;
  totals.quarantined += settled.quarantined.count;
  for (const [reason, set] of settled.dropped)
    totals.dropped.set(reason, (totals.dropped.get(reason) ?? 0) + set.count);
}
