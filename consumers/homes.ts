// Where each partition of a sink is read: its chain knows. Those beyond the configured number are read as long as their streams are there.
import type { Config } from '#core/config/config.ts';
import type { LogSinkConfig } from '#core/config/sink-config.ts';
import { readChain } from './chain/machine.ts';
import { chainPartitions } from './chain/partitions.ts';
import { RecordInvalid } from './chain/record-codec.ts';
import type { Steps } from './chain/operations.ts';
import type { ChainSettings } from './chain/state.ts';

export interface HomesOptions {
  readonly config: Config;
  readonly sink: LogSinkConfig;
  readonly settings: (partition: number) => ChainSettings;
  /** Runs steps against the store, until it answers. */
  readonly run: <T>(steps: Steps<T>, partition: number | null) => Promise<T>;
  /** By site, the partitions beyond the configured number whose streams were found there; a site that did not answer yet is absent. */
  readonly old: ReadonlyMap<string, ReadonlySet<number>>;
  /** A chain that cannot be read: an alarm. */
  readonly invalid: (partition: number, error: RecordInvalid) => void;
}

/** Chains at once; each reads up to a snapshot, 256 records. */
const CHAINS_AT_ONCE = 8;

/** Partitions by site, ascending. A chain that cannot be read counts as at the configured home, where its writer tries again. */
export async function homes(options: HomesOptions): Promise<Map<string, number[]>> {
  const { config, sink, old, run } = options;
  const configured = Array.from({ length: config.log.partitions }, (_, partition) => partition);
  const chains = new Set(await run(chainPartitions(sink.name), null));
  const all = new Set([...configured, ...chains, ...[...old.values()].flatMap((found) => [...found])]);
  const home = await readHomes([...all], options);
  const bySite = new Map<string, number[]>();
  for (const partition of [...all].toSorted((x, y) => x - y)) {
    const site = home.get(partition) ?? sink.home;
    // Until its site has answered, a chain of the sink's own is reason enough to read.
    const isRead = partition < configured.length || (old.get(site)?.has(partition) ?? chains.has(partition));
    if (isRead) bySite.set(site, [...(bySite.get(site) ?? []), partition]);
  }
  return bySite;
}

async function readHomes(partitions: readonly number[], options: HomesOptions): Promise<Map<number, string>> {
  const { run, settings, invalid } = options;
  const home = new Map<number, string>();
  const rest = partitions.values();
  const worker = async (): Promise<void> => {
    for (const partition of rest) {
      try {
        home.set(partition, (await run(readChain(settings(partition)), partition)).state.home);
      } catch (error) {
        if (!(error instanceof RecordInvalid)) throw error;
        invalid(partition, error);
      }
    }
  };
  await Promise.all(Array.from({ length: CHAINS_AT_ONCE }, worker));
  return home;
}
