// The inputs of a configuration, all at once: their addresses, their books, and what is said where one cannot listen.
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import type { AgentConfig } from '#core/config/config.ts';
import { createLog } from '#core/io/log.ts';
import { createTelemetry, type Telemetry } from '#core/io/telemetry.ts';
import { type StartedInputs, startInputs } from '../../../ingest/inputs/start.ts';
import { configFor, noInputs } from '../../site-config.ts';
import { connect, pack } from './forward/forward-client.ts';
import { createRecorder } from './recorder.ts';

const listen = '127.0.0.1:0';
const network: AgentConfig['inputs'] = {
  ...noInputs,
  http: { listen, level: 'disk', maxBody: 2 ** 20, maxEvent: 2 ** 16 },
  forward: { listen, level: 'disk', maxChunk: 2 ** 20, maxEvent: 2 ** 16, sharedKey: '', users: [], tls: null },
  udp: { listen, level: 'memory', maxEvent: 2 ** 16, type: null, receiveBuffer: 2 ** 20 },
  syslog: {
    listen,
    level: 'disk',
    type: 'syslog',
    maxMessage: 2 ** 16,
    timeZone: 'UTC',
    receiveBuffer: 2 ** 20,
    tls: null,
  },
};
const agentWith = (inputs: AgentConfig['inputs']): AgentConfig => ({
  ...configFor([
    { name: 'chicago', nodes: [], stream: [], management: [], federation: [], tls: null, linkCertificates: '' },
  ]).agent,
  inputs,
});

const lines: string[] = [];
const telemetry = (): Telemetry =>
  createTelemetry('agent', createLog('agent', { write: (line) => void lines.push(line) }));
const recorder = createRecorder();
const start = (inputs: AgentConfig['inputs'], with_ = telemetry()): Promise<StartedInputs> =>
  startInputs(agentWith(inputs), 0, { ...takers, accept: recorder.context.accept }, with_, 1_000);
const takers = {
  letters: null,
  notes: { read: () => null, write: () => undefined },
} as unknown as Parameters<typeof startInputs>[2];
const portOf = (address = ''): number => Number(new URL(address.replace(/^\w+:/, 'http:')).port);
afterEach(() => void lines.splice(0));

test('every network input takes events, and keeps books of them', async () => {
  const told = telemetry();
  await using inputs = await start(network, told);
  const { http, forward, udp, syslog } = inputs.addresses;
  await fetch(`${http}/events/a`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '[{},7]' });
  await using client = await connect(portOf(forward));
  client.send(
    pack([
      'a',
      [
        [1, {}],
        [1, {}],
        [1, 'text'],
      ],
      { chunk: 'c' },
    ]),
  );
  expect(await client.answered(1)).toEqual([{ ack: 'c' }]);
  const socket = dgram.createSocket('udp4');
  socket.send('{"specversion":"1.0","type":"a"}', portOf(udp), '127.0.0.1');
  socket.send('no event', portOf(udp), '127.0.0.1');
  socket.send('<13>app: text', portOf(syslog), '127.0.0.1');
  const figures = (): unknown =>
    (inputs.status() as readonly Record<string, unknown>[]).map(({ input, accepted, refused, lost }) => ({
      input,
      accepted,
      refused,
      lost,
    }));
  await vi.waitFor(() =>
    expect(figures()).toEqual([
      { input: 'http', accepted: 1, refused: { 'record-not-object': 1 }, lost: {} },
      { input: 'forward', accepted: 2, refused: {}, lost: { 'record-not-object': 1 } },
      { input: 'udp', accepted: 1, refused: {}, lost: { 'json-malformed': 1 } },
      { input: 'syslog', accepted: 1, refused: {}, lost: {} },
    ]),
  );
  socket.close();
  const metrics = await told.metrics.registry.metrics();
  expect(metrics).toContain('waggle_input_events_total{input="forward",reason="accepted",service="agent"} 2');
  expect(metrics).toContain(
    'waggle_input_events_total{input="forward",reason="lost-record-not-object",service="agent"} 1',
  );
  expect(metrics).toContain('waggle_input_events_total{input="udp",reason="lost-json-malformed",service="agent"} 1');
  expect(metrics).toContain('waggle_input_events_total{input="http",reason="record-not-object",service="agent"} 1');
});

test('an address that is taken is told with the input, and those before it are closed again', async () => {
  const other = net.createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as net.AddressInfo;
  const taken = { ...network, syslog: network.syslog && { ...network.syslog, listen: `127.0.0.1:${port}` } };
  const free = net.createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port: httpPort } = free.address() as net.AddressInfo;
  free.close();
  await once(free, 'close');
  const inputs = { ...taken, http: network.http && { ...network.http, listen: `127.0.0.1:${httpPort}` } };
  await expect(start(inputs)).rejects.toThrow(/^agent\.inputs\.syslog: listen EADDRINUSE: .*give each its own$/);
  // The HTTP input had its port; it is free again.
  const again = net.createServer().listen(httpPort, '127.0.0.1');
  await once(again, 'listening');
  for (const server of [again, other]) server.close();
});
