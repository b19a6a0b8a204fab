// Senders as they come: Docker's log driver, fluent-logger of Python and Go, logger(1) and rsyslog, against inputs that are as they are. One whose
// toolchain the machine lacks is skipped, with its name.
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createSyslogInput } from '../../../ingest/inputs/syslog/syslog.ts';
import { TEST_LABEL } from '../../docker.ts';
import { serveForward } from './forward/forward-client.ts';
import { type Recorder, createRecorder } from './recorder.ts';

const run = promisify(execFile);
const has = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;
const COUNT = 200;
const numbers = Array.from({ length: COUNT }, (_, n) => n);
let folder = '';
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'waggle-clients-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const all = (recorder: Recorder, count: number): Promise<void> =>
  vi.waitFor(() => expect(recorder.accepted).toBe(count), { timeout: 30_000, interval: 20 });
const field = (recorder: Recorder, name: string): unknown[] =>
  recorder.events().map(({ payload }) => (payload as Record<string, unknown>)[name]);

describe('forward', () => {
  test('Docker’s fluentd log driver', async () => {
    await using served = await serveForward();
    const options = { address: `127.0.0.1:${served.port}`, 'request-ack': 'true', 'sub-second-precision': 'true' };
    const logOptions = Object.entries(options).flatMap(([key, value]) => ['--log-opt', `fluentd-${key}=${value}`]);
    const script = `for (let n = 0; n < ${COUNT}; n++) console.log('line', n)`;
    const label = ['--label', `${TEST_LABEL}=${process.pid}`];
    const log = ['--log-driver', 'fluentd', '--log-opt', 'tag=docker.app', ...logOptions];
    await run('docker', ['run', '--rm', ...label, ...log, 'node:24-slim', 'node', '-e', script]);
    await all(served.recorder, COUNT);
    expect(field(served.recorder, 'log')).toEqual(numbers.map((n) => `line ${n}`));
    expect(served.recorder.events()[0]).toMatchObject({
      type: 'docker.app',
      payload: { source: 'stdout', container_id: expect.any(String), container_name: expect.any(String) },
    });
    // With the precision asked for, times are not all whole milliseconds.
    expect(served.recorder.events().some(({ time }) => time.length === 30)).toBe(true);
    expect(served.recorder).toMatchObject({ lost: {}, refused: {}, closed: {} });
  });

  test.skipIf(!has('python3', '-m', 'pip', '--version'))('fluent-logger of Python', async () => {
    await using served = await serveForward();
    const packages = join(folder, 'python');
    await run('python3', ['-m', 'pip', 'install', '-q', '--target', packages, 'fluent-logger==0.11.1']);
    const program = `
from fluent import sender
logger = sender.FluentSender('app', host='127.0.0.1', port=${served.port}, nanosecond_precision=True)
for n in range(${COUNT}):
    assert logger.emit('log', {'n': n, 'bytes': b'\\xff\\x00', 'big': 18446744073709551615}), logger.last_error
logger.close()
`;
    await run('python3', ['-c', program], { env: { ...process.env, PYTHONPATH: packages } });
    await all(served.recorder, COUNT);
    expect(field(served.recorder, 'n')).toEqual(numbers);
    expect(served.recorder.lines()[0]).toContain('"bytes":"/wA=","big":18446744073709551615}');
    expect(served.recorder.events()[0]?.type).toBe('app.log');
  });

  test.skipIf(!has('go', 'version'))('fluent-logger-golang, asking for acknowledgements', async () => {
    await using served = await serveForward();
    const module = mkdtempSync(join(folder, 'go-'));
    writeFileSync(join(module, 'go.mod'), 'module client\n\ngo 1.21\n');
    const program = `package main

import "github.com/fluent/fluent-logger-golang/fluent"

func main() {
	logger, err := fluent.New(fluent.Config{FluentHost: "127.0.0.1", FluentPort: ${served.port}, RequestAck: true, SubSecondPrecision: true})
	if err != nil { panic(err) }
	for n := 0; n < ${COUNT}; n++ {
		if err := logger.Post("app.log", map[string]interface{}{"n": n, "text": "é"}); err != nil { panic(err) }
	}
	if err := logger.Close(); err != nil { panic(err) }
}
`;
    writeFileSync(join(module, 'main.go'), program);
    const env = { ...process.env, GOFLAGS: '-mod=mod' };
    await run('go', ['get', 'github.com/fluent/fluent-logger-golang@v1.10.2'], { cwd: module, env });
    await run('go', ['run', '.'], { cwd: module, env });
    await all(served.recorder, COUNT);
    expect(field(served.recorder, 'n')).toEqual(numbers);
    expect(served.recorder).toMatchObject({ lost: {}, closed: {} });
  });
});

interface Syslog extends AsyncDisposable {
  readonly port: number;
  readonly recorder: Recorder;
}

async function serveSyslog(): Promise<Syslog> {
  const recorder = createRecorder();
  const input = await createSyslogInput({
    listen: '127.0.0.1:0',
    level: 'disk',
    type: 'syslog',
    maxMessage: 8192,
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    receiveBuffer: 2 ** 20,
    tls: null,
    ...recorder.context,
  });
  const port = Number(new URL(input.address.replace('syslog:', 'http:')).port);
  return { port, recorder, [Symbol.asyncDispose]: () => input[Symbol.asyncDispose]() };
}

const isRecent = (time: string): boolean => Math.abs(Date.parse(time) - Date.now()) < 60_000;

describe.skipIf(!has('logger', '--version'))('logger(1)', () => {
  test.each([
    ['RFC 5424 over UDP', ['--udp', '--rfc5424']],
    ['RFC 5424 over TCP', ['--tcp', '--rfc5424']],
    ['RFC 5424 over TCP, octets counted', ['--tcp', '--rfc5424', '--octet-count']],
    ['RFC 3164 over UDP', ['--udp', '--rfc3164']],
    ['RFC 3164 over TCP', ['--tcp', '--rfc3164']],
  ])('%s', async (_, options) => {
    await using served = await serveSyslog();
    const lines = ['one: 1', 'two é', 'three'];
    const to = [
      '--server',
      '127.0.0.1',
      '--port',
      String(served.port),
      '--priority',
      'local3.warning',
      '--tag',
      'my-app',
      '--id=42',
    ];
    execFileSync('logger', [...options, ...to], { input: lines.join('\n') });
    await all(served.recorder, lines.length);
    expect(field(served.recorder, 'message')).toEqual(lines);
    const [event] = served.recorder.events();
    expect(event?.payload).toMatchObject({
      facility: 'local3',
      severity: 'warning',
      appname: 'my-app',
      procid: '42',
      hostname: expect.any(String),
    });
    expect(event && isRecent(event.time)).toBe(true);
  });
});

// Not installed, only unpacked: nothing of the machine is changed.
function unpackRsyslog(): string | null {
  const at = mkdtempSync(join(tmpdir(), 'waggle-rsyslog-'));
  const packages = ['rsyslog', 'libestr0', 'libfastjson4'];
  if (spawnSync('apt-get', ['download', ...packages], { cwd: at }).status !== 0) return null;
  for (const file of readdirSync(at)) execFileSync('dpkg', ['-x', file, at], { cwd: at });
  return at;
}
const rsyslog = unpackRsyslog();
afterAll(() => {
  if (rsyslog !== null) rmSync(rsyslog, { recursive: true, force: true });
});

describe.skipIf(rsyslog === null)('rsyslog of Debian', () => {
  const root = rsyslog ?? '';
  const libraries = join(root, 'usr/lib/x86_64-linux-gnu');
  test.each([
    [
      'TCP, octets counted, RFC 5424',
      'protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"',
    ],
    ['TCP, its own format', 'protocol="tcp" template="RSYSLOG_ForwardFormat"'],
    ['UDP, the traditional format', 'protocol="udp" template="RSYSLOG_TraditionalForwardFormat"'],
  ])('%s', async (_, action) => {
    await using served = await serveSyslog();
    const work = mkdtempSync(join(folder, 'rsyslog-'));
    const socket = join(work, 'log');
    const config = `
global(workDirectory="${work}")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="${socket}" RateLimit.Interval="0")
action(type="omfwd" target="127.0.0.1" port="${served.port}" ${action})
`;
    writeFileSync(join(work, 'rsyslog.conf'), config);
    const args = ['-n', '-f', join(work, 'rsyslog.conf'), '-i', join(work, 'pid'), '-M', join(libraries, 'rsyslog')];
    const daemon = spawn(join(root, 'usr/sbin/rsyslogd'), args, {
      env: { ...process.env, LD_LIBRARY_PATH: libraries },
      stdio: 'ignore',
    });
    try {
      await vi.waitFor(() => expect(readdirSync(work)).toContain('log'), { timeout: 10_000 });
      const lines = numbers.map((n) => `[${n}] é text`).join('\n');
      execFileSync('logger', ['--socket', socket, '--tag', 'app', '--priority', 'daemon.err'], { input: lines });
      // It sends a line about itself too.
      const ours = (): Recorder['events'] extends () => infer T ? T : never =>
        served.recorder.events().filter(({ payload }) => (payload as { appname?: string }).appname === 'app');
      await vi.waitFor(() => expect(ours()).toHaveLength(COUNT), { timeout: 30_000, interval: 50 });
      // Its own format for RFC 5424 keeps the blank behind the tag in the message.
      expect(ours().map(({ payload }) => (payload as { message: string }).message.trimStart())).toEqual(
        numbers.map((n) => `[${n}] é text`),
      );
      expect(ours()[0]?.payload).toMatchObject({ facility: 'daemon', severity: 'err', hostname: expect.any(String) });
      expect(ours().every(({ time }) => isRecent(time))).toBe(true);
      expect(served.recorder.lost).toEqual({});
    } finally {
      daemon.kill('SIGKILL');
    }
  });
});
