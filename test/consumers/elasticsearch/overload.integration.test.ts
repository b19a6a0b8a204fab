// A real Elasticsearch that is small: what it refuses for want of room comes again, and nothing else does.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Outcome } from '../../../consumers/queue/contract.ts';
import { startElasticsearch, type Elasticsearch } from '../../targets/elasticsearch.ts';
import { countsOf, eventsOf, many, sending } from './documents.ts';

let server: Elasticsearch;

beforeAll(async () => {
  server = await startElasticsearch({
    settings: {
      'node.processors': '1',
      'thread_pool.write.queue_size': '1',
      'indexing_pressure.memory.limit': '256kb',
    },
  });
}, 150_000);
afterAll(() => server[Symbol.asyncDispose]());

const at = (index: string) => sending({ nodes: [server.endpoint], index, compression: false, timeout: 20_000 });

test('a request beyond its memory is sent in halves, since it would never pass whole', async () => {
  await using to = at('heavy');
  const events = eventsOf('h', ...Array.from({ length: 40 }, () => ({ text: 'x'.repeat(10_000) })));
  expect(await to.send(events)).toMatchObject({ kind: 'rejected', code: 'es_rejected_execution_exception' });
  expect(await to.send(events.slice(0, 2))).toMatchObject({ kind: 'done' });
});

test('of many requests at once those documents come again that found no room, and in the end each is there once', async () => {
  await server.call('PUT', '/_index_template/shards', {
    index_patterns: ['busy-*'],
    priority: 900,
    template: { settings: { number_of_shards: 4, number_of_replicas: 0 } },
  });
  const senders = Array.from({ length: 24 }, () => at('busy'));
  const kinds = new Set<Outcome['kind']>();
  try {
    await Promise.all(
      senders.map(async (to, n) => {
        let left = many(`busy-${n}`, 40);
        while (left.length > 0) {
          const outcome = await to.send(left);
          kinds.add(outcome.kind);
          if (outcome.kind === 'done') return;
          if (outcome.kind === 'retry') continue;
          if (outcome.kind !== 'partly') throw new Error(JSON.stringify(outcome));
          expect(outcome).toMatchObject({ rejected: [], code: 'es_rejected_execution_exception' });
          left = left.filter((_, index) => outcome.retry.includes(index));
        }
      }),
    );
  } finally {
    await Promise.all(senders.map((to) => to[Symbol.asyncDispose]()));
  }
  expect(kinds).toContain('partly');
  const counts = await countsOf(server, 'busy-*');
  expect(counts.size).toBe(24 * 40);
  expect(Math.max(...counts.values())).toBe(1);
});
