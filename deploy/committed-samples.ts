// Counts the sample events that a log sink has committed. It runs in the sink's container, which has the rights and reaches the store:
//   node deploy/committed-samples.ts SINK MARK EXPECTED SECONDS
// Prints a line of JSON for each change, `[[KEY, COUNT], ...]`, and ends when so many are there or the time is over.
import { zstdDecompressSync } from 'node:zlib';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '#core/config/config.ts';
import { needsOfListing } from '#core/config/needs.ts';
import { loadConfig } from '#core/io/config-file.ts';
import { hourOf } from '../consumers/chain/keys.ts';
import { listCommitted, logSinkOf } from '../consumers/main.ts';
import { openSinkStore } from '../consumers/stores.ts';
import { markedIds, TYPES } from './samples.ts';

const POLL_MS = 300;

async function watch(config: Config, sink: string, mark: string, expected: number, signal: AbortSignal): Promise<void> {
  const store = await openSinkStore(logSinkOf(config, sink));
  const from = hourOf(Date.now());
  const query = { from, to: null, type: (type: string) => TYPES.includes(type) };
  /** By key: each object is read once. */
  const counts = new Map<string, number>();
  try {
    for (let before = 0, arrived = 0; arrived < expected; await delay(POLL_MS, undefined, { signal })) {
      for await (const { key } of listCommitted(config, sink, query, signal)) {
        const bytes = counts.has(key) ? null : await store.get(key, signal);
        if (bytes !== null) counts.set(key, markedIds(zstdDecompressSync(bytes), mark).length);
      }
      const objects = [...counts].filter(([, count]) => count > 0);
      arrived = objects.reduce((sum, [, count]) => sum + count, 0);
      if (arrived > before) console.log(JSON.stringify(objects));
      before = arrived;
    }
  } finally {
    await store.close();
  }
}

const [sink = '', mark = '', expected = '', seconds = ''] = process.argv.slice(2);
const deadline = AbortSignal.timeout(Number(seconds) * 1000);
try {
  await watch(loadConfig('waggle.yaml', needsOfListing(sink)), sink, mark, Number(expected), deadline);
} catch (error) {
  if (!deadline.aborted) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
