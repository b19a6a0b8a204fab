// The storm of spine.e2e.test.ts, ten times as long.
import { expect, test } from 'vitest';
import { storm } from './storm.ts';
import { startSystem } from './system.ts';

test('200,000 events through the storm', async () => {
  await using system = await startSystem({ storm: {} });
  await storm(system, 'storm', 200_000, 200);
  expect(system.config.log.partitions).toBeGreaterThan(1);
});
