// What the targets hold, as their users see it: how often each event is there, by `generator:number`.
import { MongoClient } from 'mongodb';
import type { MongodbSinkConfig, S3SinkConfig } from '#core/config/sink-config.ts';
import type { Elasticsearch } from '../targets/elasticsearch.ts';
import type { Hdfs } from '../targets/hdfs.ts';
import type { Hec } from '../targets/hec.ts';
import { countEvent, countObject, countObjects, type Numbered, type Stored } from './committed.ts';

export interface Reader {
  stored(): Promise<Stored>;
  /** Events there, cheaply; for targets that can repeat, copies too. */
  count(): Promise<number>;
  /** As `stored`, where that remembers what it read. */
  anew(): Promise<Stored>;
}

/** Objects are there for good, so each is read once; `anew` reads all again. */
export function bucketReader(sink: S3SinkConfig): Reader {
  const known = new Set<string>();
  const events = new Map<string, number>();
  return incremental(() => countObjects(sink, known, events), known, events);
}

/** `path`: of the sink. */
export function hdfsReader(hdfs: Hdfs, path: string): Reader {
  const known = new Set<string>();
  const events = new Map<string, number>();
  const call = (at: string, operation: string): Promise<Response> =>
    fetch(`${hdfs.endpoint}/webhdfs/v1${at}?op=${operation}&user.name=${hdfs.user}`);
  const look = async (folder: string): Promise<void> => {
    const answer = await call(`${path}/${folder}`, 'LISTSTATUS');
    if (answer.status === 404) return; // nothing was written yet
    if (!answer.ok) throw new Error(await answer.text());
    const { FileStatuses } = (await answer.json()) as Listing;
    for (const { pathSuffix, type, length } of FileStatuses.FileStatus) {
      const key = `${folder}${pathSuffix}`;
      if (key === '_waggle' || known.has(key)) continue;
      if (type === 'DIRECTORY') {
        await look(`${key}/`);
        continue;
      }
      const file = await call(`${path}/${key}`, 'OPEN');
      const bytes = await file.bytes();
      if (!file.ok || bytes.length !== length) throw new Error(`${key}: ${file.status}, ${bytes.length} bytes`);
      countObject(key, bytes, events);
      known.add(key);
    }
  };
  return incremental(() => look(''), known, events);
}

/** Of WebHDFS, LISTSTATUS. */
interface Listing {
  readonly FileStatuses: {
    readonly FileStatus: readonly {
      readonly pathSuffix: string;
      readonly type: 'FILE' | 'DIRECTORY';
      readonly length: number;
    }[];
  };
}

/** One look after another, else two would count the same object. */
function incremental(read: () => Promise<void>, known: Set<string>, events: Map<string, number>): Reader {
  let last: Promise<unknown> = Promise.resolve();
  const stored = async (): Promise<Stored> => {
    const look = last.then(read);
    last = look.catch(() => {});
    await look;
    return events;
  };
  return {
    stored,
    count: async () => (await stored()).size,
    anew() {
      known.clear();
      events.clear();
      return stored();
    },
  };
}

/** Where each look reads everything. */
const whole = (reader: Omit<Reader, 'anew'>): Reader => ({ ...reader, anew: () => reader.stored() });

const PAGE = 10_000;

export function elasticsearchReader(server: Elasticsearch, indices: string): Reader {
  const asked = async (path: string, body?: unknown): Promise<unknown> => {
    const answer = await server.call('POST', `/${indices}/${path}`, body);
    if (answer.status !== 200) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  return whole({
    async stored() {
      const events = new Map<string, number>();
      await asked('_refresh');
      for (let after: object = {}; ;) {
        const { hits } = (await asked('_search', {
          size: PAGE,
          sort: [{ 'event.id': 'asc' }],
          _source: ['data.g', 'data.n'],
          ...after,
        })) as { hits: { hits: readonly { _source: { data: Numbered }; sort: readonly unknown[] }[] } };
        for (const { _source } of hits.hits) countEvent(_source.data, events);
        if (hits.hits.length < PAGE) return events;
        after = { search_after: hits.hits.at(-1)?.sort };
      }
    },
    count: async () => ((await asked('_count')) as { count: number }).count,
  });
}

export function hecReader(hec: Hec): Reader {
  return whole({
    stored: async () => {
      const events = new Map<string, number>();
      for (const { event } of hec.events()) countEvent(event as Numbered, events);
      return events;
    },
    count: async () => hec.events().length,
  });
}

/** Past any proxy: `uri` is the server's own. */
export function mongodbReader(uri: string, { database, collection }: MongodbSinkConfig): Reader & AsyncDisposable {
  const client = new MongoClient(uri);
  const documents = client.db(database).collection<{ data: Numbered }>(collection);
  const reader = whole({
    async stored() {
      const events = new Map<string, number>();
      // In parts, since the stand-in has all that it finds in its small memory at once. Numbers are contiguous: a part without any is the end.
      for (let from = 0, size = -1; events.size > size; from += PAGE) {
        size = events.size;
        const part = documents.find({ 'data.n': { $gte: from, $lt: from + PAGE } });
        for await (const { data } of part.project<{ data: Numbered }>({ 'data.g': 1, 'data.n': 1 }))
          countEvent(data, events);
      }
      return events;
    },
    count: () => documents.estimatedDocumentCount(),
  });
  return { ...reader, [Symbol.asyncDispose]: () => client.close() };
}
