// Why input is refused: the one table of codes. Inputs answer with them, documents and tests count them.
// Codes are a promise to clients: never renamed, never reused. A message says what happened and what to do, and never repeats the offending value.

interface RefusalKind {
  /** HTTP status where nothing of the request was accepted. */
  readonly status: 400 | 401 | 404 | 405 | 408 | 413 | 415 | 429 | 503;
  /** Whether the same bytes, sent again later, may be accepted. */
  readonly retry: boolean;
  /** `event`: one event is refused and its neighbours are taken. `request`: nothing of the request was taken. */
  readonly scope: 'event' | 'request';
  /** `{detail}` is replaced by what the caller knows more, or dropped together with the blank before it. */
  readonly message: string;
}

export const REFUSALS = {
  // The body as bytes.
  'json-malformed': { status: 400, retry: false, scope: 'event', message: 'This is not valid JSON: {detail}.' },
  'protobuf-malformed': {
    status: 400,
    retry: false,
    scope: 'request',
    message: 'The body is no protobuf message of the kind expected here: {detail}.',
  },
  'json-too-deep': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'The JSON is nested deeper than {detail} levels; flatten it.',
  },
  'utf8-invalid': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'The bytes are not valid UTF-8; encode the JSON as UTF-8.',
  },
  'bom-present': {
    status: 400,
    retry: false,
    scope: 'request',
    message: 'The body starts with a byte order mark; send UTF-8 without one (RFC 8259, section 8.1).',
  },
  'surrogate-lone': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'A string holds half of a surrogate pair (\\ud800 to \\udfff), which is no character; {detail}.',
  },
  'member-duplicate': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'The event has this member twice; send it once.',
  },
  'body-empty': { status: 400, retry: false, scope: 'request', message: 'The body is empty; send an event as JSON.' },
  'batch-empty': {
    status: 400,
    retry: false,
    scope: 'request',
    message: 'The batch holds no event; send at least one.',
  },
  'batch-too-many': {
    status: 413,
    retry: false,
    scope: 'request',
    message: 'The batch holds more than {detail} events; send it in parts.',
  },
  'body-too-large': {
    status: 413,
    retry: false,
    scope: 'request',
    message: 'The body is larger than {detail} bytes; send it in parts.',
  },
  'body-inflated-too-large': {
    status: 413,
    retry: false,
    scope: 'request',
    message: 'The body is larger than {detail} bytes once it is decompressed; send it in parts.',
  },
  'event-too-large': {
    status: 413,
    retry: false,
    scope: 'event',
    message: 'The event is larger than {detail} bytes; send less data in one event.',
  },
  'body-slow': {
    status: 408,
    retry: true,
    scope: 'request',
    message: 'The body did not arrive within {detail} s; send it faster, or in smaller parts.',
  },
  'body-incomplete': {
    status: 400,
    retry: true,
    scope: 'request',
    message: 'The body ended early, or its length is not what Content-Length says; send it again.',
  },
  'encoding-corrupt': {
    status: 400,
    retry: false,
    scope: 'request',
    message:
      'The body cannot be decompressed as the Content-Encoding says; check that it is sent whole and once compressed.',
  },
  'encoding-unsupported': {
    status: 415,
    retry: false,
    scope: 'request',
    message: 'This Content-Encoding is not supported; use gzip, zstd or none.',
  },
  'content-type-unsupported': {
    status: 415,
    retry: false,
    scope: 'request',
    message: 'This Content-Type is not supported here; use {detail}.',
  },
  // The event and its attributes (CloudEvents 1.0.2, section 3).
  'event-not-object': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'A CloudEvent must be a JSON object; for bare data use POST /events/{type}.',
  },
  'record-not-object': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'The data of an event must be a JSON object here; for other values post a whole CloudEvent to /events.',
  },
  'type-missing': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'The event has no type; set "type", or post to /events/{type}.',
  },
  'type-invalid': {
    status: 400,
    retry: false,
    scope: 'event',
    message:
      'The type must be words of A-Z a-z 0-9 _ - joined by dots; rename it, or map it under "types:" in the configuration.',
  },
  'type-too-long': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'The type is longer than {detail} bytes; shorten it, or map it under "types:" in the configuration.',
  },
  'specversion-invalid': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'A CloudEvent must carry "specversion":"1.0".',
  },
  'id-invalid': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'The id must be a string that is not empty; leave it out to be given one.',
  },
  'source-invalid': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'The source must be a URI reference that is not empty (RFC 3986); leave it out to be given one.',
  },
  'time-invalid': {
    status: 400,
    retry: false,
    scope: 'event',
    message:
      'The time must be a timestamp as in 2026-11-23T14:00:00.000Z (RFC 3339); leave it out to be given the arrival.',
  },
  'attribute-invalid': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'The value of this attribute is not allowed: {detail}.',
  },
  'attribute-name-invalid': {
    status: 400,
    retry: false,
    scope: 'event',
    message:
      'An attribute\'s name must be of a-z and 0-9 (CloudEvents 1.0, section 3.1); other values belong in "data".',
  },
  'data-both': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'The event has both "data" and "data_base64"; send one of them.',
  },
  'data-base64-invalid': {
    status: 400,
    retry: false,
    scope: 'event',
    message: '"data_base64" must be a string of base64 (RFC 4648, section 4).',
  },
  // Messages of the forward protocol.
  'msgpack-malformed': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'The bytes of the record are not valid msgpack, or end too early.',
  },
  'key-invalid': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'A key of the record is an array, a map or an extension, which cannot name a member in JSON.',
  },
  'message-malformed': {
    status: 400,
    retry: false,
    scope: 'request',
    message:
      'This is no message of the forward protocol: [tag, time, record] or [tag, entries], with an option behind.',
  },
  'signal-unsupported': {
    status: 415,
    retry: false,
    scope: 'request',
    message: 'Metrics and traces are not supported here; send logs (fluent_signal 0).',
  },
  // The request.
  'level-invalid': { status: 400, retry: false, scope: 'request', message: 'The level must be memory, disk or site.' },
  'request-malformed': {
    status: 400,
    retry: false,
    scope: 'request',
    message: 'The request is not valid HTTP: {detail}.',
  },
  'query-unknown': {
    status: 400,
    retry: false,
    scope: 'request',
    message: 'The query holds a parameter that is not known here; use {detail}.',
  },
  'path-invalid': {
    status: 400,
    retry: false,
    scope: 'request',
    message: 'The path cannot be decoded; percent-encode it as UTF-8.',
  },
  'path-unknown': {
    status: 404,
    retry: false,
    scope: 'request',
    message: 'There is nothing at this path; post to /events or /events/{type}.',
  },
  'method-unsupported': {
    status: 405,
    retry: false,
    scope: 'request',
    message: 'This method is not supported here; use {detail}.',
  },
  // Who asks.
  'key-missing': {
    status: 401,
    retry: false,
    scope: 'request',
    message: 'The request has no key; send "Authorization: Bearer KEY"{detail}.',
  },
  'key-unknown': {
    status: 401,
    retry: false,
    scope: 'request',
    message: 'The key is not known here, or not any more.',
  },
  'type-forbidden': {
    status: 400,
    retry: false,
    scope: 'event',
    message: 'The key may not send events of this type; ask who gave you the key.',
  },
  'rate-exceeded': {
    status: 429,
    retry: true,
    scope: 'request',
    message: 'There are too many requests of this {detail}; send it again after Retry-After seconds.',
  },
  'letters-invalid': {
    status: 400,
    retry: false,
    scope: 'request',
    message: 'The body holds no dead letters, a line each, as Bee of this version writes them; nothing was taken.',
  },
  // The agent.
  'agent-unavailable': {
    status: 503,
    retry: true,
    scope: 'request',
    message: 'Events cannot be taken now; nothing was acknowledged, send it again after Retry-After seconds.',
  },
  full: {
    status: 429,
    retry: true,
    scope: 'request',
    message: 'The spool is full {detail}; nothing of the request was taken, send it again after Retry-After seconds.',
  },
  disk: {
    status: 503,
    retry: true,
    scope: 'request',
    message:
      'The agent cannot write to its disk {detail}; nothing was acknowledged, send it again after Retry-After seconds.',
  },
  closing: {
    status: 503,
    retry: true,
    scope: 'request',
    message: 'The agent is closing; nothing of the request was taken, send it again.',
  },
} as const satisfies Record<string, RefusalKind>;

export type RefusalCode = keyof typeof REFUSALS;

/** One refusal, ready for an answer's `errors` (add `index` there, and take `status` and `kind` out). */
export interface Refusal {
  readonly kind: 'refused';
  readonly code: RefusalCode;
  readonly status: number;
  /** RFC 6901, relative to the event; empty for the event or the body as a whole. */
  readonly pointer: string;
  readonly message: string;
  readonly retry: boolean;
}

/** `detail`: what only the caller knows (a limit, a place); never bytes of the sender. */
export function refusal(code: RefusalCode, pointer = '', detail: string | number = ''): Refusal {
  const entry = REFUSALS[code];
  const message = entry.message.replace(detail === '' ? /[ :]*\{detail\}/ : '{detail}', () => String(detail));
  return { kind: 'refused', code, status: entry.status, pointer, message, retry: entry.retry };
}
