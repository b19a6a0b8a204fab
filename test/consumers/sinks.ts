// One sink of each kind, at home in chicago, for tests of what stands around sinks.
import type { FolderSinkConfig, MongodbSinkConfig } from '#core/config/sink-config.ts';

const common = { home: 'chicago', match: ['**'], mapping: null, memory: 1, admin: '' } as const;

export const files: FolderSinkConfig = {
  ...common,
  kind: 'folder',
  name: 'files',
  rotate: { size: 1, count: 1, age: 1 },
  path: '',
};

export const search: MongodbSinkConfig = {
  ...common,
  kind: 'mongodb',
  name: 'search',
  match: ['checkin.**', 'card.*'],
  connections: 1,
  batch: { size: 1, count: 1, age: 1 },
  timeout: 1,
  uri: '',
  database: '',
  collection: '',
};
