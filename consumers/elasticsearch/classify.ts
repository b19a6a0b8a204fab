// What the answers of Elasticsearch mean to the queue. Pure. (Elasticsearch 9 reference, "Bulk API" and "Error responses"; each line of the
// tables was provoked at a server 9.5.3, but for those of ingest pipelines and of security, which are documentation.)
import type { Outcome, Rejection } from '../queue/contract.ts';

/** What is to become of a request, or of one item of it. */
type Verdict = 'written' | 'repeated' | 'rejected' | 'again' | 'paused';

/** Of an error object of Elasticsearch. */
interface Fault {
  readonly status: number;
  readonly type: string;
  readonly reason: string;
}

const MESSAGE = 400;
/** Items of which the message tells the reasons. */
const SHORT = 3;

const DISK =
  'the index takes no writes because a disk is too full (flood stage); free some, and it takes them again by itself';
const CLOSED = 'the index is closed; open it, or delete it';
const MISSING =
  'there is no such index or data stream, and it may not be made; set sinks.*.template, allow it (action.auto_create_index), or create it';
const RIGHTS =
  'the user lacks a right; it needs create_doc and auto_configure on the index, and monitor; manage_index_templates where it installs the template';
/** Advice where the type has none. */
const STATUSES: Readonly<Record<number, string>> = {
  401: 'the credentials are refused; check sinks.*.username, password or api_key',
  403: RIGHTS,
  413: 'the request is larger than the server takes (http.max_content_length), or than a proxy before it does',
};

/**
 * Errors by type, and what to do where a hand is needed. What is not here goes by its status. Of an item 'rejected' sends one event to the
 * dead letters, so no error that all events may meet stands under it.
 */
export const TYPES: Readonly<Record<string, { readonly verdict: Verdict; readonly advice?: string }>> = {
  // items
  version_conflict_engine_exception: { verdict: 'repeated' },
  index_closed_exception: { verdict: 'paused', advice: CLOSED },
  index_not_found_exception: { verdict: 'paused', advice: MISSING },
  resource_not_found_exception: { verdict: 'paused', advice: MISSING },
  cluster_block_exception: { verdict: 'paused', advice: 'the index or the cluster is read-only; remove the block' },
  invalid_index_name_exception: { verdict: 'paused', advice: 'no index can have this name; mend sinks.*.index' },
  validation_exception: {
    verdict: 'paused',
    advice:
      'the day’s index cannot be made (too many shards?); delete old indices, or raise cluster.max_shards_per_node',
  },
  fail_processor_exception: { verdict: 'rejected' }, // 500, of an ingest pipeline
  ingest_processor_exception: { verdict: 'rejected' }, // 500, of an ingest pipeline
  // whole requests
  action_request_validation_exception: { verdict: 'rejected' },
  x_content_parse_exception: { verdict: 'rejected' },
  security_exception: { verdict: 'paused', advice: RIGHTS },
  media_type_header_exception: {
    verdict: 'paused',
    advice: 'the server is of another major version than 9, which this client speaks',
  },
};

/** Of items with status 400 and type illegal_argument_exception, which mostly is about the document: those about the index. */
const ABOUT_INDEX = /^(?:pipeline with id|no write index is defined|only write ops with an op_type of create)/;

/**
 * Whether the operation alone is more than the node's memory for indexing (indexing_pressure.memory.limit, a tenth of the heap; on a shard a
 * document counts several times): sent again as it is it would be refused for ever, in halves it passes. `sent`: bytes of the request, of
 * which a coordinating node tells the last part alone. (Elasticsearch, IndexingPressure.java)
 */
function isBeyondMemory({ type, reason }: Fault, sent: number): boolean {
  if (type !== 'es_rejected_execution_exception') return false;
  const [found, bytes, most] = /_operation_bytes=(\d+), max_[a-z_]+_bytes=(\d+)/.exec(reason) ?? [];
  return found !== undefined && Math.max(Number(bytes), sent) > Number(most);
}

/** Of a request: nothing is known to be the fault of one event but its size. */
function requestVerdict(fault: Fault, sent: number): Verdict {
  const { status, type } = fault;
  if (status === 401) return 'paused';
  if (status === 413 || isBeyondMemory(fault, sent)) return 'rejected';
  if (status === 408 || status === 429 || status >= 500) return 'again';
  return TYPES[type]?.verdict ?? 'paused';
}

function itemVerdict({ status, type, reason }: Fault): Verdict {
  if (status >= 200 && status < 300) return 'written';
  const known = TYPES[type]?.verdict;
  if (type === 'cluster_block_exception' && status === 503) return 'again'; // no master, or not recovered yet
  if (known !== undefined) return known;
  if (type === 'illegal_argument_exception' && ABOUT_INDEX.test(reason)) return 'paused';
  if (status === 401 || status === 403) return 'paused';
  return status === 429 || status >= 500 ? 'again' : 'rejected';
}

function advice({ status, type }: Fault): string {
  const known =
    (type === 'cluster_block_exception' && status === 429 ? DISK : undefined) ??
    (status === 401 ? STATUSES[401] : undefined) ??
    TYPES[type]?.advice ??
    STATUSES[status];
  return known === undefined ? '' : `${known}. `;
}

const cut = (text: string): string => (text.length > MESSAGE ? `${text.slice(0, MESSAGE).toWellFormed()}…` : text);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** `error` is an object with type, reason and caused_by; of a proxy, anything. */
function faultOf(status: number, error: unknown): Fault {
  if (!isObject(error)) return { status, type: `http-${status}`, reason: textOf(error) };
  const { type, reason, caused_by } = error;
  const deeper = isObject(caused_by) ? textOf(caused_by['reason']) : '';
  const text = textOf(reason);
  const known = deeper === '' || text.includes(deeper);
  return { status, type: textOf(type) || `http-${status}`, reason: known ? text : `${text}: ${deeper}` };
}

const said = (fault: Fault): string => cut(`${fault.type}${fault.reason === '' ? '' : `: ${fault.reason}`}`);

/** Of an answer with a status of 300 or more. `retryAfter`: the header's text, which proxies send. `sent`: bytes of documents. */
export function requestOutcome(
  status: number,
  body: unknown,
  retryAfter: string | null,
  node: string,
  sent = 0,
): Outcome {
  const fault = faultOf(status, isObject(body) ? body['error'] : body);
  const message = `Elasticsearch at ${node}: ${advice(fault)}(${status} ${said(fault)})`;
  const code = fault.type;
  switch (requestVerdict(fault, sent)) {
    case 'rejected':
      return { kind: 'rejected', code, message };
    case 'again':
      return { kind: 'retry', code, message, after: waitOf(retryAfter) };
    default:
      return { kind: 'paused', code, message, after: waitOf(retryAfter) };
  }
}

/** Milliseconds; null where it is no number of seconds. */
function waitOf(retryAfter: string | null): number | null {
  return retryAfter !== null && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) * 1000 : null;
}

/** Of an answer 200 to a bulk request of `sent` documents. */
export function bulkOutcome(body: unknown, sent: number, node: string): Outcome {
  const items = isObject(body) ? body['items'] : undefined;
  if (!Array.isArray(items)) {
    const message = `${node} answered a bulk request with something else; it is no Elasticsearch, or a proxy is before it. (${cut(textOf(body))})`;
    return { kind: 'paused', code: 'not-elasticsearch', message, after: null };
  }
  if (items.length !== sent) {
    const message = `Elasticsearch at ${node} answered ${items.length} of ${sent} documents`;
    return { kind: 'retry', code: 'answer-incomplete', message, after: null };
  }
  if (isObject(body) && body['errors'] === false) return { kind: 'done', repeated: 0 };
  return itemsOutcome(items, node);
}

function itemsOutcome(items: readonly unknown[], node: string): Outcome {
  const rejected: Rejection[] = [];
  const retry: number[] = [];
  const paused: Fault[] = [];
  const again: Fault[] = [];
  let repeated = 0;
  for (const [index, item] of items.entries()) {
    const result = isObject(item) ? item['create'] : undefined;
    const fault = isObject(result) ? faultOf(Number(result['status']), result['error']) : faultOf(0, undefined);
    const verdict = Number.isFinite(fault.status) && fault.status > 0 ? itemVerdict(fault) : 'again';
    switch (verdict) {
      case 'written':
        break;
      case 'repeated':
        repeated++;
        break;
      case 'rejected':
        rejected.push({ index, code: fault.type, message: said(fault) });
        break;
      case 'again':
      case 'paused':
        retry.push(index);
        (verdict === 'paused' ? paused : again).push(fault);
        break;
      default:
        verdict satisfies never;
    }
  }
  const beyond = again.find((fault) => isBeyondMemory(fault, 0));
  // What was written of it is met as repeated in its halves.
  if (beyond !== undefined)
    return { kind: 'rejected', code: beyond.type, message: `Elasticsearch at ${node}: ${said(beyond)}` };
  const worst = paused[0] ?? again[0];
  if (worst === undefined && rejected.length === 0) return { kind: 'done', repeated };
  const code = worst?.type ?? rejected[0]?.code ?? '';
  const facts =
    retry.length > 0
      ? tell([...paused, ...again], items.length)
      : `${rejected.length} of ${items.length} documents were refused`;
  const message = `Elasticsearch at ${node}: ${facts}`;
  if (retry.length === items.length)
    return { kind: paused.length > 0 ? 'paused' : 'retry', code, message, after: null };
  return { kind: 'partly', rejected, retry, code, message, after: null, repeated };
}

/** The different faults, the first of each. */
function tell(faults: readonly Fault[], all: number): string {
  const first = new Map(faults.map((fault) => [`${fault.status} ${fault.type}`, fault] as const).toReversed());
  const texts = Array.from(first.values()).toReversed().slice(0, SHORT);
  const facts = texts.map((fault) => `${advice(fault)}(${fault.status} ${said(fault)})`);
  return `${faults.length} of ${all} documents were not written: ${facts.join(' ')}`;
}

/** Why a request has no answer that could be read. */
export interface Failure {
  readonly kind: 'timeout' | 'connection' | 'certificate' | 'product' | 'malformed';
  readonly message: string;
}

const FAILURES: Readonly<
  Record<Failure['kind'], { readonly verdict: 'again' | 'paused'; readonly code: string; readonly advice?: string }>
> = {
  timeout: { verdict: 'again', code: 'timeout' },
  connection: { verdict: 'again', code: 'connection-failed' },
  malformed: { verdict: 'again', code: 'answer-malformed' },
  certificate: {
    verdict: 'paused',
    code: 'certificate-refused',
    advice: 'its certificate is not trusted; check sinks.*.tls and sinks.*.nodes',
  },
  // Thrown after the server has taken the request: resent, its documents are met as repeats.
  product: {
    verdict: 'paused',
    code: 'not-elasticsearch',
    advice:
      'it is no Elasticsearch (OpenSearch is none), or a proxy removes its header X-elastic-product; mend sinks.*.nodes',
  },
};

export function failureOutcome({ kind, message: text }: Failure, node: string): Outcome {
  const { verdict, code, advice: what } = FAILURES[kind];
  const message = `Elasticsearch at ${node}: ${what === undefined ? cut(text) : `${what}. (${cut(text)})`}`;
  return { kind: verdict === 'paused' ? 'paused' : 'retry', code, message, after: null };
}

/** Another node may do better. */
export const statusIsAway = (status: number): boolean => status === 502 || status === 503 || status === 504;
