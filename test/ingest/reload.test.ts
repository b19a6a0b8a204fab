// A running agent and its changed file: what can be changed is, what cannot is named, and what is wrong changes nothing.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
let folder: string;
let agent: ChildProcess;
const log: Record<string, unknown>[] = [];
/** A node that takes connections and says nothing; counts them. */
let node: Server;
let reached = 0;

const address = (): string => {
  const at = node.address();
  return typeof at === 'object' && at !== null ? `127.0.0.1:${at.port}` : '';
};
const write = (parts: { nodes?: string; agent?: string; window?: string } = {}): void =>
  writeFileSync(
    join(folder, 'waggle.yaml'),
    `version: 1
sites:
  chicago: { nodes: ["amqp://${parts.nodes ?? '127.0.0.1:1'}"], stream: ["127.0.0.1:2"], management: "http://127.0.0.1:3" }
users: { topology: { password: a }, agent: { password: b } }
agent:
  site: chicago
  admin: 127.0.0.1:0
  spool: { path: ${folder}/spool, max: 64MiB, keep: 1MiB }
  route: { window: ${parts.window ?? '8MiB'} }
  inputs: { http: { listen: "127.0.0.1:0" } }
  ${parts.agent ?? ''}
`,
  );
const told = (fact: string): Promise<Record<string, unknown>> =>
  expect
    .poll(() => log.find((entry) => entry['fact'] === fact), { timeout: 15_000 })
    .toBeDefined()
    .then(() => log.find((entry) => entry['fact'] === fact) ?? {});
const post = async (): Promise<unknown> =>
  (
    await fetch(`${String((await told('agent.started'))['http'])}/events/app.debug`, {
      method: 'POST',
      body: '{"a":1}',
      headers: { 'content-type': 'application/json' },
    })
  ).json();
const accepted = async (): Promise<unknown> => {
  const status = await fetch(`${String((await told('agent.started'))['admin'])}/status`);
  return ((await status.json()) as { ledger: { accepted: number }[] }).ledger[0]?.accepted;
};

beforeEach(async () => {
  log.length = 0;
  reached = 0;
  folder = mkdtempSync(join(tmpdir(), 'waggle-reload-'));
  node = createServer((socket) => {
    reached++;
    socket.on('error', () => undefined);
  });
  node.listen(0, '127.0.0.1');
  await once(node, 'listening');
  write();
  agent = spawn(process.execPath, ['waggle.ts', '--config', join(folder, 'waggle.yaml'), 'agent'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  createInterface(agent.stdout ?? process.stdin).on('line', (line) =>
    log.push(JSON.parse(line) as Record<string, unknown>),
  );
  await told('agent.started');
}, 30_000);
afterEach(async () => {
  const ended = once(agent, 'exit');
  agent.kill('SIGKILL');
  await ended;
  node.close();
  rmSync(folder, { recursive: true, force: true });
});

test('a changed file is in force without a signal: filters, and the nodes of a site', { timeout: 30_000 }, async () => {
  await post();
  await expect.poll(accepted).toBe(1);
  write({ nodes: address(), agent: 'transforms: [{ match: "app.*", keep: 0 }]' });
  await told('config.reloaded');
  expect(await post()).toMatchObject({ accepted: 1 });
  expect(await accepted()).toBe(1);
  await expect.poll(() => reached, { timeout: 15_000 }).toBeGreaterThan(0);
  expect(log.some(({ fact }) => fact === 'config.needs-restart')).toBe(false);
});

test('a wrong file is refused with its line, and the old one stays', { timeout: 30_000 }, async () => {
  write({ agent: 'transforms: [{ match: "app..x", keep: 2 }]' });
  agent.kill('SIGHUP');
  const refused = await told('config.refused');
  expect(String(refused['msg'])).toMatch(/waggle\.yaml:\d+:\d+: agent\.transforms/);
  await post();
  await expect.poll(accepted).toBe(1);
});

test('what needs a restart is named, and the rest is in force', { timeout: 30_000 }, async () => {
  write({ window: '16MiB', agent: 'transforms: [{ match: "app.*", keep: 0 }]' });
  agent.kill('SIGHUP');
  expect((await told('config.needs-restart'))['fields']).toEqual(['agent.route']);
  await told('config.reloaded');
  await post();
  expect(await accepted()).toBe(0);
});
