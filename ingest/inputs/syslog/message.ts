// A syslog message as data: RFC 5424, RFC 3164 and what is sent in its name. Nothing is refused: what cannot be told apart is the message. Pure.
//   RFC 5424  <PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA [MSG]      "-" stands for nothing
//   RFC 3164  <PRI>Mmm dd hh:mm:ss HOSTNAME TAG[PID]: MSG      rsyslog: a timestamp of RFC 3339; logger: without HOSTNAME
//   no PRI    user.notice (RFC 3164, 4.3.3)
import { parseTime } from '#core/time.ts';

/** Members that are not known are left out. */
export interface SyslogData {
  readonly facility: string;
  readonly severity: string;
  readonly hostname?: string;
  readonly appname?: string;
  readonly procid?: string;
  readonly msgid?: string;
  /** Parameters by element; of a name that stands twice, a list. */
  readonly structured_data?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
  readonly message: string;
  /** It was longer than the input takes. */
  readonly truncated?: true;
}

export interface SyslogMessage {
  /** Seconds since the epoch, and nanoseconds of them; null: the arrival. */
  readonly time: readonly [seconds: number, nanos: number] | null;
  readonly data: SyslogData;
}

const FACILITIES =
  'kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clock local0 local1 local2 local3 local4 local5 local6 local7'.split(
    ' ',
  );
const SEVERITIES = 'emerg alert crit err warning notice info debug'.split(' ');
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

const PRI = /^<(\d{1,3})>/;
const HEADER_5424 = /^1 (\S{1,64}) (\S{1,255}) (\S{1,255}) (\S{1,255}) (\S{1,255}) (?=-(?: |$)|\[)/;
const TIME_3164 = /^([A-Z][a-z]{2}) ([ \d]?\d)(?: (\d{4}))? (\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?:? /;
const TIME_3339 = /^(\d{4}-\d{2}-\d{2}T[\d:.]{8,18}(?:Z|[+-]\d{2}:\d{2})) /;
const HOST = /^([^\s:[\]]{1,255}) /;
const TAG = /^([^\s:[\]]{1,128})(?:\[([^\s\]]{1,128})\])?: ?/;

/** `zone`: a local time (milliseconds as if it were UTC) to UTC. `now`: milliseconds, for years that are not said. */
export function parseSyslog(text: string, zone: (local: number) => number, now: number): SyslogMessage {
  const [all, digits = ''] = PRI.exec(text) ?? [];
  const priority = Number(digits);
  const isPriority = all !== undefined && priority < 192;
  const rest = isPriority ? text.slice(all.length) : text;
  const common = {
    facility: FACILITIES[isPriority ? priority >> 3 : 1] ?? 'user',
    severity: SEVERITIES[isPriority ? priority & 7 : 5] ?? 'notice',
  };
  const header = isPriority ? HEADER_5424.exec(rest) : null;
  return header === null ? parse3164(rest, common, zone, now) : parse5424(rest, header, common);
}

type Common = Pick<SyslogData, 'facility' | 'severity'>;

function parse5424(rest: string, header: RegExpExecArray, common: Common): SyslogMessage {
  const [all, timestamp = '', hostname = '', appname = '', procid = '', msgid = ''] = header;
  const { elements, end } = structuredData(rest, all.length);
  // A byte order mark says that it is UTF-8 (6.4), which it is anyway.
  const message = rest.slice(end).replace(/^ ?\ufeff?/, '');
  const named = Object.entries({ hostname, appname, procid, msgid }).filter(([, value]) => value !== '-');
  const data = { ...common, ...Object.fromEntries(named), ...(elements && { structured_data: elements }), message };
  return { time: exactTime(timestamp), data };
}

/** Null elements where there are none. `end`: behind them, or, where they cannot be read, before them: then they are part of the message. */
function structuredData(text: string, at: number): { elements: SyslogData['structured_data'] | null; end: number } {
  if (text[at] === '-') return { elements: null, end: at + 1 };
  const elements: Record<string, Record<string, string | string[]>> = Object.create(null) as never;
  const element = /\[([^\s="\]]{1,255})/y;
  const parameter = / +([^\s="\]]{1,255})="((?:[^"\\\]]|\\[^])*)"/y;
  let from = at;
  while (text[from] === '[') {
    element.lastIndex = from;
    const id = element.exec(text)?.[1];
    if (id === undefined) return { elements: null, end: at };
    from = element.lastIndex;
    const parameters = (elements[id] ??= Object.create(null) as Record<string, string | string[]>);
    for (;;) {
      parameter.lastIndex = from;
      const [, name, raw] = parameter.exec(text) ?? [];
      if (name === undefined || raw === undefined) break;
      from = parameter.lastIndex;
      const value = raw.replace(/\\(["\\\]])/g, '$1');
      const before = parameters[name];
      parameters[name] = before === undefined ? value : [before, value].flat();
    }
    if (text[from] !== ']') return { elements: null, end: at };
    from++;
  }
  return { elements, end: from };
}

function parse3164(rest: string, common: Common, zone: (local: number) => number, now: number): SyslogMessage {
  const old = TIME_3164.exec(rest);
  const exact = old === null ? TIME_3339.exec(rest) : null;
  const time = old === null ? exactTime(exact?.[1] ?? '-') : oldTime(old, zone, now);
  let text = time === null ? rest : rest.slice((old ?? exact)?.[0].length);
  const named: { hostname?: string; appname?: string; procid?: string } = {};
  const host = time === null ? null : HOST.exec(text);
  if (host?.[1] !== undefined) {
    named.hostname = host[1];
    text = text.slice(host[0].length);
  }
  const tag = TAG.exec(text);
  if (tag?.[1] !== undefined) {
    named.appname = tag[1];
    if (tag[2] !== undefined) named.procid = tag[2];
    text = text.slice(tag[0].length);
  }
  return { time, data: { ...common, ...named, message: text } };
}

function exactTime(text: string): SyslogMessage['time'] {
  const time = parseTime(text);
  if (time === null || time < 0) return null;
  const fraction = /\.(\d{1,9})/.exec(text)?.[1] ?? '';
  return [Math.floor(time / 1000), Number(fraction.padEnd(9, '0'))];
}

/** Where no year is said, it is the one that brings the time nearest to now. */
function oldTime(found: RegExpExecArray, zone: (local: number) => number, now: number): SyslogMessage['time'] {
  const [, monthName = '', day, year, hour, minute, second, fraction = ''] = found;
  const month = MONTHS.indexOf(monthName);
  const thisYear = new Date(now).getUTCFullYear();
  const years = year === undefined ? [thisYear, thisYear - 1, thisYear + 1] : [Number(year)];
  let best: number | null = null;
  for (const candidate of years) {
    const local = Date.UTC(candidate, month, Number(day), Number(hour), Number(minute), Number(second));
    // Other numbers are no date: the 30th of February, the 25th hour.
    const date = new Date(local);
    if (date.getUTCMonth() !== month || date.getUTCDate() !== Number(day) || Number(hour) > 23) continue;
    const time = zone(local);
    if (best === null || Math.abs(time - now) < Math.abs(best - now)) best = time;
  }
  if (best === null || best < 0) return null;
  return [Math.floor(best / 1000), Number(fraction.padEnd(9, '0'))];
}
