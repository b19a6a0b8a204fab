// What a log sink has read of a partition and not yet written: events grouped by type and hour. Pure.
import { linesOf, type ReadBatch } from '#core/batch.ts';
import { countRanges, type NumberRange } from '#core/number-ranges.ts';
import { NumberSet } from '#core/numbers.ts';
import type { Hour } from '../chain/keys.ts';
import type { Position } from '../source/contract.ts';
import type { Share } from './budget.ts';

/** Events of one type and hour, as they will stand in one data object. */
export interface Group {
  readonly type: string;
  readonly hour: Hour;
  count: number;
  readonly numbers: Map<string, NumberSet>;
  /** NDJSON. */
  readonly content: Content;
}

/** What becomes a data object (frame.ts). */
export interface Content {
  add(lines: Buffer): void;
  finish(): Promise<Buffer>;
  close(): void;
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
  /** Bytes of message bodies read, whatever of them is written. */
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
  /** Of the memory: what its contents hold, and the dead letters. */
  readonly share: Share;
  readonly #content: () => Content;

  constructor(openedAt: number, oldest: number, share: Share, content: () => Content) {
    this.openedAt = openedAt;
    this.oldest = oldest;
    this.share = share;
    this.#content = content;
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

  /** It goes to the dead letters, and is held until then. */
  refuse(dead: DeadMessage): void {
    this.dead.push({ ...dead, body: Buffer.from(dead.body) }); // the reader's own is used again
    this.share.change(dead.body.length);
  }

  /** `fresh`: the numbers of the batch that are neither committed nor taken yet; never empty. */
  take(batch: ReadBatch, fresh: readonly NumberRange[]): void {
    const { identity, type, body, hours } = batch;
    const count = countRanges(fresh);
    setOf(this.taken, identity).addRanges(fresh);
    this.events += count;
    this.repeated += batch.count - count;
    const [run] = hours;
    if (count < batch.count || run === undefined || hours.length > 1) return this.#takeLines(batch, fresh);
    const group = this.#group(type, run.hour);
    group.content.add(body);
    group.count += count;
    setOf(group.numbers, identity).addRanges(fresh);
  }

  /** Where not all lines are wanted, or they are of several hours: what stands together is cut out as one piece. */
  #takeLines(batch: ReadBatch, fresh: readonly NumberRange[]): void {
    const { identity, type, body, hours } = batch;
    const wanted = NumberSet.of(fresh);
    let piece: { readonly group: Group; readonly from: number; readonly first: number; last: number } | null = null;
    const close = (end: number): void => {
      if (piece === null) return;
      const { group, from, first, last } = piece;
      group.content.add(body.subarray(from, end));
      group.count += last - first + 1;
      setOf(group.numbers, identity).addRange(first, last);
      piece = null;
    };
    let run = 0;
    let start = 0;
    for (const { number, end } of linesOf(batch)) {
      while (start >= (hours[run]?.end ?? Infinity)) run++;
      const hour = wanted.contains(number) ? (hours[run]?.hour ?? null) : null;
      if (piece !== null && (hour !== piece.group.hour || number !== piece.last + 1)) close(start);
      if (piece !== null) piece.last = number;
      else if (hour !== null) piece = { group: this.#group(type, hour), from: start, first: number, last: number };
      start = end;
    }
    close(start);
  }

  /** Lets go of all it holds. */
  close(): void {
    for (const { content } of this.groups.values()) content.close();
    this.share.close();
  }

  #group(type: string, hour: Hour): Group {
    const key = `${hour} ${type}`;
    let group = this.groups.get(key);
    if (group === undefined) {
      group = { type, hour, count: 0, numbers: new Map(), content: this.#content() };
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
