// A queue sink's process and the broker: what it says and does where its queue is missing, its rights are, or its configuration is wrong.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { sinkQueue } from '#topology/names.ts';
import { SinkConfigInvalid } from '../../consumers/queue/contract.ts';
import { until } from '../containers.ts';
import { freePort } from '../docker.ts';
import { booksOf, imbalance } from './queue/books.ts';
import { HttpTarget } from './queue/http-target.ts';
import { SinkBench, type Running } from './queue/sink-bench.ts';

let target: HttpTarget;
let bench: SinkBench;
beforeAll(async () => {
  target = await HttpTarget.start();
  const config = { ...target.config(), admin: `127.0.0.1:${await freePort()}` };
  bench = await SinkBench.start(config, async () => target.sink());
});
afterAll(async () => {
  await bench?.[Symbol.asyncDispose]();
  await target?.[Symbol.asyncDispose]();
});
beforeEach(() => target.trouble(null));

const reasons = async (): Promise<string> => {
  const answer = await fetch(`http://${bench.sink.admin}/readyz`);
  return ((await answer.json()) as { readonly reasons: readonly string[] }).reasons.join('\n');
};
const arrived = (ids: readonly string[]): Promise<void> =>
  until('the events', () => ids.every((id) => target.stored.has(id)));
const balanced = (running: Running): Promise<void> =>
  until('the books to balance', async () => {
    const books = await booksOf(running.telemetry);
    return books.held === 0 && imbalance(books) === 0;
  });

async function permitted({ telemetry }: Running): Promise<number> {
  const { values } = await telemetry.metrics.sinkConnections.get();
  return values.find(({ labels }) => labels.kind === 'permitted')?.value ?? 0;
}

test('a queue that is not there, or goes while it is consumed, is told with what to do, and waited for', async () => {
  await bench.manage('DELETE', `queues/%2F/${sinkQueue(bench.sink.name)}`);
  const running = bench.run();
  await until('the reason', async () => (await reasons()).includes('waggle topology declare'));
  await bench.declare();
  await until('readiness', async () => (await reasons()) === '');
  await arrived(await bench.publish('a.b', [{}]));
  await bench.manage('DELETE', `queues/%2F/${sinkQueue(bench.sink.name)}`);
  await until('the reason', async () => (await reasons()).includes('there is none'));
  await bench.declare();
  await until('readiness', async () => (await reasons()) === '');
  await arrived(await bench.publish('a.b', [{}]));
  await balanced(running);
  expect(await running.stop()).toBe(0);
});

test('a user without rights is told, and goes on by itself once it has them', async () => {
  const { name } = bench.sink;
  const rights = { configure: '^$', write: '^events\\.dead$', read: '^$' };
  await bench.manage('PUT', `permissions/%2F/${name}`, rights);
  const running = bench.run();
  // Neither queue nor permits may be read: without a permit the queue is not even tried.
  await until('the reason', async () => (await reasons()).includes(`"${name}"`));
  await bench.declare();
  const ids = await bench.publish('a.b', [{}]);
  await arrived(ids);
  await until('readiness', async () => (await reasons()) === '');
  expect(await running.stop()).toBe(0);
});

test('a password that the broker refuses is told', async () => {
  const users = { ...bench.config.users, [bench.sink.name]: { password: 'wrong' } };
  const running = bench.run(bench.sink, undefined, { ...bench.config, users });
  await until('the reason', async () => (await reasons()).includes('ACCESS_REFUSED'));
  expect(await running.stop()).toBe(0);
});

test('two instances share the connections, and one takes over what the other leaves', async () => {
  target.mostSockets = 0;
  await target.trouble('slow');
  const first = bench.run();
  const second = bench.run({ ...bench.sink, admin: '127.0.0.1:0' });
  const ids: string[] = [];
  for (let n = 0; n < 20; n++) ids.push(...(await bench.publish('a.b', [{}, {}, {}])));
  await until('some of it', () => ids.some((id) => target.stored.has(id)));
  expect(await first.stop()).toBe(0);
  await target.trouble(null);
  await arrived(ids);
  await balanced(second);
  expect(await second.stop()).toBe(0);
  expect(target.mostSockets).toBeLessThanOrEqual(bench.sink.connections);
});

test('what the broker loses of a running sink comes again, and the books stay balanced', async () => {
  const running = bench.run();
  await arrived(await bench.publish('a.b', [{}]));
  await bench.site.kill();
  await until('the reason', async () => (await reasons()).includes('no connection'));
  await bench.site.start();
  await bench.reconnect();
  await arrived(await bench.publish('a.b', [{}, {}]));
  await balanced(running);
  await until('readiness', async () => (await reasons()) === '');
  expect(await running.stop()).toBe(0);
});

test('options that cannot work end the process with 78 and their message', async () => {
  const running = bench.run(bench.sink, () => Promise.reject(new SinkConfigInvalid('sinks.under-test.token is empty')));
  expect(await running.ended).toBe(78);
});

test('an instance without a permit stands by: it takes no messages, and is ready', async () => {
  const lone = { ...bench.sink, connections: 1 };
  const [first, second] = [bench.run(lone), bench.run({ ...lone, admin: '127.0.0.1:0' })];
  await until('one permit', async () => (await permitted(first)) + (await permitted(second)) === 1);
  await arrived(await bench.publish('a.b', [{}]));
  const standby = (await permitted(first)) === 1 ? second : first;
  expect((await booksOf(standby.telemetry)).read).toBe(0);
  await bench.killConnections();
  await until('readiness', async () => (await reasons()) === '');
  await arrived(await bench.publish('a.b', [{}]));
  expect(await first.stop()).toBe(0);
  expect(await second.stop()).toBe(0);
});

test('a clean stop leaves nothing unacked that the target has, however many acks come at its end', async () => {
  // One request for all, whose acks come together: the broker takes 32 at a time, and what waits behind them is lost with its channel.
  const large = { ...bench.sink, memory: 64 * 1_048_576, batch: { size: 1_048_576, count: 300, age: 2_000 } };
  const ids: string[] = [];
  for (let n = 0; n < 200; n++) ids.push(...(await bench.publish('a.b', [{}])));
  const { promise: held, resolve: answer } = Promise.withResolvers<null>();
  target.script = (events) => (events.length === 0 ? null : held);
  const first = bench.run(large);
  await until('the request', () => target.requests.at(-1)?.length === ids.length);
  const stopped = first.stop();
  answer(null);
  expect(await stopped).toBe(0);
  // What came back lies before what is published now.
  target.script = () => null;
  const second = bench.run(large);
  await arrived(await bench.publish('a.b', [{}]));
  expect(ids.filter((id) => target.came.get(id) !== 1)).toEqual([]);
  expect(await second.stop()).toBe(0);
});
