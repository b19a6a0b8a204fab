// The service in OpenAPI 3.1: what it takes and answers. The tests hold real answers against it. Pure.
import type { BeeConfig } from '#core/config/bee-config.ts';
import { REFUSALS } from '#core/errors.ts';
import { rejectionCodes } from '../codes.ts';

type Json = Readonly<Record<string, unknown>>;

const text = { type: 'string' } as const;
const nullable = (schema: Json): Json => ({ anyOf: [schema, { type: 'null' }] });
const object = (properties: Json, description: string): Json => ({
  type: 'object',
  description,
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});
const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const count = { type: 'integer', minimum: 0 } as const;
const reason = { code: text, pointer: text, message: text, retry: { type: 'boolean' } } as const;
const ruled = { rule: nullable(text), version: nullable({ type: 'integer' }) };

/** Ids of verdicts are null where the event bore none. */
const schemas = {
  Event: {
    type: 'object',
    description: 'An event; its fields are in `data`, as /rules documents them. A CloudEvent 1.0 is one.',
    required: ['type'],
    properties: {
      type: { ...text, description: 'A type, or a version of it: `purchase`, `purchase@2`.' },
      id: { ...text, description: 'Makes it safe to send the event again. One is given where it is left out.' },
      time: { ...text, description: 'RFC 3339. The arrival where it is left out.' },
      specversion: { const: '1.0' },
      data: { type: 'object' },
    },
  },
  Answer: object(
    {
      level: nullable({ enum: ['memory', 'disk', 'site'] }),
      accepted: count,
      rejected: count,
      retry: count,
      verdicts: { type: 'array', items: ref('Verdict') },
      error: nullable(ref('Error')),
    },
    'A verdict for each event, in the order of the request. `error`: nothing of the request was taken. `level`: where accepted events are.',
  ),
  Verdict: { oneOf: [ref('Accepted'), ref('Rejected'), ref('Retry')] },
  Accepted: {
    type: 'object',
    description: 'The event is safe. `changes` where the request asked for them.',
    required: ['index', 'verdict', 'id', 'rule', 'version'],
    additionalProperties: false,
    properties: {
      index: count,
      verdict: { const: 'accepted' },
      id: text,
      ...ruled,
      changes: {
        type: 'array',
        items: object({ pointer: text, sanitizer: text, detail: text }, 'One change; never a value.'),
      },
    },
  },
  Rejected: object(
    {
      index: count,
      verdict: { const: 'rejected' },
      ...reason,
      code: { enum: rejectionCodes },
      retry: { const: false },
      ...ruled,
      id: nullable(text),
    },
    'The event breaks a rule: sent again as it is, it is rejected again.',
  ),
  Retry: object(
    { index: count, verdict: { const: 'retry' }, ...reason, retry: { const: true }, ...ruled, id: nullable(text) },
    'Nothing was decided: send the event again.',
  ),
  Error: object({ ...reason, code: { enum: Object.keys(REFUSALS) } }, 'Why nothing of the request was taken.'),
} as const;

const limitHeaders: Json = Object.fromEntries(
  [
    ['ratelimit-limit', 'Requests in the window.'],
    ['ratelimit-remaining', 'Requests left in it.'],
    ['ratelimit-reset', 'Seconds until it ends.'],
  ].map(([name = '', description]) => [name, { description, schema: { type: 'integer' } }]),
);
const retryHeader: Json = { 'retry-after': { description: 'Seconds to wait.', schema: { type: 'integer' } } };

const answer = (description: string, headers: Json = {}): Json => ({
  description,
  headers: { ...limitHeaders, ...headers },
  content: { 'application/json': { schema: ref('Answer') } },
});

const responses = {
  200: answer('Looked at: a verdict for each event.'),
  202: answer('As 200, but accepted events are at a lower level than asked for: `level` says.'),
  400: answer('No event in it, or no request: malformed JSON, an unknown parameter.'),
  401: answer('No key, or one that is not known.'),
  405: answer('Only POST.'),
  408: answer('The body came too slowly.'),
  413: answer('Too large: the body, each event of it, or their number.'),
  415: answer('A content type or encoding that is not taken.'),
  429: answer('Too many requests of this key or address.', retryHeader),
  503: answer('Events cannot be taken now; nothing was acknowledged.', retryHeader),
};

const parameter = (name: string, description: string, schema: Json): Json => ({
  name,
  in: 'query',
  description,
  schema,
});
const parameters = [
  parameter('level', 'Where accepted events must be before the answer.', { enum: ['memory', 'disk', 'site'] }),
  parameter('changes', 'Tells what was changed in each event.', { type: 'boolean' }),
  parameter(
    'sent',
    "The sender's clock when it sent, as milliseconds since the epoch or RFC 3339: by it a wrong clock is corrected.",
    text,
  ),
];

export function openApi(bee: Pick<BeeConfig, 'maxBody' | 'maxEvent' | 'maxEvents'>): Json {
  const events = { oneOf: [ref('Event'), { type: 'array', items: ref('Event'), maxItems: bee.maxEvents }] };
  const lines = { schema: { ...text, description: 'Events, one a line.' } };
  const limits = `A request has at most ${bee.maxEvents} events and ${bee.maxBody} bytes, inflated; an event ${bee.maxEvent} bytes.`;
  const content = {
    'application/json': { schema: events },
    'application/cloudevents+json': { schema: ref('Event') },
    'application/cloudevents-batch+json': { schema: { type: 'array', items: ref('Event') } },
    'application/x-ndjson': lines,
  };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Bee',
      version: '1',
      description: `Events from apps and browsers. ${limits} What an event must be: /rules.`,
    },
    paths: {
      '/v1/events': {
        post: {
          summary: 'Send events',
          description: 'The body may be gzip or zstd (Content-Encoding).',
          security: [{ key: [] }],
          parameters,
          requestBody: { required: true, content },
          responses,
        },
      },
      '/v1/beacon': {
        post: {
          summary: 'Send events with sendBeacon',
          description: 'As /v1/events, with text/plain (no preflight), 64 KiB and the key in the query.',
          security: [{ keyInQuery: [] }, { key: [] }],
          parameters,
          requestBody: { required: true, content: { ...content, 'text/plain': lines } },
          responses,
        },
      },
      '/rules': {
        get: {
          summary: 'Every event type, for people',
          responses: { 200: { description: 'HTML', content: { 'text/html': {} } } },
        },
      },
      '/v1/beacon.js': {
        get: {
          summary: 'The browser client, an ES module',
          responses: { 200: { description: 'JavaScript', content: { 'text/javascript': {} } } },
        },
      },
    },
    components: {
      schemas,
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer' },
        keyInQuery: { type: 'apiKey', in: 'query', name: 'key' },
      },
    },
  };
}
