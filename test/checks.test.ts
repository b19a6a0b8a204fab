// The project's checks, each as one test: what `npm run check:*` says is what counts here.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
const checks = Object.entries(scripts).filter(([name]) => name.startsWith('check:'));

describe('checks', () => {
  test('there are types, lint, format and dead code', () => {
    expect(checks.map(([name]) => name)).toEqual(['check:types', 'check:lint', 'check:format', 'check:dead']);
  });

  test.each(checks)('%s', { timeout: 240_000 }, async (_name, command) => {
    const { code, output } = await shell(command);
    expect(code, output).toBe(0);
  });
});

function shell(command: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const path = [join(root, 'node_modules/.bin'), process.env['PATH']].join(delimiter);
    const child = spawn(command, {
      cwd: root,
      shell: true,
      env: { ...process.env, PATH: path },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}
