// The baselines of the queue sinks: each target's own client, from memory, with the bodies that the sink would send, over as many connections.
// What the sink encodes is encoded before the time counts. Run as a script by bareTurn.
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Client } from '@elastic/elasticsearch';
import { MongoClient } from 'mongodb';
import { Pool } from 'undici';
import type {
  ElasticsearchSinkConfig,
  MongodbSinkConfig,
  QueueSinkConfig,
  SplunkSinkConfig,
} from '#core/config/sink-config.ts';
import { openElasticsearchSink } from '../../consumers/elasticsearch/index.ts';
import { installTemplate } from '../../consumers/elasticsearch/template.ts';
import { encode, type Statement } from '../../consumers/mongodb/encode.ts';
import { SinkEvent } from '../../consumers/queue/sink-event.ts';
import type { QueueSink } from '../../consumers/queue/contract.ts';
import { openSplunkSink } from '../../consumers/splunk/index.ts';
import { share, takeOrder, workWhenTold } from './bare-process.ts';

export interface QueueOrder {
  readonly sink: QueueSinkConfig;
  /** Path of the events, NDJSON. */
  readonly events: string;
}

const compress = promisify(gzip);
/** As the sink's own (consumers/splunk/send.ts): the bodies are the same. */
const GZIP_LEVEL = 1;

/** The requests that the loop would make of the file's events. */
function requestsOf<Body>(sink: QueueSink<Body>, { batch }: QueueSinkConfig, path: string): Body[][] {
  const file = readFileSync(path);
  const requests: Body[][] = [];
  let request: Body[] = [];
  let bytes = 0;
  for (let at = 0, end; (end = file.indexOf(10, at)) >= 0; at = end + 1) {
    const event = SinkEvent.read(file.subarray(at, end));
    const encoded = event === null ? null : sink.encode(event);
    if (encoded?.kind !== 'encoded') throw new Error('an event cannot be encoded');
    if (request.length === batch.count || bytes + encoded.bytes > batch.size) {
      requests.push(request);
      request = [];
      bytes = 0;
    }
    request.push(encoded.body);
    bytes += encoded.bytes;
  }
  if (request.length > 0) requests.push(request);
  return requests;
}

async function elasticsearch(sink: ElasticsearchSinkConfig, events: string): Promise<() => Promise<void>> {
  const bodies = requestsOf(openElasticsearchSink(sink), sink, events).map((each) => Buffer.concat(each));
  const node = sink.nodes[0] ?? '';
  const client = new Client({ node, compression: sink.compression, maxRetries: 0 });
  await installTemplate({ client, node, signal: AbortSignal.timeout(30_000) }, sink);
  return () =>
    share(bodies, sink.connections, async (body) => {
      // Bytes are sent as they are; the types know only what would be serialized.
      const answer = await client.bulk({ operations: body as unknown as [] });
      if (answer.errors) throw new Error('Elasticsearch refused documents');
    });
}

function splunk(sink: SplunkSinkConfig, events: string): () => Promise<void> {
  const bodies = requestsOf(openSplunkSink(sink), sink, events).map((each) => Buffer.concat(each));
  const pool = new Pool(sink.endpoints[0] ?? '', { connections: sink.connections });
  const headers = { authorization: `Splunk ${sink.token}`, 'content-encoding': 'gzip' };
  return () =>
    share(bodies, sink.connections, async (plain) => {
      const body = await compress(plain, { level: GZIP_LEVEL });
      const answer = await pool.request({ path: '/services/collector/event', method: 'POST', headers, body });
      const text = await answer.body.text();
      if (answer.statusCode !== 200) throw new Error(text);
    });
}

async function mongodb(sink: MongodbSinkConfig, events: string): Promise<() => Promise<void>> {
  const statements = { encode } as QueueSink<Statement>;
  const requests = requestsOf(statements, sink, events).map((request) =>
    request.map(({ q, u }) => ({ updateOne: { filter: q, update: u, upsert: true } })),
  );
  const client = await MongoClient.connect(sink.uri, { maxPoolSize: sink.connections });
  const collection = client.db(sink.database).collection<{ _id: string }>(sink.collection);
  return () =>
    share(requests, sink.connections, async (request) => {
      await collection.bulkWrite(request, { ordered: false, writeConcern: { w: 'majority', j: true } });
    });
}

function workOf({ sink, events }: QueueOrder): Promise<() => Promise<void>> | (() => Promise<void>) {
  switch (sink.kind) {
    case 'elasticsearch':
      return elasticsearch(sink, events);
    case 'splunk':
      return splunk(sink, events);
    case 'mongodb':
      return mongodb(sink, events);
    default:
      throw new Error(`no baseline for ${sink.kind}`);
  }
}

if (import.meta.main) await workWhenTold(await workOf((await takeOrder()) as QueueOrder));
