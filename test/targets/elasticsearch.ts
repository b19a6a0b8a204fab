// A real Elasticsearch of one node for tests. Its data live as long as the container: they survive kill, stop and start.
import { until } from '../containers.ts';
import { freePort, Published, remove, serverOf, sweep, type Server } from '../docker.ts';

const IMAGE = 'docker.elastic.co/elasticsearch/elasticsearch:9.5.3';

export interface ElasticsearchOptions {
  /** By their full names, as in elasticsearch.yml. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Of the user `elastic`; without it there is no authentication. */
  readonly password?: string;
}

export interface Elasticsearch extends Server, AsyncDisposable {
  readonly endpoint: string;
  /** A request with a JSON body, or NDJSON where it is a string, as the user `elastic`; the answer whatever its status. */
  call(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: unknown }>;
}

export async function startElasticsearch(options: ElasticsearchOptions = {}): Promise<Elasticsearch> {
  await sweep();
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const container = await new Published(IMAGE)
    .publish(new Map([[9200, port]]))
    .withEnvironment(environment(options))
    .withStartupTimeout(120_000)
    .start();
  const call = caller(endpoint, options.password);
  const ready = () =>
    until(
      `Elasticsearch at ${endpoint}`,
      async () => (await call('GET', '/_cluster/health?wait_for_status=yellow&timeout=1s')).status === 200,
      120_000,
    );
  await ready();
  return {
    ...(await serverOf('elasticsearch', container.getId(), ready)),
    endpoint,
    call,
    [Symbol.asyncDispose]: () => remove(container.getId()),
  };
}

function environment({ settings, password }: ElasticsearchOptions): Record<string, string> {
  return {
    'discovery.type': 'single-node',
    // A full disk of the machine that runs the tests would make every index read-only.
    'cluster.routing.allocation.disk.threshold_enabled': 'false',
    'ingest.geoip.downloader.enabled': 'false',
    'xpack.security.enabled': String(password !== undefined),
    'xpack.security.http.ssl.enabled': 'false',
    ES_JAVA_OPTS: '-Xms512m -Xmx512m',
    ...(password !== undefined && { ELASTIC_PASSWORD: password }),
    ...settings,
  };
}

function caller(endpoint: string, password: string | undefined): Elasticsearch['call'] {
  const authorization = password && `Basic ${Buffer.from(`elastic:${password}`).toString('base64')}`;
  return async (method, path, body) => {
    const response = await fetch(`${endpoint}${path}`, {
      method,
      headers: {
        ...(authorization && { authorization }),
        ...(body !== undefined && {
          'content-type': typeof body === 'string' ? 'application/x-ndjson' : 'application/json',
        }),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : (JSON.parse(text) as unknown) };
  };
}
