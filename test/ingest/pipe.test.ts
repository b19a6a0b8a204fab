// `waggle pipe`: lines with the agent's acks.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { pipeLines } from '../../ingest/pipe.ts';
import { front } from './client/front.ts';
import { serve } from './inputs/http/serve.ts';

const listenOf = (url: string): string => new URL(url).host;
const never = new AbortController().signal;

async function pipe(url: string, input: readonly Buffer[], wait = 5000): Promise<{ code: number; told: string }> {
  let told = '';
  const code = await pipeLines(listenOf(url), Readable.from(input), {
    type: 'app.log',
    level: null,
    wait,
    signal: never,
    tell: (line) => void (told += line),
  });
  return { code, told };
}

const dataOf = (line: string): unknown => (JSON.parse(line) as { readonly data: unknown }).data;

it('makes data of a line that is a JSON object, byte by byte, and a message of another', async () => {
  await using served = await serve();
  const bytes = Buffer.from('{"n":9007199254740993}\nplain "ü"\n\n[1]\r\n{"broken":\nlast');
  const chunks = Array.from({ length: Math.ceil(bytes.length / 3) }, (_, i) => bytes.subarray(3 * i, 3 * i + 3));
  expect(await pipe(served.input.address, chunks)).toEqual({ code: 0, told: '' });
  expect(served.lines()[0]).toContain('"data":{"n":9007199254740993}}');
  expect(served.lines().slice(1).map(dataOf)).toEqual([
    { message: 'plain "ü"' },
    { message: '[1]' },
    { message: '{"broken":' },
    { message: 'last' },
  ]);
});

it('waits while the agent is full, keeps little in memory, and loses nothing', async () => {
  await using served = await serve();
  await using agent = await front(served.input.address, [
    { status: 429, retryAfter: '1' },
    { status: 503, retryAfter: null },
    'lose',
  ]);
  const line = `${'x'.repeat(1000)}\n`;
  const { code, told } = await pipe(
    agent.url,
    Array.from({ length: 100 }, () => Buffer.from(line.repeat(100))),
    20_000,
  );
  expect(code).toBe(0);
  expect(told).toMatch(/^waiting for the agent at http:.*: 429 busy\n$/);
  const ids = new Set(served.lines().map((each) => (JSON.parse(each) as { readonly id: string }).id));
  expect(ids.size).toBe(10_000);
});

it('tells what it could not hand over, and ends with 1', async () => {
  const { code, told } = await pipe('http://127.0.0.1:1', [Buffer.from('a\nb\n')], 200);
  expect(code).toBe(1);
  expect(told).toMatch(/^0 events with the agent; 2 not handed over \(.+\)\n$/);
});

it('cuts a line that is too long', async () => {
  await using served = await serve({ maxBody: 2 ** 21, maxEvent: 2 ** 20 });
  expect((await pipe(served.input.address, [Buffer.from('y'.repeat(700_000)), Buffer.from('\nnext\n')])).code).toBe(0);
  expect(served.lines().map(dataOf)).toEqual([
    { message: 'y'.repeat(256 * 1024), truncated: true },
    { message: 'next' },
  ]);
});

it('as a command: hands over, ends on SIGTERM with what it read, and explains itself', async () => {
  await using served = await serve();
  const folder = mkdtempSync(join(tmpdir(), 'waggle-pipe-'));
  try {
    const config = join(folder, 'waggle.yaml');
    writeFileSync(
      config,
      `version: 1
sites: { chicago: { nodes: ['amqp://a:5672'], stream: ['a:5552'], management: 'http://a:15672' } }
users: { topology: { password: t }, federation: { password: f }, agent: { password: a } }
agent: { site: chicago, inputs: { http: { listen: '${listenOf(served.input.address)}' } } }
`,
    );
    const run = (...args: string[]) =>
      spawn(process.execPath, ['waggle.ts', '--config', config, 'pipe', ...args], { stdio: 'pipe' });
    const help = run('--help');
    expect(await text(help.stdout)).toMatch(/--type[^]*--level[^]*--wait/);
    const child = run('--type', 'app.log', '--level', 'memory');
    const errors = text(child.stderr);
    child.stdin.write('one\ntwo\n');
    await expect.poll(() => served.lines().length, { timeout: 10_000 }).toBe(2);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(await errors).toBe('');
    expect(served.levels.every((level) => level === 'memory')).toBe(true);
    const wrong = run('--type', 'app.log', '--wait', 'soon');
    expect(await text(wrong.stderr)).toBe('error: --wait: not a duration such as 30s\n');
    expect((await once(wrong, 'exit').catch(() => [wrong.exitCode]))[0] ?? wrong.exitCode).toBe(64);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
