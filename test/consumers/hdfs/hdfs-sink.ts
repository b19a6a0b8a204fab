// An HDFS sink's configuration for tests.
import type { HdfsSinkConfig } from '#core/config/sink-config.ts';

export const hdfsSink = (change: Pick<HdfsSinkConfig, 'nameNodes'> & Partial<HdfsSinkConfig>): HdfsSinkConfig => ({
  kind: 'hdfs',
  name: 'hdfs',
  home: 'chicago',
  match: ['**'],
  mapping: null,
  admin: '127.0.0.1:0',
  memory: 268_435_456,
  rotate: { size: 67_108_864, count: 1_000_000, age: 300_000 },
  path: '/events',
  user: 'waggle',
  delegationToken: null,
  tls: { ca: null, fingerprint: null },
  timeout: 10_000,
  ...change,
});
