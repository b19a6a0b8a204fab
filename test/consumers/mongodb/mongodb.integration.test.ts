// Connections of the MongoDB sink against a server, through a proxy that spoils what it is told to spoil.
import { MongoClient, type Collection } from 'mongodb';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { LIMIT, type Statement } from '../../../consumers/mongodb/encode.ts';
import { openMongodbSink } from '../../../consumers/mongodb/index.ts';
import { SinkConfigInvalid, type Connection, type Outcome } from '../../../consumers/queue/contract.ts';
import { until } from '../../containers.ts';
import { startMongo, type Mongo } from '../../targets/mongo.ts';
import { eventOf } from './events.ts';
import { MongoProxy } from './mongo-proxy.ts';
import { mongodbConfig } from './mongodb-config.ts';

const { signal } = new AbortController();
const DONE: Outcome = { kind: 'done', repeated: 0 };

let mongo: Mongo;
let proxy: MongoProxy;
let client: MongoClient;
const opened: AsyncDisposable[] = [];

beforeAll(async () => {
  mongo = await startMongo();
  proxy = await MongoProxy.start(Number(new URL(mongo.url).port));
  client = await MongoClient.connect(mongo.url, { promoteLongs: false });
});
afterEach(async () => {
  proxy.rule = () => 'pass';
  await proxy.up();
  await Promise.all(opened.splice(0).map((each) => each[Symbol.asyncDispose]()));
});
afterAll(async () => {
  await client?.close();
  await proxy?.[Symbol.asyncDispose]();
  await mongo?.[Symbol.asyncDispose]();
});

function connect(collection: string, timeout?: number): Connection<Statement> {
  const connection = openMongodbSink(mongodbConfig(proxy.url, collection, timeout)).connect();
  opened.push(connection);
  return connection;
}
const events = (collection: string): Collection<{ _id: string; id: string; data: unknown }> =>
  client.db('waggle').collection(collection);
function statementsOf(data: readonly string[], prefix = 'e'): Statement[] {
  const sink = openMongodbSink(mongodbConfig(proxy.url, 'any'));
  return data.map((json, n) => {
    const encoded = sink.encode(eventOf(`${prefix}-${n}`, json));
    if (encoded.kind === 'refused') throw new Error(encoded.message);
    return encoded.body;
  });
}
const send = (connection: Connection<Statement>, batch: readonly Statement[], end = signal): Promise<Outcome> =>
  connection.send(batch, end, () => {});
const many = (count: number, prefix?: string): Statement[] =>
  statementsOf(
    Array.from({ length: count }, (_, n) => `{"n":${n}}`),
    prefix,
  );

describe('documents', () => {
  test('are stored as they came, and a repeat changes nothing', async () => {
    const connection = connect('kept');
    const data = [
      '{"$set":1,"a.b":{"$c.d":2},"":3,"$":4}',
      '{"$ref":"a"}',
      '{"_bsontype":"Long","low":1}',
      `${'{"a":['.repeat(31)}1${']}'.repeat(31)}`,
      '"text"',
      'null',
      '[1,"two",null,true,[]]',
    ];
    const batch = statementsOf(data);
    expect(await send(connection, batch)).toEqual(DONE);
    await events('kept').updateOne({ id: 'e-4' }, { $set: { note: 'added by somebody' } });
    expect(await send(connection, [...batch, ...many(1, 'new')])).toEqual({ kind: 'done', repeated: data.length });
    const found = await events('kept').find({ id: /^e-/ }).toArray();
    const texts = new Map(found.map(({ id, data: stored }) => [id, JSON.stringify(stored)]));
    expect(texts).toEqual(new Map(data.map((json, n) => [`e-${n}`, json])));
    expect(await events('kept').countDocuments({ note: 'added by somebody' })).toBe(1);
  });

  test('keep every digit of their numbers', async () => {
    const numbers = [
      '9007199254740993',
      '-9223372036854775808',
      '18446744073709551615',
      '0.1234567890123456789',
      '1e400',
      '-0',
      '12.50',
    ];
    expect(await send(connect('numbers'), statementsOf(numbers))).toEqual(DONE);
    const found = await events('numbers').find().toArray();
    const texts = new Map(found.map(({ id, data }) => [id, Object.is(data, -0) ? '-0' : String(data)]));
    expect(numbers.map((_, n) => texts.get(`e-${n}`))).toEqual([...numbers.slice(0, 4), '1E+400', '-0', '12.5']);
    expect(await events('numbers').countDocuments({ data: { $gt: 12, $lt: 13 } })).toBe(1);
  });

  test('of nearly 16 MiB pass in one request, larger ones are too large before they are sent', async () => {
    const sink = openMongodbSink(mongodbConfig(proxy.url, 'large', 30_000));
    const sized = (length: number) => sink.encode(eventOf('large', JSON.stringify('x'.repeat(length))));
    const small = sized(0);
    if (small.kind === 'refused') throw new Error(small.message);
    const largest = sized(LIMIT.bytes - small.bytes);
    if (largest.kind === 'refused') throw new Error(largest.message);
    expect(largest.bytes).toBe(LIMIT.bytes);
    expect(await send(connect('large', 30_000), [largest.body])).toEqual(DONE);
    // The loop refuses whatever is over the limit of a request.
    expect(sized(LIMIT.bytes - small.bytes + 1)).toMatchObject({ bytes: LIMIT.bytes + 1 });
  });

  test('that a unique index refuses are rejected alone', async () => {
    await events('unique').createIndex({ 'data.serial': 1 }, { unique: true, sparse: true });
    const batch = statementsOf(['{"serial":1}', '{"serial":1}', '{"serial":2}']);
    expect(await send(connect('unique'), batch)).toMatchObject({
      kind: 'partly',
      rejected: [{ index: 1, code: 'DuplicateKey' }],
      retry: [],
      repeated: 0,
    });
    expect(await events('unique').countDocuments()).toBe(2);
  });

  test('that two connections upsert at once are there once, and nobody is refused', async () => {
    const both = [connect('race'), connect('race')];
    let repeated = 0;
    for (let round = 0; round < 10; round++) {
      const batch = many(50, `race-${round}`);
      for (const outcome of await Promise.all(both.map((connection) => send(connection, batch)))) {
        expect(outcome).toMatchObject({ kind: 'done' });
        repeated += outcome.kind === 'done' ? outcome.repeated : 0;
      }
    }
    expect([await events('race').countDocuments(), repeated]).toEqual([500, 500]);
  });
});

describe('a connection', () => {
  test('asks for the journals of a majority, in one unordered command', async () => {
    const commands: object[] = [];
    proxy.rule = (command, document) => {
      if (command === 'update') commands.push(document());
      return 'pass';
    };
    expect(await send(connect('concern'), many(3))).toEqual(DONE);
    expect(commands).toMatchObject([
      { update: 'concern', ordered: false, writeConcern: { w: 'majority', j: true, wtimeout: 2500 } },
    ]);
    expect(commands[0]).toHaveProperty('updates.length', 3);
    expect(commands[0]).not.toHaveProperty('txnNumber'); // the driver's own retries
  });

  test('has one socket for its commands, another that only watches, and none once it is closed', async () => {
    const connection = connect('sockets');
    const other = connect('sockets');
    for (let n = 0; n < 5; n++)
      await Promise.all([send(connection, many(1, `s-${n}`)), send(other, many(1, `o-${n}`))]);
    expect([proxy.with('update').length, proxy.open.size]).toEqual([2, 4]);
    await connection[Symbol.asyncDispose]();
    await connection[Symbol.asyncDispose]();
    await until('its sockets closed', () => proxy.open.size === 2);
  });

  test('ends at once on abort, closes its socket, and serves again', async () => {
    const connection = connect('aborted', 60_000);
    expect(await send(connection, many(1, 'before'))).toEqual(DONE);
    const abort = new AbortController();
    proxy.rule = (command) => {
      if (command !== 'update') return 'pass';
      setImmediate(() => abort.abort(new Error('the permit is gone')));
      return 'hang';
    };
    const begun = performance.now();
    await send(connection, many(1), abort.signal);
    expect(performance.now() - begun).toBeLessThan(2_000);
    await until('its socket closed', () => proxy.with('update').length === 0);
    proxy.rule = () => 'pass';
    expect(await send(connection, many(1, 'after'))).toEqual(DONE);
  });

  test('closes in time while its server says nothing', async () => {
    const connection = connect('silent', 60_000);
    expect(await send(connection, many(1))).toEqual(DONE);
    proxy.rule = () => 'hang';
    const begun = performance.now();
    await connection[Symbol.asyncDispose]();
    expect(performance.now() - begun).toBeLessThan(3_000);
    await until('its sockets closed', () => proxy.open.size === 0);
  });

  test('ends at once and closes while it is only being opened', async () => {
    proxy.rule = () => 'hang';
    const connection = connect('opening', 3_000);
    const abort = new AbortController();
    const sent = send(connection, many(1), abort.signal);
    await until('the handshake begun', () => proxy.with('').length + proxy.with('hello').length > 0);
    const begun = performance.now();
    abort.abort(new Error('the permit is gone'));
    await sent;
    await connection[Symbol.asyncDispose]();
    expect(performance.now() - begun).toBeLessThan(2_000);
    // The driver gives up a handshake at its time-out alone.
    await until('its sockets closed', () => proxy.open.size === 0);
  });

  test('pauses where its login is refused', async () => {
    const uri = proxy.url.replace('//', '//user:secret@');
    const connection = openMongodbSink(mongodbConfig(uri, 'login')).connect();
    opened.push(connection);
    proxy.rule = (command) =>
      command === 'saslStart'
        ? { answer: { ok: 0, code: 18, codeName: 'AuthenticationFailed', errmsg: 'Authentication failed.' } }
        : 'pass';
    const outcome = await send(connection, many(1));
    expect(outcome).toMatchObject({ kind: 'paused', code: 'AuthenticationFailed' });
    expect(JSON.stringify(outcome)).not.toContain('secret');
  });

  test('gives up a request at its deadline', async () => {
    const connection = connect('late', 400);
    proxy.rule = (command) => (command === 'update' ? 'hang' : 'pass');
    expect(await send(connection, many(1))).toMatchObject({ kind: 'retry', code: 'timeout' });
    await proxy.down();
    expect(await send(connection, many(1))).toMatchObject({ kind: 'retry' });
  });

  test('comes back by itself once its server does', async () => {
    const connection = connect('back');
    expect(await send(connection, many(1))).toEqual(DONE);
    await proxy.down();
    expect(await send(connection, many(2))).toMatchObject({ kind: 'retry' });
    await proxy.up();
    await until('it is written', async () => (await send(connection, many(2))).kind === 'done');
    expect(await events('back').countDocuments()).toBe(2);
  });

  test('finds a server that was away at first', async () => {
    await proxy.down();
    const connection = connect('later', 500);
    expect(await send(connection, many(1))).toMatchObject({ kind: 'retry' });
    expect(await send(connection, many(1))).toMatchObject({ kind: 'retry' });
    await proxy.up();
    await until('it is written', async () => (await send(connection, many(1))).kind === 'done');
  });

  test.each([
    [
      { ok: 1, n: 1, nModified: 0, upserted: [], writeConcernError: { code: 64, errmsg: 'waiting' } },
      'retry',
      'WriteConcernTimeout',
    ],
    [{ ok: 0, code: 10107, codeName: 'NotWritablePrimary', errmsg: 'not primary' }, 'retry', 'NotWritablePrimary'],
    [{ ok: 0, code: 13, codeName: 'Unauthorized', errmsg: 'not authorized' }, 'paused', 'Unauthorized'],
    [{ ok: 0, code: 8000, codeName: 'AtlasError', errmsg: 'over your quota' }, 'paused', 'AtlasError'],
    [{ ok: 0, code: 10334, codeName: 'BSONObjectTooLarge', errmsg: 'too large' }, 'rejected', 'BSONObjectTooLarge'],
    [
      { ok: 0, code: 462, errmsg: 'overloaded', errorLabels: ['SystemOverloadedError', 'RetryableError'] },
      'retry',
      'IngressRequestRateLimitExceeded',
    ],
  ])('asks once, and tells what %j means', async (answer, kind, code) => {
    let asked = 0;
    proxy.rule = (command) => {
      if (command !== 'update') return 'pass';
      asked++;
      return { answer };
    };
    expect(await send(connect('answers'), many(1))).toMatchObject({ kind, code });
    expect(asked).toBe(1);
  });

  test('is tried before the first request', async () => {
    const sink = openMongodbSink(mongodbConfig(proxy.url, 'tried', 500));
    const connection = connect('tried', 500);
    expect(await sink.prepare?.(connection, signal)).toEqual(DONE);
    proxy.rule = (command) =>
      command === 'ping' ? { answer: { ok: 0, code: 18, codeName: 'AuthenticationFailed', errmsg: 'no' } } : 'pass';
    expect(await sink.prepare?.(connection, signal)).toMatchObject({ kind: 'paused', code: 'AuthenticationFailed' });
  });
});

test.each([
  ['http://user:secret@host', /Invalid scheme/],
  ['mongodb://user:secret@host/?authMechanism=NONE', /authMechanism/i],
  ['mongodb://user:secret@', /host|hostname|empty/i],
])('the wrong connection string %s is told without its secret', (uri, why) => {
  let told: unknown;
  try {
    openMongodbSink(mongodbConfig(uri, 'events'));
  } catch (error) {
    told = error;
  }
  if (!(told instanceof SinkConfigInvalid)) throw new Error(`not told: ${String(told)}`);
  expect(told.message).toMatch(why);
  expect(told.message).toContain('sinks.documents.uri: ');
  expect(told.message).not.toContain('secret');
});
