// Runs tests of the kinds asked for and closes with `N passed, N failed`. Exit code 1 where one failed, or none ran.
//   node test/run.ts unit integration e2e [-- FILE...]
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What vitest's JSON reporter writes, as far as it is read here. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/** A file that fails without a failed test (it does not load, its set-up fails) counts as one failed; so does a run that ends badly without any. */
export function countTests(report: Report | null, exitCode: number): Count {
  if (report === null) return { passed: 0, failed: 1, skipped: 0 };
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  ).length;
  const failed = report.numFailedTests + brokenFiles;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** `12 passed, 0 failed`, and `, 1 skipped` only where there is one. */
export const closingLine = ({ passed, failed, skipped }: Count): string =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;

const kinds = ['unit', 'integration', 'e2e', 'long', 'ha'];
/** Vitest prints when a file of tests is done. */
const SILENCE_MINUTES = 20;
const root = join(import.meta.dirname, '..');

async function main(args: readonly string[]): Promise<number> {
  const wanted = args.filter((arg) => kinds.includes(arg));
  const files = args.filter((arg) => !kinds.includes(arg) && arg !== '--');
  if (wanted.length === 0) {
    console.error(`usage: node test/run.ts KIND... [-- FILE...]   kinds: ${kinds.join(', ')}`);
    return 64;
  }
  const usesContainers = wanted.some((kind) => kind !== 'unit');
  const folder = mkdtempSync(join(tmpdir(), 'waggle-test-'));
  try {
    if (usesContainers) await run(process.execPath, ['test/sweep.ts']);
    const output = join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${output}`];
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const exitCode = await run(process.execPath, [
      vitest,
      'run',
      ...reporters,
      ...wanted.flatMap((kind) => ['--project', kind]),
      ...files,
    ]);
    if (usesContainers) await run(process.execPath, ['test/sweep.ts']);
    const count = countTests(readReport(output), exitCode);
    console.log(`\n${closingLine(count)}`);
    return count.failed > 0 || count.passed === 0 ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readReport(file: string): Report | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report;
  } catch {
    return null; // vitest ended before it wrote one
  }
}

// Signals go to the child; we end after it, with what it left swept.
function run(command: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const colour = process.stdout.isTTY ? { FORCE_COLOR: '1' } : {};
    const env = { ...process.env, ...colour };
    const child: ChildProcess = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
    // A run that hangs must end: vitest's own time-outs are timers of the process that hangs.
    const silence = setTimeout(() => {
      console.error(`no output for ${SILENCE_MINUTES} minutes: ending the tests`);
      child.kill('SIGKILL');
    }, SILENCE_MINUTES * 60_000);
    child.stdout?.on('data', (data: Buffer) => {
      process.stdout.write(data);
      silence.refresh();
    });
    const forward = (signal: NodeJS.Signals): boolean => child.kill(signal);
    process.on('SIGINT', forward).on('SIGTERM', forward);
    child.once('error', reject);
    child.once('exit', (code) => {
      clearTimeout(silence);
      process.off('SIGINT', forward).off('SIGTERM', forward);
      resolve(code ?? 1);
    });
  });
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
