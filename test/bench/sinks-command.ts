// A sink as its users run it: `waggle consumer NAME` with a configuration in a file, a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Config } from '#core/config/config.ts';
import { formatAddress } from '#core/units.ts';
import type { ConsumerProcess } from '../system/consumer-process.ts';
import { end } from './agent-command.ts';

const WAGGLE = join(import.meta.dirname, '../../waggle.ts');

/** What Node compiles it keeps beside the file: so docker-compose.yml runs it. The first start fills that. */
export function startConsumerCommand(file: string, sink: string): ConsumerProcess {
  const child = spawn(process.execPath, [WAGGLE, '--config', file, 'consumer', sink], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE: join(dirname(file), 'compiled') },
  });
  const exited = once(child, 'exit').then(([code]: unknown[]) => (typeof code === 'number' ? code : null));
  const log: Record<string, unknown>[] = [];
  createInterface(child.stdout).on('line', (line) => log.push(JSON.parse(line) as Record<string, unknown>));
  const kill = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal);
    return exited;
  };
  return { log, process: child, exited, kill, [Symbol.asyncDispose]: () => end(child, 'SIGKILL') };
}

/** The file of this configuration; `sinks` as the file has them. */
export const fileOf = ({ version, sites, users, log }: Config, sinks: Readonly<Record<string, object>>): object => ({
  version,
  sites: Object.fromEntries(
    sites.map(({ name, nodes, stream, management }) => [
      name,
      { nodes, stream: stream.map(formatAddress), management },
    ]),
  ),
  users,
  log: { partitions: log.partitions },
  agent: { site: sites[0]?.name },
  sinks: Object.fromEntries(Object.entries(sinks).map(([name, sink]) => [name, { home: sites[0]?.name, ...sink }])),
});
