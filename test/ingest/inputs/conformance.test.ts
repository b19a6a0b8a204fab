// Every network input, by the one suite.
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import type { InputDriver } from './conformance.ts';
import { inputConformance } from './conformance.ts';
import { createForwardInput } from '../../../ingest/inputs/forward/forward.ts';
import { createHttpInput } from '../../../ingest/inputs/http/http.ts';
import { createSyslogInput } from '../../../ingest/inputs/syslog/syslog.ts';
import { createUdpInput } from '../../../ingest/inputs/udp.ts';
import { connect, pack } from './forward/forward-client.ts';

const KIB = 1024;
const portOf = (address: string): number => Number(new URL(address.replace(/^\w+:/, 'http:')).port);

async function sendDatagrams(address: string, messages: readonly string[]): Promise<'untold'> {
  const socket = dgram.createSocket('udp4');
  for (const message of messages)
    await new Promise((resolve) => socket.send(message, portOf(address), '127.0.0.1', resolve));
  socket.close();
  return 'untold';
}

async function sendStream(address: string, text: string): Promise<'untold'> {
  const socket = net.connect(portOf(address), '127.0.0.1');
  await once(socket, 'connect');
  socket.end(text);
  socket.resume();
  return 'untold';
}

const same = (record: object): object => record;
const asked = (type: string): string => type;

const http: InputDriver = {
  name: 'http',
  typeOf: asked,
  dataOf: same,
  answers: true,
  start: (context, level, listen) =>
    createHttpInput({ ...context, letters: null, listen, level, maxBody: KIB * KIB, maxEvent: 64 * KIB }),
  send: async (address, type, records) => {
    const headers = { 'content-type': 'application/json' };
    const { ok } = await fetch(`${address}/events/${type}`, { method: 'POST', headers, body: JSON.stringify(records) });
    return ok ? 'accepted' : 'refused';
  },
  sendBad: async (address) => {
    await fetch(`${address}/events/a`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '[{"',
    });
  },
};

const forward: InputDriver = {
  name: 'forward',
  typeOf: asked,
  dataOf: same,
  answers: true,
  start: (context, level, listen) =>
    createForwardInput({
      ...context,
      listen,
      level,
      maxChunk: KIB * KIB,
      maxEvent: 64 * KIB,
      sharedKey: '',
      users: [],
      tls: null,
    }),
  send: async (address, type, records) => {
    await using client = await connect(portOf(address));
    client.send(pack([type, records.map((record) => [1_700_000_000, record]), { chunk: 'c' }]));
    return (await client.answered(1)).length > 0 ? 'accepted' : 'refused';
  },
  sendBad: async (address) => {
    await using client = await connect(portOf(address));
    client.send(pack(['a', [[1, 'text']], { chunk: 'c' }]));
    await client.answered(1);
  },
};

const udp: InputDriver = {
  name: 'udp',
  typeOf: asked,
  dataOf: same,
  answers: false,
  start: (context, level, listen) =>
    createUdpInput({ ...context, listen, level, maxEvent: 64 * KIB, type: null, receiveBuffer: KIB * KIB }),
  send: (address, type, records) =>
    sendDatagrams(address, [records.map((data) => JSON.stringify({ specversion: '1.0', type, data })).join('\n')]),
  sendBad: async (address) => void (await sendDatagrams(address, ['{"specversion":'])),
};

const syslog: InputDriver = {
  name: 'syslog',
  typeOf: () => 'syslog',
  dataOf: (record) => ({
    facility: 'local0',
    severity: 'info',
    hostname: 'web-2',
    appname: 'app',
    message: JSON.stringify(record),
  }),
  answers: false,
  start: (context, level, listen) =>
    createSyslogInput({
      ...context,
      listen,
      level,
      type: 'syslog',
      maxMessage: 64 * KIB,
      timeZone: 'UTC',
      receiveBuffer: KIB * KIB,
      tls: null,
      limits: { again: 10 },
    }),
  send: (address, _type, records) => sendDatagrams(address, records.map(syslogText)),
  sendBad: null,
};

const syslogText = (record: object): string => `<134>1 2026-11-23T14:00:00Z web-2 app - - - ${JSON.stringify(record)}`;

const syslogTcp: InputDriver = {
  ...syslog,
  send: (address, _type, records) => sendStream(address, records.map((record) => `${syslogText(record)}\n`).join('')),
};

for (const driver of [http, forward, udp, syslog, syslogTcp]) inputConformance(driver);
