// The sink against a real HTTP Event Collector endpoint.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { SplunkSinkConfig } from '../../../core/config/sink-config.ts';
import type { Outcome } from '../../../consumers/queue/contract.ts';
import { openSplunkSink } from '../../../consumers/splunk/index.ts';
import { startFaultProxy } from '../../fault-proxy.ts';
import { startHec, type Hec } from '../../targets/hec.ts';
import { eventOf } from '../queue/sample-event.ts';
import { splunkConfig } from './splunk-config.ts';

const DONE: Outcome = { kind: 'done', repeated: 0 };
const ACK = { enabled: true, poll: 50, timeout: 5000 };
const { signal } = new AbortController();
let hec: Hec;

beforeAll(async () => {
  hec = await startHec();
});
afterAll(() => hec?.[Symbol.asyncDispose]());

const sinkWith = (change: Partial<SplunkSinkConfig> = {}) =>
  openSplunkSink(splunkConfig({ endpoints: [hec.endpoint], token: hec.token, ...change }));

const check = async (change: Partial<SplunkSinkConfig>): Promise<Outcome | undefined> => {
  const sink = sinkWith(change);
  await using connection = sink.connect();
  return await sink.prepare?.(connection, signal);
};

/** One request of events with these data; what came of it, and what is new in the collector. */
async function send(
  change: Partial<SplunkSinkConfig>,
  data: readonly string[],
): Promise<{ outcome: Outcome; events: readonly unknown[] }> {
  const before = hec.events().length;
  const sink = sinkWith(change);
  await using connection = sink.connect();
  const batch = data.flatMap((json, i) => {
    const encoded = sink.encode(eventOf(json, { id: `e-${i}` }));
    return encoded.kind === 'encoded' ? [encoded.body] : [];
  });
  const outcome = await connection.send(batch, signal, () => {});
  return { outcome, events: hec.events().slice(before) };
}

const whole = (i: number) => expect.objectContaining({ id: `e-${i}`, specversion: '1.0' }) as unknown;

test.each([
  ['compressed, acknowledged', { ack: ACK }],
  ['as it is, without acknowledgement', { compression: false }],
])('events arrive as they were: %s', async (_, change) => {
  const fields = { order: '/data/order', tags: '/data/tags' };
  const data = [
    '{"order":7,"tags":["a","b"],"text":"ü\\n\\"\\u0000"}',
    '"text"',
    '[1,null]',
    'null',
    '" "',
    '{}',
    'false',
    '0',
  ];
  const { outcome, events } = await send({ fields, ...change }, data);
  expect(outcome).toEqual(DONE);
  const common = { host: 'api-1', source: '/chicago/api-1/http', sourcetype: '_json', index: null, time: 1795442399.5 };
  expect(events[0]).toEqual({
    ...common,
    event: { order: 7, tags: ['a', 'b'], text: 'ü\n"\0' },
    fields: { id: 'e-0', type: 'checkin.visit', site: 'chicago', order: '7', tags: ['a', 'b'] },
  });
  expect(events.map((event) => (event as { event: unknown }).event).slice(1)).toEqual([
    'text',
    [1, null],
    whole(3),
    whole(4),
    whole(5),
    false,
    0,
  ]);
});

test('before the first request: all well, a wrong token, nobody there', async () => {
  const before = hec.events().length;
  expect(await check({})).toEqual(DONE);
  expect(await check({ ack: ACK })).toEqual(DONE);
  // It answers a wrong token in plain text.
  expect(await check({ token: 'wrong' })).toMatchObject({ kind: 'paused', code: 'http-401' });
  expect(hec.events()).toHaveLength(before);
});

test('an event that it refuses is found, whatever it says of its place', async () => {
  const sink = sinkWith();
  await using connection = sink.connect();
  const encoded = sink.encode(eventOf('1'));
  if (encoded.kind === 'refused') throw new Error(encoded.message);
  const nested = Buffer.from('{"event":1,"fields":{"a":{"b":"c"}}}');
  const before = hec.events().length;
  const outcome = await connection.send([encoded.body, nested, encoded.body], signal, () => {});
  // Code 15 comes with a number there.
  expect(outcome).toMatchObject({ kind: 'partly', rejected: [{ index: 1, code: 'fields-invalid' }], retry: [] });
  expect(hec.events().slice(before)).toHaveLength(2);
  const malformed = Buffer.from('{"event":');
  expect(await connection.send([encoded.body, malformed], signal, () => {})).toMatchObject({ kind: 'rejected' });
});

test('a collector killed while a request waits: its next life has the same id for another, and that settles only its own', async () => {
  await using proxy = await startFaultProxy(hec.endpoint);
  const sink = sinkWith({ endpoints: [proxy.endpoint], ack: { ...ACK, timeout: 3000 } });
  await using connection = sink.connect();
  const sendOne = (id: string, taken: () => void): Promise<Outcome> => {
    const encoded = sink.encode(eventOf('1', { id }));
    if (encoded.kind === 'refused') throw new Error(encoded.message);
    return connection.send([encoded.body], signal, taken);
  };
  proxy.rule = (_method, path) => (path.endsWith('/ack') ? 503 : 'pass'); // so that it is not told before
  const taken = Promise.withResolvers<void>();
  const early = sendOne('early', taken.resolve);
  await taken.promise;
  await hec.kill();
  await hec.start();
  proxy.rule = () => 'pass';
  await vi.waitFor(async () => expect(await sendOne('late', () => {})).toEqual(DONE), 20_000);
  // The proxy kept the socket, and with it the channel; or it was cut.
  const code = expect.stringMatching(/^ack-(?:reset|timeout)$/) as unknown;
  expect(await early).toMatchObject({ kind: 'retry', code });
});
