import type { SplunkSinkConfig } from '../../../core/config/sink-config.ts';

/** As the schema's defaults have it, with what a test changes. */
export function splunkConfig(change: Partial<SplunkSinkConfig> = {}): SplunkSinkConfig {
  return {
    kind: 'splunk',
    name: 'splunk',
    home: 'chicago',
    match: ['**'],
    mapping: null,
    admin: '127.0.0.1:0',
    memory: 64 * 1_048_576,
    connections: 1,
    batch: { size: 900 * 1024, count: 5000, age: 1000 },
    timeout: 5000,
    endpoints: ['http://127.0.0.1:8088'],
    token: '11111111-1111-1111-1111-111111111111',
    tls: { ca: null, fingerprint: null },
    ack: { enabled: false, poll: 20, timeout: 2000 },
    index: { from: null, or: null },
    source: { from: '/source', or: null },
    sourcetype: { from: null, or: '_json' },
    host: { from: '/host', or: null },
    fields: {},
    compression: true,
    ...change,
  };
}
