// A sink as a process of its own, so that a test can kill and pause it. Run as a script, it is that process: the configuration comes as JSON on
// standard input, the sink's name as its argument.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import type { Config } from '#core/config/config.ts';
import { createLog } from '#core/io/log.ts';
import { runProcess } from '#core/io/process.ts';
import { runConsumer } from '../../consumers/main.ts';

export interface ConsumerProcess extends AsyncDisposable {
  /** Lines of its log, parsed; grows. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

export function startConsumerProcess(config: Config, sink: string): ConsumerProcess {
  const child = spawn(process.execPath, [import.meta.filename, sink], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit').then(([code]: unknown[]) => (typeof code === 'number' ? code : null));
  child.stdin.end(JSON.stringify(config));
  const log: Record<string, unknown>[] = [];
  createInterface(child.stdout).on('line', (line) => log.push(JSON.parse(line) as Record<string, unknown>));
  const kill = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal);
    return exited;
  };
  return { log, process: child, exited, kill, [Symbol.asyncDispose]: async () => void (await kill('SIGKILL')) };
}

if (import.meta.main) {
  const config = JSON.parse(await text(process.stdin)) as Config;
  const sink = process.argv[2] ?? '';
  await runProcess(createLog(`consumer-${sink}`), (signal) => runConsumer(config, sink, signal));
}
