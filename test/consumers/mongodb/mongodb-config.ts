// A MongoDB sink as the configuration has it.
import type { MongodbSinkConfig } from '#core/config/sink-config.ts';

export function mongodbConfig(uri: string, collection: string, timeout = 5_000): MongodbSinkConfig {
  return {
    kind: 'mongodb',
    name: 'documents',
    home: 'chicago',
    match: ['**'],
    mapping: null,
    admin: '127.0.0.1:0',
    memory: 1_048_576,
    connections: 2,
    batch: { size: 65_536, count: 200, age: 50 },
    timeout,
    uri,
    database: 'waggle',
    collection,
  };
}
