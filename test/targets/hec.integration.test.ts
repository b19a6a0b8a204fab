import { afterAll, beforeAll, expect, test } from 'vitest';
import { startHec, type Hec } from './hec.ts';

const CHANNEL = '5c1b2f30-0000-4000-8000-000000000001';

let hec: Hec;

beforeAll(async () => {
  hec = await startHec();
});
afterAll(() => hec[Symbol.asyncDispose]());

const post = (path: string, body: string, token = hec.token): Promise<Response> =>
  fetch(`${hec.endpoint}/services/collector${path}`, {
    method: 'POST',
    headers: { authorization: `Splunk ${token}`, 'x-splunk-request-channel': CHANNEL },
    body,
  });

test('an event comes out as it went in, and is acknowledged once', async () => {
  const event = { order: 7, lines: [{ sku: 'a', price: 2.5 }, null, true], empty: {}, none: [] };
  const envelope = { time: 1795405729.123, host: 'api-1', source: '/s', sourcetype: 'checkin', index: 'main' };
  const fields = { id: 'e-1', tags: ['x', 'y'] };
  const before = hec.events().length;
  const answer = await post('/event', `${JSON.stringify({ ...envelope, event, fields })}{"event":"bare"}`);
  const { ackId } = (await answer.json()) as { ackId: number };
  expect([answer.status, ackId > 0]).toEqual([200, true]);
  expect(hec.events().slice(before)).toEqual([
    { ...envelope, event, fields },
    { event: 'bare', fields: {}, time: null, host: null, source: null, sourcetype: null, index: null },
  ]);
  const acks = async (): Promise<unknown> => (await post('/ack', JSON.stringify({ acks: [ackId, 99] }))).json();
  expect(await acks()).toEqual({ acks: { [ackId]: true, 99: false } });
  expect(await acks()).toEqual({ acks: { [ackId]: false, 99: false } });
});

test('a wrong token is refused, a malformed event too, and nothing is stored', async () => {
  const before = hec.events().length;
  expect((await post('/event', '{"event":1}', 'wrong')).status).toBe(401);
  const answer = await post('/event', '{"event":1}{"event":');
  expect([answer.status, await answer.json()]).toMatchObject([400, { code: 6 }]);
  expect(hec.events()).toHaveLength(before);
});

test('after a kill all that it answered is there, and it goes on behind that', async () => {
  const before = hec.events().length;
  const numbers = Array.from({ length: 20_000 }, (_, n) => n);
  for (let at = 0; at < numbers.length; at += 1000) {
    const body = numbers.slice(at, at + 1000).map((n) => JSON.stringify({ event: { n }, fields: { id: String(n) } }));
    expect((await post('/event', body.join(''))).status).toBe(200);
  }
  await hec.kill();
  const stored = () =>
    hec
      .events()
      .slice(before)
      .map((event) => Number(event.fields['id']));
  expect(stored()).toEqual(numbers);
  await hec.start();
  expect((await post('/event', '{"event":"later","fields":{"id":"20000"}}')).status).toBe(200);
  expect(stored()).toEqual([...numbers, 20_000]);
});
