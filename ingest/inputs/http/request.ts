// What a request asks for, read from its path, query and headers. Pure.
//   POST /events           CloudEvents (HTTP binding 1.0.2), as `framing` says
//   POST /events/{type}    data of events of that type
//   POST /a/b              data of events of the Fluentd tag a.b (in_http)
//   ?level=memory|disk|site   ?time=<seconds since the epoch, or RFC 3339>, for data
import { refusal, type Refusal } from '#core/errors.ts';
import type { Level } from '#core/config/config.ts';
import { isJson, mediaOf, NDJSON } from '#core/media.ts';
import { parseTime } from '#core/time.ts';

/** `json`: one value or an array of them. `binary`: attributes in ce- headers. `form`: JSON in a form's field, as Fluentd takes it. */
export type Framing = 'json' | 'ndjson' | 'binary' | 'form';

export interface Asked {
  readonly kind: 'asked';
  /** Null: the body holds CloudEvents. Else it holds data, and this is the type as asked for, before `types:` maps it. */
  readonly type: string | null;
  readonly framing: Framing;
  readonly level: Level;
  /** Of all events of the request, milliseconds since the epoch; null: the arrival. For data only. */
  readonly time: number | null;
}

export interface RequestHead {
  /** Path and query as sent. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

const LEVELS: readonly string[] = ['memory', 'disk', 'site'] satisfies Level[];
const FORM = 'application/x-www-form-urlencoded';
const EVENT_TYPES =
  'application/cloudevents+json, application/cloudevents-batch+json, application/json or application/x-ndjson';
const DATA_TYPES = 'application/json or application/x-ndjson';

export function readHead(head: RequestHead, defaultLevel: Level): Asked | Refusal {
  // Absolute form, as a proxy sends it, must be understood too (RFC 9112, 3.2.2).
  const url = head.url.startsWith('/') ? head.url : head.url.replace(/^https?:\/\/[^/?]*/i, '');
  const mark = url.indexOf('?');
  const type = typeOfPath(mark < 0 ? url : url.slice(0, mark));
  if (typeof type === 'object' && type !== null) return type;
  const framing = framingOf(head.headers, type);
  if (typeof framing !== 'string') return framing;
  const asked: Asked = { kind: 'asked', type, framing, level: defaultLevel, time: null };
  return mark < 0 ? asked : withQuery(asked, url.slice(mark + 1));
}

function typeOfPath(path: string): string | null | Refusal {
  if (path === '/events' || path === '/events/') return null;
  try {
    if (path.startsWith('/events/')) return decodeURIComponent(path.slice('/events/'.length));
    // Fluentd: the words of a tag are the parts of the path.
    const tag = path
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent)
      .join('.');
    return tag === '' ? refusal('path-unknown') : tag;
  } catch {
    return refusal('path-invalid');
  }
}

function withQuery(asked: Asked, query: string): Asked | Refusal {
  let { level, time } = asked;
  for (const [name, value] of new URLSearchParams(query)) {
    if (name === 'level') {
      if (!isLevel(value)) return refusal('level-invalid');
      level = value;
    } else if (name === 'time' && asked.type !== null) {
      time = timeOf(value);
      if (time === null) return refusal('time-invalid', '/time');
    } else {
      return refusal('query-unknown', '', asked.type === null ? 'level' : 'level or time');
    }
  }
  return { ...asked, level, time };
}

const isLevel = (text: string): text is Level => LEVELS.includes(text);

/** Milliseconds since the epoch, of seconds (with up to nine decimals, cut off below a millisecond) or of RFC 3339; null where it is neither. */
export function timeOf(text: string): number | null {
  const [, seconds, fraction = ''] = /^(\d{1,11})(?:\.(\d{1,9}))?$/.exec(text) ?? [];
  return seconds === undefined ? parseTime(text) : Number(seconds) * 1000 + Number(fraction.padEnd(3, '0').slice(0, 3));
}

function framingOf(headers: RequestHead['headers'], type: string | null): Framing | Refusal {
  const contentType = headers['content-type'] as string | undefined; // node keeps the first of several
  // The commonest, spelt as most clients do.
  if (contentType === 'application/json' && !hasAttributes(headers)) return 'json';
  const { media, utf8 } = mediaOf(contentType ?? '');
  if (type !== null)
    return utf8 ? dataFraming(headers, media) : refusal('content-type-unsupported', '', `${DATA_TYPES}, in UTF-8`);
  const structured = media === 'application/cloudevents+json' || media === 'application/cloudevents-batch+json';
  // Which encoding of a charset binary data has is the data's own affair, except for JSON, which is checked later.
  if (!structured && hasAttributes(headers)) return 'binary';
  if (utf8 && (structured || media === 'application/json')) return 'json';
  if (utf8 && NDJSON.has(media)) return 'ndjson';
  return refusal('content-type-unsupported', '', `${EVENT_TYPES}, in UTF-8`);
}

function dataFraming(headers: RequestHead['headers'], media: string): Framing | Refusal {
  if (hasAttributes(headers)) return refusal('attribute-invalid', '', 'ce- headers belong to POST /events');
  if (media === FORM) return 'form';
  if (NDJSON.has(media)) return 'ndjson';
  if (media.startsWith('application/cloudevents'))
    return refusal('content-type-unsupported', '', `${DATA_TYPES}; post CloudEvents to /events`);
  return isJson(media) ? 'json' : refusal('content-type-unsupported', '', DATA_TYPES);
}

// Binary mode is known by its attributes (section 3.1); one that is missing is a fault of the event, not another mode.
const hasAttributes = (headers: RequestHead['headers']): boolean =>
  headers['ce-specversion'] !== undefined ||
  headers['ce-type'] !== undefined ||
  headers['ce-id'] !== undefined ||
  headers['ce-source'] !== undefined;
