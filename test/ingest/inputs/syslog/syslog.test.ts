// Syslog over its sockets: TCP with a spool that is full for a while, slow senders, TLS, and what does not end.
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import type { Accepted, Input } from '../../../../ingest/inputs/contract.ts';
import { createSyslogInput, type SyslogInputOptions } from '../../../../ingest/inputs/syslog/syslog.ts';
import { makeCertificate } from '../../../targets/certificates.ts';
import { type Recorder, createRecorder } from '../recorder.ts';

interface Served extends AsyncDisposable {
  readonly input: Input;
  readonly port: number;
  readonly recorder: Recorder;
}

async function serve(options: Partial<SyslogInputOptions> = {}): Promise<Served> {
  const recorder = createRecorder();
  const input = await createSyslogInput({
    listen: '127.0.0.1:0',
    level: 'disk',
    type: 'syslog',
    maxMessage: 1024,
    timeZone: 'UTC',
    receiveBuffer: 256 * 1024,
    tls: null,
    ...recorder.context,
    ...options,
  });
  const port = Number(new URL(input.address.replace('syslog:', 'http:')).port);
  return { input, port, recorder, [Symbol.asyncDispose]: () => input[Symbol.asyncDispose]() };
}

async function connect(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  await once(socket, 'connect');
  return socket;
}

const messages = (recorder: Recorder): unknown[] =>
  recorder.events().map(({ payload }) => (payload as { message: string }).message);
const until = (condition: () => void): Promise<void> => vi.waitFor(condition, { timeout: 10_000, interval: 5 });

test('a spool that is full for a while: the sender is held back, and nothing is lost nor out of order', async () => {
  await using served = await serve({ limits: { again: 5 } });
  let refusing = true;
  served.recorder.outcome = () =>
    Promise.resolve<Accepted | null>(refusing ? { kind: 'refused', reason: 'full', message: '', retryAfter: 1 } : null);
  const socket = await connect(served.port);
  const lines = Array.from({ length: 40_000 }, (_, n) => `<13>app: line ${n} ${'x'.repeat(100)}\n`);
  socket.end(lines.join(''));
  await until(() => expect(socket.bytesWritten).toBeGreaterThan(0));
  await until(() => expect(served.input.status?.()).toMatchObject({ connections: 1 }));
  expect(served.recorder.accepted).toBe(0);
  refusing = false;
  await until(() => expect(served.recorder.accepted).toBe(40_000));
  expect(messages(served.recorder).map((text) => Number(String(text).split(' ')[1]))).toEqual(lines.map((_, n) => n));
  expect(served.recorder).toMatchObject({ lost: {}, faults: [] });
});

test('at the end of the agent what the spool does not take is lost, and counted', async () => {
  const served = await serve({ limits: { again: 60_000 } });
  let asked = 0;
  served.recorder.outcome = () => {
    asked++;
    return Promise.resolve({ kind: 'refused', reason: 'full', message: '', retryAfter: 60 });
  };
  const socket = await connect(served.port);
  socket.write('<13>one\n<13>two\n<13>thr');
  await until(() => expect(asked).toBe(1));
  await served[Symbol.asyncDispose]();
  expect(served.recorder.lost).toEqual({ full: 3 });
});

test('a message that does not go on is taken as it is, and the connection closed', async () => {
  await using served = await serve({ limits: { patience: 60 } });
  const socket = await connect(served.port);
  socket.write('<13>whole\n100 <13>half');
  await once(socket, 'end');
  await until(() => expect(messages(served.recorder)).toEqual(['whole', 'half']));
  expect(served.recorder.closed).toEqual({ 'message-slow': 1 });
  expect(served.recorder.events()[1]?.payload).toMatchObject({ truncated: true });
});

test('a silent connection stays', async () => {
  await using served = await serve({ limits: { patience: 30 } });
  const socket = await connect(served.port);
  await new Promise((resolve) => setTimeout(resolve, 150)); // several times the patience: nothing may happen in it
  socket.end('<13>after a while');
  await until(() => expect(messages(served.recorder)).toEqual(['after a while']));
  expect(served.recorder.closed).toEqual({});
});

test('a message without an end is cut, whatever its length', async () => {
  await using served = await serve();
  const socket = await connect(served.port);
  for (let i = 0; i < 200; i++) socket.write('x'.repeat(64 * 1024));
  socket.end('\n<13>next\n');
  await until(() => expect(served.recorder.accepted).toBe(2));
  expect(messages(served.recorder)).toEqual(['x'.repeat(1024), 'next']);
});

test('bytes that are not UTF-8 become U+FFFD, and the rest stays', async () => {
  await using served = await serve();
  const socket = await connect(served.port);
  socket.end(Buffer.concat([Buffer.from('<13>caf'), Buffer.of(0xe9), Buffer.from(' ok\n')]));
  await until(() => expect(messages(served.recorder)).toEqual(['caf\ufffd ok']));
});

test('TLS, with clients that must show a certificate', async () => {
  const authority = makeCertificate({ subject: 'authority', authority: true });
  const server = makeCertificate({ subject: 'localhost', names: 'DNS:localhost,IP:127.0.0.1', issuer: authority });
  const client = makeCertificate({ subject: 'client', issuer: authority });
  const config = { listen: '127.0.0.1:0', cert: server.cert, key: server.key, clientCa: authority.cert };
  await using served = await serve({ tls: config });
  const status = served.input.status?.() as { tls: string } | undefined;
  const port = Number(status?.tls.split(':')[1]);
  const good = tls.connect({ port, host: '127.0.0.1', ca: authority.cert, cert: client.cert, key: client.key });
  good.end('9 <13>ahoi!9 <13>again');
  good.resume();
  await until(() => expect(messages(served.recorder)).toEqual(['ahoi!', 'again']));
  const bare = tls.connect({ port, host: '127.0.0.1', ca: authority.cert });
  bare.on('error', () => undefined);
  bare.end('<13>nobody\n');
  const plain = await connect(port);
  plain.write('<13>in the clear\n');
  await until(() => expect(served.recorder.closed).toEqual({ 'tls-failed': 2 }));
  expect(served.recorder.accepted).toBe(2);
});

test('a certificate that cannot be used is told with its place', async () => {
  const { cert } = makeCertificate({ subject: 'a' });
  const { key } = makeCertificate({ subject: 'b' });
  const starting = serve({ tls: { listen: '127.0.0.1:0', cert, key, clientCa: null } });
  await expect(starting).rejects.toThrow(/^agent\.inputs\.syslog\.tls: cert and key are no pair of PEM texts/);
});

test('whatever bytes come: no fault, and the next sender is served', async () => {
  await using served = await serve();
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom('12 <13>', '<13>1 - - - - - [a b="', '\n', '9999999 ', '<13>x\n').map((text) => Buffer.from(text)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 6 }), async (pieces) => {
      const socket = await connect(served.port);
      for (const part of pieces) socket.write(part);
      socket.end();
      await once(socket, 'end');
    }),
    { numRuns: 200 },
  );
  const before = served.recorder.accepted;
  const socket = await connect(served.port);
  socket.end('<13>still here\n');
  await until(() => expect(served.recorder.accepted).toBe(before + 1));
  expect(served.recorder.faults).toEqual([]);
}, 30_000);
