// How many sample events are in each sink, asked of the sinks' targets themselves.
import { outputLines, type Composition } from './compose.ts';

export interface SinkCount {
  /** As people call it. */
  readonly name: string;
  /** The service that writes there. */
  readonly service: string;
  /** Marked events. A log sink's repeats count too; elsewhere each id counts once. */
  readonly arrived: number;
  /** Where they are, once all are there. */
  readonly where: string;
  /** Asks anew; rejects with an error for people. */
  look(signal: AbortSignal): Promise<void>;
}

interface LogSinkCountOptions extends Pick<SinkCount, 'name' | 'service'> {
  readonly sink: string;
  readonly mark: string;
  readonly expected: number;
  /** Milliseconds. */
  readonly patience: number;
  /** Such as `objects of the bucket events`. */
  readonly what: string;
}

/** S3 and HDFS: counted in the sink's container (committed-samples.ts), which tells whenever there are more. Aborting the signal ends that. */
export function logSinkCount(options: LogSinkCountOptions, signal: AbortSignal): SinkCount {
  const { name, service, sink, mark, expected, patience, what } = options;
  let objects: readonly (readonly [key: string, count: number])[] = [];
  let failed: Error | null = null;
  const follow = async (): Promise<void> => {
    const script = ['node', 'deploy/committed-samples.ts', sink, mark, String(expected), String(patience / 1000)];
    for await (const line of outputLines(['exec', '-T', service, ...script], signal))
      objects = JSON.parse(line) as [string, number][];
  };
  follow().catch((error: unknown) => {
    if (!signal.aborted) failed = error instanceof Error ? error : new Error(String(error));
  });
  return {
    name,
    service,
    get arrived() {
      return objects.reduce((sum, [, count]) => sum + count, 0);
    },
    get where() {
      return `in ${objects.length} ${what}, such as\n${' '.repeat(16)}${objects[0]?.[0]}`;
    },
    look: () => (failed === null ? Promise.resolve() : Promise.reject(failed)),
  };
}

/** What Elasticsearch finds: so searchable, not merely stored. */
export function elasticsearchCount(composition: Composition, service: string, mark: string): SinkCount {
  const password = composition.environment(service)['WAGGLE_ELASTICSEARCH_PASSWORD'] ?? '';
  const url = `http://${composition.address('elasticsearch', 9200)}/waggle-*/_search?q=data.sample:${mark}&size=1000&_source=false`;
  const headers = { authorization: `Basic ${Buffer.from(`elastic:${password}`).toString('base64')}` };
  let hits: readonly { readonly _index: string; readonly _id: string }[] = [];
  return {
    name: 'Elasticsearch',
    service,
    get arrived() {
      return new Set(hits.map(({ _id }) => _id)).size;
    },
    get where() {
      return `found in the index ${[...new Set(hits.map(({ _index }) => _index))].join(', ')}`;
    },
    async look(signal) {
      const answer = await fetch(url, { headers, signal });
      const text = await answer.text();
      if (answer.status === 503) return; // the first event of a day makes an index, which takes a moment
      if (!answer.ok) throw new Error(`GET ${url} answered ${answer.status}: ${text}`);
      hits = (JSON.parse(text) as { hits: { hits: typeof hits } }).hits.hits;
    },
  };
}

/** What lies in the collector's file, copied out, since its image has neither shell nor tools. */
export function splunkCount(collector: string, service: string, mark: string): SinkCount {
  let ids: readonly string[] = [];
  const distinct = (): number => new Set(ids).size;
  return {
    name: 'Splunk (HEC)',
    service,
    get arrived() {
      return distinct();
    },
    get where() {
      const repeated = ids.length - distinct();
      return `taken by the collector${repeated === 0 ? '' : `, ${repeated} more than once`}`;
    },
    async look(signal) {
      const found: string[] = [];
      try {
        for await (const line of outputLines(['cp', `${collector}:/out/events.jsonl`, '-'], signal))
          found.push(...markedRecords(line, mark));
      } catch (error) {
        // Not written before the first event.
        if (error instanceof Error && /no such file|could not find/i.test(error.message)) return;
        throw error;
      }
      ids = found;
    },
  };
}

interface OtlpRecord {
  readonly body?: unknown;
  readonly attributes?: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
}
interface OtlpLogs {
  readonly resourceLogs: readonly { readonly scopeLogs: readonly { readonly logRecords: readonly OtlpRecord[] }[] }[];
}

/** Ids of the marked events in a line of the collector's file (OTLP/JSON, a request each) inside a tar: the first line stands behind a header. */
export function markedRecords(line: string, mark: string): readonly string[] {
  if (!line.includes(mark)) return [];
  const { resourceLogs } = JSON.parse(line.slice(line.lastIndexOf('\0') + 1)) as OtlpLogs;
  return resourceLogs
    .flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords))
    .filter(({ body }) => JSON.stringify(body ?? null).includes(`"${mark}"`))
    .map(({ attributes }) => attributes?.find(({ key }) => key === 'id')?.value.stringValue ?? '');
}
