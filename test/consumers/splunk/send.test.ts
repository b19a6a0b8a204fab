// The sink against a collector that can be made to say anything.
import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { SplunkSinkConfig } from '../../../core/config/sink-config.ts';
import type { Connection, Outcome, QueueSink } from '../../../consumers/queue/contract.ts';
import { HEC_CODES } from '../../../consumers/splunk/classify.ts';
import { openSplunkSink } from '../../../consumers/splunk/index.ts';
import { makeCertificate } from '../../targets/certificates.ts';
import { startHecStub, type Answer, type HecStub } from '../../targets/hec-stub.ts';
import { eventOf } from '../queue/sample-event.ts';
import { splunkConfig } from './splunk-config.ts';

const DONE: Outcome = { kind: 'done', repeated: 0 };
const { signal } = new AbortController();
const ACK = { enabled: true, poll: 20, timeout: 5000 };
const POISON = '"poison"';
let stub: HecStub;
let connections: Connection<Buffer>[] = [];

beforeEach(async () => {
  stub = await startHecStub({ acknowledgement: false });
});
afterEach(async () => {
  for (const connection of connections) await connection[Symbol.asyncDispose]();
  connections = [];
  await stub[Symbol.asyncDispose]();
});
async function withAcks(): Promise<void> {
  await stub[Symbol.asyncDispose]();
  stub = await startHecStub();
}

function open(change: Partial<SplunkSinkConfig> = {}): { sink: QueueSink<Buffer>; connection: Connection<Buffer> } {
  const sink = openSplunkSink(splunkConfig({ endpoints: [stub.endpoint], token: stub.token, ...change }));
  const connection = sink.connect();
  connections.push(connection);
  return { sink, connection };
}

/** What no collector would do. */
async function startServer(serve: RequestListener): Promise<{ endpoint: string; server: Server } & AsyncDisposable> {
  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // listens on TCP
    server,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()),
  };
}

/** Bodies of events with these data, in JSON. */
function bodies(sink: QueueSink<Buffer>, ...data: string[]): Buffer[] {
  return data.map((json, i) => {
    const encoded = sink.encode(eventOf(json, { id: `e-${i}` }));
    if (encoded.kind === 'refused') throw new Error(encoded.message);
    return encoded.body;
  });
}
const send = ({ sink, connection }: ReturnType<typeof open>, ...data: string[]): Promise<Outcome> =>
  connection.send(bodies(sink, ...data), signal, () => {});
const indexedData = (): unknown[] => stub.indexed.map((json) => (JSON.parse(json) as { event: unknown }).event);
const check = ({ sink, connection }: ReturnType<typeof open>): Promise<Outcome> | undefined =>
  sink.prepare?.(connection, signal);
const isPoison = (json: string): boolean => json.includes(`"event":${POISON}`);
/** As Splunk refuses: it names the first that it cannot take, and may keep those before. */
const refusing =
  (code: number, from: number, keeps: boolean) =>
  ({ events }: { readonly events: readonly string[] }): Answer => {
    const at = events.findIndex(isPoison);
    if (at < 0) return { kind: 'take' };
    return { kind: 'refuse', code, invalidEvent: at + from, taken: keeps ? at : 0 };
  };
const until = (expectation: () => void): Promise<void> => vi.waitFor(expectation, { timeout: 5000, interval: 5 });

describe('a request', () => {
  test.each([true, false])(
    'holds its events one after the other, numbers exact; compressed: %j',
    async (compression) => {
      const opened = open({ compression });
      expect(await send(opened, '9007199254740993', '{"x":1e400}')).toEqual(DONE);
      expect(stub.indexed[0]).toContain('"event":9007199254740993,');
      expect(stub.indexed[1]).toContain('"event":{"x":1e400},');
      expect(stub.requests[0]).toMatchObject({ channel: null, headers: { authorization: `Splunk ${stub.token}` } });
      expect(stub.requests[0]?.headers['content-encoding']).toBe(compression ? 'gzip' : undefined);
    },
  );

  test('follows the one before on the same socket', async () => {
    const opened = open();
    for (let i = 0; i < 20; i++) expect(await send(opened, String(i))).toEqual(DONE);
    expect(indexedData()).toEqual([...Array(20).keys()]);
    expect(stub.connections.total).toBe(1);
  });
});

test.each(Object.keys(HEC_CODES).map(Number))('code %i becomes its outcome', async (code) => {
  const { name, meaning } = HEC_CODES[code] ?? { name: '', meaning: '' };
  stub.onEvents = () => ({ kind: 'say', status: HEC_CODES[code]?.status ?? 0, body: `{"text":"said","code":${code}}` });
  const kinds: Record<string, string> = { taken: 'done', event: 'rejected', index: 'paused', healthy: 'retry' };
  const kind = kinds[meaning] ?? meaning;
  expect(await send(open(), '1', '2')).toMatchObject(kind === 'done' ? DONE : { kind, code: name });
});

test('busy with Retry-After: sent again after that', async () => {
  stub.onEvents = ({ number }) => (number === 1 ? { kind: 'refuse', code: 9, retryAfter: '3' } : { kind: 'take' });
  const opened = open();
  expect(await send(opened, '1')).toMatchObject({ kind: 'retry', code: 'busy', after: 3000 });
  expect(await send(opened, '1')).toEqual(DONE);
  expect(stub.connections.total).toBe(1);
});

describe('an event at fault', () => {
  test.each([
    ['numbers from 0', 6, 0],
    ['numbers from 1', 7, 1],
  ])('is proven alone and taken out, all others arrive: %s', async (_, code, from) => {
    const good: number[] = [];
    for (const at of [0, 1, 2]) {
      stub.onEvents = refusing(code, from, false);
      const data = ['1', '2', '3'].toSpliced(at, 1, POISON);
      const opened = open({ index: { from: '/type', or: null } });
      const outcome = await send(opened, ...data);
      const rejected = [{ index: at, code: HEC_CODES[code]?.name }];
      expect(outcome).toMatchObject({ kind: 'partly', rejected, retry: [], repeated: 0 });
      good.push(...[1, 2, 3].toSpliced(at, 1));
      expect(
        indexedData()
          .map(Number)
          .toSorted((a, b) => a - b),
      ).toEqual(good.toSorted((a, b) => a - b));
    }
  });

  test('the collector that keeps those before it gets them again: repeats by id, none lost', async () => {
    stub.onEvents = refusing(6, 0, true);
    expect(await send(open(), '1', POISON, '3')).toMatchObject({ kind: 'partly', rejected: [{ index: 1 }], retry: [] });
    expect(indexedData()).toEqual([1, 1, 3]);
  });

  test('alone is certain, and without a number is looked for in halves', async () => {
    stub.onEvents = () => ({ kind: 'refuse', code: 6, invalidEvent: 0 });
    expect(await send(open(), POISON)).toMatchObject({ kind: 'rejected', code: 'data-format-invalid' });
    stub.onEvents = () => ({ kind: 'refuse', code: 6 });
    expect(await send(open(), '1', POISON)).toMatchObject({ kind: 'rejected' });
    stub.onEvents = () => ({ kind: 'refuse', code: 6, invalidEvent: 77 });
    expect(await send(open(), '1', POISON)).toMatchObject({ kind: 'rejected' });
    expect(stub.requests).toHaveLength(3);
  });

  test('a number that proves wrong throws no good event away', async () => {
    stub.onEvents = ({ events }) =>
      events.some(isPoison) ? { kind: 'refuse', code: 6, invalidEvent: 1 } : { kind: 'take' };
    expect(await send(open(), '0', '1', '2', POISON)).toMatchObject({ kind: 'rejected' });
  });

  test('trouble while it is proven leaves everything to be sent again', async () => {
    stub.onEvents = ({ number }) =>
      number === 1 ? { kind: 'refuse', code: 6, invalidEvent: 0 } : { kind: 'refuse', code: 9 };
    expect(await send(open(), '0', '1')).toMatchObject({ kind: 'retry', code: 'busy' });
  });
});

describe('the connection', () => {
  test.each([true, false])('cut before the answer: sent again, on a new one; taken: %j', async (taken) => {
    stub.onEvents = ({ number }) => (number === 1 ? { kind: 'cut', taken } : { kind: 'take' });
    const opened = open();
    expect(await send(opened, '1')).toMatchObject({ kind: 'retry', code: 'connection' });
    expect(await send(opened, '1')).toEqual(DONE);
    expect(indexedData()).toEqual(taken ? [1, 1] : [1]);
    expect(stub.connections).toMatchObject({ most: 1, total: 2 });
  });

  test('closed while idle is no failure', async () => {
    await using collector = await startServer((_, answer) => answer.end('{"text":"Success","code":0}'));
    const opened = open({ endpoints: [collector.endpoint] });
    for (let i = 0; i < 5; i++) {
      expect(await send(opened, '1')).toEqual(DONE);
      collector.server.closeAllConnections();
    }
  });

  test('goes to the indexer that a balancer chose, by its cookie, on the next socket too', async () => {
    const cookies: unknown[] = [];
    await using balancer = await startServer(({ headers: { cookie } }, answer) => {
      if (cookies.push(cookie) === 1) answer.setHeader('set-cookie', ['AWSALB=a1; Path=/; Secure', 'other=2']);
      answer.setHeader('connection', 'close').end('{"text":"Success","code":0}');
    });
    const opened = open({ endpoints: [balancer.endpoint] });
    for (let i = 0; i < 3; i++) expect(await send(opened, '1')).toEqual(DONE);
    expect(cookies).toEqual([undefined, 'AWSALB=a1; other=2', 'AWSALB=a1; other=2']);
  });

  test('closed after each answer is no failure either', async () => {
    await using collector = await startServer(({ url }, answer) => {
      answer.setHeader('connection', 'close');
      answer.end(url === '/services/collector/ack' ? '{"acks":{"0":true}}' : '{"text":"Success","code":0,"ackId":0}');
    });
    const opened = open({ endpoints: [collector.endpoint], ack: ACK });
    expect(await check(opened)).toEqual(DONE);
    for (let i = 0; i < 5; i++) expect(await send(opened, '1')).toEqual(DONE);
  });

  test('over TLS, to the server of the fingerprint alone', async () => {
    const certificate = makeCertificate({ subject: 'hec' });
    const server = createTlsServer(certificate, (_, answer) => answer.end('{"text":"Success","code":0}'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoints = [`https://127.0.0.1:${(server.address() as AddressInfo).port}/`];
    const { fingerprint } = certificate;
    expect(await send(open({ endpoints, tls: { ca: null, fingerprint } }), '1')).toEqual(DONE);
    const other = makeCertificate({ subject: 'hec' }).fingerprint;
    for (const tls of [
      { ca: null, fingerprint: other },
      { ca: null, fingerprint: null },
    ])
      expect(await send(open({ endpoints, tls }), '1')).toMatchObject({ kind: 'paused', code: 'certificate' });
    server.close().closeAllConnections();
  });

  test('without an answer in time', async () => {
    const gate = Promise.withResolvers<void>();
    stub.onEvents = () => ({ kind: 'take', after: gate.promise });
    expect(await send(open({ timeout: 100 }), '1')).toMatchObject({ kind: 'retry', code: 'timeout' });
    gate.resolve();
    await until(() => expect(stub.connections.open).toBe(0));
  });

  test('ends at once with the signal', async () => {
    const gate = Promise.withResolvers<void>();
    stub.onEvents = () => ({ kind: 'take', after: gate.promise });
    const stop = new AbortController();
    const { sink, connection } = open();
    const sending = connection.send(bodies(sink, '1'), stop.signal, () => {});
    await until(() => expect(stub.requests).toHaveLength(1));
    stop.abort();
    await sending;
    gate.resolve();
    await until(() => expect(stub.connections.open).toBe(0));
  });

  test('that fails twice goes on to the next collector, and keeps to it', async () => {
    const away = await startHecStub();
    await away[Symbol.asyncDispose]();
    const opened = open({ endpoints: [away.endpoint, stub.endpoint] });
    const outcomes = [];
    for (let i = 0; i < 5; i++) outcomes.push((await send(opened, String(i))).kind);
    expect(['retry,retry,done,done,done', 'done,done,done,done,done']).toContain(outcomes.join());
    expect(stub.connections.total).toBe(1);
  });
});

describe('before the first request', () => {
  test('all is well', async () => {
    expect(await check(open())).toEqual(DONE);
    await withAcks();
    expect(await check(open({ ack: ACK }))).toEqual(DONE);
    expect(stub.indexed).toEqual([]);
  });
  test('a wrong token', async () => {
    expect(await check(open({ token: 'wrong' }))).toMatchObject({ kind: 'paused', code: 'token-invalid' });
  });
  test('acknowledgement on one side only', async () => {
    expect(await check(open({ ack: ACK }))).toMatchObject({ kind: 'paused', code: 'ack-disabled' });
    await withAcks();
    expect(await check(open())).toMatchObject({ kind: 'paused', code: 'channel-missing' });
  });
  test('nobody there, or no collector', async () => {
    const nginx = await startServer((_, answer) =>
      answer.writeHead(400).end('The plain HTTP request was sent to HTTPS port'),
    );
    const endpoints = [nginx.endpoint];
    expect(await check(open({ endpoints }))).toMatchObject({ kind: 'paused', code: 'no-collector' });
    await nginx[Symbol.asyncDispose]();
    expect(await check(open({ endpoints }))).toMatchObject({ kind: 'retry', code: 'connection' });
  });
});

describe('with indexer acknowledgement', () => {
  beforeEach(withAcks);

  test('a request is done once it is indexed; the connection is free before', async () => {
    stub.onEvents = () => ({ kind: 'take', ack: 'late' });
    const { sink, connection } = open({ ack: ACK });
    const done: number[] = [];
    for (const number of [0, 1, 2]) {
      const { promise: taken, resolve } = Promise.withResolvers<void>();
      void connection.send(bodies(sink, String(number)), signal, resolve).then(() => done.push(number));
      await taken;
    }
    await until(() => expect(stub.ackRequests.length).toBeGreaterThan(2));
    expect(done).toEqual([]);
    expect(stub.ackRequests.at(-1)?.acks).toEqual([0, 1, 2]);
    stub.releaseAcks();
    await until(() => expect(done.toSorted((a, b) => a - b)).toEqual([0, 1, 2]));
    expect(stub.connections).toMatchObject({ most: 1, total: 1 });
  });

  test('each connection has a channel, a UUID of its own', async () => {
    expect(await send(open({ ack: ACK }), '1')).toEqual(DONE);
    expect(await send(open({ ack: ACK }), '2')).toEqual(DONE);
    const channels = stub.requests.map(({ channel }) => channel);
    expect(new Set(channels).size).toBe(2);
    for (const channel of channels) expect(channel).toHaveLength(randomUUID().length);
  });

  test('an acknowledgement whose answer was lost: sent again after the time-out', async () => {
    stub.onAck = ({ number }) => (number === 1 ? 'lose' : 'tell');
    const opened = open({ ack: { ...ACK, timeout: 200 } });
    expect(await send(opened, '1')).toMatchObject({ kind: 'retry', code: 'ack-timeout' });
    expect(await send(opened, '1')).toEqual(DONE);
    expect(indexedData()).toEqual([1, 1]);
  });

  test('questions that fail count as nothing', async () => {
    stub.onAck = ({ number }) => (number < 4 ? 503 : 'tell');
    expect(await send(open({ ack: ACK }), '1')).toEqual(DONE);
    expect(stub.ackRequests).toHaveLength(4);
  });

  test('after a cut the new socket has a new channel, and the old one is still asked for', async () => {
    stub.onEvents = ({ number }) => (number === 2 ? { kind: 'cut', taken: true } : { kind: 'take', ack: 'late' });
    const opened = open({ ack: ACK });
    const first = send(opened, '1');
    await until(() => expect(stub.ackRequests.length).toBeGreaterThan(0));
    expect(await send(opened, '2')).toMatchObject({ kind: 'retry', code: 'connection' });
    const second = send(opened, '2');
    await until(() => expect(new Set(stub.ackRequests.slice(-2).map(({ channel }) => channel)).size).toBe(2));
    stub.releaseAcks();
    expect(await Promise.all([first, second])).toEqual([DONE, DONE]);
    const [a, b, c] = stub.requests.map(({ channel }) => channel);
    expect([a === b, b === c]).toEqual([true, false]);
    expect(stub.connections.most).toBe(1);
  });

  test('a collector that has forgotten its channels: nothing passes for delivered', async () => {
    stub.onEvents = ({ number }) => ({ kind: 'take', ack: number < 3 ? 'never' : 'at once' });
    const opened = open({ ack: { ...ACK, poll: 50 } });
    const early = [send(opened, '1'), send(opened, '2')];
    await until(() => expect(stub.requests).toHaveLength(2));
    stub.forgetChannels(); // behind a proxy: the socket stays
    expect(await send(opened, '3')).toEqual(DONE);
    for (const outcome of await Promise.all(early)) expect(outcome).toMatchObject({ kind: 'retry', code: 'ack-reset' });
  });

  test('a proxy’s failure: what waits on that channel is sent again, on a new one', async () => {
    stub.onEvents = ({ number }) =>
      number === 2 ? { kind: 'say', status: 502, body: 'Bad gateway' } : { kind: 'take', ack: 'late' };
    const opened = open({ ack: ACK });
    const waiting = send(opened, '1');
    await until(() => expect(stub.ackRequests.length).toBeGreaterThan(0));
    expect(await send(opened, '2')).toMatchObject({ kind: 'retry', code: 'http-502' });
    expect(await waiting).toMatchObject({ kind: 'retry', code: 'ack-lost' });
    const last = send(opened, '3');
    await until(() => expect(stub.requests).toHaveLength(3));
    expect(stub.requests[2]?.channel).not.toBe(stub.requests[1]?.channel);
    stub.releaseAcks();
    expect(await last).toEqual(DONE);
  });

  test('at another collector what was open is sent again at once', async () => {
    const other = await startHecStub();
    const lost = await startHecStub();
    lost.onEvents = () => ({ kind: 'take', ack: 'never' });
    let opened = open({ endpoints: [lost.endpoint, other.endpoint], ack: { ...ACK, timeout: 60_000 } });
    if ((await opened.sink.prepare?.(opened.connection, signal), lost.connections.total) === 0)
      opened = { sink: opened.sink, connection: opened.sink.connect() };
    connections.push(opened.connection);
    const waiting = send(opened, '1');
    await until(() => expect(lost.ackRequests.some(({ acks }) => acks[0] === 0)).toBe(true));
    await lost[Symbol.asyncDispose]();
    expect(await waiting).toMatchObject({ kind: 'retry', code: 'ack-lost' });
    expect(await send(opened, '1')).toEqual(DONE);
    expect(other.indexed).toHaveLength(1);
    await opened.connection[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
  });

  test('a token without it pauses the sink, though the events were taken', async () => {
    stub.onEvents = () => ({ kind: 'say', status: 200, body: '{"text":"Success","code":0}' });
    expect(await send(open({ ack: ACK }), '1')).toMatchObject({ kind: 'paused', code: 'ack-missing' });
  });

  test('a token revoked while requests wait', async () => {
    await using collector = await startServer(({ url }, answer) =>
      url === '/services/collector/ack'
        ? answer.writeHead(403).end('{"text":"Token disabled","code":1}')
        : answer.end('{"text":"Success","code":0,"ackId":0}'),
    );
    const opened = open({ endpoints: [collector.endpoint], ack: ACK });
    expect(await send(opened, '1')).toMatchObject({ kind: 'paused', code: 'token-disabled' });
  });

  test('closing ends all waits at once, twice does no harm', async () => {
    stub.onEvents = () => ({ kind: 'take', ack: 'never' });
    const opened = open({ ack: ACK });
    const waiting = send(opened, '1');
    await until(() => expect(stub.ackRequests.length).toBeGreaterThan(0));
    await opened.connection[Symbol.asyncDispose]();
    await opened.connection[Symbol.asyncDispose]();
    expect(await waiting).toMatchObject({ kind: 'retry', code: 'closing' });
    await until(() => expect(stub.connections.open).toBe(0));
  });
});
