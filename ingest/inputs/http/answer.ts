// The answer to a request: one shape for all, as JSON text with its status and headers. Pure.
//   {"level":"disk","accepted":99,"receipts":"<identity>:100-198","errors":[{"index":7,"code":"type-invalid","pointer":"/type","message":"…","retry":false}]}
// `level` is null where nothing was accepted; an error without `index` is one of the request as a whole.
import type { Level } from '#core/config/config.ts';
import type { Refusal } from '#core/errors.ts';
import type { Receipt } from '../../spool/contract.ts';

/** One event of a request is refused; its neighbours are not. */
export interface EventError {
  /** Which event of the request, from 0. */
  readonly index: number;
  readonly refusal: Refusal;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** Names and values in turn, as node:http takes them fastest. */
  readonly headers: readonly string[];
}

const NO_HEADERS: readonly string[] = [];

/** `reached` differs from `asked` where a site took too long: 202, the events are safe on the disk of the agent. */
export function answerAccepted(
  asked: Level,
  reached: Level,
  accepted: number,
  receipts: readonly Receipt[],
  errors: readonly EventError[],
): Answer {
  const list = errors.length === 0 ? '' : errors.map(errorText).join(',');
  return {
    status: asked === 'site' && reached !== 'site' ? 202 : 200,
    body: `{"level":"${reached}","accepted":${accepted},"receipts":"${receiptsText(receipts)}","errors":[${list}]}`,
    headers: NO_HEADERS,
  };
}

/** No event of the request could be taken: 413 where size alone was at fault, else 400. */
export function answerNone(errors: readonly EventError[]): Answer {
  const status = errors.every(({ refusal }) => refusal.status === 413) ? 413 : 400;
  return { status, body: nothing(errors.map(errorText).join(',')), headers: NO_HEADERS };
}

/** `retryAfter` in seconds; used where the refusal says that a later try may succeed. */
export function answerRefused(refusal: Refusal, retryAfter: number): Answer {
  return {
    status: refusal.status,
    body: nothing(`{${refusalText(refusal)}}`),
    headers: headersOf(refusal, retryAfter),
  };
}

const nothing = (errors: string): string => `{"level":null,"accepted":0,"receipts":"","errors":[${errors}]}`;

const errorText = ({ index, refusal }: EventError): string => `{"index":${index},${refusalText(refusal)}}`;

const refusalText = ({ code, pointer, message, retry }: Refusal): string =>
  `"code":"${code}","pointer":${JSON.stringify(pointer)},"message":${JSON.stringify(message)},"retry":${retry}`;

/** Identity and numbers, ranges of one identity joined by a comma, identities by a blank. */
function receiptsText(receipts: readonly Receipt[]): string {
  let text = '';
  let identity = '';
  for (const receipt of receipts) {
    const range = receipt.first === receipt.last ? String(receipt.first) : `${receipt.first}-${receipt.last}`;
    text += receipt.identity === identity ? `,${range}` : `${text === '' ? '' : ' '}${receipt.identity}:${range}`;
    identity = receipt.identity;
  }
  return text;
}

function headersOf(refusal: Refusal, retryAfter: number): readonly string[] {
  switch (refusal.code) {
    case 'method-unsupported':
      return ['allow', 'POST'];
    case 'encoding-unsupported':
      return ['accept-encoding', 'gzip, zstd']; // RFC 9110, 15.5.16
    case 'full':
    case 'disk':
    case 'closing':
      return ['retry-after', String(Math.max(1, Math.ceil(retryAfter)))];
    default:
      return NO_HEADERS;
  }
}
