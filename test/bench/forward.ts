// How fast the forward input takes PackedForward chunks that are acknowledged after fdatasync. `node test/bench/forward.ts [seconds] [pairs]` prints JSON.
//   rate: chunks of 200 events of 300 bytes over 4 connections, 8 unanswered each; baseline: a loop that decodes the same chunks with msgpackr
//         and writes their records as JSON lines to a file, without a socket and without sync
//   ack:  p99 of the time to an acknowledgement at half of that rate
import { fork } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Packr, Unpackr } from 'msgpackr';
import { createForwardInput } from '../../ingest/inputs/forward/forward.ts';
import { amount, type Figure, figureOf, median, quantile } from './figure.ts';
import { ask, cpuMicros, end, message, noObserver, spoolAccept } from './input-processes.ts';

const EVENTS = 200;
const CONNECTIONS = 4;
const UNANSWERED = 8;
const TIME = 1_795_442_400;

/** 300 bytes as JSON. */
function record(n: number): object {
  const event = { order: n, user: 9_007_199_254_740, venue: 'The Map Room', city: 'Chicago', points: 12.5, note: '' };
  event.note = 'x'.repeat(Math.max(0, 300 - JSON.stringify(event).length));
  return event;
}

/** Entries as Fluentd packs them: [EventTime, record]. */
function packedEntries(): Buffer {
  const packr = new Packr({ useRecords: false, variableMapSize: true });
  return Buffer.concat(
    Array.from({ length: EVENTS }, (_, n) => {
      const time = Buffer.from('92d7000000000000000000', 'hex');
      time.writeUInt32BE(TIME + (n >> 4), 3);
      time.writeUInt32BE(n * 1_000_001, 7);
      return Buffer.concat([time, packr.pack(record(n))]);
    }),
  );
}

/** ["checkin.created", entries as bin32, {"chunk": 24 characters}] */
function chunkMessage(): Buffer {
  const entries = packedEntries();
  const head = Buffer.from('93af636865636b696e2e63726561746564c600000000', 'hex');
  head.writeUInt32BE(entries.length, head.length - 4);
  return Buffer.concat([
    head,
    entries,
    Buffer.from('81a56368756e6bb8', 'hex'),
    Buffer.from('p8n9gmxTQVC8/nh2wlKKeQ=='),
  ]);
}

interface Load {
  readonly port: number;
  readonly seconds: number;
  /** Chunks a second; 0: as many as are answered. */
  readonly rate: number;
}

interface LoadResult {
  readonly perSecond: number;
  /** Milliseconds to each acknowledgement. */
  readonly times: readonly number[];
}

interface Loop {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

export async function benchForward(seconds: number, pairs: number): Promise<readonly Figure[]> {
  const rates: number[] = [];
  const cpu: number[] = [];
  const baseline: Loop[] = [];
  const p99: number[] = [];
  const p50: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const server = fork(import.meta.filename, ['serve']);
    const load = fork(import.meta.filename, ['load']);
    try {
      const { port } = await message<{ port: number }>(server);
      await ask<LoadResult>(load, { port, seconds: Math.min(1, seconds), rate: 0 } satisfies Load);
      const before = await ask<number>(server, 'cpu');
      const { perSecond } = await ask<LoadResult>(load, { port, seconds, rate: 0 } satisfies Load);
      cpu.push(((await ask<number>(server, 'cpu')) - before) / (perSecond * seconds * EVENTS));
      rates.push(perSecond * EVENTS);
      const half = await ask<LoadResult>(load, { port, seconds, rate: perSecond / 2 } satisfies Load);
      p99.push(quantile(half.times, 0.99));
      p50.push(quantile(half.times, 0.5));
    } finally {
      await Promise.all([server, load].map(end));
    }
    const loop = fork(import.meta.filename, ['loop']);
    try {
      baseline.push(await ask<Loop>(loop, seconds));
    } finally {
      await end(loop);
    }
  }
  return [
    figureOf(
      {
        what: 'forward, chunks of 200',
        unit: 'events/s',
        target: { kind: 'ratio', atLeast: 0.5 },
        detail: `CPU for an event ${amount(median(cpu))} µs, of the baseline ${amount(median(baseline.map((each) => each.cpuMicros)))} µs`,
      },
      rates,
      baseline.map((each) => each.perSecond),
    ),
    figureOf(
      {
        what: 'forward, acknowledgement at half load, p99',
        unit: 'ms',
        target: { kind: 'below', value: 25 },
        detail: `p50 ${amount(median(p50))} ms`,
      },
      p99,
      null,
    ),
  ];
}

// -- processes

async function serve(): Promise<number> {
  const folder = fs.mkdtempSync(path.join(process.env['WAGGLE_BENCH_DIR'] ?? os.tmpdir(), 'waggle-bench-'));
  const { accept, spool } = await spoolAccept(folder);
  const input = await createForwardInput({
    listen: '127.0.0.1:0',
    level: 'disk',
    maxChunk: 16 * 2 ** 20,
    maxEvent: 2 ** 20,
    sharedKey: '',
    users: [],
    tls: null,
    accept,
    types: [],
    site: 'chicago',
    host: 'bench',
    clock: Date.now,
    random: randomFillSync,
    observe: noObserver,
  });
  process.once('disconnect', () => {
    void Promise.all([input[Symbol.asyncDispose](), spool[Symbol.asyncDispose]()]).finally(() => {
      fs.rmSync(folder, { recursive: true, force: true });
      process.exit(0);
    });
  });
  return Number(new URL(input.address.replace('tcp:', 'http:')).port);
}

/** {"ack": 24 characters}: 5 bytes, then as the chunk came. */
const ACK_BYTES = 5 + 25;

async function generate({ port, seconds, rate }: Load): Promise<LoadResult> {
  const bytes = chunkMessage();
  const times: number[] = [];
  const sent: number[][] = [];
  const sockets = await Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, i) => {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
      const queue: number[] = (sent[i] = []);
      await once(socket, 'connect');
      let rest = 0;
      socket.on('data', (answer: Buffer) => {
        rest += answer.length;
        for (; rest >= ACK_BYTES; rest -= ACK_BYTES) {
          times.push(performance.now() - (queue.shift() ?? Number.NaN));
          if (rate === 0) send(i);
        }
      });
      return socket;
    }),
  );
  let stopped = false;
  const send = (i: number): void => {
    if (stopped) return;
    sent[i]?.push(performance.now());
    sockets[i]?.write(bytes);
  };
  const started = performance.now();
  if (rate === 0) for (let n = 0; n < CONNECTIONS * UNANSWERED; n++) send(n % CONNECTIONS);
  let due = 0;
  const pacing = setInterval(() => {
    const target = rate === 0 ? 0 : Math.floor(((performance.now() - started) / 1000) * rate);
    for (; due < target; due++) send(due % CONNECTIONS);
  }, 1);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  stopped = true;
  clearInterval(pacing);
  const perSecond = times.length / ((performance.now() - started) / 1000);
  while (sent.some((queue) => queue.length > 0)) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const socket of sockets) socket.destroy();
  return { perSecond, times };
}

function runLoop(seconds: number): Loop {
  const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });
  const entries = packedEntries();
  const file = fs.openSync(path.join(os.tmpdir(), `waggle-bench-loop-${process.pid}`), 'w');
  let written = 0;
  const turn = (): void => {
    let lines = '';
    unpackr.unpackMultiple(entries, (entry: readonly unknown[]) => {
      lines += `${JSON.stringify(entry[1])}\n`;
    });
    // As much of the disk as a segment of the spool.
    if (written > 64 * 2 ** 20) {
      fs.ftruncateSync(file);
      written = 0;
    }
    written += fs.writeSync(file, lines, written);
  };
  for (const until = performance.now() + 1000; performance.now() < until;) turn();
  const cpu = cpuMicros();
  const started = performance.now();
  let turns = 0;
  for (; performance.now() < started + seconds * 1000; turns++) turn();
  const elapsed = (performance.now() - started) / 1000;
  fs.closeSync(file);
  return { perSecond: (turns * EVENTS) / elapsed, cpuMicros: (cpuMicros() - cpu) / (turns * EVENTS) };
}

const reply = (value: unknown): void => void process.send?.(value);

async function serveRole(role: string): Promise<void> {
  if (role !== 'serve') process.once('disconnect', () => process.exit(0));
  if (role === 'serve') {
    const port = await serve();
    process.on('message', () => reply(cpuMicros()));
    reply({ port });
  } else if (role === 'load') {
    process.on('message', (load: Load) => void generate(load).then(reply));
  } else {
    process.on('message', (seconds: number) => reply(runLoop(seconds)));
  }
}

if (import.meta.main) {
  const [role = '4', pairs = '5'] = process.argv.slice(2);
  if (Number.isNaN(Number(role))) await serveRole(role);
  else for (const figure of await benchForward(Number(role), Number(pairs))) console.log(JSON.stringify(figure));
}
