// The answer to a request: one shape for all, as JSON text. Pure.
//   {"level":"disk","accepted":1,"rejected":1,"retry":0,"verdicts":[
//     {"index":0,"verdict":"accepted","id":"…","rule":"checkin.created","version":1},
//     {"index":1,"verdict":"rejected","code":"field-missing","pointer":"/data/user","message":"…","retry":false,"rule":"…","version":1,"id":null}
//   ],"error":null}
// `error` is that of the request as a whole: then there are no verdicts, or all of them are of the same kind. `level` is null where nothing was accepted.
import type { Level } from '#core/config/config.ts';
import type { Refusal } from '#core/errors.ts';
import type { RejectionCode } from '../codes.ts';
import type { Change } from '../verdict.ts';

export interface Answer {
  readonly status: number;
  /** Why nothing was taken; null where something was looked at. */
  readonly code: string | null;
  readonly body: string;
  /** Seconds; null where it is not asked for. */
  readonly retryAfter: number | null;
}

export interface Tally {
  accepted: number;
  rejected: number;
  retry: number;
}

/** What a rule says in each of its verdicts, as members of JSON. */
export function ruleMembers(rule: string | null, version: number | null): string {
  return `"rule":${JSON.stringify(rule)},"version":${version}`;
}

/** `id`: as JSON, like the rest. */
export const acceptedMembers = (id: string, ruled: string): string => `"verdict":"accepted","id":${id},${ruled}`;

export interface Reason {
  readonly code: RejectionCode;
  readonly pointer: string;
  readonly message: string;
}

export function rejectedMembers({ code, pointer, message }: Reason, id: string | null, ruled: string): string {
  return `"verdict":"rejected","code":"${code}","pointer":${JSON.stringify(pointer)},"message":${JSON.stringify(message)},"retry":false,${ruled},"id":${JSON.stringify(id)}`;
}

/** Nothing was decided about this event: it is to be sent again. */
export const retryMembers = (reason: Refusal, id: string | null): string =>
  `"verdict":"retry","code":"${reason.code}","pointer":"","message":${JSON.stringify(reason.message)},"retry":true,${ruleMembers(null, null)},"id":${JSON.stringify(id)}`;

export const changesMember = (changes: readonly Change[]): string =>
  `,"changes":[${changes.map(({ pointer, sanitizer, detail }) => JSON.stringify({ pointer, sanitizer, detail })).join(',')}]`;

/** `reached` differs from `asked` where a site took too long: 202. `error`: all events had bytes that are no event, and the first says why. */
export function answerVerdicts(
  verdicts: readonly string[],
  tally: Tally,
  asked: Level,
  reached: Level | null,
  error: Refusal | null,
): Answer {
  const list = verdicts.map((text, index) => `{"index":${index},${text}}`).join(',');
  const status =
    error === null ? (reached !== null && reached !== asked && asked === 'site' ? 202 : 200) : error.status;
  return { status, code: error?.code ?? null, retryAfter: null, body: bodyOf(reached, tally, list, error) };
}

/** Nothing of the request was taken. `retryAfter`: seconds, told where a later try may succeed. */
export function answerRefused(error: Refusal, retryAfter: number): Answer {
  const waits = error.status === 429 || error.status === 503;
  return {
    status: error.status,
    code: error.code,
    retryAfter: waits ? Math.max(1, Math.ceil(retryAfter)) : null,
    body: bodyOf(null, { accepted: 0, rejected: 0, retry: 0 }, '', error),
  };
}

function bodyOf(
  level: Level | null,
  { accepted, rejected, retry }: Tally,
  verdicts: string,
  error: Refusal | null,
): string {
  const shown =
    error === null ? null : { code: error.code, pointer: error.pointer, message: error.message, retry: error.retry };
  return `{"level":${JSON.stringify(level)},"accepted":${accepted},"rejected":${rejected},"retry":${retry},"verdicts":[${verdicts}],"error":${JSON.stringify(shown)}}`;
}
