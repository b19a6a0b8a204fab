// The command `waggle agent` with two workers, and no site: what one process is told reaches both, and none outlives the first.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const TIMEOUT = { timeout: 120_000 };
const SOON = { timeout: 60_000 };
let folder: string;
let agent: ChildProcess | null = null;
const log: Record<string, unknown>[] = [];

const write = (more = '', listen = '127.0.0.1:0'): void =>
  writeFileSync(
    join(folder, 'waggle.yaml'),
    `version: 1
sites:
  chicago: { nodes: ["amqp://127.0.0.1:1"], stream: ["127.0.0.1:2"], management: "http://127.0.0.1:3" }
users: { topology: { password: a }, agent: { password: b } }
agent:
  site: chicago
  admin: 127.0.0.1:0
  workers: 2
  spool: { path: ${folder}/spool, max: 64MiB, keep: 1MiB }
  inputs: { http: { listen: "${listen}" }, syslog: { listen: "127.0.0.1:0" }, udp: { listen: "127.0.0.1:0" } }
  ${more}
`,
  );
function start(): ChildProcess {
  agent = spawn(process.execPath, ['waggle.ts', '--config', join(folder, 'waggle.yaml'), 'agent'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  createInterface(agent.stdout ?? process.stdin).on('line', (line) =>
    log.push(JSON.parse(line) as Record<string, unknown>),
  );
  return agent;
}
const told = async (fact: string): Promise<Record<string, unknown>> => {
  const find = (): Record<string, unknown> | undefined => log.find((entry) => entry['fact'] === fact);
  await expect.poll(find, SOON).toBeDefined();
  return find() ?? {};
};

interface Status {
  readonly inputs: readonly { readonly input: string; readonly accepted: number }[];
  readonly ledger: readonly { readonly accepted: number }[];
  readonly workers: readonly { readonly pid: number; readonly state: string; readonly spooled: number }[];
}
const ask = async (path: string): Promise<Response> =>
  fetch(`${String((await told('agent.started'))['admin'])}${path}`);
const status = async (): Promise<Status> => (await ask('/status')).json() as Promise<Status>;

/** Over a connection of its own, which any worker may take. */
async function post(): Promise<number> {
  const headers = { 'content-type': 'application/json', connection: 'close' };
  const http = String((await told('agent.started'))['http']);
  return (await fetch(`${http}/events/app.debug`, { method: 'POST', body: '{"a":1}', headers })).status;
}

/** The workers that opened this input. */
const opened = (input: string): ReadonlySet<unknown> =>
  new Set(
    log.filter((entry) => entry['fact'] === 'input.started' && entry['input'] === input).map(({ worker }) => worker),
  );

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

beforeEach(() => {
  log.length = 0;
  folder = mkdtempSync(join(tmpdir(), 'waggle-workers-'));
  write();
});
afterEach(async () => {
  if (agent !== null && agent.exitCode === null && agent.signalCode === null) {
    const ended = once(agent, 'exit');
    agent.kill('SIGKILL');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

test('both take events on one port, and are shown as one agent', TIMEOUT, async () => {
  start();
  let posted = 0;
  const both = async (): Promise<boolean> => {
    expect(await post()).toBe(200);
    posted++;
    return (await status()).workers.every(({ spooled }) => spooled > 0);
  };
  await expect.poll(both, SOON).toBe(true);
  const { inputs, ledger } = await status();
  expect(ledger).toMatchObject([{ accepted: posted, spooled: posted, imbalance: 0 }]);
  expect(inputs.map(({ input, accepted }) => [input, accepted])).toEqual([
    ['http', posted],
    ['udp', 0],
    ['syslog', 0],
  ]);
  // Datagrams are worker 0's.
  expect(opened('udp')).toEqual(new Set([0]));
  expect(opened('syslog')).toEqual(new Set([0, 1]));
  const metrics = await (await ask('/metrics')).text();
  expect(metrics).toMatch(new RegExp(`^waggle_input_events_total\\{.*reason="accepted".*\\} ${posted}$`, 'm'));
  expect(metrics.match(/^waggle_input_events_total\{/gm)).toHaveLength(1);
  const ready = await ask('/readyz');
  expect(ready.status).toBe(503);
  expect(await ready.text()).toContain('worker 1: no site takes events');
});

test('a changed file reaches both; a wrong one changes none, and a worker that is started again', TIMEOUT, async () => {
  const first = start();
  await told('agent.started');
  write('transforms: [{ match: "app.*", keep: 0 }]');
  first.kill('SIGHUP');
  await told('config.reloaded');
  write('transforms: [{ match: "app..x", keep: 2 }]');
  first.kill('SIGHUP');
  await told('config.refused');
  const victim = (await status()).workers[1]?.pid ?? 0;
  process.kill(victim, 'SIGKILL');
  await told('worker.ended');
  const second = async (): Promise<boolean> => {
    const worker = (await status()).workers[1];
    return worker?.state === 'running' && worker.pid !== victim;
  };
  await expect.poll(second, SOON).toBe(true);
  for (let n = 0; n < 40; n++) expect(await post()).toBe(200);
  const { ledger, inputs } = await status();
  expect([ledger[0]?.accepted, inputs[0]?.accepted]).toEqual([0, 40]);
});

test('signals to all its processes, as a terminal sends them, end it in order', TIMEOUT, async () => {
  const first = start();
  await told('agent.started');
  for (let n = 0; n < 4; n++) expect(await post()).toBe(200);
  const { workers } = await status();
  const ended = once(first, 'exit');
  for (const pid of [...workers.map((worker) => worker.pid), first.pid ?? 0]) process.kill(pid, 'SIGTERM');
  expect(await ended).toEqual([0, null]);
  expect(workers.filter(({ pid }) => runs(pid))).toEqual([]);
  expect(log.filter(({ fact }) => fact === 'worker.ended')).toEqual([]);
});

test('killed, it leaves no worker behind, and its spools are free', TIMEOUT, async () => {
  const first = start();
  await told('agent.started');
  expect(await post()).toBe(200);
  const { workers } = await status();
  first.kill('SIGKILL');
  await expect.poll(() => workers.some(({ pid }) => runs(pid)), SOON).toBe(false);
  log.length = 0;
  start();
  await told('agent.started');
  expect((await status()).ledger).toMatchObject([{ accepted: 1, spooled: 1 }]);
});

test('where a port is taken it says so, ends with 78, and leaves no worker', TIMEOUT, async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  write('', `127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [code] = (await once(start(), 'exit')) as [number];
  server.close();
  expect(code).toBe(78);
  await expect.poll(() => log.some(({ fact }) => fact === 'agent.cannot-start'), SOON).toBe(true);
  expect(String((await told('agent.cannot-start'))['msg'])).toMatch(/^agent\.inputs\.http: .*EADDRINUSE/);
});
