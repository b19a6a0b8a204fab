import type { ElasticsearchSinkConfig } from '../../../core/config/sink-config.ts';
import { SinkEvent } from '../../../consumers/queue/sink-event.ts';

/** As the schema's defaults have it, with what a test changes. */
export function elasticsearchConfig(change: Partial<ElasticsearchSinkConfig> = {}): ElasticsearchSinkConfig {
  return {
    kind: 'elasticsearch',
    name: 'search',
    home: 'chicago',
    match: ['**'],
    mapping: null,
    admin: '127.0.0.1:0',
    memory: 32 * 1_048_576,
    connections: 1,
    batch: { size: 5 * 1_048_576, count: 5000, age: 100 },
    timeout: 10_000,
    nodes: ['http://127.0.0.1:9200'],
    auth: { kind: 'none' },
    tls: { ca: null, fingerprint: null },
    index: 'waggle',
    dataStream: false,
    template: true,
    compression: true,
    ...change,
  };
}

/** `data`: its JSON; null for none. `more`: members; undefined for none of that name. */
export function eventOf(data: string | null, more: Readonly<Record<string, unknown>> = {}): SinkEvent {
  const members = {
    specversion: '1.0',
    type: 'checkin.visit',
    receivedat: '2026-11-23T14:00:00.125Z',
    time: '2026-11-23T13:59:59.5Z',
    id: 'e-1',
    source: '/chicago/api-1/http',
    host: 'api-1',
    site: 'chicago',
    ...more,
  };
  const head = JSON.stringify(members).slice(0, -1);
  const event = SinkEvent.read(Buffer.from(data === null ? `${head}}` : `${head},"data":${data}}`));
  if (event === null) throw new Error('no event');
  return event;
}
