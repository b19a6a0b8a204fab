// The heads of a batch's lines in one pass: that each is an event of ours, all of one type, and the hours under which they are stored.
//
// A line mostly repeats the head of the one before it up to the hours of its times (core/event-line.ts has the order); then it is of the
// same type and hour, and no more is read than that its minutes and seconds are such.
import { isEventLine, lineHour, lineType, RECEIVED, START, TIME } from './event-line.ts';
import { typeFault } from './event.ts';
import { timeFromBytes } from './time.ts';

/** Lines of one hour that stand one behind the other. */
export interface HourRun {
  /** Hours since the epoch (core/time.ts, eventHour). */
  readonly hour: number;
  lines: number;
  /** Offset behind the last one's line feed. */
  end: number;
}

export interface Heads {
  readonly kind: 'heads';
  readonly type: string;
  readonly hours: readonly HourRun[];
}

const LF = 0x0a;
const QUOTE = 0x22;
/** Of `2026-11-23T14:`, and of the `05:33.123Z"` behind it. */
const TO_HOUR = 14;
const REST = 11;
const HOUR = 3_600_000;
const WEEK = 7 * 24;

/** The heads of a body that must be `count` lines, or what is wrong with it. */
export function readHeads(body: Buffer, count: number): Heads | string {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const hours: HourRun[] = [];
  let run: HourRun | null = null;
  let type = '';
  /** Offsets in a line: of the minutes of its arrival and of its time. */
  let received = 0;
  let minutes = 0;
  /** A line whose hour is that of all lines that agree with it up to the hours; -1: none. */
  let steady = -1;
  let start = 0;
  for (let i = 0; i < count; i++) {
    const end = body.indexOf(LF, start) + 1;
    if (end <= start + 1) return `the body is not ${count} lines`;
    const alike =
      steady >= 0 &&
      end - start > minutes + REST &&
      isSame(view, steady, start, received) &&
      isRest(body, start + received) &&
      isSame(view, steady + received + REST, start + received + REST, minutes - received - REST) &&
      isRest(body, start + minutes);
    let hour: number;
    if (alike && run !== null) hour = run.hour;
    else {
      if (!isEventLine(body, start, end)) return `line ${i + 1} is no event of waggle`;
      const found = lineType(body, start, end) ?? '';
      if (i === 0) {
        if (typeFault(found) !== null) return 'line 1 is no event of waggle';
        type = found;
        received = START.length + type.length + RECEIVED.length + TO_HOUR;
        minutes = received + REST - 1 + TIME.length + TO_HOUR;
      } else if (found !== type) return `line ${i + 1} is of another type than line 1`;
      hour = lineHour(body, start, end);
      steady = isSteady(body.subarray(start, end), type, received, minutes) ? start : -1;
    }
    if (run !== null && run.hour === hour) {
      run.lines++;
      run.end = end;
    } else {
      run = { hour, lines: 1, end };
      hours.push(run);
    }
    start = end;
  }
  return start === body.length ? { kind: 'heads', type, hours } : `the body is not ${count} lines`;
}

/** Whether all lines that agree with this one up to the hours are of its hour: those of the bounds (eventHour) go by the minute. */
function isSteady(line: Buffer, type: string, received: number, minutes: number): boolean {
  const text = line.toString('latin1', 0, minutes + REST);
  const head = START + type + RECEIVED;
  if (!text.startsWith(head) || !text.startsWith(TIME, received + REST - 1) || text.length < minutes + REST)
    return false;
  if (!isRest(line, received) || !isRest(line, minutes)) return false;
  const arrival = hourAt(line, received);
  const own = hourAt(line, minutes);
  return own <= arrival && own > arrival - WEEK;
}

/** `minutes`: where they stand. NaN where there is no time. */
const hourAt = (line: Buffer, minutes: number): number =>
  Math.floor(timeFromBytes(line, minutes - TO_HOUR, minutes + REST - 1) / HOUR);

/** `05:33.123Z"`: whatever the hour, a time of day in UTC. */
function isRest(buf: Buffer, at: number): boolean {
  return (
    isBelow(buf, at, 6) &&
    isBelow(buf, at + 1, 10) &&
    buf[at + 2] === 0x3a &&
    isBelow(buf, at + 3, 6) &&
    isBelow(buf, at + 4, 10) &&
    buf[at + 5] === 0x2e &&
    isBelow(buf, at + 6, 10) &&
    isBelow(buf, at + 7, 10) &&
    isBelow(buf, at + 8, 10) &&
    buf[at + 9] === 0x5a &&
    buf[at + 10] === QUOTE
  );
}

/** Whether a decimal digit below `limit` stands there. */
function isBelow(buf: Buffer, at: number, limit: number): boolean {
  const digit = (buf[at] as number) - 0x30; // within the line: its length was looked at
  return digit >= 0 && digit < limit;
}

/** Whether `length` bytes at both places are the same; 4 or more. */
function isSame(view: DataView, one: number, other: number, length: number): boolean {
  const last = length - 4;
  for (let i = 0; i < last; i += 4) if (view.getUint32(one + i) !== view.getUint32(other + i)) return false;
  return view.getUint32(one + last) === view.getUint32(other + last);
}
