// The answer to a request: one shape for all, as JSON text with its status and headers. Pure.
//   {"level":"disk","accepted":99,"receipts":"<identity>:100-198","errors":[{"index":7,"code":"type-invalid","pointer":"/type","message":"…","retry":false}]}
// `level` is null where nothing was accepted; an error without `index` is one of the request as a whole.
import type { Level } from '#core/config/config.ts';
import { refusal, type Refusal } from '#core/errors.ts';
import type { Receipt } from '../../spool/contract.ts';
import { encodeAccepted, encodeStatus, type OtlpCoding } from '../otlp/messages.ts';

/** One event of a request is refused; its neighbours are not. */
export interface EventError {
  /** Which event of the request, from 0. */
  readonly index: number;
  readonly refusal: Refusal;
}

export interface Answer {
  readonly status: number;
  readonly body: string | Buffer;
  /** application/json unless given. */
  readonly contentType?: string;
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
  const status = errors.every((error) => error.refusal.status === 413) ? 413 : 400;
  return { status, body: nothing(errors.map(errorText).join(',')), headers: NO_HEADERS };
}

/** `retryAfter` in seconds; used where the refusal says that a later try may succeed. */
export function answerRefused(refused: Refusal, retryAfter: number): Answer {
  return {
    status: refused.status,
    body: nothing(`{${refusalText(refused)}}`),
    headers: headersOf(refused, retryAfter),
  };
}

/** OTLP/HTTP: 200 with what was not taken, else a google.rpc.Status; 429 and 503 say when to come again. */
export function answerLogs(coding: OtlpCoding, count: number, errors: readonly EventError[]): Answer {
  const message = errors[0]?.refusal.message ?? '';
  const isNone = count === 0 && errors.length > 0;
  return {
    status: isNone ? 400 : 200,
    body: isNone ? encodeStatus(coding, message) : encodeAccepted(coding, errors.length, message),
    contentType: otlpTypes[coding],
    headers: NO_HEADERS,
  };
}

export function answerLogsRefused(coding: OtlpCoding, refused: Refusal, retryAfter: number): Answer {
  return {
    status: refused.status,
    body: encodeStatus(coding, refused.message),
    contentType: otlpTypes[coding],
    headers: headersOf(refused, retryAfter),
  };
}

const otlpTypes: Readonly<Record<OtlpCoding, string>> = {
  json: 'application/json',
  protobuf: 'application/x-protobuf',
};

/** The coding of a request to `/v1/logs`; null for another path. JSON where its type is not known: that answer can be read. */
export function otlpCoding(url: string, contentType: string | undefined): OtlpCoding | Refusal | null {
  if (url !== '/v1/logs' && !url.startsWith('/v1/logs?')) return null;
  const media = contentType?.split(';')[0]?.trim().toLowerCase();
  if (media === 'application/x-protobuf') return 'protobuf';
  if (media === 'application/json') return 'json';
  return refusal('content-type-unsupported', '', 'application/x-protobuf or application/json');
}

const nothing = (errors: string): string => `{"level":null,"accepted":0,"receipts":"","errors":[${errors}]}`;

const errorText = (error: EventError): string => `{"index":${error.index},${refusalText(error.refusal)}}`;

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

function headersOf({ code }: Refusal, retryAfter: number): readonly string[] {
  switch (code) {
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
