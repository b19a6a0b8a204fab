import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { splitObjects } from './hec-objects.ts';
import { startHecStub, type HecStub } from './hec-stub.ts';

const CHANNEL = '5c1b2f30-0000-4000-8000-000000000001';
const OTHER = '5c1b2f30-0000-4000-8000-000000000002';

let stub: HecStub;

beforeEach(async () => {
  stub = await startHecStub();
});
afterEach(() => stub[Symbol.asyncDispose]());

type Told = readonly [status: number, body: unknown];

async function post(path: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Told> {
  const response = await fetch(`${stub.endpoint}/services/collector${path}`, {
    method: 'POST',
    headers: { authorization: `Splunk ${stub.token}`, 'x-splunk-request-channel': CHANNEL, ...headers },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
  return [response.status, await response.json()];
}

const acks = (ids: readonly number[], channel = CHANNEL): Promise<Told> =>
  post('/ack', JSON.stringify({ acks: ids }), { 'x-splunk-request-channel': channel });

test('events are kept as they were sent, gzip or not, and each request has an ack of its channel', async () => {
  const events = ['{"event":{"n":9007199254740993}}', '{"event":"}\\"{"}'];
  expect(await post('/event', events.join(''))).toEqual([200, { text: 'Success', code: 0, ackId: 0 }]);
  expect(await post('/event', gzipSync(events.join('\n')), { 'content-encoding': 'gzip' })).toMatchObject([
    200,
    { ackId: 1 },
  ]);
  expect(await post('/event', '{"event":1}', { 'x-splunk-request-channel': OTHER })).toMatchObject([200, { ackId: 0 }]);
  expect(stub.indexed).toEqual([...events, ...events, '{"event":1}']);
  expect(stub.requests.map(({ channel, events: sent }) => [channel, sent.length])).toEqual([
    [CHANNEL, 2],
    [CHANNEL, 2],
    [OTHER, 1],
  ]);
});

describe('acknowledgements', () => {
  test('are told once, on their own channel only', async () => {
    await post('/event', '{"event":1}');
    expect(await acks([0], OTHER)).toEqual([200, { acks: { 0: false } }]);
    expect(await acks([0, 7])).toEqual([200, { acks: { 0: true, 7: false } }]);
    expect(await acks([0])).toEqual([200, { acks: { 0: false } }]);
  });

  test('may be late, lost or forgotten', async () => {
    stub.onEvents = ({ number }) => ({ kind: 'take', ack: number === 1 ? 'late' : 'at once' });
    for (const event of [1, 2, 3]) await post('/event', JSON.stringify({ event }));
    stub.onAck = ({ number }) => (number === 2 ? 'lose' : number === 3 ? 503 : 'tell');
    expect(await acks([0, 1])).toEqual([200, { acks: { 0: false, 1: true } }]);
    await expect(acks([2])).rejects.toThrow('fetch failed');
    expect(await acks([0])).toMatchObject([503, { code: 8 }]);
    stub.releaseAcks();
    expect(await acks([0, 2])).toEqual([200, { acks: { 0: true, 2: false } }]);
    stub.forgetChannels();
    expect(await post('/event', '{"event":4}')).toMatchObject([200, { ackId: 0 }]);
    expect(stub.ackRequests).toHaveLength(4);
  });
});

describe('refusals', () => {
  test.each([
    ['', 400, { code: 5 }],
    ['{"event":1}{"event":', 400, { code: 6, 'invalid-event-number': 1 }],
    ['{"event":1}{"time":1}', 400, { code: 12, 'invalid-event-number': 1 }],
    ['{"event":""}', 400, { code: 13, 'invalid-event-number': 0 }],
    ['{"event":1,"fields":{"a":{"b":1}}}', 400, { code: 15, 'invalid-event-number': 0 }],
  ])('of the events %j', async (body, status, said) => {
    expect(await post('/event', body)).toMatchObject([status, said]);
    expect(stub.indexed).toEqual([]);
  });

  test.each([
    [{ authorization: 'Bearer x' }, 401, 3],
    [{ authorization: 'Splunk x' }, 403, 4],
    [{ 'x-splunk-request-channel': 'x' }, 400, 11],
  ])('of the request with %j', async (headers, status, code) => {
    expect(await post('/event', '{"event":1}', headers)).toMatchObject([status, { code }]);
  });

  test('as planned: code, status, Retry-After, the event at fault, what was taken before it', async () => {
    stub.onEvents = () => ({ kind: 'refuse', code: 9, retryAfter: '3' });
    const busy = await fetch(`${stub.endpoint}/services/collector/event?channel=${CHANNEL}`, {
      method: 'POST',
      headers: { authorization: `Splunk ${stub.token}` },
      body: '{"event":1}',
    });
    expect([busy.status, busy.headers.get('retry-after'), await busy.json()]).toMatchObject([503, '3', { code: 9 }]);
    stub.onEvents = () => ({ kind: 'refuse', code: 7, invalidEvent: 1, taken: 1 });
    expect(await post('/event', '{"event":1}{"event":2}')).toMatchObject([400, { code: 7, 'invalid-event-number': 1 }]);
    expect(stub.indexed).toEqual(['{"event":1}']);
  });
});

test('an answer may wait, and a connection may be cut before or after the events were taken', async () => {
  const gate = Promise.withResolvers<void>();
  stub.onEvents = () => ({ kind: 'take', after: gate.promise });
  const waiting = post('/event', '{"event":1}');
  await expect.poll(() => stub.requests.length).toBe(1);
  expect(stub.connections.open).toBe(1);
  expect(stub.indexed).toEqual([]);
  gate.resolve();
  expect(await waiting).toMatchObject([200, { code: 0 }]);
  stub.onEvents = ({ events }) => ({ kind: 'cut', taken: events[0] === '{"event":2}' });
  await expect(post('/event', '{"event":2}')).rejects.toThrow('fetch failed');
  await expect(post('/event', '{"event":3}')).rejects.toThrow('fetch failed');
  expect(stub.indexed).toEqual(['{"event":1}', '{"event":2}']);
  await expect.poll(() => stub.connections.open).toBe(0);
});

test('without acknowledgement no channel is needed, and /ack says so', async () => {
  await using plain = await startHecStub({ acknowledgement: false });
  const ask = async (path: string, body: string): Promise<unknown> => {
    const headers = { authorization: `Splunk ${plain.token}` };
    return (await fetch(`${plain.endpoint}/services/collector${path}`, { method: 'POST', headers, body })).json();
  };
  expect(await ask('/event', '{"event":1}')).toEqual({ text: 'Success', code: 0 });
  expect(await ask('/ack', '{"acks":[0]}')).toMatchObject({ code: 14 });
});

test('whatever JSON stands in the objects, they are told apart', () => {
  fc.assert(
    fc.property(fc.array(fc.json()), fc.constantFrom('', ' ', '\r\n\n\t'), (values, between) => {
      const objects = values.map((value) => `{"event":${value}}`);
      expect(splitObjects(objects.join(between) + between)).toEqual({ objects, rest: '' });
      expect(splitObjects(`${objects.join(between)}{"event":`)).toEqual({ objects, rest: '{"event":' });
    }),
  );
});
