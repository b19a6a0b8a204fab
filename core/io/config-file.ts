// Reads waggle.yaml from the disk, with this process's environment and this machine's secret files.
import { readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Config } from '../config/config.ts';
import { checkConfig, maxConfigBytes, type Checked } from '../config/check.ts';
import type { Needs } from '../config/needs.ts';
import { formatProblem, type Problem } from '../config/problem.ts';

/** EX_CONFIG of sysexits.h. */
export const EXIT_CONFIG = 78;

/** Its message is all problems, a line each, as `file:line:column: path: what is wrong`. */
export class ConfigInvalid extends Error {
  override readonly name = 'ConfigInvalid';
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[]) {
    super(problems.map((problem) => formatProblem(file, problem)).join('\n'));
    this.problems = problems;
  }
}

/** The configuration, checked; throws ConfigInvalid (exit 78) with every problem at once. */
export function loadConfig(file: string, needs: Needs): Config {
  const checked = checkConfigFile(file, needs);
  if (checked.kind === 'invalid') throw new ConfigInvalid(file, checked.problems);
  return checked.config;
}

/** The same as a value, with the references that resolve to nothing here. */
export function checkConfigFile(file: string, needs: Needs): Checked {
  let text: string;
  try {
    // A file this large is no configuration, and would be read into memory.
    text = statSync(file).size > maxConfigBytes ? ' '.repeat(maxConfigBytes + 1) : readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const message =
      code === 'ENOENT'
        ? 'there is no such file; name one with --config or WAGGLE_CONFIG'
        : `cannot be read (${code ?? String(error)})`;
    return { kind: 'invalid', problems: [{ line: 1, column: 1, path: '', message }] };
  }
  return checkConfig(text, { file, env: process.env, host: hostname(), readFile: readSecret }, needs);
}

function readSecret(path: string): string | null {
  try {
    return statSync(path).size > 65_536 ? null : readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
