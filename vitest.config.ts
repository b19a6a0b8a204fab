import { defineConfig } from 'vitest/config';

// Kinds of tests by their file's name: x.test.ts needs nothing, x.integration.test.ts real servers, x.e2e.test.ts the whole system,
// x.long.test.ts more than a minute. One kind after the other; files with servers of their own several
// at a time, since they mostly wait for these.
const kinds = ['integration', 'e2e', 'long'];
const second = 1000;
const project = (
  name: string,
  order: number,
  testSeconds: number,
  include = [`test/**/*.${name}.test.ts`],
  exclude: string[] = [],
) => ({
  test: {
    name,
    include,
    exclude,
    pool: 'forks' as const,
    testTimeout: testSeconds * second,
    hookTimeout: Math.max(30, Math.min(testSeconds, 300)) * second,
    maxWorkers: { unit: 2, integration: 3, e2e: 2 }[name] ?? 1,
    sequence: { groupOrder: order },
    // What tests start they label and sweep themselves, so testcontainers needs no reaper (whose image may be out of reach).
    env: { TESTCONTAINERS_RYUK_DISABLED: 'true', ...(name === 'ha' && { WAGGLE_TEST_NODES: '3' }) },
  },
});

export default defineConfig({
  test: {
    projects: [
      project(
        'unit',
        0,
        20,
        ['test/**/*.test.ts'],
        kinds.map((kind) => `test/**/*.${kind}.test.ts`),
      ),
      project('integration', 1, 180),
      project('e2e', 2, 600),
      project('long', 3, 3600),
      // What runs on sites of one node runs on sites of three as well.
      project('ha', 4, 600, [
        'test/topology/*.integration.test.ts',
        'test/topology/{alarms,wan}.long.test.ts',
        'test/consumers/queue/permits.integration.test.ts',
        'test/consumers/tap/tap.integration.test.ts',
        'test/ingest/publish/publisher.integration.test.ts',
        'test/system/spine.e2e.test.ts',
      ]),
    ],
  },
});
