import { expect, test } from 'vitest';
import type { SplunkSinkConfig } from '../../../core/config/sink-config.ts';
import { SinkConfigInvalid } from '../../../consumers/queue/contract.ts';
import { openSplunkSink } from '../../../consumers/splunk/index.ts';
import { splunkConfig } from './splunk-config.ts';

test.each<[string, Partial<SplunkSinkConfig>]>([
  ['sinks.splunk.endpoints: name at least one collector', { endpoints: [] }],
  ['sinks.splunk.token: it is empty', { token: '' }],
  ['sinks.splunk.token: it is empty, or holds blanks', { token: 'two\nlines' }],
  ['sinks.splunk.tls.ca: this is no certificate in PEM', { tls: { ca: 'file:/ca.pem', fingerprint: null } }],
  ['sinks.*.fields.id: every event has "id" already', { fields: { id: '/data/id' } }],
])('ends with %s', (message, change) => {
  const open = () => openSplunkSink(splunkConfig(change));
  expect(open).toThrow(SinkConfigInvalid);
  expect(open).toThrow(message);
});

const limit = (size: number): number =>
  openSplunkSink(splunkConfig({ batch: { size, count: 5000, age: 1000 } })).limit.bytes;

test('a request holds what older collectors take, or what the configuration says where that is more', () => {
  expect(limit(900 * 1024)).toBe(1_000_000);
  expect(limit(5_242_880)).toBe(5_242_880);
});

test('connections spread over the collectors', async () => {
  const endpoints = ['http://127.0.0.1:1', 'http://127.0.0.1:2'];
  const sink = openSplunkSink(splunkConfig({ endpoints }));
  const tried = new Set<string>();
  for (let i = 0; i < 2; i++) {
    await using connection = sink.connect();
    const outcome = await connection.send([Buffer.from('{}')], new AbortController().signal, () => {});
    if (outcome.kind === 'retry') tried.add(outcome.message.slice(0, endpoints[0]?.length));
  }
  expect(tried).toEqual(new Set(endpoints));
});
