import { expect, test } from 'vitest';
import { recordKey } from '../../../consumers/chain/keys.ts';
import { chainPartitions } from '../../../consumers/chain/partitions.ts';
import { runSteps } from '../../../consumers/chain/run.ts';
import { memoryStore } from './memory-store.ts';

test('the partitions that have a chain are found, whatever else lies beside them', async () => {
  const keys = [0, 1, 2, 10, 11, 1023].flatMap((partition) =>
    [1, 2].map((n) => recordKey({ sink: 's3', partition }, n, 'commit')),
  );
  keys.push('_waggle/s3/probe/x-0.json', '_waggle/s3/p07/x', '_waggle/s3/p', '_waggle/s30/p5/x', 'type=a/x');
  const store = memoryStore(new Map(keys.map((key) => [key, Buffer.alloc(0)])));
  const run = { signal: new AbortController().signal, concurrency: 1, trouble() {}, backoff: { first: 1, most: 1 } };
  const found = await runSteps(chainPartitions('s3'), store, run);
  expect(found.toSorted((x, y) => x - y)).toEqual([0, 1, 2, 10, 11, 1023]);
  expect(await runSteps(chainPartitions('none'), store, run)).toEqual([]);
});
