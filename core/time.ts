// Timestamps of RFC 3339 (section 5.6) as milliseconds, read from bytes, and the hours that partition data.

const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
const PAST = 7 * DAY;
const FUTURE = HOUR;

/** n decimal digits, or NaN. */
function digits(buf: Uint8Array, at: number, n: number): number {
  let value = 0;
  for (let i = at; i < at + n; i++) {
    const digit = (buf[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

/** Days since 1970-01-01 of a day in the Gregorian calendar (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil). */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return (
    era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
  );
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Offset from UTC in milliseconds of "Z" or "+hh:mm" at `at`, which must end at `end`; or NaN. */
function zone(buf: Uint8Array, at: number, end: number): number {
  const sign = buf[at];
  if (sign === 0x5a || sign === 0x7a) return at + 1 === end ? 0 : Number.NaN;
  if ((sign !== 0x2b && sign !== 0x2d) || at + 6 !== end || buf[at + 3] !== 0x3a) return Number.NaN;
  const hours = digits(buf, at + 1, 2);
  const minutes = digits(buf, at + 4, 2);
  if (!(hours <= 23 && minutes <= 59)) return Number.NaN;
  return (sign === 0x2b ? 1 : -1) * (hours * HOUR + minutes * MINUTE);
}

/**
 * Milliseconds since the epoch of the timestamp that fills start … end, or NaN. Strict: "T" (or "t") between date and time, a zone, no blank.
 * Digits below a millisecond are cut off. Second 60 only where a leap second can be (section 5.7); it counts as the next second.
 */
export function timeFromBytes(buf: Uint8Array, start: number, end: number): number {
  if (end - start < 20 || buf[start + 4] !== 0x2d || buf[start + 7] !== 0x2d) return Number.NaN;
  if (((buf[start + 10] ?? 0) | 0x20) !== 0x74 || buf[start + 13] !== 0x3a || buf[start + 16] !== 0x3a)
    return Number.NaN;
  const year = digits(buf, start, 4);
  const month = digits(buf, start + 5, 2);
  const day = digits(buf, start + 8, 2);
  const hour = digits(buf, start + 11, 2);
  const minute = digits(buf, start + 14, 2);
  const second = digits(buf, start + 17, 2);
  if (!(year >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) return Number.NaN;
  if (!(hour <= 23 && minute <= 59 && second <= 60)) return Number.NaN;
  let at = start + 19;
  let fraction = 0;
  if (buf[at] === 0x2e) {
    let scale = 100;
    const first = ++at;
    for (; at < end; at++) {
      const digit = digits(buf, at, 1);
      if (Number.isNaN(digit)) break;
      fraction += Math.floor(digit * scale);
      scale = scale > 1 ? scale / 10 : 0;
    }
    if (at === first) return Number.NaN;
  }
  const offset = zone(buf, at, end);
  const time =
    daysFromCivil(year, month, day) * DAY + hour * HOUR + minute * MINUTE + second * 1000 + fraction - offset;
  if (second === 60 && (time - fraction) % DAY !== 0) return Number.NaN;
  return time;
}

/** Milliseconds since the epoch, or null where the text is no timestamp of RFC 3339. */
export function parseTime(text: string): number | null {
  if (text.length > 64) return null;
  const bytes = Buffer.from(text, 'utf8');
  const time = timeFromBytes(bytes, 0, bytes.length);
  return Number.isNaN(time) ? null : time;
}

const SHORT_MOMENT = /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9]{2})(?::([0-9]{2}))?)?$/;

/** As people write it on a command line: RFC 3339, or `2026-11-23`, `2026-11-23T14`, `2026-11-23T14:05` in UTC. Null where it is neither. */
export function parseMoment(text: string): number | null {
  const [, day, hour = '00', minute = '00'] = SHORT_MOMENT.exec(text) ?? [];
  return parseTime(day === undefined ? text : `${day}T${hour}:${minute}:00Z`);
}

/**
 * Hours since the epoch under which an event is stored: its own time where that lies within 7 days before and 1 hour after the arrival,
 * else the arrival, so that a wrong clock neither scatters objects nor hides events. Both in milliseconds; time may be NaN.
 */
export function eventHour(time: number, receivedAt: number): number {
  return Math.floor((time >= receivedAt - PAST && time <= receivedAt + FUTURE ? time : receivedAt) / HOUR);
}
