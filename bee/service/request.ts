// What a request asks for, read from its query and its content type. Pure.
//   ?level=memory|disk|site   where accepted events must be before the answer
//   ?changes=true             tells what was changed in each event
//   ?sent=<ms since the epoch, or RFC 3339>   the sender's clock when it sent: by it a wrong clock is corrected
//   ?key=KEY                  for /v1/beacon alone: sendBeacon has no headers
import { refusal, type Refusal } from '#core/errors.ts';
import type { Level } from '#core/config/config.ts';
import { isJson, mediaOf, NDJSON } from '#core/media.ts';
import { parseTime } from '#core/time.ts';

export type Way = 'events' | 'beacon';

export interface Asked {
  readonly kind: 'asked';
  readonly level: Level;
  readonly changes: boolean;
  /** Milliseconds since the epoch by the sender's clock; null where it does not say. */
  readonly sent: number | null;
  /** Null: as the first byte of the body says. */
  readonly framing: 'array' | 'lines' | null;
}

const LEVELS: readonly string[] = ['memory', 'disk', 'site'] satisfies Level[];
const isLevel = (text: string): text is Level => LEVELS.includes(text);
const TYPES =
  'application/json, application/cloudevents+json, application/cloudevents-batch+json or application/x-ndjson';

/** The query, without its key. */
export function readAsked(
  query: URLSearchParams,
  contentType: string | undefined,
  way: Way,
  byDefault: Level,
): Asked | Refusal {
  let level = byDefault;
  let changes = false;
  let sent: number | null = null;
  for (const [name, value] of query) {
    if (name === 'level') {
      if (!isLevel(value)) return refusal('level-invalid');
      level = value;
    } else if (name === 'sent') {
      sent = /^\d{12,14}$/.test(value) ? Number(value) : parseTime(value);
      if (sent === null) return refusal('time-invalid', '/sent');
    } else if (name === 'changes' && (value === 'true' || value === 'false')) {
      changes = value === 'true';
    } else if (name !== 'key' || way !== 'beacon') {
      return refusal('query-unknown', '', 'level, changes=true or sent');
    }
  }
  const framing = framingOf(contentType ?? '', way);
  return typeof framing === 'object' && framing !== null ? framing : { kind: 'asked', level, changes, sent, framing };
}

function framingOf(contentType: string, way: Way): Asked['framing'] | Refusal {
  const { media, utf8 } = mediaOf(contentType);
  if (utf8 && NDJSON.has(media)) return 'lines';
  if (utf8 && isJson(media)) return 'array';
  if (way === 'beacon' && utf8 && (media === 'text/plain' || media === '')) return null;
  return refusal('content-type-unsupported', '', `${way === 'beacon' ? 'text/plain, ' : ''}${TYPES}, in UTF-8`);
}

/** The key of a request: of its header, or for a beacon of its query. Null where there is none. */
export function keyOf(authorization: string | undefined, query: URLSearchParams, way: Way): string | null {
  const [, bearer] = /^bearer +([^ ]+)$/i.exec(authorization ?? '') ?? [];
  return bearer ?? (way === 'beacon' ? query.get('key') : null);
}
