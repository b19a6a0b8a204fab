// Bee over HTTP: batches of 50 events of 12 fields and 330 bytes, each with an id of its own, against a loop of JSON.parse, ajv.validate and
// JSON.stringify over the same events in one process. Bee is a process of its own; the load, and behind Bee an agent that only answers, share
// another: so what is measured is Bee, not an agent's disk. Then the same at half that rate, with the time until each answer.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { createLog } from '#core/io/log.ts';
import { createTelemetry } from '#core/io/telemetry.ts';
import { startBee } from '../../bee/main.ts';
import { openRules } from '../../bee/rules.ts';
import { APP, beeConfig } from '../bee/service/serve-bee.ts';
import { configFor } from '../site-config.ts';
import { amount, type Figure, figureOf, median } from './figure.ts';

const BATCH = 50;
const CONNECTIONS = 8;
const EVENT_BYTES = 330;
const ID_DIGITS = 12;
const TARGET = 0.35;
const P99_MS = 10;

const RULE = `type: bench.visit
about: What the benchmark sends.
fields:
  member_id: id!
  place_id: id!
  device_id: { type: id, form: uuid, required: true, sanitize: [lower] }
  method: { type: enum, values: [app, card, phone], required: true }
  points: { type: integer, min: 0, max: 10000 }
  visits: { type: integer, min: 0, max: 1000000 }
  at: timestamp!
  price: { type: decimal, scale: 2 }
  app_version: version!
  locale: locale
  first: { type: boolean, default: false }
  note: { type: text, max: 200, sanitize: [truncate] }
examples:
  accepted: [{ name: least, data: { member_id: m, place_id: p, device_id: 0190a5c2-7d1e-7c3a-9f2b-3d5e8a1c4b6f, method: app, at: "2026-11-23T14:00:00Z", app_version: "4" }, result: { member_id: m, place_id: p, device_id: 0190a5c2-7d1e-7c3a-9f2b-3d5e8a1c4b6f, method: app, at: "2026-11-23T14:00:00Z", app_version: "4", first: false } }]
  rejected: [{ name: nothing, data: {}, code: field-missing }]
`;

function eventText(n: number): string {
  const event = {
    type: 'bench.visit',
    id: String(n).padStart(ID_DIGITS, '0'),
    data: {
      member_id: `m-${n}`,
      place_id: `p-${n % 97}`,
      device_id: `0190a5c2-7d1e-7c3a-9f2b-${(0x3d5e8a1c4b6f + n).toString(16)}`,
      method: ['app', 'card', 'phone'][n % 3],
      points: n % 100,
      visits: n,
      at: '2026-11-23T14:00:00.000Z',
      price: `${n % 50}.25`,
      app_version: '4.12.0',
      locale: 'en-US',
      first: n % 2 === 0,
      note: '',
    },
  };
  event.data.note = 'x'.repeat(Math.max(0, EVENT_BYTES - JSON.stringify(event).length));
  return JSON.stringify(event);
}
const texts = (): readonly string[] => Array.from({ length: BATCH }, (_, n) => eventText(n));

interface Rate {
  readonly perSecond: number;
  /** Of the process that is measured, microseconds for an event. */
  readonly cpuMicros: number;
}

export async function benchBeeHttp(seconds: number, rounds: number): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'waggle-bee-bench-'));
  writeFileSync(join(folder, 'bench.visit.yaml'), RULE);
  const load = fork(import.meta.filename, ['load']);
  const { agent } = await message<{ agent: string }>(load);
  const bee = fork(import.meta.filename, ['bee', folder, agent]);
  const loop = fork(import.meta.filename, ['loop', folder]);
  try {
    const { address } = await message<{ address: string }>(bee);
    await message(loop);
    const ours: Rate[] = [];
    const baseline: Rate[] = [];
    const p99: number[] = [];
    const send = (more: Partial<Work>): Promise<Sent> => ask<Sent>(load, { address, seconds, rate: null, ...more });
    await send({});
    await ask<Rate>(loop, 1);
    for (let round = 0; round < rounds; round++) {
      const before = await ask<number>(bee, 'cpu');
      const sent = await send({});
      const cpu = (await ask<number>(bee, 'cpu')) - before;
      ours.push({ perSecond: (sent.requests * BATCH) / sent.seconds, cpuMicros: cpu / (sent.requests * BATCH) });
      baseline.push(await ask<Rate>(loop, seconds));
      p99.push((await send({ rate: sent.requests / sent.seconds / 2 })).p99);
    }
    const [mine, bare] = [ours, baseline].map((all) => median(all.map(({ cpuMicros }) => cpuMicros)));
    const detail = `CPU of Bee for an event ${amount(mine ?? 0)} µs, of the loop ${amount(bare ?? 0)} µs (ratio ${amount((bare ?? 0) / (mine ?? 1))})`;
    const rates = (all: readonly Rate[]): number[] => all.map(({ perSecond }) => perSecond);
    return [
      figureOf(
        { what: 'Bee over HTTP, batches of 50', unit: 'events/s', target: { kind: 'ratio', atLeast: TARGET }, detail },
        rates(ours),
        rates(baseline),
      ),
      figureOf(
        { what: 'Bee at half load: p99 of an answer', unit: 'ms', target: { kind: 'below', value: P99_MS } },
        p99,
        null,
      ),
    ];
  } finally {
    await Promise.all([load, bee, loop].map(end));
    rmSync(folder, { recursive: true, force: true });
  }
}

// --- processes ---

async function message<T>(child: ChildProcess): Promise<T> {
  const ended = new AbortController();
  const exit = (code: number | null): void => ended.abort(new Error(`a process of the benchmark ended with ${code}`));
  child.once('exit', exit);
  try {
    return (await once(child, 'message', { signal: ended.signal }))[0] as T;
  } finally {
    child.off('exit', exit);
  }
}

function ask<T>(child: ChildProcess, what: Work | string | number): Promise<T> {
  const answer = message<T>(child);
  child.send(what);
  return answer;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, 'exit');
  child.disconnect();
  await exited;
}

const reply = (value: unknown): void => void process.send?.(value);
const cpuMicros = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

async function runBee(folder: string, agent: string): Promise<void> {
  const config = beeConfig(agent, { rules: folder, rate: { window: 1_000, key: 1e9, address: 1e9 } });
  const telemetry = createTelemetry('bee', createLog('bee', { write: () => undefined }));
  const { address } = await startBee(configFor([], { bee: config }), config, telemetry);
  process.on('message', () => reply(cpuMicros()));
  reply({ address });
}

/** What anyone would write; formats mean nothing to it. */
async function runLoop(folder: string): Promise<void> {
  await using rules = await openRules({ folder, hashKey: null });
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const validate = ajv.compile(rules.current.rules[0]?.schema ?? {});
  const batch = texts();
  let bytes = 0;
  const turn = (): void => {
    for (const text of batch) {
      const event = JSON.parse(text) as { readonly data: unknown };
      if (!validate(event.data)) throw new Error(ajv.errorsText(validate.errors));
      bytes += JSON.stringify(event.data).length;
    }
  };
  process.on('message', (seconds: number) => {
    const before = cpuMicros();
    const started = performance.now();
    let turns = 0;
    for (; performance.now() < started + seconds * 1000; turns++) turn();
    const events = turns * BATCH;
    const perSecond = (events * 1000) / (performance.now() - started);
    reply({ perSecond, cpuMicros: bytes > 0 ? (cpuMicros() - before) / events : 0 } satisfies Rate);
  });
  reply('ready');
}

// --- the load ---

interface Work {
  readonly address: string;
  readonly seconds: number;
  /** Requests a second; null: as many as are answered. */
  readonly rate: number | null;
}

interface Sent {
  readonly requests: number;
  readonly seconds: number;
  /** Milliseconds from when a request was due to its whole answer. */
  readonly p99: number;
}

/** A request whose ids are others each time. */
class Batches {
  readonly bytes: Buffer;
  readonly #ids: readonly number[];
  static #next = 0;

  constructor() {
    const body = `[${texts().join(',')}]`;
    this.bytes = Buffer.from(
      `POST /v1/events HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ${APP.key}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    const ids: number[] = [];
    for (let at = this.bytes.indexOf('"id":"'); at >= 0; at = this.bytes.indexOf('"id":"', at + 1)) ids.push(at + 6);
    this.#ids = ids;
  }

  next(): Buffer {
    const fresh = Buffer.from(this.bytes);
    for (const at of this.#ids) fresh.write(String(Batches.#next++).padStart(ID_DIGITS, '0'), at, 'latin1');
    return fresh;
  }
}

async function generate({ address, seconds, rate }: Work): Promise<Sent> {
  const { hostname, port } = new URL(address);
  const batches = new Batches();
  const times: number[] = [];
  const started = performance.now();
  let stopped = false;
  const timer = setTimeout(() => (stopped = true), seconds * 1000);
  /** Requests that are due and have no connection yet: waiting counts. */
  const due: number[] = [];
  const idle: (() => void)[] = [];
  const pacing = rate === null ? null : pace(rate, () => stopped, due, idle);
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const socket = connect({ port: Number(port), host: hostname, noDelay: true });
      await once(socket, 'connect');
      let since = 0;
      let missing = 0;
      const next = (): void => {
        if (stopped && due.length === 0) return void socket.end();
        if (rate !== null && due.length === 0) return void idle.push(next);
        since = due.shift() ?? performance.now();
        socket.write(batches.next());
      };
      socket.on('data', (chunk: Buffer) => {
        missing = missing === 0 ? answerBytes(chunk) - chunk.length : missing - chunk.length;
        if (missing > 0) return;
        times.push(performance.now() - since);
        next();
      });
      next();
      await once(socket, 'close');
    }),
  );
  await pacing;
  clearTimeout(timer);
  const sorted = times.toSorted((a, b) => a - b);
  return {
    requests: times.length,
    seconds: (performance.now() - started) / 1000,
    p99: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN,
  };
}

/** Makes requests due at a steady rate, whatever the answers do. */
async function pace(rate: number, isOver: () => boolean, due: number[], idle: (() => void)[]): Promise<void> {
  const started = performance.now();
  for (let made = 0; !isOver();) {
    const now = performance.now();
    for (; started + (made * 1000) / rate <= now; made++) due.push(started + (made * 1000) / rate);
    while (due.length > 0 && idle.length > 0) idle.shift()?.();
    await delay(1);
  }
  for (const next of idle.splice(0)) next();
}

/** The length of an answer, of which the chunk holds the head. */
function answerBytes(chunk: Buffer): number {
  const head = chunk.toString('latin1', 0, Math.min(chunk.length, 500));
  const length = /content-length: (\d+)/i.exec(head)?.[1];
  if (!head.startsWith('HTTP/1.1 200') || length === undefined) throw new Error(`unexpected answer: ${head}`);
  return head.indexOf('\r\n\r\n') + 4 + Number(length);
}

/** An agent that only answers. */
async function runLoad(): Promise<void> {
  const agent = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end(`{"level":"disk","accepted":${BATCH},"receipts":"","errors":[]}`));
  }).listen(0, '127.0.0.1');
  await once(agent, 'listening');
  process.on('message', (work: Work) => void generate(work).then(reply));
  reply({ agent: `http://127.0.0.1:${(agent.address() as AddressInfo).port}` });
}

if (import.meta.main) {
  process.once('disconnect', () => process.exit(0));
  const [role, folder = '', agent = ''] = process.argv.slice(2);
  if (role === 'bee') await runBee(folder, agent);
  else if (role === 'loop') await runLoop(folder);
  else await runLoad();
}
