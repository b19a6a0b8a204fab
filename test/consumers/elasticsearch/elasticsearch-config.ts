import type { ElasticsearchSinkConfig } from '../../../core/config/sink-config.ts';

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
