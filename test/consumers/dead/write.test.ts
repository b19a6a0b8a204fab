// How much is on its way to the broker at a time; all else is tested against RabbitMQ.
import type { ChannelModel } from 'amqplib';
import { expect, test } from 'vitest';
import { encodeResolution } from '#core/dead-letter.ts';
import { publishRecords } from '../../../consumers/dead/write.ts';

test('a million resolutions are not all on their way at once, though they have no bodies', async () => {
  let published = 0;
  let open = 0;
  let most = 0;
  const channel = {
    on: () => {},
    publish: () => {
      published++;
      most = Math.max(most, ++open);
    },
    waitForConfirms: async () => void (open = 0),
    close: async () => {},
  };
  const connection = { createConfirmChannel: async () => channel } as unknown as ChannelModel;
  const record = encodeResolution({
    kind: 'resolution',
    letter: '0'.repeat(32),
    sink: 'search',
    site: 'chicago',
    reason: 'discarded',
    message: '',
    at: 0,
    upto: 1n,
  });
  await publishRecords(
    connection,
    Array.from({ length: 100_000 }, () => record),
  );
  expect(published).toBe(100_000);
  expect(most).toBeLessThan(20_000);
});
