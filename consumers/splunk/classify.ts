// What a collector's answers mean. Pure. (Splunk, "Troubleshoot HTTP Event Collector", table of error codes; deviations of others noted.)
import type { Outcome } from '../queue/contract.ts';

/** What a code asks for. `index`: the event's fault where the event names its index, else the configuration's. */
type Meaning = 'taken' | 'healthy' | 'event' | 'index' | 'retry' | 'paused';

interface HecCode {
  readonly status: number;
  /** Named in metrics, logs and dead letters. */
  readonly name: string;
  readonly meaning: Meaning;
  /** What happened, and what to do. */
  readonly advice: string;
}

const TOKEN = 'check sinks.*.token';
const BUSY = 'it has more than it can take now';

/** Every code that Splunk documents, once. */
export const HEC_CODES: Readonly<Record<number, HecCode>> = {
  0: { status: 200, name: 'success', meaning: 'taken', advice: '' },
  1: { status: 403, name: 'token-disabled', meaning: 'paused', advice: 'the token is disabled; enable it in Splunk' },
  2: { status: 401, name: 'token-required', meaning: 'paused', advice: `no token arrived; ${TOKEN}` },
  3: { status: 401, name: 'authorization-invalid', meaning: 'paused', advice: `the token is malformed; ${TOKEN}` },
  4: { status: 403, name: 'token-invalid', meaning: 'paused', advice: `the token is not known there; ${TOKEN}` },
  5: { status: 400, name: 'no-data', meaning: 'event', advice: 'it found no event in the request' },
  6: { status: 400, name: 'data-format-invalid', meaning: 'event', advice: 'it cannot read the event' },
  7: {
    status: 400,
    name: 'index-incorrect',
    meaning: 'index',
    advice: 'the token may not write to this index, or there is none; mend sinks.*.index, or allow it for the token',
  },
  8: { status: 500, name: 'internal-error', meaning: 'retry', advice: 'it failed' },
  9: { status: 503, name: 'busy', meaning: 'retry', advice: BUSY },
  10: {
    status: 400,
    name: 'channel-missing',
    meaning: 'paused',
    advice: 'the token has indexer acknowledgement; set sinks.*.ack.enabled, or switch it off for the token',
  },
  11: { status: 400, name: 'channel-invalid', meaning: 'paused', advice: 'it does not take a UUID as channel' },
  12: { status: 400, name: 'event-required', meaning: 'event', advice: 'it finds no event field' },
  13: { status: 400, name: 'event-blank', meaning: 'event', advice: 'it takes the event field for blank' },
  14: {
    status: 400,
    name: 'ack-disabled',
    meaning: 'paused',
    advice: 'the token has no indexer acknowledgement; switch it on for the token, or unset sinks.*.ack.enabled',
  },
  15: { status: 400, name: 'fields-invalid', meaning: 'event', advice: 'it cannot index the fields' },
  16: { status: 400, name: 'query-authorization', meaning: 'paused', advice: `it wants the token elsewhere; ${TOKEN}` },
  17: { status: 200, name: 'healthy', meaning: 'healthy', advice: 'this answers no events' },
  18: { status: 503, name: 'unhealthy-queues', meaning: 'retry', advice: 'its queues are full' },
  19: { status: 503, name: 'unhealthy-acks', meaning: 'retry', advice: 'its acknowledgements are not available' },
  20: {
    status: 503,
    name: 'unhealthy-both',
    meaning: 'retry',
    advice: 'queues are full, acknowledgements not available',
  },
  21: {
    status: 400,
    name: 'health-token-invalid',
    meaning: 'paused',
    advice: `the token is not known there; ${TOKEN}`,
  },
  22: {
    status: 400,
    name: 'health-token-disabled',
    meaning: 'paused',
    advice: 'the token is disabled; enable it in Splunk',
  },
  23: { status: 503, name: 'shutting-down', meaning: 'retry', advice: 'it is shutting down' },
  24: { status: 200, name: 'near-queue-limit', meaning: 'taken', advice: '' },
  25: { status: 200, name: 'near-ack-limit', meaning: 'taken', advice: '' },
  26: { status: 429, name: 'queue-full', meaning: 'retry', advice: BUSY },
  27: { status: 429, name: 'ack-channel-full', meaning: 'retry', advice: 'too many requests wait for acknowledgement' },
};

/** One answer as it came. */
export interface HecAnswer {
  readonly status: number;
  readonly body: string;
  readonly retryAfter: string | null;
}

/** What the collector says by content: refusals come as text/plain. */
export interface HecWords {
  readonly code: number | null;
  readonly text: string;
  /** Null where the request is not to be acknowledged. Splunk has answered numbers and strings. */
  readonly ackId: number | null;
  /** Which event is at fault, as the collector counts. */
  readonly invalidEvent: number | null;
}

/**
 * One of several events is refused, around `near`. The number is not believed alone: it is documented from 0, code 7 comes with 1 for the
 * first, and a wrong one would send a good event to the dead letters.
 */
export interface Suspect {
  readonly kind: 'suspect';
  readonly near: number;
  readonly code: string;
  readonly message: string;
}

export type Verdict =
  | { readonly kind: 'taken'; readonly ackId: number | null }
  | Suspect
  | Extract<Outcome, { kind: 'retry' | 'rejected' | 'paused' }>;

export interface Asked {
  readonly endpoint: string;
  /** Events of the request. */
  readonly count: number;
  /** Whether events name their index themselves. */
  readonly indexFromEvent: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export function wordsOf(body: string): HecWords {
  const said = parse(body);
  const { code, text, ackId, 'invalid-event-number': invalid } = said;
  return {
    code: isCount(code) ? code : null,
    text: typeof text === 'string' ? shortened(text) : '',
    ackId: typeof ackId === 'string' && /^\d{1,15}$/.test(ackId) ? Number(ackId) : isCount(ackId) ? ackId : null,
    invalidEvent: isCount(invalid) ? invalid : null,
  };
}

/** What an answer of `/ack` says of these ids; null where it is none. */
export function indexedOf(body: string, asked: readonly number[]): number[] | null {
  const { acks } = parse(body);
  if (typeof acks !== 'object' || acks === null) return null;
  const told = acks as Record<string, unknown>;
  return asked.filter((id) => told[id] === true);
}

/** What a target says goes into a message, a log and each dead letter. */
const shortened = (text: string): string => text.slice(0, 200).replaceAll(/\s+/g, ' ');

function parse(body: string): Record<string, unknown> {
  try {
    const said: unknown = JSON.parse(body);
    return typeof said === 'object' && said !== null ? (said as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

/** Only a collector's own word counts as taken: a proxy says 200 to anything. */
export function classify(answer: HecAnswer, asked: Asked): Verdict {
  const words = wordsOf(answer.body);
  const known = words.code === null ? undefined : HEC_CODES[words.code];
  if (known === undefined || (known.meaning === 'taken' && answer.status !== 200)) return byStatus(answer, asked);
  const { name: code, advice, meaning } = known;
  const message = `${asked.endpoint}: ${advice} (HTTP ${answer.status}, code ${words.code}: ${words.text})`;
  const after = afterMs(answer.retryAfter, asked.now);
  switch (meaning) {
    case 'taken':
      return { kind: 'taken', ackId: words.ackId };
    case 'retry':
    case 'healthy':
      return { kind: 'retry', code, message, after };
    case 'paused':
      return { kind: 'paused', code, message, after };
    case 'index':
      if (!asked.indexFromEvent) return { kind: 'paused', code, message, after };
      return atFault(words.invalidEvent, asked.count, code, message);
    case 'event':
      return atFault(words.invalidEvent, asked.count, code, message);
    default:
      return meaning satisfies never;
  }
}

function atFault(near: number | null, count: number, code: string, message: string): Verdict {
  return near === null || count === 1 ? { kind: 'rejected', code, message } : { kind: 'suspect', near, code, message };
}

/** Without a code that we know: proxies, servers that speak HEC in part, releases to come. */
function byStatus({ status, body, retryAfter }: HecAnswer, { endpoint, now }: Asked): Verdict {
  const code = `http-${status}`;
  const said = body.length === 0 ? '' : `: ${shortened(body)}`;
  const say = (what: string): string => `${endpoint}: ${what} (HTTP ${status}${said})`;
  const after = afterMs(retryAfter, now);
  if (status < 300) return { kind: 'retry', code, message: say('this is no answer of a collector'), after };
  if (status === 413)
    return { kind: 'rejected', code: 'too-large', message: say('the request is too large; lower sinks.*.batch.size') };
  if (status === 408 || status === 425 || status === 429 || status >= 500)
    return { kind: 'retry', code, message: say('it cannot take events now'), after };
  if (status === 401 || status === 403)
    return { kind: 'paused', code, message: say(`it refuses the token; ${TOKEN}`), after };
  if (status < 400 || status === 404 || status === 405 || status === 407 || status === 410)
    return { kind: 'paused', code, message: say('there is no collector; check sinks.*.endpoints'), after };
  return { kind: 'rejected', code, message: say('it refuses the request') };
}

/** Retry-After as milliseconds (RFC 9110, section 10.2.3: seconds or a date); null where there is none. `now`: milliseconds since the epoch. */
export function afterMs(header: string | null, now: number): number | null {
  if (header === null) return null;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header.trim()) * 1000;
  const at = header.endsWith('GMT') ? Date.parse(header) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

/** Whom to ask alone, out of `count` events: the number as documented, then as code 7 has it. */
export function suspects(near: number, count: number): number[] {
  return [near, near - 1].filter((index) => index >= 0 && index < count);
}
