// How fast the HTTP input takes events, against baselines of the same run. `node test/bench/http.ts [seconds] [pairs]` prints JSON, a line each.
//   single: one 330-byte event a request over 128 connections, answered after fdatasync; baseline: bare node:http that parses and answers
//   batch:  100 such events a request, over 8 connections, as CloudEvents or as bare data that is still to be wrapped; baseline: a loop without
//           HTTP and disk that parses, wraps and stringifies the same events
// Fair: server and load generator are processes of their own, one a core; ours and the baseline take turns, so that what else the machine
// does meets both; the generator is the same for both and costs less than the bare server. CPU time a request is measured beside the rate.
import { fork } from 'node:child_process';
import { randomFillSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createHttpInput } from '../../ingest/inputs/http/http.ts';
import { ask, cpuMicros, end, message, noObserver, spoolAccept } from './input-processes.ts';

export interface HttpFigure {
  readonly name: 'http-single' | 'http-batch' | 'http-batch-data';
  /** Median of the pairs' ratios of events a second, ours to the baseline's. */
  readonly ratio: number;
  readonly target: number;
  /** Medians, events a second. */
  readonly perSecond: number;
  readonly baselinePerSecond: number;
  /** Medians, microseconds of the server's CPU for an event, all its threads. */
  readonly cpuMicros: number;
  readonly baselineCpuMicros: number;
  readonly ratios: readonly number[];
}

const CONNECTIONS = 128;
const BATCH = 100;
const BATCH_CONNECTIONS = 8;
const IDENTITY = '01890000-0000-7000-8000-000000000000';

/** A CloudEvent of 330 bytes. */
export function sampleEvent(n: number): string {
  const event = {
    specversion: '1.0',
    id: `e-${String(n).padStart(10, '0')}`,
    source: '/shop/checkout',
    type: 'checkin.created',
    time: '2026-11-23T14:00:00.000Z',
    datacontenttype: 'application/json',
    data: {
      user: 9_007_199_254_740,
      venue: 'The Map Room',
      city: 'Chicago',
      points: 12.5,
      tags: ['bar', 'late'],
      note: '',
    },
  };
  const length = JSON.stringify(event).length;
  event.data.note = 'x'.repeat(Math.max(0, 330 - length));
  return JSON.stringify(event);
}

/** Bare data of 330 bytes, as applications send it to /events/TYPE. */
function sampleData(n: number): string {
  const data = { order: n, user: 9_007_199_254_740, venue: 'The Map Room', city: 'Chicago', points: 12.5, note: '' };
  data.note = 'x'.repeat(Math.max(0, 330 - JSON.stringify(data).length));
  return JSON.stringify(data);
}

type Sample = (n: number) => string;
const batchOf = (sample: Sample): string => `[${Array.from({ length: BATCH }, (_, n) => sample(n)).join(',')}]`;
const DATA_PATH = '/events/checkin.created';

/** One event a request, 128 connections. Target: 0.6. */
export const benchHttpSingle = (seconds = 4, pairs = 5): Promise<HttpFigure> =>
  compare('http-single', 0.6, pairs, {
    ours: () => measureServer('serve-input', sampleEvent(1), '/events', CONNECTIONS, 1, seconds),
    baseline: () => measureServer('serve-bare', sampleEvent(1), '/events', CONNECTIONS, 1, seconds),
  });

/** Batches of 100. Target: 0.4. */
export const benchHttpBatch = (seconds = 4, pairs = 5): Promise<HttpFigure> =>
  compare('http-batch', 0.4, pairs, {
    ours: () => measureServer('serve-input', batchOf(sampleEvent), '/events', BATCH_CONNECTIONS, BATCH, seconds),
    baseline: () => measureLoop('loop', seconds),
  });

/** Batches of 100, bare data. Target: 0.4. */
export const benchHttpData = (seconds = 4, pairs = 5): Promise<HttpFigure> =>
  compare('http-batch-data', 0.4, pairs, {
    ours: () => measureServer('serve-input', batchOf(sampleData), DATA_PATH, BATCH_CONNECTIONS, BATCH, seconds),
    baseline: () => measureLoop('loop-data', seconds),
  });

interface Measured {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

async function compare(
  name: HttpFigure['name'],
  target: number,
  pairs: number,
  run: { readonly ours: () => Promise<Measured>; readonly baseline: () => Promise<Measured> },
): Promise<HttpFigure> {
  const ours: Measured[] = [];
  const baseline: Measured[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    ours.push(await run.ours());
    baseline.push(await run.baseline());
  }
  const ratios = ours.map((measured, pair) => measured.perSecond / (baseline[pair]?.perSecond ?? Number.NaN));
  return {
    name,
    target,
    ratio: Number(median(ratios).toFixed(3)),
    perSecond: Math.round(median(ours.map((m) => m.perSecond))),
    baselinePerSecond: Math.round(median(baseline.map((m) => m.perSecond))),
    cpuMicros: Number(median(ours.map((m) => m.cpuMicros)).toFixed(2)),
    baselineCpuMicros: Number(median(baseline.map((m) => m.cpuMicros)).toFixed(2)),
    ratios: ratios.map((ratio) => Number(ratio.toFixed(3))),
  };
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

// -- processes

interface Load {
  readonly port: number;
  readonly body: string;
  readonly path: string;
  readonly connections: number;
  /** It goes on until both are reached. */
  readonly seconds: number;
  readonly requests: number;
}

interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
}

async function measureServer(
  role: string,
  body: string,
  target: string,
  connections: number,
  events: number,
  seconds: number,
): Promise<Measured> {
  const server = fork(import.meta.filename, [role]);
  const load = fork(import.meta.filename, ['load']);
  try {
    const { port } = await message<{ port: number }>(server);
    const work = { port, body, path: target, connections };
    // Warms both, by requests: on a busy machine a second may be too short for the compiler.
    await ask<LoadResult>(load, { ...work, seconds: 1, requests: 40_000 / events } satisfies Load);
    const before = await ask<number>(server, 'cpu');
    const result = await ask<LoadResult>(load, { ...work, seconds, requests: 0 } satisfies Load);
    const cpu = (await ask<number>(server, 'cpu')) - before;
    const count = result.requests * events;
    return { perSecond: count / result.seconds, cpuMicros: cpu / count };
  } finally {
    await Promise.all([server, load].map(end));
  }
}

/** The rate alone, of a server at this port that takes batches of 100 CloudEvents; it is warmed by the first second. */
export async function loadBatches(port: number, connections: number, seconds: number): Promise<number> {
  const load = fork(import.meta.filename, ['load']);
  try {
    const work = { port, body: batchOf(sampleEvent), path: '/events', connections };
    await ask<LoadResult>(load, { ...work, seconds: 1, requests: 40_000 / BATCH } satisfies Load);
    const result = await ask<LoadResult>(load, { ...work, seconds, requests: 0 } satisfies Load);
    return (result.requests * BATCH) / result.seconds;
  } finally {
    await end(load);
  }
}

async function measureLoop(role: string, seconds: number): Promise<Measured> {
  const loop = fork(import.meta.filename, [role]);
  try {
    return await ask<Measured>(loop, seconds);
  } finally {
    await end(loop);
  }
}

// -- the servers

/** The smallest server that reads JSON and answers as ours does. */
async function serveBare(): Promise<number> {
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const event = JSON.parse(Buffer.concat(chunks).toString()) as { type: string };
      const body = `{"level":"disk","accepted":1,"receipts":"${IDENTITY}:${event.type.length}","errors":[]}`;
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
      response.end(body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port; // listening on TCP
}

async function serveInput(): Promise<number> {
  const folder = fs.mkdtempSync(path.join(process.env['WAGGLE_BENCH_DIR'] ?? os.tmpdir(), 'waggle-bench-'));
  const { accept, spool } = await spoolAccept(folder);
  const input = await createHttpInput({
    listen: '127.0.0.1:0',
    level: 'disk',
    maxBody: 8 * 2 ** 20,
    maxEvent: 2 ** 20,
    accept,
    letters: null,
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
  return Number(new URL(input.address).port);
}

// -- the load

/** Keep-alive, no pipelining: each connection sends its next request when the answer to the last is whole. */
async function generate(load: Load): Promise<LoadResult> {
  const request = Buffer.from(
    `POST ${load.path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(load.body)}\r\n\r\n${load.body}`,
  );
  let requests = 0;
  let stopped = false;
  const started = performance.now();
  const timer = setTimeout(() => (stopped = true), load.seconds * 1000);
  await Promise.all(
    Array.from({ length: load.connections }, async () => {
      const socket = net.connect({ port: load.port, host: '127.0.0.1', noDelay: true });
      let missing = 0;
      socket.on('data', (chunk: Buffer) => {
        missing = missing === 0 ? answerBytes(chunk) - chunk.length : missing - chunk.length;
        if (missing > 0) return;
        requests++;
        if (stopped && requests >= load.requests) socket.end();
        else socket.write(request);
      });
      await once(socket, 'connect');
      socket.write(request);
      await once(socket, 'close');
    }),
  );
  clearTimeout(timer);
  return { requests, seconds: (performance.now() - started) / 1000 };
}

/** The length of an answer, of which the chunk holds the head. */
function answerBytes(chunk: Buffer): number {
  const head = chunk.toString('latin1', 0, Math.min(chunk.length, 300));
  const length = /content-length: (\d+)/i.exec(head)?.[1];
  if (!head.startsWith('HTTP/1.1 200') || length === undefined)
    throw new Error(`unexpected answer: ${chunk.toString()}`);
  return head.indexOf('\r\n\r\n') + 4 + Number(length);
}

const wrapped = (data: object, receivedat: string): object => ({
  specversion: '1.0',
  type: 'checkin.created',
  receivedat,
  time: receivedat,
  id: randomUUID(),
  source: '/chicago/bench/http',
  host: 'bench',
  site: 'chicago',
  datacontenttype: 'application/json',
  data,
});

/** Events a second of: parse a batch, wrap each event, stringify it to a line. */
function runLoop(role: string, seconds: number): Measured {
  const bare = role === 'loop-data';
  const body = Buffer.from(batchOf(bare ? sampleData : sampleEvent));
  let bytes = 0;
  const turn = (): void => {
    const receivedat = new Date().toISOString();
    let lines = '';
    for (const event of JSON.parse(body.toString()) as object[])
      lines += `${JSON.stringify(bare ? wrapped(event, receivedat) : { ...event, receivedat, host: 'bench', site: 'chicago' })}\n`;
    bytes += Buffer.from(lines).length;
  };
  for (const until = performance.now() + 1000; performance.now() < until;) turn();
  const cpu = cpuMicros();
  const started = performance.now();
  let turns = 0;
  for (; performance.now() < started + seconds * 1000; turns++) turn();
  if (bytes === 0) throw new Error('nothing was made');
  return {
    perSecond: (turns * BATCH) / ((performance.now() - started) / 1000),
    cpuMicros: (cpuMicros() - cpu) / (turns * BATCH),
  };
}

const reply = (value: unknown): void => void process.send?.(value);

async function serveRole(role: string): Promise<void> {
  if (role !== 'serve-input') process.once('disconnect', () => process.exit(0));
  if (role === 'serve-bare' || role === 'serve-input') {
    const port = await (role === 'serve-bare' ? serveBare() : serveInput());
    process.on('message', () => reply(cpuMicros()));
    reply({ port });
  } else if (role === 'load') {
    process.on('message', (load: Load) => void generate(load).then(reply));
  } else {
    process.on('message', (seconds: number) => reply(runLoop(role, seconds)));
  }
}

if (import.meta.main) {
  const [role = '4', pairs = '5'] = process.argv.slice(2);
  if (Number.isNaN(Number(role))) await serveRole(role);
  else {
    console.log(JSON.stringify(await benchHttpSingle(Number(role), Number(pairs))));
    console.log(JSON.stringify(await benchHttpBatch(Number(role), Number(pairs))));
    console.log(JSON.stringify(await benchHttpData(Number(role), Number(pairs))));
  }
}
