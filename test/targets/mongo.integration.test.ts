import { MongoClient, MongoBulkWriteError, type AnyBulkWriteOperation } from 'mongodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startMongo, type Mongo } from './mongo.ts';

interface Stored {
  readonly _id: string;
  readonly n: number;
}

let mongo: Mongo;
let client: MongoClient;

beforeAll(async () => {
  mongo = await startMongo();
  client = await MongoClient.connect(mongo.url, { serverSelectionTimeoutMS: 10_000 });
});

afterAll(async () => {
  await client.close();
  await mongo[Symbol.asyncDispose]();
});

const collection = (name: string) => client.db('waggle').collection<Stored>(name);
const upserts = (prefix: string, count: number): AnyBulkWriteOperation<Stored>[] =>
  Array.from({ length: count }, (_, n) => ({
    updateOne: { filter: { _id: `${prefix}-${n}` }, update: { $setOnInsert: { n } }, upsert: true },
  }));
const insert = (id: string) => ({ insertOne: { document: { _id: id, n: 0 } } });
const majority = { ordered: false, writeConcern: { w: 'majority' } } as const;

test('upserts by id, in bulk, add each document once', async () => {
  const events = collection('upserts');
  await events.createIndex({ n: 1 });
  const first = await events.bulkWrite(upserts('a', 100), majority);
  const second = await events.bulkWrite(upserts('a', 150), majority);
  expect([first.upsertedCount, second.upsertedCount, second.matchedCount]).toEqual([100, 50, 100]);
  expect(await events.countDocuments()).toBe(150);
  expect(await events.find({ n: { $gte: 148 } }).toArray()).toEqual([
    { _id: 'a-148', n: 148 },
    { _id: 'a-149', n: 149 },
  ]);
});

test('a refused item leaves the rest of an unordered bulk done', async () => {
  const events = collection('refused');
  await events.insertOne({ _id: 'taken', n: 0 });
  const refusal = await events.bulkWrite(['taken', 'free'].map(insert), majority).catch((error: unknown) => error);
  if (!(refusal instanceof MongoBulkWriteError)) throw new Error(`no refusal: ${String(refusal)}`);
  expect([refusal.writeErrors].flat().map(({ index, code }) => [index, code])).toEqual([[0, 11_000]]);
  expect(await events.countDocuments({ _id: 'free' })).toBe(1);
});

test('what was acknowledged outlives a SIGKILL in the midst of writing', async () => {
  const events = collection('kept');
  let acknowledged = 0;
  const writing = (async () => {
    for (let batch = 0; ; batch++)
      acknowledged += (await events.bulkWrite(upserts(`b${batch}`, 50), majority)).upsertedCount;
  })().catch((error: unknown) => error);
  await expect.poll(() => acknowledged, { timeout: 20_000 }).toBeGreaterThan(1_000);
  await mongo.kill();
  await writing;
  await mongo.start();
  expect(await events.countDocuments()).toBeGreaterThanOrEqual(acknowledged);
});
