// What a log sink has read of a partition and not yet written: events grouped by type and hour. Pure.
import { linesOf } from '#core/batch.ts';
import type { Batch } from '#core/batch.ts';
import { lineHour } from '#core/event-line.ts';
import { countRanges, type NumberRange } from '#core/number-ranges.ts';
import { NumberSet } from '#core/numbers.ts';
import type { Hour } from '../chain/keys.ts';
import type { Position } from '../source/contract.ts';

/** Events of one type and hour, as they will stand in one data object. */
export interface Group {
  readonly type: string;
  readonly hour: Hour;
  count: number;
  readonly numbers: Map<string, NumberSet>;
  /** NDJSON, in pieces. */
  readonly pieces: Buffer[];
}

/** A message that goes to the dead letters before the window is committed. */
export interface DeadMessage {
  readonly reason: 'invalid' | 'forgotten';
  readonly message: string;
  readonly offset: bigint;
  readonly body: Buffer;
}

export class OpenWindow {
  /** When the first message came, by a clock that never steps, milliseconds. */
  readonly openedAt: number;
  /** When the oldest event of the window was taken by its agent, milliseconds since the epoch. */
  readonly oldest: number;
  position: Position | null = null;
  /** Bytes of message bodies held, whatever of them is written. */
  bytes = 0;
  /** Events to be written. */
  events = 0;
  repeated = 0;
  filtered = 0;
  readonly groups = new Map<string, Group>();
  readonly skipped = new Map<string, NumberSet>();
  /** All numbers of the window: groups and skipped. */
  readonly taken = new Map<string, NumberSet>();
  readonly dead: DeadMessage[] = [];

  constructor(openedAt: number, oldest: number) {
    this.openedAt = openedAt;
    this.oldest = oldest;
  }

  /** The message was read, whatever becomes of it. */
  moveTo(position: Position, bytes: number): void {
    this.position = position;
    this.bytes += bytes;
  }

  /** Numbers that count as seen without being written. */
  skip(identity: string, ranges: readonly NumberRange[]): void {
    setOf(this.skipped, identity).addRanges(ranges);
    setOf(this.taken, identity).addRanges(ranges);
  }

  /** `fresh`: the numbers of the batch that are neither committed nor taken yet; never empty. */
  take(batch: Batch, fresh: readonly NumberRange[]): void {
    const { identity, type } = batch;
    const count = countRanges(fresh);
    setOf(this.taken, identity).addRanges(fresh);
    this.events += count;
    this.repeated += batch.count - count;
    const wanted = count === batch.count ? null : NumberSet.of(fresh);
    // Runs of lines of the same hour are cut out as one piece: nearly always the whole body.
    let group: Group | null = null;
    let from = 0;
    let first = 0;
    let last = 0;
    const close = (end: number): void => {
      if (group === null) return;
      group.pieces.push(batch.body.subarray(from, end));
      group.count += last - first + 1;
      setOf(group.numbers, identity).addRange(first, last);
      group = null;
    };
    let start = 0;
    for (const line of linesOf(batch)) {
      const hour = wanted === null || wanted.contains(line.number) ? lineHour(batch.body, start, line.end) : null;
      if (group !== null && (hour !== group.hour || line.number !== last + 1)) close(start);
      if (hour !== null) {
        if (group === null) {
          group = this.#group(type, hour);
          from = start;
          first = line.number;
        }
        last = line.number;
      }
      start = line.end;
    }
    close(start);
  }

  #group(type: string, hour: Hour): Group {
    const key = `${hour} ${type}`;
    let group = this.groups.get(key);
    if (group === undefined) {
      group = { type, hour, count: 0, numbers: new Map(), pieces: [] };
      this.groups.set(key, group);
    }
    return group;
  }
}

function setOf(sets: Map<string, NumberSet>, identity: string): NumberSet {
  let set = sets.get(identity);
  if (set === undefined) {
    set = new NumberSet();
    sets.set(identity, set);
  }
  return set;
}
