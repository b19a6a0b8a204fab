import { describe, expect, test } from 'vitest';
import {
  bulkOutcome,
  failureOutcome,
  requestOutcome,
  statusIsAway,
  TYPES,
} from '../../../consumers/elasticsearch/classify.ts';

const NODE = 'https://search-1:9200';
const errorOf = (type: string, reason = 'because'): unknown => ({ type, reason });
const written = { create: { status: 201 } };
const item = (status: number, type: string, reason?: string): unknown => ({
  create: { status, error: errorOf(type, reason) },
});
const outcomeOf = (...items: readonly unknown[]) => bulkOutcome({ errors: true, items }, items.length, NODE);

/** What becomes of one document with that answer, beside one that is written. */
const ITEMS: readonly (readonly [status: number, type: string, becomes: string, reason: string])[] = [
  [409, 'version_conflict_engine_exception', 'repeated', 'because'],
  [400, 'document_parsing_exception', 'rejected', 'because'],
  [400, 'strict_dynamic_mapping_exception', 'rejected', 'because'],
  [400, 'illegal_argument_exception', 'rejected', 'Document contains at least one immense term in field="data.x"'],
  [400, 'illegal_argument_exception', 'paused', 'pipeline with id [mine] does not exist'],
  [500, 'fail_processor_exception', 'rejected', 'because'],
  [500, 'ingest_processor_exception', 'rejected', 'because'],
  [400, 'index_closed_exception', 'paused', 'because'],
  [400, 'invalid_index_name_exception', 'paused', 'because'],
  [400, 'validation_exception', 'paused', 'because'],
  [401, 'security_exception', 'paused', 'because'],
  [403, 'security_exception', 'paused', 'because'],
  [403, 'cluster_block_exception', 'paused', 'because'],
  [429, 'cluster_block_exception', 'paused', 'because'],
  [503, 'cluster_block_exception', 'retry', 'because'],
  [404, 'index_not_found_exception', 'paused', 'because'],
  [404, 'resource_not_found_exception', 'paused', 'because'],
  [429, 'es_rejected_execution_exception', 'retry', 'because'],
  [429, 'process_cluster_event_timeout_exception', 'retry', 'because'],
  [429, 'circuit_breaking_exception', 'retry', 'because'],
  [500, 'mapper_exception', 'retry', 'because'],
  [503, 'unavailable_shards_exception', 'retry', 'because'],
];

/** What becomes of a request with that answer. */
const REQUESTS: readonly (readonly [status: number, type: string, becomes: string])[] = [
  [400, 'action_request_validation_exception', 'rejected'],
  [400, 'x_content_parse_exception', 'rejected'],
  [400, 'illegal_argument_exception', 'paused'],
  [400, 'media_type_header_exception', 'paused'],
  [401, 'security_exception', 'paused'],
  [403, 'security_exception', 'paused'],
  [403, 'cluster_block_exception', 'paused'],
  [404, 'index_not_found_exception', 'paused'],
  [408, '', 'retry'],
  [413, '', 'rejected'],
  [429, 'circuit_breaking_exception', 'retry'],
  [429, 'es_rejected_execution_exception', 'retry'],
  [500, 'illegal_state_exception', 'retry'],
  [502, '', 'retry'],
  [503, 'cluster_block_exception', 'retry'],
  [503, 'master_not_discovered_exception', 'retry'],
  [504, '', 'retry'],
];

const pressure = (bytes: number): string =>
  `rejected execution of primary operation [coordinating_and_primary_bytes=9, replica_bytes=0, all_bytes=9, primary_operation_bytes=${bytes}, max_primary_bytes=53687091]`;

describe('documents', () => {
  test.each(ITEMS)('%i %s: %s', (status, type, becomes, reason) => {
    const alone = outcomeOf(item(status, type, reason));
    const mixed = outcomeOf(written, item(status, type, reason));
    if (becomes === 'repeated') {
      expect([alone, mixed]).toEqual([
        { kind: 'done', repeated: 1 },
        { kind: 'done', repeated: 1 },
      ]);
    } else if (becomes === 'rejected') {
      expect(alone).toMatchObject({ kind: 'partly', rejected: [{ index: 0, code: type }], retry: [] });
      expect(mixed).toMatchObject({ kind: 'partly', rejected: [{ index: 1, code: type }], retry: [], code: type });
    } else {
      expect(alone).toMatchObject({ kind: becomes, code: type });
      expect(mixed).toMatchObject({ kind: 'partly', rejected: [], retry: [1], code: type });
    }
  });

  test('of a mixture go each its way, and what needs a hand is named first', () => {
    const outcome = outcomeOf(
      item(429, 'es_rejected_execution_exception'),
      written,
      item(400, 'document_parsing_exception', 'object mapping for [data.user] tried to parse as object'),
      item(409, 'version_conflict_engine_exception'),
      item(400, 'index_closed_exception', 'closed'),
    );
    expect(outcome).toEqual({
      kind: 'partly',
      rejected: [
        {
          index: 2,
          code: 'document_parsing_exception',
          message: 'document_parsing_exception: object mapping for [data.user] tried to parse as object',
        },
      ],
      retry: [0, 4],
      code: 'index_closed_exception',
      message:
        'Elasticsearch at https://search-1:9200: 2 of 5 documents were not written: the index is closed; open it, or delete it. ' +
        '(400 index_closed_exception: closed) (429 es_rejected_execution_exception: because)',
      after: null,
      repeated: 1,
    });
  });

  test('that are all refused for now are a pause where one needs a hand, else a retry', () => {
    const busy = item(429, 'es_rejected_execution_exception');
    expect(outcomeOf(busy, item(429, 'cluster_block_exception'))).toMatchObject({
      kind: 'paused',
      message: expect.stringContaining('disk is too full') as string,
    });
    expect(outcomeOf(busy, busy)).toMatchObject({ kind: 'retry' });
  });

  test('of which a shard has no memory, however idle it is, are sent in halves', () => {
    const type = 'es_rejected_execution_exception';
    expect(outcomeOf(written, item(429, type, pressure(60_000_900)))).toMatchObject({ kind: 'rejected', code: type });
    expect(outcomeOf(written, item(429, type, pressure(50_000_000)))).toMatchObject({ kind: 'partly', retry: [1] });
  });

  test('give their reason with its cause, once, and cut', () => {
    const error = { type: 'a', reason: 'failed to parse', caused_by: { type: 'b', reason: 'no number' } };
    const [first] = rejectedOf(outcomeOf({ create: { status: 400, error } }));
    expect(first?.message).toBe('a: failed to parse: no number');
    const same = { ...error, caused_by: { reason: 'to parse' } };
    expect(rejectedOf(outcomeOf({ create: { status: 400, error: same } }))[0]?.message).toBe('a: failed to parse');
    const long = { type: 'a', reason: '😀'.repeat(5000) };
    const cut = rejectedOf(outcomeOf({ create: { status: 400, error: long } }))[0]?.message ?? '';
    expect(cut.length).toBeLessThan(500);
    expect(cut.isWellFormed()).toBe(true);
  });
});

const rejectedOf = (outcome: ReturnType<typeof outcomeOf>) => (outcome.kind === 'partly' ? outcome.rejected : []);

describe('requests', () => {
  test.each(REQUESTS)('%i %s: %s', (status, type, kind) => {
    const body = type === '' ? '<html>' : { error: errorOf(type), status };
    expect(requestOutcome(status, body, null, NODE)).toMatchObject({ kind, code: type || `http-${status}` });
  });
  test('beyond the memory of the node are sent in halves, others that find none again', () => {
    const reason =
      'rejected execution of coordinating operation [coordinating_and_primary_bytes=252158, replica_bytes=0, all_bytes=252158, coordinating_operation_bytes=10507, max_coordinating_bytes=262144]';
    const body = { error: errorOf('es_rejected_execution_exception', reason) };
    expect(requestOutcome(429, body, null, NODE, 262_145)).toMatchObject({ kind: 'rejected' });
    expect(requestOutcome(429, body, null, NODE, 262_144)).toMatchObject({ kind: 'retry' });
  });
  test('a proxy’s Retry-After is obeyed where it is a number', () => {
    expect(requestOutcome(429, '', '7', NODE)).toMatchObject({ kind: 'retry', after: 7000 });
    expect(requestOutcome(503, '', 'Fri, 31 Dec 1999 23:59:59 GMT', NODE)).toMatchObject({ after: null });
  });
  test('a message says where, and what to do', () => {
    expect(requestOutcome(401, { error: errorOf('security_exception', 'missing credentials') }, null, NODE)).toEqual({
      kind: 'paused',
      code: 'security_exception',
      message:
        'Elasticsearch at https://search-1:9200: the credentials are refused; check sinks.*.username, password or api_key. ' +
        '(401 security_exception: missing credentials)',
      after: null,
    });
  });
  test('an answer to something else is no success', () => {
    for (const body of ['<html>welcome</html>', {}, null, undefined, { items: {} }])
      expect(bulkOutcome(body, 1, NODE)).toMatchObject({ kind: 'paused', code: 'not-elasticsearch' });
    expect(bulkOutcome({ errors: false, items: [written] }, 2, NODE)).toMatchObject({ kind: 'retry' });
    expect(bulkOutcome({ errors: true, items: [{}, { create: {} }] }, 2, NODE)).toMatchObject({ kind: 'retry' });
  });
  test('all written is done', () => {
    expect(bulkOutcome({ errors: false, items: [written, written] }, 2, NODE)).toEqual({ kind: 'done', repeated: 0 });
  });
  test('only where another node may do better, that one is asked', () => {
    expect(REQUESTS.map(([status]) => status).filter(statusIsAway)).toEqual([502, 503, 503, 504]);
  });
});

test.each([
  ['timeout', 'retry', 'timeout'],
  ['connection', 'retry', 'connection-failed'],
  ['malformed', 'retry', 'answer-malformed'],
  ['certificate', 'paused', 'certificate-refused'],
  ['product', 'paused', 'not-elasticsearch'],
] as const)('without an answer: %s', (kind, becomes, code) => {
  expect(failureOutcome({ kind, message: 'x'.repeat(9000) }, NODE)).toMatchObject({ kind: becomes, code });
});

test('every type of the table is met above', () => {
  const met = new Set([...ITEMS, ...REQUESTS].map(([, type]) => type));
  expect(Object.keys(TYPES).filter((type) => !met.has(type))).toEqual([]);
});
