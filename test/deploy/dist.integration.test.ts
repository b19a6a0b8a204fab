// The published package as somebody installs it: packed, installed into an empty folder, and run from there; and the image's last stage around it.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const IMAGE = 'waggle-dist-test';
const empty = mkdtempSync(join(tmpdir(), 'waggle-dist-'));
const installed = join(empty, 'build/opt/waggle');
const waggle = join(installed, 'node_modules/.bin/waggle');
const env = {
  ...process.env,
  WAGGLE_SITE: 'chicago',
  WAGGLE_AGENT_PASSWORD: 'secret',
  // The installed command is found by its first line.
  PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
};

const config = (spool: string, listen: string): string => `
version: 1
sites:
  chicago: { nodes: ["amqp://127.0.0.1:1"], stream: ["127.0.0.1:2"], management: "http://127.0.0.1:3" }
users: { topology: { password: "\${A:-a}" }, agent: { password: "\${WAGGLE_AGENT_PASSWORD}" } }
agent:
  site: "\${WAGGLE_SITE}"
  admin: ${listen}:0
  spool: { path: ${spool}, max: 64MiB, keep: 1MiB }
  inputs: { http: { listen: "${listen}:0" } }
`;

const npm = (args: readonly string[], cwd: string): string => execFileSync('npm', args, { cwd, encoding: 'utf8' });
const inside = (...args: string[]): string =>
  execFileSync('docker', ['run', '--rm', '--network', 'none', ...args], { encoding: 'utf8' });

beforeAll(() => {
  execFileSync(process.execPath, ['deploy/dist.ts'], { cwd: root });
  const tarball = npm(['pack', './dist', '--silent', '--pack-destination', empty], root).trim();
  mkdirSync(installed, { recursive: true });
  npm(
    [
      'install',
      '--prefix',
      installed,
      '--omit=dev',
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      join(empty, tarball),
    ],
    installed,
  );
  writeFileSync(join(empty, 'waggle.yaml'), config(join(empty, 'spool'), '127.0.0.1'));
}, 180_000);
afterAll(() => {
  rmSync(empty, { recursive: true, force: true });
  spawnSync('docker', ['image', 'rm', '--force', IMAGE]);
});

const run = (...args: string[]): string => execFileSync(waggle, args, { cwd: empty, env, encoding: 'utf8' });

test('it holds no TypeScript but declarations, and no development dependency', () => {
  const files = execFileSync('find', [join(installed, 'node_modules/waggle'), '-name', '*.ts'], { encoding: 'utf8' });
  expect(files.split('\n').filter((file) => file !== '' && !file.endsWith('.d.ts'))).toEqual([]);
  expect(existsSync(join(installed, 'node_modules/vitest'))).toBe(false);
  expect(existsSync(join(installed, 'node_modules/node'))).toBe(false);
});

test('--help, --version, validate, schema', () => {
  expect(run('--help')).toContain('agent');
  expect(run('--version').trim()).toBe(
    (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version,
  );
  expect(run('validate')).toContain('valid: sites chicago');
  expect(run('schema')).toBe(readFileSync(join(root, 'waggle.schema.json'), 'utf8'));
});

test('its exports are there for sinks of one’s own', () => {
  const script = "import('waggle/sink').then((sink) => console.log(typeof sink))";
  expect(execFileSync(process.execPath, ['-e', script], { cwd: installed, encoding: 'utf8' })).toBe('object\n');
});

test('its agent takes an event, keeps it, and ends in order', { timeout: 60_000 }, async () => {
  const agent = spawn(waggle, ['agent'], { cwd: empty, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(agent, 'exit');
  const http = await new Promise<string>((resolve) => {
    createInterface(agent.stdout).on('line', (line) => {
      const { fact, http: address } = JSON.parse(line) as { fact?: string; http?: string };
      if (fact === 'agent.started') resolve(address ?? '');
    });
  });
  const response = await fetch(`${http}/events/card.tapped`, {
    method: 'POST',
    body: '{"card":9007199254740993}',
    headers: { 'content-type': 'application/json' },
  });
  expect(await response.json()).toMatchObject({ level: 'disk', accepted: 1 });
  agent.kill('SIGTERM');
  expect((await ended)[0]).toBe(0);
  expect(run('spool', 'export')).toContain('"data":{"card":9007199254740993}');
});

test('the image runs it as a user that is not root', { timeout: 120_000 }, () => {
  // The first stage needs a package registry from within Docker; what it makes stands in for it.
  mkdirSync(join(empty, 'build/var/lib/waggle'), { recursive: true });
  writeFileSync(join(empty, 'build/var/lib/waggle/.keep'), '');
  const text = readFileSync(join(root, 'deploy/Dockerfile'), 'utf8');
  const last = text.slice(text.lastIndexOf('FROM '));
  writeFileSync(join(empty, 'Dockerfile'), `FROM node:24-slim AS build\nCOPY build /build\n${last}`);
  execFileSync('docker', ['build', '--tag', IMAGE, empty], { stdio: 'pipe' });
  expect(inside('--entrypoint', 'id', IMAGE, '-u').trim()).toBe('1000');
  expect(inside(IMAGE, '--help')).toContain('Exit codes');
});

test('the units of systemd are valid', () => {
  if (spawnSync('systemd-analyze', ['--version']).status !== 0) return; // Not a machine with systemd.
  for (const unit of ['waggle-agent.service', 'waggle-consumer@.service']) {
    const text = readFileSync(join(root, 'deploy/systemd', unit), 'utf8').replaceAll('/usr/bin/waggle', waggle);
    writeFileSync(join(empty, unit), text);
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', join(empty, unit)], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  }
});
