// Two sites, and a queue sink, for tests that need no server.
import type { SiteConfig } from '#core/config/config.ts';
import type { QueueSinkConfig } from '#core/config/sink-config.ts';

const site = (name: string): SiteConfig => ({
  name,
  nodes: [`amqp://${name}-1:5672`],
  stream: [{ host: `${name}-1`, port: 5552 }],
  management: [`http://${name}-1:15672`],
  federation: [`amqp://${name}-1:5672`],
  tls: null,
  linkCertificates: '/etc/rabbitmq/tls',
});

export const chicago = site('chicago');
export const east = site('us-east-1');

export function queueSink(
  name: string,
  home: string,
  parts: Partial<Pick<QueueSinkConfig, 'match' | 'connections'>> = {},
): QueueSinkConfig {
  return {
    kind: 'mongodb',
    name,
    home,
    match: ['**'],
    mapping: null,
    admin: '127.0.0.1:0',
    memory: 64 * 1024 ** 2,
    connections: 2,
    batch: { size: 1024 ** 2, count: 1000, age: 1000 },
    timeout: 30_000,
    uri: 'mongodb://127.0.0.1:1',
    database: 'events',
    collection: name,
    ...parts,
  };
}
