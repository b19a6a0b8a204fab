// A command of the operator as a process of its own, so that a test can kill it. Run as a script, it is that process: configuration, arguments
// and options come as JSON on standard input.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { Config } from '#core/config/config.ts';
import type { CommandOptions, Output } from '../../consumers/operator-command.ts';
import { deadCommand } from '../../consumers/dead/command.ts';
import { replayCommand } from '../../consumers/replay/command.ts';

export interface OperatorCommand {
  readonly config: Config;
  /** Of `waggle dead`; null: `waggle replay`. */
  readonly args: readonly string[] | null;
  readonly options: CommandOptions;
}

/** Resolves `exited` to the exit code, or null where it was killed. */
export function startCommand(command: OperatorCommand): {
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;
} {
  const child = spawn(process.execPath, [import.meta.filename], { stdio: ['pipe', 'ignore', 'ignore'] });
  child.stdin.end(JSON.stringify(command));
  return {
    process: child,
    exited: once(child, 'exit').then(([code]: unknown[]) => (typeof code === 'number' ? code : null)),
  };
}

if (import.meta.main) {
  const { config, args, options } = JSON.parse(await text(process.stdin)) as OperatorCommand;
  const output: Output = {
    print: (out) => process.stdout.write(out),
    tell: (err) => process.stderr.write(err),
  };
  const code = await (args === null
    ? replayCommand(config, options, output)
    : deadCommand(config, args, options, output));
  process.exitCode = typeof code === 'number' ? code : 64;
}
