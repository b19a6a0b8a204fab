import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const script = join(import.meta.dirname, 'small-service.ts');

/** Runs the small service; `onOutput` gets all output so far at each new piece. */
function run(args: readonly string[], onOutput: (output: string, kill: (signal: NodeJS.Signals) => void) => void) {
  return new Promise<{ code: number | null; output: string }>((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, WAGGLE_LOG_LEVEL: 'info' },
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      onOutput(output, (signal) => child.kill(signal));
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

/** Acts once, when the text has come. */
function when(text: string, act: (kill: (signal: NodeJS.Signals) => void) => void) {
  let done = false;
  return (output: string, kill: (signal: NodeJS.Signals) => void): void => {
    if (done || !output.includes(text)) return;
    done = true;
    act(kill);
  };
}

test.each(['SIGTERM', 'SIGINT'] as const)('%s drains, and the code is that of the service', async (signal) => {
  const { code, output } = await run(
    ['drains'],
    when('started', (kill) => kill(signal)),
  );
  expect(output).toContain('"fact":"process.stopping"');
  expect(output).toContain('drained\n');
  expect(code).toBe(0);
});

test('a drain that hangs ends at the deadline with 75', async () => {
  const { code, output } = await run(
    ['hangs', '50'],
    when('started', (kill) => kill('SIGTERM')),
  );
  expect(output).toContain('"fact":"process.deadline"');
  expect(code).toBe(75);
});

test('a second signal ends at once', async () => {
  const first = when('started', (kill) => kill('SIGTERM'));
  const second = when('process.stopping', (kill) => kill('SIGTERM'));
  const { code } = await run(['hangs'], (output, kill) => {
    first(output, kill);
    second(output, kill);
  });
  expect(code).toBe(128 + 15);
});

test.each(['throws', 'floats'])('an error that nobody caught (%s) is logged and ends with 70', async (behaviour) => {
  const { code, output } = await run([behaviour], () => undefined);
  expect(output).toContain('"fact":"process.crashed"');
  expect(code).toBe(70);
});

test('an address that is taken is a fault of the configuration: 78, without a stack', async () => {
  const { code, output } = await run(['cannot listen'], () => undefined);
  expect(output).toContain('"msg":"127.0.0.1:1 is taken"');
  expect(output).not.toContain('stack');
  expect(code).toBe(78);
});
