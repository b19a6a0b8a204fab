// Batches as a replay publishes them: parts of those in the log, under their own identity and numbers, or lines of dead letters, under fresh
// ones. Pure.
import { BATCH_BYTES, BATCH_EVENTS, linesOf, SEQ_BYTES, type Batch } from '#core/batch.ts';
import { lineArrival, lineType } from '#core/event-line.ts';
import { encodeRanges, type NumberRange } from '#core/number-ranges.ts';

const LF = Buffer.from('\n');

/** Those events of the batch whose arrival lies in from ≤ arrival < to (milliseconds since the epoch): the batch itself, none, or parts of it. */
export function arrivedWithin(batch: Batch, from: number, to: number): readonly Batch[] {
  const kept: { number: number; start: number; end: number }[] = [];
  let start = 0;
  for (const { number, end } of linesOf(batch)) {
    const arrival = lineArrival(batch.body, start, end);
    if (arrival !== null && arrival >= from && arrival < to) kept.push({ number, start, end });
    start = end;
  }
  if (kept.length === batch.count) return [batch];
  const parts: Batch[] = [];
  let ranges: NumberRange[] = [];
  let pieces: Buffer[] = [];
  const close = (): void => {
    if (pieces.length > 0) parts.push({ ...batch, count: pieces.length, ranges, body: Buffer.concat(pieces) });
    ranges = [];
    pieces = [];
  };
  for (const { number, start: at, end } of kept) {
    const last = ranges.at(-1);
    const grown: NumberRange[] =
      last !== undefined && last[1] + 1 === number
        ? [...ranges.slice(0, -1), [last[0], number]]
        : [...ranges, [number, number]];
    // What is cut out of ranges may be more of them than a header holds.
    if (encodeRanges(grown).length > SEQ_BYTES) {
      close();
      ranges = [[number, number]];
    } else ranges = grown;
    pieces.push(batch.body.subarray(at, end));
  }
  close();
  return parts;
}

/** One batch after the other for each type, numbered on from `first`. Lines may end in a line feed or not; one that is no event is an error of the caller. */
export function lineBatches(lines: Iterable<Buffer>, identity: string, first: number): Batch[] {
  const batches: Batch[] = [];
  const open = new Map<string, { pieces: Buffer[]; count: number; bytes: number }>();
  let next = first;
  const close = (type: string): void => {
    const group = open.get(type);
    if (group === undefined) return;
    open.delete(type);
    const { pieces, count } = group;
    batches.push({
      kind: 'batch',
      identity,
      partition: 0,
      type,
      count,
      ranges: [[next, next + count - 1]],
      body: Buffer.concat(pieces),
    });
    next += count;
  };
  for (const line of lines) {
    const ended = line.at(-1) === LF[0] ? line : Buffer.concat([line, LF]);
    const type = lineType(ended, 0, ended.length);
    if (type === null) throw new TypeError('replay: a line is no event of waggle');
    const before = open.get(type);
    if (before !== undefined && (before.count === BATCH_EVENTS || before.bytes + ended.length > BATCH_BYTES))
      close(type);
    const group = open.get(type) ?? { pieces: [], count: 0, bytes: 0 };
    open.set(type, group);
    group.pieces.push(ended);
    group.count++;
    group.bytes += ended.length;
  }
  for (const type of open.keys()) close(type);
  return batches;
}
