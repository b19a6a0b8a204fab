// Sends events as the loop does, and looks at what Elasticsearch holds.
import type { ElasticsearchSinkConfig } from '../../../core/config/sink-config.ts';
import { openElasticsearchSink } from '../../../consumers/elasticsearch/index.ts';
import type { Outcome, QueueSink } from '../../../consumers/queue/contract.ts';
import type { SinkEvent } from '../../../consumers/queue/sink-event.ts';
import type { Elasticsearch } from '../../targets/elasticsearch.ts';
import { eventOf } from '../queue/sample-event.ts';
import { elasticsearchConfig } from './elasticsearch-config.ts';

const never = new AbortController().signal;
const unheard = (): void => {};

/** A sink with one connection. */
export interface Sending extends AsyncDisposable {
  readonly sink: QueueSink<Buffer>;
  readonly told: readonly string[];
  prepare(): Promise<Outcome>;
  send(events: readonly SinkEvent[], signal?: AbortSignal): Promise<Outcome>;
}

export function sending(change: Partial<ElasticsearchSinkConfig>): Sending {
  const told: string[] = [];
  const sink = openElasticsearchSink(elasticsearchConfig(change), (message) => told.push(message));
  const connection = sink.connect();
  return {
    sink,
    told,
    prepare: () => sink.prepare?.(connection, never) ?? Promise.reject(new Error('nothing to prepare')),
    send: (events, signal = never) =>
      connection.send(
        events.map((event) => bodyOf(sink, event)),
        signal,
        unheard,
      ),
    async [Symbol.asyncDispose]() {
      await connection[Symbol.asyncDispose]();
      await sink[Symbol.asyncDispose]();
    },
  };
}

function bodyOf(sink: QueueSink<Buffer>, event: SinkEvent): Buffer {
  const encoded = sink.encode(event);
  if (encoded.kind === 'refused') throw new Error(encoded.message);
  return encoded.body;
}

/** Ids `<name>-0` and on, all of one day. */
export const eventsOf = (name: string, ...data: readonly unknown[]): SinkEvent[] =>
  data.map((each, n) => eventOf(JSON.stringify(each), { id: `${name}-${n}` }));

export const many = (name: string, count: number): SinkEvent[] =>
  eventsOf(name, ...Array.from({ length: count }, (_, n) => ({ n })));

export interface Found {
  readonly index: string;
  readonly id: string;
  readonly source: Readonly<Record<string, unknown>>;
}

/** All documents of the indices. */
export async function documentsOf(server: Elasticsearch, indices: string): Promise<Found[]> {
  await server.call('POST', `/${indices}/_refresh`);
  const { status, body } = await server.call('POST', `/${indices}/_search`, { size: 10_000 });
  if (status !== 200) throw new Error(`search: ${JSON.stringify(body)}`);
  const { hits } = body as {
    hits: { hits: readonly { _index: string; _id: string; _source: Record<string, unknown> }[] };
  };
  return hits.hits.map(({ _index, _id, _source }) => ({ index: _index, id: _id, source: _source }));
}

/** How often each event is there, by its id. */
export async function countsOf(server: Elasticsearch, indices: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const { source } of await documentsOf(server, indices)) {
    const { id } = source['event'] as { id: string };
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}
