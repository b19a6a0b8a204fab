// What no broker does on demand: a link that is lost in the moment in which a channel of it is opened. All else is tested against RabbitMQ.
import { EventEmitter } from 'node:events';
import type { ChannelModel } from 'amqplib';
import { expect, test, vi } from 'vitest';
import { QueueSource } from '../../../consumers/queue/queue-source.ts';

class Link {
  consumers = 0;
  async createChannel(): Promise<unknown> {
    return Object.assign(new EventEmitter(), {
      prefetch: async () => {},
      consume: async () => ({ consumerTag: `consumer-${++this.consumers}` }),
      close: async () => {},
    });
  }
}

test('a channel that was opened on a link lost meanwhile does not keep the next link from being used', async () => {
  await using source = new QueueSource({
    sink: 'search',
    site: 'chicago',
    received: () => {},
    lost: () => {},
    trouble: () => {},
    tick: () => 0,
  });
  const [first, second] = [new Link(), new Link()];
  source.want(1);
  source.attach(first as unknown as ChannelModel);
  source.detach();
  source.attach(second as unknown as ChannelModel);
  await vi.waitFor(() => expect(second.consumers).toBe(1));
  expect(first.consumers).toBe(0);
});
