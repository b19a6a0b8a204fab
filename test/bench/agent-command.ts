// The agent as its users run it: `waggle agent` with a configuration in a file, a process of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Config } from '#core/config/config.ts';
import { formatAddress } from '#core/units.ts';

const WAGGLE = join(import.meta.dirname, '../../waggle.ts');

export interface RunningAgent extends AsyncDisposable {
  /** From the spawn to "listening". */
  readonly startMilliseconds: number;
  readonly http: string;
  /** Resolves once a site takes events, with the time of it on the clock of `performance`. */
  readonly linked: Promise<number>;
  readonly pid: number;
  /** SIGTERM, as an operator would. Disposing kills. */
  stop(): Promise<void>;
}

/** The folder holds the file; the spool stands where the configuration says. */
export async function startAgent(folder: string, config: Config): Promise<RunningAgent> {
  const file = join(folder, 'waggle.yaml');
  // JSON is YAML.
  await writeFile(file, JSON.stringify(fileOf(config)));
  const started = performance.now();
  const child = spawn(process.execPath, [WAGGLE, '--config', file, 'agent'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // As docker-compose.yml runs it; the first start fills the folder.
    env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'waggle-bench-compiled') },
  });
  const linked = Promise.withResolvers<number>();
  const listening = Promise.withResolvers<string>();
  linked.promise.catch(() => {});
  const lines: string[] = [];
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    const { fact, http } = JSON.parse(line) as { fact?: string; http?: string };
    if (fact === 'agent.started') listening.resolve(http ?? '');
    if (fact === 'site.linked') linked.resolve(performance.now());
  });
  child.once('exit', (code) => {
    const error = new Error(`the agent ended with ${code}: ${lines.join('\n')}`);
    listening.reject(error);
    linked.reject(error);
  });
  const http = await listening.promise;
  return {
    startMilliseconds: performance.now() - started,
    http,
    linked: linked.promise,
    pid: child.pid ?? 0,
    stop: () => end(child, 'SIGTERM'),
    [Symbol.asyncDispose]: () => end(child, 'SIGKILL'),
  };
}

export async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

/** Bytes, now and at most so far: proc(5). */
export function memoryOf(pid: number): { readonly resident: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) * 1024;
  return { resident: field('VmRSS'), peak: field('VmHWM') };
}

/** Microseconds of processor time so far, of a process of this machine: utime and stime of proc(5), which Linux tells in hundredths of a second. */
export function processorTime({ pid }: { readonly pid?: number | undefined }): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name before them may hold anything but is followed by the last parenthesis.
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return (user + system) * 10_000;
}

const duration = (milliseconds: number): string => `${milliseconds}ms`;
const size = (bytes: number): string => `${bytes}B`;

function fileOf({ version, sites, users, log, agent, sinks }: Config): object {
  const { site, host, admin, workers, spool, inputs, route } = agent;
  return {
    version,
    sites: Object.fromEntries(
      sites.map(({ name, nodes, stream, management }) => [
        name,
        { nodes, stream: stream.map(formatAddress), management },
      ]),
    ),
    // The file names no sinks, so it may not name their users.
    users: Object.fromEntries(Object.entries(users).filter(([name]) => sinks.every((sink) => sink.name !== name))),
    log: { partitions: log.partitions, retention: duration(log.retention), max_bytes: size(log.maxBytes) },
    agent: {
      site,
      host,
      admin,
      workers,
      spool: { path: spool.path, max: size(spool.max), keep: size(spool.keep), segment: size(spool.segment) },
      inputs: { http: { listen: inputs.http?.listen ?? '127.0.0.1:0' } },
      route: {
        mode: route.mode,
        prefer: route.prefer,
        hysteresis: duration(route.hysteresis),
        window: size(route.window),
        linger: duration(route.linger),
      },
    },
  };
}
