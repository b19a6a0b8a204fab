// No line is longer than a message may be, whatever max_event says and the agent adds.
import { expect, test } from 'vitest';
import { decodeBatch, encodeBatch } from '#core/batch.ts';
import { MESSAGE_BYTES } from '../../../../ingest/message-limit.ts';
import { IDENTITY, NOW, cloudEvent, serve } from './serve.ts';

const MEBI = 2 ** 20;

/** A body in which the object of one event is so long. */
const data = (bytes: number): string => `{"x":"${'x'.repeat(bytes - 8)}"}`;

test('an event whose line is too long is refused, and its neighbours are taken', async () => {
  await using served = await serve({ maxBody: 64 * MEBI, maxEvent: 32 * MEBI });
  const bare = await served.post('/events/a', data(100));
  expect(bare.status).toBe(200);
  const added = (served.lines()[0]?.length ?? 0) + 1 - 100;
  const reply = await served.post(
    '/events/a',
    `[{"n":1},${data(MESSAGE_BYTES - added + 1)},{"n":2},${data(MESSAGE_BYTES - added)}]`,
  );
  expect(reply).toMatchObject({
    status: 200,
    body: { accepted: 3, errors: [{ index: 1, code: 'event-too-large', retry: false }] },
  });
  expect(served.lines().map((line) => line.length + 1)).toEqual([
    expect.any(Number),
    expect.any(Number),
    expect.any(Number),
    MESSAGE_BYTES,
  ]);
  const whole = JSON.stringify(cloudEvent({ data: 'x'.repeat(MESSAGE_BYTES - 100) }));
  const one = await served.post('/events', whole, { 'content-type': 'application/cloudevents+json' });
  expect(one).toMatchObject({ status: 413, body: { accepted: 0, errors: [{ code: 'event-too-large' }] } });
});

/** How a batch of one line so long is read. */
function readBack(bytes: number): string {
  const time = new Date(NOW).toISOString();
  const head = `{"specversion":"1.0","type":"a","receivedat":"${time}","time":"${time}","id":"1","source":"/t","host":"h","site":"s","data":"`;
  const body = Buffer.from(`${head}${'x'.repeat(bytes - head.length - 3)}"}\n`);
  const batch = { identity: IDENTITY, partition: 0, type: 'a', count: 1, ranges: [[1, 1]] as const, body };
  return decodeBatch(encodeBatch(batch, 'identity')).kind;
}

test('what is as long as a message may be is read back, and one byte more is not', () => {
  expect(readBack(MESSAGE_BYTES)).toBe('batch');
  expect(readBack(MESSAGE_BYTES + 1)).toBe('invalid');
});
