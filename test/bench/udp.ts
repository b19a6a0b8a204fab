// How many datagrams the UDP input takes without loss, against a bare dgram receiver. `node test/bench/udp.ts [seconds] [pairs]` prints JSON.
// Each receiver is offered a rate for a while; the highest of a rising series that it takes whole is its figure. Sender and receiver are processes.
import { fork } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createUdpInput } from '../../ingest/inputs/udp.ts';
import { type Figure, figureOf } from './figure.ts';
import { sampleEvent } from './http.ts';
import { ask, end, message, noObserver, spoolAccept } from './input-processes.ts';

const RECEIVE_BUFFER = 8 * 2 ** 20;
/** Each rate is so much higher than the last. */
const STEP = 1.15;
const FIRST_RATE = 10_000;

interface Offer {
  readonly port: number;
  readonly rate: number;
  readonly seconds: number;
}

export async function benchUdp(seconds: number, pairs: number): Promise<Figure> {
  const ours: number[] = [];
  const bare: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    ours.push(await highestRate('serve', seconds));
    bare.push(await highestRate('bare', seconds));
  }
  const parts = { what: 'UDP, without loss', unit: 'datagrams/s', target: { kind: 'ratio', atLeast: 0.5 } } as const;
  return figureOf(parts, ours, bare);
}

/** Datagrams a second that were sent, of the highest rate of which none was lost; a rate is tried twice, since other work of the machine may cost one. */
async function highestRate(role: 'serve' | 'bare', seconds: number): Promise<number> {
  const receiver = fork(import.meta.filename, [role]);
  const sender = fork(import.meta.filename, ['send']);
  try {
    const { port } = await message<{ port: number }>(receiver);
    // Warms both.
    await offer(sender, receiver, { port, rate: FIRST_RATE, seconds: 1 });
    let best = 0;
    let failures = 0;
    for (let rate = FIRST_RATE; failures < 2 && rate < 2_000_000;) {
      const { sent, received } = await offer(sender, receiver, { port, rate, seconds });
      const reached = sent / seconds;
      if (received < sent) failures++;
      else {
        failures = 0;
        best = Math.max(best, reached);
        if (reached < 0.9 * rate) break; // the sender's own end
        rate *= STEP;
      }
    }
    return best;
  } finally {
    await Promise.all([sender, receiver].map(end));
  }
}

async function offer(
  sender: ReturnType<typeof fork>,
  receiver: ReturnType<typeof fork>,
  what: Offer,
): Promise<{ readonly sent: number; readonly received: number }> {
  const before = await ask<number>(receiver, 'count');
  const sent = await ask<number>(sender, what);
  // What is in its buffer is taken yet: until nothing more comes.
  for (let last = -1, now = before; ;) {
    now = await ask<number>(receiver, 'count');
    if (now - before >= sent || now === last) return { sent, received: now - before };
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function send({ port, rate, seconds }: Offer): Promise<number> {
  const socket = dgram.createSocket('udp4');
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const event = Buffer.from(sampleEvent(1));
  const started = performance.now();
  let sent = 0;
  let last = Promise.resolve();
  while (performance.now() < started + seconds * 1000) {
    const due = Math.min(((performance.now() - started) / 1000) * rate, sent + 64);
    for (; sent < due; sent++) {
      if (sent + 1 < due) socket.send(event, () => undefined);
      else last = new Promise((resolve) => socket.send(event, () => resolve()));
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await last; // they are sent in order
  socket.close();
  return sent;
}

async function serveInput(): Promise<{ port: number; count: () => number }> {
  const folder = fs.mkdtempSync(path.join(process.env['WAGGLE_BENCH_DIR'] ?? os.tmpdir(), 'waggle-bench-'));
  const { accept, spool } = await spoolAccept(folder);
  let count = 0;
  const input = await createUdpInput({
    listen: '127.0.0.1:0',
    level: 'memory',
    maxEvent: 2 ** 20,
    type: null,
    receiveBuffer: RECEIVE_BUFFER,
    accept,
    types: [],
    site: 'chicago',
    host: 'bench',
    clock: Date.now,
    random: randomFillSync,
    observe: { ...noObserver, accepted: (events) => (count += events) },
  });
  process.once('disconnect', () => {
    void Promise.all([input[Symbol.asyncDispose](), spool[Symbol.asyncDispose]()]).finally(() => {
      fs.rmSync(folder, { recursive: true, force: true });
      process.exit(0);
    });
  });
  return { port: Number(new URL(input.address.replace('udp:', 'http:')).port), count: () => count };
}

/** Counts, and looks at nothing. */
async function serveBare(): Promise<{ port: number; count: () => number }> {
  const socket = dgram.createSocket('udp4');
  let count = 0;
  socket.on('message', () => count++);
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.setRecvBufferSize(RECEIVE_BUFFER);
  process.once('disconnect', () => process.exit(0));
  return { port: socket.address().port, count: () => count };
}

const reply = (value: unknown): void => void process.send?.(value);

async function serveRole(role: string): Promise<void> {
  if (role === 'send') {
    process.once('disconnect', () => process.exit(0));
    process.on('message', (what: Offer) => void send(what).then(reply));
    return;
  }
  const { port, count } = await (role === 'serve' ? serveInput() : serveBare());
  process.on('message', () => reply(count()));
  reply({ port });
}

if (import.meta.main) {
  const [role = '1', pairs = '3'] = process.argv.slice(2);
  if (Number.isNaN(Number(role))) await serveRole(role);
  else console.log(JSON.stringify(await benchUdp(Number(role), Number(pairs))));
}
