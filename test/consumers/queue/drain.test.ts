import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Outcome } from '../../../consumers/queue/contract.ts';
import { imbalance } from './books.ts';
import { batchOf, Simulated } from './simulated.ts';

beforeEach(
  () =>
    void vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'],
    }),
);
afterEach(() => void vi.useRealTimers());

const DONE: Outcome = { kind: 'done', repeated: 0 };
const retry = (after: number | null): Outcome => ({ kind: 'retry', code: '503', message: 'busy', after });
const paused: Outcome = { kind: 'paused', code: '401', message: 'wrong token', after: null };

async function started(simulated: Simulated, permits = 1): Promise<Simulated> {
  for (let permit = 1; permit <= permits; permit++) simulated.drain.granted(permit);
  await simulated.pass(0);
  return simulated;
}

test('nothing is consumed without a permit, nor before the target is prepared', async () => {
  await using loop = new Simulated();
  const answers = [retry(null), DONE];
  loop.prepare = async () => answers.shift() ?? DONE;
  loop.publish(batchOf(1));
  await loop.pass(10_000);
  expect(loop.wanted).toBe(0);
  await started(loop);
  expect(loop.wanted).toBe(0);
  expect(loop.sent).toEqual([]);
  await loop.pass(5_000);
  expect(loop.acked).toHaveLength(1);
});

test('a request goes when it is full; a lone event after its age, at most', async () => {
  await using loop = await started(new Simulated());
  const lone = batchOf(1);
  loop.publish(lone);
  await loop.pass(99);
  expect(loop.sent).toEqual([]);
  await loop.pass(1);
  expect(loop.sent.map(({ ids }) => ids)).toEqual([lone.ids]);
  const many = batchOf(25);
  loop.publish(many);
  await loop.pass(0);
  expect(loop.sent.slice(1).map(({ ids }) => ids.length)).toEqual([10, 10]);
  await loop.pass(100);
  expect(loop.sent.slice(1).flatMap(({ ids }) => ids)).toEqual(many.ids);
  expect(loop.acked).toEqual([lone, many]);
});

test('requests are cut by bytes, and messages share them', async () => {
  await using loop = await started(new Simulated({ batch: { size: 3_000, count: 1000, age: 100 } }));
  const messages = [batchOf(3, 'a.b', 1000), batchOf(3, 'a.c', 1000)];
  loop.publish(...messages);
  await loop.pass(100);
  expect(loop.sent.map(({ ids }) => ids.length)).toEqual([2, 2, 2]);
  expect(loop.acked).toEqual(messages);
});

test('with as many messages in hand as may be, none is waited for', async () => {
  await using loop = await started(new Simulated({ memory: 2 * 262_144 }));
  loop.publish(batchOf(1), batchOf(1), batchOf(1));
  await loop.pass(0);
  expect(loop.sent[0]?.ids).toHaveLength(2);
  expect(loop.mostUnacked).toBe(2);
});

test('a request is sent again after a growing pause, never before the time that the target asked for', async () => {
  await using loop = await started(new Simulated());
  const answers = [retry(null), retry(null), retry(5_000), DONE];
  loop.script = async () => answers.shift() ?? DONE;
  loop.publish(batchOf(10));
  await loop.pass(20_000);
  const at = loop.sent.map((each) => each.at);
  const gaps = at.slice(1).map((each, index) => Math.round(each - (at[index] ?? 0)));
  expect(gaps).toEqual([150, 300, 5_200]); // 75 % of 200 and 400; 5,000 and a quarter of 800
  expect(loop.acked).toHaveLength(1);
});

test('while a target takes nothing, no more is encoded than half of the memory, and a request for each connection', async () => {
  const batch = { size: 65_536, count: 1_000, age: 10 };
  await using loop = await started(new Simulated({ memory: 1_048_576, batch }), 2);
  let answer = retry(null);
  loop.script = async () => answer;
  const batches = Array.from({ length: 4 }, () => batchOf(100, 'a.b', 2_000));
  loop.publish(...batches);
  await loop.pass(2_000);
  const encoded = new Set(loop.sent.flatMap(({ ids }) => ids)).size;
  const bytes = batches.reduce((sum, { message: { body } }) => sum + body.length, 0);
  expect((encoded / 400) * bytes).toBeGreaterThan(400_000);
  expect((encoded / 400) * bytes).toBeLessThan(524_288 + 3 * 65_536);
  answer = DONE;
  await loop.pass(20_000);
  expect(loop.acked).toHaveLength(4);
});

test('of a request that the target took in part, only what it did not take is sent again, and what it refused is dead', async () => {
  await using loop = await started(new Simulated());
  const message = batchOf(10);
  const answers: Outcome[] = [
    {
      kind: 'partly',
      rejected: [{ index: 2, code: 'mapping', message: 'no number' }],
      retry: [0, 9],
      code: '429',
      message: 'full',
      after: null,
      repeated: 3,
    },
  ];
  loop.script = async () => answers.shift() ?? DONE;
  loop.publish(message);
  await loop.pass(1_000);
  expect(loop.sent[1]?.ids).toEqual([message.ids[0], message.ids[9]]);
  expect(loop.letters).toMatchObject([
    { reason: 'rejected', code: 'mapping', message: 'no number', attempts: 1, event: { id: message.ids[2] } },
  ]);
  expect(loop.acked).toEqual([message]);
  expect(await loop.books()).toMatchObject({ read: 10, delivered: 6, repeated: 3, dead: 1, held: 0 });
});

test('a request refused as a whole is halved until the one that spoils it is alone', async () => {
  await using loop = await started(new Simulated());
  const message = batchOf(10);
  const bad = message.ids[6] ?? '';
  loop.script = async (ids) => (ids.includes(bad) ? { kind: 'rejected', code: '400', message: 'malformed' } : DONE);
  loop.publish(message);
  await loop.pass(100);
  expect(loop.letters.map(({ event }) => event?.id)).toEqual([bad]);
  expect(loop.acked).toEqual([message]);
  expect(await loop.books()).toMatchObject({ delivered: 9, dead: 1 });
});

test('a message is acked only once its letters are durable', async () => {
  await using loop = await started(new Simulated());
  const { promise, resolve } = Promise.withResolvers<void>();
  const push = loop.letters.push.bind(loop.letters);
  let put = false;
  loop.letters.push = (...letters) => (put ? push(...letters) : ((put = true), push(...letters)));
  loop.script = async () => (await promise, { kind: 'rejected', code: '400', message: 'malformed' });
  const message = batchOf(1);
  loop.publish(message);
  await loop.pass(100);
  expect(put).toBe(false);
  expect(loop.acked).toEqual([]);
  resolve();
  await loop.pass(0);
  expect(put).toBe(true);
  expect(loop.acked).toEqual([message]);
});

test('while the target refuses all, nothing is held; then one request is tried until one succeeds', async () => {
  await using loop = await started(new Simulated(), 2);
  loop.script = async () => paused;
  loop.publish(...Array.from({ length: 4 }, () => batchOf(10)));
  await loop.pass(0);
  expect(loop.wanted).toBe(0);
  expect(loop.queue).toHaveLength(4);
  const before = loop.sent.length;
  await loop.pass(750); // 75 % of a second
  expect(loop.sent.length).toBe(before + 1);
  expect(loop.queue).toHaveLength(4);
  expect((await loop.facts()).get('target.paused')).toBe(2);
  expect(loop.troubles()).toMatch('paused: 401: wrong token');
  loop.script = async () => DONE;
  await loop.pass(5_000);
  expect(loop.troubles()).toBe('');
  expect((await loop.facts()).get('target.answers')).toBe(1);
  expect(loop.acked).toHaveLength(4);
  expect(imbalance(await loop.books())).toBe(0);
});

test('an event that is always to be sent again does not keep the others waiting, also after a pause', async () => {
  await using loop = await started(new Simulated());
  const [spoilt, good] = [batchOf(1), batchOf(1)];
  const answers = (ids: readonly string[]): Outcome => {
    const again = [...ids.keys()].filter((index) => spoilt.ids.includes(ids[index] ?? ''));
    if (again.length === ids.length) return retry(null);
    return { kind: 'partly', rejected: [], retry: again, code: '500', message: 'oops', after: null, repeated: 0 };
  };
  loop.script = async () => paused;
  loop.publish(good, spoilt);
  await loop.pass(100);
  expect(loop.queue).toEqual([spoilt, good]);
  loop.script = async (ids) => answers(ids);
  await loop.pass(120_000);
  expect(loop.acked).toEqual([good]);
});

test('a target that answers again is no reason not to be ready, though nothing proves it', async () => {
  await using loop = new Simulated();
  const answers = [paused];
  loop.prepare = async () => answers.shift() ?? DONE;
  await started(loop);
  expect(loop.troubles()).toMatch('paused');
  await loop.pass(3_000);
  expect(loop.troubles()).toBe('');
});

test('what the others have in flight when the target pauses is still settled', async () => {
  await using loop = await started(new Simulated(), 2);
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const answers = [promise, Promise.resolve(paused)];
  loop.script = () => answers.shift() ?? Promise.resolve(paused);
  const [first, second] = [batchOf(10), batchOf(10)];
  loop.publish(first, second);
  await loop.pass(0);
  expect(loop.queue).toEqual([second]);
  resolve(DONE);
  await loop.pass(0);
  expect(loop.acked).toEqual([first]);
});

test('when no request has succeeded for 30 s the messages go back', async () => {
  await using loop = await started(new Simulated());
  loop.script = async () => retry(null);
  loop.publish(batchOf(10));
  await loop.pass(25_000);
  expect(loop.unacked.size).toBe(1);
  await loop.pass(15_000);
  expect((await loop.facts()).get('target.paused')).toBeGreaterThan(0);
  loop.script = async () => DONE;
  await loop.pass(60_000);
  expect(loop.acked).toHaveLength(1);
});

test('a target without a success for 5 s is a reason not to be ready, until one', async () => {
  await using loop = await started(new Simulated());
  loop.script = async () => retry(null);
  loop.publish(batchOf(10));
  await loop.pass(4_000);
  expect(loop.troubles()).toBe('');
  await loop.pass(9_000);
  expect(loop.troubles()).toMatch(/^no request has succeeded for \d+ s: /);
  loop.script = async () => DONE;
  await loop.pass(12_000);
  expect(loop.acked).toHaveLength(1);
  expect(loop.troubles()).toBe('');
});

test('a connection that the target has relieved takes the next request while the outcome is open', async () => {
  await using loop = await started(new Simulated());
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  loop.script = (_ids, _signal, taken) => (taken(), promise);
  loop.publish(batchOf(30));
  await loop.pass(100);
  expect(loop.sent).toHaveLength(3);
  expect(loop.acked).toEqual([]);
  resolve(DONE);
  await loop.pass(0);
  expect(loop.acked).toHaveLength(1);
});

test('what waits to be sent again is not, once its message was lost with its channel', async () => {
  await using loop = await started(new Simulated());
  const answers = [retry(null)];
  loop.script = async () => answers.shift() ?? DONE;
  loop.publish(batchOf(10));
  await loop.pass(0);
  loop.loseChannel();
  await loop.pass(10_000);
  expect(loop.sent).toHaveLength(2);
  expect(await loop.books()).toMatchObject({ read: 20, delivered: 10, returned: 10 });
});

test('while nothing can be sent, nothing wakes the loop again and again', async () => {
  await using loop = await started(new Simulated(), 2);
  loop.script = () => new Promise(() => {});
  const messages = Array.from({ length: 4 }, () => batchOf(5));
  for (const message of messages) {
    loop.publish(message);
    await loop.pass(200);
  }
  expect(loop.sent).toHaveLength(2);
  const spy = vi.spyOn(globalThis, 'setTimeout');
  await loop.pass(10_000);
  expect(spy.mock.calls.length).toBeLessThan(5);
});

test('a permit that is taken away closes its connection, and another one sends what it had', async () => {
  await using loop = await started(new Simulated(), 2);
  let aborted = false;
  loop.script = (_ids, signal) => {
    signal.addEventListener('abort', () => (aborted = true));
    return new Promise(() => {});
  };
  const message = batchOf(10);
  loop.publish(message);
  await loop.pass(0);
  loop.script = async () => DONE;
  // The last one that became free is the first to be used.
  await loop.drain.revoked(2);
  await loop.pass(0);
  expect(aborted).toBe(true);
  expect(loop.open).toBe(1);
  expect(loop.sent.map(({ ids }) => ids)).toEqual([message.ids, message.ids]);
  expect(loop.acked).toEqual([message]);
});

test('without any permit left all messages go back', async () => {
  await using loop = await started(new Simulated());
  loop.script = () => new Promise(() => {});
  loop.publish(batchOf(10), batchOf(10));
  await loop.pass(0);
  await loop.drain.revoked(1);
  await loop.pass(0);
  expect(loop.wanted).toBe(0);
  expect(loop.queue).toHaveLength(2);
});

test('a sink that throws is told loudly, and tried again', async () => {
  await using loop = await started(new Simulated());
  const answers: (() => Promise<Outcome>)[] = [
    () => Promise.reject(new Error('oops')),
    () => {
      throw new Error('oops at once');
    },
    async () => ({ kind: 'nonsense' }) as never,
  ];
  loop.script = () => (answers.shift() ?? (async () => DONE))();
  loop.publish(batchOf(10));
  await loop.pass(10_000);
  expect((await loop.facts()).get('sink.bug')).toBe(3);
  expect(loop.acked).toHaveLength(1);
});

test('an event that is always to be sent again does not slow the others', async () => {
  await using loop = await started(new Simulated());
  const spoilt = batchOf(1);
  loop.script = async (ids) => {
    const again = [...ids.keys()].filter((index) => spoilt.ids.includes(ids[index] ?? ''));
    if (again.length === ids.length) return retry(null);
    return { kind: 'partly', rejected: [], retry: again, code: '500', message: 'oops', after: null, repeated: 0 };
  };
  loop.publish(spoilt);
  for (let n = 0; n < 100; n++) {
    loop.publish(batchOf(1));
    await loop.pass(1_000);
  }
  expect(loop.acked.length).toBeGreaterThan(95);
});

test('an answer of a sink in JavaScript that lacks its counts acks nothing', async () => {
  await using loop = await started(new Simulated());
  const answers: Outcome[] = [{ kind: 'done' } as never];
  loop.script = async () => answers.shift() ?? retry(null);
  loop.publish(batchOf(25));
  await loop.pass(100);
  expect(loop.sent.length).toBeGreaterThan(1);
  expect(loop.acked).toEqual([]);
  loop.script = async () => DONE;
  await loop.pass(1_000);
  expect(await loop.books()).toMatchObject({ read: 25, delivered: 25, held: 0 });
});

test('types that match does not take are acked and counted; a message that is no batch is dead', async () => {
  await using loop = await started(new Simulated({ match: ['a.*'] }));
  const invalid = { message: { ...batchOf(1).message, headers: {} }, ids: [] };
  loop.publish(batchOf(3, 'a.b'), batchOf(4, 'c.d'), batchOf(5, 'waggle.probe'), invalid);
  await loop.pass(100);
  expect(loop.acked).toHaveLength(4);
  expect(loop.letters).toMatchObject([{ reason: 'invalid', content: 'message', code: 'no-batch' }]);
  expect(await loop.books()).toMatchObject({ read: 13, delivered: 3, filtered: 9, dead: 1 });
});

test('an event larger than a request goes to the dead letters, and the rest of its batch to the target', async () => {
  await using loop = await started(new Simulated({ batch: { size: 1_024, count: 10, age: 10 } }));
  const message = batchOf(1, 'a.b', 2_000);
  loop.publish(message, batchOf(2));
  await loop.pass(10);
  expect(loop.letters).toMatchObject([{ reason: 'unencodable', code: 'too-large', event: { id: message.ids[0] } }]);
  expect(loop.acked).toHaveLength(2);
});

test('while no dead letter can be put, messages that come again and again do not pile up their letters', async () => {
  await using loop = await started(new Simulated({ batch: { size: 1_024, count: 10, age: 10 } }));
  const { promise, resolve } = Promise.withResolvers<void>();
  loop.deadAway = promise;
  loop.publish(batchOf(1, 'a.b', 2_000), batchOf(1, 'a.b', 2_000));
  await loop.pass(10);
  for (let n = 0; n < 20; n++) {
    loop.loseChannel();
    await loop.pass(1_000);
  }
  expect(loop.drain.status()).toMatchObject({ messages: 2, letters: 2 });
  resolve();
  await loop.pass(10);
  expect(loop.acked).toHaveLength(2);
});

test('more bytes than the memory stop the consumer until half of them are settled', async () => {
  await using loop = await started(new Simulated({ memory: 1_048_576, batch: { size: 1_000_000, count: 1, age: 10 } }));
  const answers: ((outcome: Outcome) => void)[] = [];
  loop.script = () => new Promise((resolve) => answers.push(resolve));
  loop.publish(...Array.from({ length: 4 }, () => batchOf(1, 'a.b', 600_000)));
  await loop.pass(100);
  expect(loop.wanted).toBe(0);
  for (let n = 0; n < 4; n++) {
    answers.shift()?.(DONE);
    await loop.pass(100);
  }
  expect(loop.wanted).toBe(4);
  expect(loop.acked).toHaveLength(4);
});

test('what is held for ten minutes goes back before the broker takes the channel', async () => {
  await using loop = await started(new Simulated({ batch: { size: 65_536, count: 10, age: 10 } }), 2);
  const stuck = batchOf(1);
  loop.script = async (ids) => (ids.some((id) => stuck.ids.includes(id)) ? { ...part, retry: [...ids.keys()] } : DONE);
  const part = { kind: 'partly', rejected: [], code: '429', message: 'full', after: null, repeated: 0 } as const;
  loop.publish(stuck);
  // Others succeed all the time, so there is no reason to pause.
  for (let n = 0; n < 62; n++) {
    await loop.pass(10_000);
    loop.publish(batchOf(1));
  }
  expect((await loop.books()).returned).toBe(1);
});

test('what a request holds that never ends goes back too, so that another instance can have it', async () => {
  await using loop = await started(new Simulated());
  loop.script = () => new Promise(() => {});
  loop.publish(batchOf(10));
  await loop.pass(19 * 60_000);
  expect(loop.acked.length + loop.queue.length).toBe(0);
  await loop.pass(2 * 60_000);
  expect((await loop.books()).returned).toBe(10);
  expect((await loop.facts()).get('sink.bug')).toBe(1);
});

test('at the end what is begun is settled, and what is not goes back', async () => {
  await using loop = await started(new Simulated());
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  loop.script = () => promise;
  const [begun, gathered, rest] = [batchOf(10), batchOf(5), batchOf(20)];
  loop.publish(begun, gathered, rest);
  await loop.pass(0);
  const ended = loop.drain.drain(new AbortController().signal);
  resolve(DONE);
  loop.script = async () => DONE;
  await loop.pass(0);
  await ended;
  expect(loop.acked).toEqual(expect.arrayContaining([begun, gathered]));
  expect(loop.wanted).toBe(0);
  expect(loop.unacked.size).toBe(0);
});

test('the end waits for a target that says nothing only until its deadline', async () => {
  await using loop = await started(new Simulated());
  loop.script = () => new Promise(() => {});
  loop.publish(batchOf(10));
  await loop.pass(0);
  const deadline = new AbortController();
  const ended = loop.drain.drain(deadline.signal);
  deadline.abort();
  await ended;
  expect(loop.acked).toEqual([]);
});
