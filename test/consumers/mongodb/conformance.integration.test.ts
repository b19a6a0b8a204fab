import { MongoClient } from 'mongodb';
import { startMongo } from '../../targets/mongo.ts';
import { queueSinkConformance, type TargetTrouble } from '../queue/conformance.ts';
import { MongoProxy, type Ruling } from './mongo-proxy.ts';
import { mongodbConfig } from './mongodb-config.ts';

const rulings: Readonly<Record<Exclude<TargetTrouble, 'down' | null>, Ruling>> = {
  busy: { answer: { ok: 0, code: 462, codeName: 'IngressRequestRateLimitExceeded', errmsg: 'too many requests' } },
  forbidden: { answer: { ok: 0, code: 13, codeName: 'Unauthorized', errmsg: 'not authorized on waggle' } },
  slow: { late: 300 },
};

queueSinkConformance('MongoDB', {
  exactlyOnceById: true,
  async open() {
    const stack = new AsyncDisposableStack();
    const mongo = stack.use(await startMongo());
    const proxy = stack.use(await MongoProxy.start(Number(new URL(mongo.url).port)));
    const client = stack.adopt(await MongoClient.connect(mongo.url), (each) => each.close());
    const events = client.db('waggle').collection('suite');
    await events.createIndex({ 'data.serial': 1 }, { unique: true, sparse: true });
    await events.insertOne({ id: 'the first with this serial', data: { serial: 7 } });
    let turn = 0;
    return {
      config: mongodbConfig(proxy.url, 'suite'),
      async stored() {
        const counts = new Map<string, number>();
        for (const { id } of await events.find({}, { projection: { id: 1 } }).toArray())
          counts.set(String(id), (counts.get(String(id)) ?? 0) + 1);
        return counts;
      },
      // One that BSON cannot hold, others that a unique index refuses.
      poison: () => (turn++ === 0 ? { 'a\0b': 1 } : { serial: 7 }),
      async trouble(kind) {
        proxy.rule = (command) =>
          kind !== null && kind !== 'down' && ['update', 'ping'].includes(command) ? rulings[kind] : 'pass';
        await (kind === 'down' ? proxy.down() : proxy.up());
        return true;
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  },
});
