// `waggle sink move NAME --to SITE`: commits the new home to every chain of a log sink; reading starts at `first` of that site's streams.
// Manual on purpose: who reads where is a decision, and nothing is repeated by it, since the chain knows every number it has written.
import { randomBytes } from 'node:crypto';
import type { Config } from '#core/config/config.ts';
import type { LogSinkConfig } from '#core/config/sink-config.ts';
import { move } from './chain/machine.ts';
import { chainPartitions } from './chain/partitions.ts';
import { DEFAULT_BACKOFF, runSteps } from './chain/run.ts';
import { DEFAULT_HORIZON, RECORDS_KEPT, SNAPSHOT_EVERY } from './chain/state.ts';
import { openSinkStore } from './stores.ts';

/** How long trouble of the store is waited out, for each partition. */
const PATIENCE_MS = 60_000;

/**
 * 0 where every chain is at home at `to`. 1 where the store did not answer: run it again, what is moved stays moved. Instances that run
 * follow by themselves: at once where they write, within a minute where they are idle.
 */
export async function moveSink(
  config: Config,
  sink: LogSinkConfig,
  to: string,
  print: (text: string) => void,
): Promise<number> {
  const store = await openSinkStore(sink);
  let said = '';
  const run = () => ({
    signal: AbortSignal.timeout(PATIENCE_MS),
    concurrency: 4,
    backoff: DEFAULT_BACKOFF,
    trouble: ({ message }: { readonly message: string }) => {
      if (message !== said) print(`waiting for the store: ${message}\n`);
      said = message;
    },
  });
  try {
    const configured = Array.from({ length: config.log.partitions }, (_, partition) => partition);
    const all = new Set([...configured, ...(await runSteps(chainPartitions(sink.name), store, run()))]);
    for (const partition of [...all].toSorted((x, y) => x - y)) {
      const settings = {
        sink: sink.name,
        partition,
        home: sink.home,
        horizon: DEFAULT_HORIZON,
        recordsKept: RECORDS_KEPT,
        snapshotEvery: SNAPSHOT_EVERY,
      };
      const name = randomBytes(10).toString('hex');
      const { n } = await runSteps(move(settings, to, name, Date.now()), store, run());
      print(`${sink.name} partition ${partition}: at home at ${to} (commit ${n})\n`);
    }
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'TimeoutError') throw error;
    print(
      `not all is moved: the store gave no usable answer within ${PATIENCE_MS / 1000} s. Run it again: what is moved stays moved.\n`,
    );
    return 1;
  } finally {
    await store.close();
  }
  print(
    `moved. Instances that run follow within a minute; set sinks.${sink.name}.home to ${to} too, so that the file says what is so.\n`,
  );
  return 0;
}
