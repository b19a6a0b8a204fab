import { describe, expect, test } from 'vitest';
import { desiredObjects, federationUri, partitionBytes, segmentBytes, streamAge } from '#topology/desired.ts';
import { canonical, KINDS, textOf, type Desired, type Fields } from '#topology/objects.ts';
import { configFor } from '../site-config.ts';
import { east, chicago } from './sites.ts';

const config = configFor([chicago, east], { log: { partitions: 3, maxBytes: 3 * 1024 ** 3 }, sinks: [] });
const objects = desiredObjects(config, chicago);
const find = (kind: string, name: string): Desired => {
  const found = objects.find((each) => each.kind === kind && each.name === name);
  if (!found) throw new Error(`no ${kind} ${name}`);
  return found;
};

describe('what a site should have', () => {
  test('stands in the order of declaration, each object once', () => {
    const ranks = objects.map(({ kind }) => KINDS.indexOf(kind));
    expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
    expect(new Set(objects.map(({ kind, name }) => `${kind} ${name}`)).size).toBe(objects.length);
  });

  test('every binding joins what is declared, and # keeps federation alive', () => {
    const declared = new Set(
      objects.filter(({ kind }) => kind === 'exchange' || kind === 'queue').map(({ name }) => name),
    );
    const bindings = objects.filter(({ kind }) => kind === 'binding').map(({ fields }) => fields);
    for (const { source, destination } of bindings) {
      expect(declared).toContain(source);
      expect(declared).toContain(destination);
    }
    expect(bindings).toContainEqual({
      source: 'events',
      destination: 'events.partition',
      destinationType: 'e',
      routingKey: '#',
      arguments: {},
    });
  });

  test('each partition has a stream, its header and its place in the super stream', () => {
    for (const partition of [0, 1, 2]) {
      const into = objects.filter(
        ({ kind, fields }) => kind === 'binding' && fields['destination'] === `events.log-${partition}`,
      );
      expect(into.map(({ fields }) => [fields['source'], fields['routingKey'], fields['arguments']])).toEqual([
        ['events.partition', '', { 'x-match': 'all', partition: String(partition) }],
        ['events.log', String(partition), { 'x-stream-partition-order': partition }],
      ]);
      expect(find('queue', `events.log-${partition}`).policy).toBe('waggle.log');
    }
  });

  test('retention is a policy with the share of one partition; segments are a twentieth of it', () => {
    expect(find('policy', 'waggle.log').fields['definition']).toEqual({
      'max-age': '7D',
      'max-length-bytes': 1024 ** 3,
    });
    expect(find('queue', 'events.log-0').fields['arguments']).toMatchObject({
      'x-stream-max-segment-size-bytes': Math.floor(1024 ** 3 / 20),
    });
    expect(partitionBytes(config)).toBe(1024 ** 3);
    expect(segmentBytes(10)).toBe(1024 ** 2);
    expect(segmentBytes(10 ** 13)).toBe(500_000_000);
  });

  test('the buffer is safe: confirmed, replicated, kept when the link stops, without limit of deliveries', () => {
    expect(find('upstream', 'us-east-1').fields).toMatchObject({
      'ack-mode': 'on-confirm',
      'queue-type': 'quorum',
      'resource-cleanup-mode': 'never',
      'max-hops': 1,
      'trust-user-id': false,
    });
    expect(Object.keys(find('upstream', 'us-east-1').fields)).not.toContain('expires');
    expect(Object.keys(find('upstream', 'us-east-1').fields)).not.toContain('message-ttl');
    expect(find('policy', 'waggle.federation-buffer').fields).toMatchObject({
      pattern: '^federation: ',
      definition: { 'delivery-limit': -1, 'consumer-timeout': 86_400_000 },
    });
    expect(find('federation-policy', 'waggle.federation').fields['pattern']).toBe('^events$');
  });

  test('one site alone has no federation', () => {
    const kinds = new Set(desiredObjects(configFor([chicago]), chicago).map(({ kind }) => kind));
    expect([...kinds].filter((kind) => kind.startsWith('upstream') || kind === 'federation-policy')).toEqual([]);
  });

  test('rights are anchored, and only the administrator, federation and taps configure anything', () => {
    const permissions = objects.filter(({ kind, name }) => kind === 'permission' && name !== 'topology');
    const rights = permissions.map(({ name, fields }): [string, Fields] => [name, fields]);
    for (const [, { configure, write, read }] of rights) {
      for (const pattern of [configure, write, read]) expect(pattern).toMatch(/^\^/);
    }
    expect(rights.filter(([, { configure }]) => configure !== '^$').map(([name]) => name)).toEqual([
      'federation',
      'tap',
    ]);
    const write = new RegExp(textOf(find('permission', 'agent').fields['write']));
    for (const allowed of ['events', 'events.mirror', 'events.dead']) expect(allowed).toMatch(write);
    for (const refused of ['events.partition', 'events.log-0', 'sink', 'xevents', 'events.deadx'])
      expect(refused).not.toMatch(write);
    expect(find('permission', 'monitoring').fields).toEqual({ configure: '^$', write: '^$', read: '^$' });
  });

  test('a sink reads the log streams and nothing else', () => {
    const withSink = configFor([chicago, east], {
      users: { federation: { password: 'x' }, s3: { password: 'y' } },
    });
    const permission = desiredObjects(withSink, chicago).find(
      ({ kind, name }) => kind === 'permission' && name === 's3',
    );
    const read = new RegExp(textOf(permission?.fields['read']));
    for (const allowed of ['events.log', 'events.log-0', 'events.log-31']) expect(allowed).toMatch(read);
    for (const refused of ['events', 'events.dead-letters', 'events.log-', 'events.log-x', 'events.logs'])
      expect(refused).not.toMatch(read);
  });
});

test('a stream age is in the largest exact unit', () => {
  const day = 86_400_000;
  expect([7 * day, day, 36 * 3_600_000, 90 * 60_000, 61_000, 1, 0].map(streamAge)).toEqual([
    '7D',
    '1D',
    '36h',
    '90m',
    '61s',
    '1s',
    '1s',
  ]);
});

test('a federation URI encodes the password and the vhost', () => {
  expect(federationUri('amqp://us-east-1-1:5672', 'p@ss/word', '/', '/etc/rabbitmq/tls')).toBe(
    'amqp://federation:p%40ss%2Fword@us-east-1-1:5672/%2F?heartbeat=10&connection_timeout=10000',
  );
});

test('the canonical text does not depend on the order of keys', () => {
  expect(canonical({ b: [1, { d: null, c: true }], a: 'x' })).toBe(canonical({ a: 'x', b: [1, { c: true, d: null }] }));
});
