// An agent as a process of its own, so that a test can kill it. Run as a script, it is that process: the configuration comes as JSON on standard input.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import type { Config } from '#core/config/config.ts';
import { createLog } from '#core/io/log.ts';
import { runProcess } from '#core/io/process.ts';
import { runAgent } from '../../ingest/main.ts';

export interface AgentProcess extends AsyncDisposable {
  readonly http: string;
  readonly admin: string;
  /** Lines of its log, parsed; grows. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  readonly process: ChildProcess;
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null>;
}

/** Resolves once it listens; rejects where it ends before, with its log. */
export async function startAgentProcess(config: Config): Promise<AgentProcess> {
  const child = spawn(process.execPath, [import.meta.filename], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(([code]: unknown[]) => (typeof code === 'number' ? code : null));
  child.stdin.end(JSON.stringify(config));
  const log: Record<string, unknown>[] = [];
  const started = new Promise<Record<string, unknown>>((resolve) => {
    createInterface(child.stdout).on('line', (line) => {
      const entry = JSON.parse(line) as Record<string, unknown>;
      log.push(entry);
      if (entry['fact'] === 'agent.started') resolve(entry);
    });
  });
  const first = await Promise.race([started, ended]);
  if (typeof first !== 'object' || first === null)
    throw new Error(`the agent ended with ${first}: ${JSON.stringify(log, null, 1)}`);
  const kill = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> => {
    child.kill(signal);
    return ended;
  };
  return {
    http: String(first['http']),
    admin: String(first['admin']),
    log,
    process: child,
    kill,
    [Symbol.asyncDispose]: async () => void (await kill('SIGKILL')),
  };
}

if (import.meta.main) {
  const config = JSON.parse(await text(process.stdin)) as Config;
  await runProcess(createLog('agent'), (signal) => runAgent(config, signal));
}
