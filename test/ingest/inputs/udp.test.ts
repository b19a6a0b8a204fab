// Datagrams: what may be in them, and where each one went.
import dgram from 'node:dgram';
import { expect, test, vi } from 'vitest';
import fc from 'fast-check';
import { createUdpInput, type UdpInputOptions } from '../../../ingest/inputs/udp.ts';
import type { Input } from '../../../ingest/inputs/contract.ts';
import { type Recorder, createRecorder } from './recorder.ts';

interface Served extends AsyncDisposable {
  readonly input: Input;
  readonly recorder: Recorder;
  readonly send: (...messages: readonly (string | Uint8Array)[]) => Promise<void>;
}

async function serve(options: Partial<UdpInputOptions> = {}): Promise<Served> {
  const recorder = createRecorder(options);
  const input = await createUdpInput({
    listen: '127.0.0.1:0',
    level: 'memory',
    maxEvent: 8 * 1024,
    type: null,
    receiveBuffer: 256 * 1024,
    ...recorder.context,
    ...options,
  });
  const port = Number(new URL(input.address.replace('udp:', 'http:')).port);
  const socket = dgram.createSocket('udp4');
  const send: Served['send'] = async (...messages) => {
    // All sends are begun before anything else runs: the receiver cannot keep up where they are many.
    const sent = messages.map((message) => new Promise((resolve) => socket.send(message, port, '127.0.0.1', resolve)));
    await Promise.all(sent);
  };
  return {
    input,
    recorder,
    send,
    [Symbol.asyncDispose]: async () => {
      socket.close();
      await input[Symbol.asyncDispose]();
    },
  };
}

const event = (n: number): string => `{"specversion":"1.0","type":"a","data":{"n":${n}}}`;
const total = (table: Readonly<Record<string, number>>): number => Object.values(table).reduce((a, b) => a + b, 0);

test('one event a datagram, one a line, or one over several lines', async () => {
  await using served = await serve();
  await served.send(event(1), `${event(2)}\n\n${event(3)}\r\n`, event(4).replaceAll(',', ',\n'));
  await vi.waitFor(() => expect(served.recorder.accepted).toBe(4));
  expect(served.recorder.events().map(({ payload }) => payload)).toEqual([1, 2, 3, 4].map((n) => ({ n })));
});

test('with a type configured, other objects are data of that type', async () => {
  await using served = await serve({ type: 'app.metric' });
  await served.send(
    '{"n":1}\n{"n":2,"specversion":"1.0","type":"a","data":{}}',
    '{"in":{"specversion":"1.0"}}',
    '7',
    '{',
  );
  await vi.waitFor(() => expect(served.recorder.accepted + total(served.recorder.lost)).toBe(5));
  expect(
    served.recorder
      .events()
      .map(({ type }) => type)
      .toSorted(),
  ).toEqual(['a', 'app.metric', 'app.metric']);
  expect(served.recorder.lost).toEqual({ 'record-not-object': 1, 'json-malformed': 1 });
});

test('what is no event is counted by its reason, and its neighbours are taken', async () => {
  await using served = await serve();
  await served.send(
    '',
    'hello',
    Buffer.of(0xff, 0xfe),
    '{"n":1}',
    `${event(1)}\n{"specversion":"1.0","type":"no type"}\n${event(2)}`,
    `{"specversion":"1.0","type":"a","data":"${'x'.repeat(9000)}"}`,
  );
  await vi.waitFor(() => expect(served.recorder.accepted + total(served.recorder.lost)).toBe(8));
  expect(served.recorder).toMatchObject({
    accepted: 2,
    lost: {
      'body-empty': 1,
      'json-malformed': 1,
      'utf8-invalid': 1,
      'specversion-invalid': 1,
      'type-invalid': 1,
      'event-too-large': 1,
    },
  });
});

test('what the kernel drops is counted: accepted and lost together are what was sent', async () => {
  await using served = await serve({ receiveBuffer: 64 * 1024 });
  const sent = 4000;
  const status = served.input.status?.() as { receiveBuffer: number } | undefined;
  expect(status?.receiveBuffer).toBeLessThan(sent * 500);
  await served.send(...Array.from({ length: sent }, (_, n) => event(n) + ' '.repeat(500)));
  await vi.waitFor(() => expect(served.recorder.accepted + total(served.recorder.lost)).toBe(sent), {
    timeout: 10_000,
  });
  const dropped = served.recorder.lost['kernel-dropped'] ?? 0;
  expect(dropped).toBeGreaterThan(0);
  expect(served.recorder.lost).toEqual({ 'kernel-dropped': dropped });
  expect(served.input.status?.()).toMatchObject({ kernelDropped: dropped });
});

test('any bytes: counted once, and no fault', async () => {
  await using served = await serve({ type: 'a' });
  let sent = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }),
        fc.json().map((text) => Buffer.from(text)),
      ),
      async (bytes) => {
        fc.pre(!Buffer.from(bytes).includes(0x0a));
        sent++;
        await served.send(Buffer.from(bytes));
        await vi.waitFor(() => expect(served.recorder.accepted + total(served.recorder.lost)).toBe(sent), {
          interval: 1,
        });
      },
    ),
    { numRuns: 300 },
  );
  expect(served.recorder.faults).toEqual([]);
});
