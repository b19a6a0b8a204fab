// `waggle pipe` as a command: standard input, signals, and what its options mean.
import type { Config } from '#core/config/config.ts';
import { parseDuration } from '#core/units.ts';
import { pipeLines } from './pipe.ts';

/** The exit code, or what is wrong with its use. The first SIGINT or SIGTERM ends the input, the second the process. */
export async function pipeCommand(
  config: Config,
  { type, level, wait }: Readonly<Record<string, string | boolean | undefined>>,
  tell: (text: string) => void,
): Promise<number | string> {
  const milliseconds = parseDuration(String(wait));
  if (milliseconds === null) return '--wait: not a duration such as 30s';
  const stop = new AbortController();
  const onSignal = (): void => {
    if (stop.signal.aborted) process.exit(1);
    stop.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  process.stderr.on('error', () => undefined); // who read it has gone
  const code = await pipeLines(config.agent.inputs.http?.listen ?? null, process.stdin as AsyncIterable<Buffer>, {
    type: String(type),
    level: typeof level === 'string' ? level : null,
    wait: milliseconds,
    signal: stop.signal,
    tell,
  });
  // An input that has not ended would keep the process.
  process.stdin.destroy();
  return code;
}
