// The first proof of sinks.e2e.test.ts, five times as long.
import { expect, test } from 'vitest';
import { startAllSinks } from './all-sinks.ts';
import { outages } from './outages.ts';

test('100,000 events to all sinks, twice: undisturbed, and under kills of consumers and outages of targets', async () => {
  await using system = await startAllSinks();
  await outages(system, 100_000, 100);
  expect(system.config.sinks).toHaveLength(5);
});
