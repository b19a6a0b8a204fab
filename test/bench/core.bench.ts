// What the pure core costs an event on the agent's way in and the sink's way out, beside parse, wrap and stringify in the same run.
// `node test/bench/core.bench.ts` prints one line of JSON for each figure: the median of five rounds, events for a
// second of processor time (which what else the machine does disturbs less than the clock's).
import { randomFillSync } from 'node:crypto';
import { encodeBatch, decodeBatch, linesOf } from '../../core/batch.ts';
import { ByteWriter } from '../../core/bytes.ts';
import { dataEnvelope, lineHour, writeDataLine, writeSentEvent } from '../../core/event-line.ts';
import { readEvent, typeNamer } from '../../core/event.ts';
import { scanEvents } from '../../core/json/scan.ts';
import { uuidGenerator } from '../../core/uuid.ts';

const EVENTS = 100;
const ROUNDS = 5;
const SECONDS = 0.4;

const data = {
  user: 'u-12345',
  venue: 'Café Central',
  amount: 1299,
  currency: 'USD',
  items: [{ sku: 'A-1', quantity: 2 }],
  note: 'two shots, extra hot',
  session: '0192f3c4-8d2e-7abc-9def-0123456789ab',
  device: { os: 'iOS 19.1', model: 'iPhone17,2' },
  place: [41.8781, -87.6298],
  flags: { vip: true, first: false, ref: null },
  at: 1_763_900_000_123,
};
const event = {
  specversion: '1.0',
  id: 'e-0000000001',
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
    note: 'x'.repeat(88),
  },
};
const array = (value: unknown): Buffer => Buffer.from(JSON.stringify(Array.from({ length: EVENTS }, () => value)));

const ids = uuidGenerator(Date.now, randomFillSync);
const namer = typeNamer([]);
const arrival = { receivedAt: Date.now(), host: 'shop-1', site: 'chicago', source: '/chicago/shop-1/http' };

function wrapData(body: Buffer): Buffer {
  const scanned = scanEvents(body, 'array');
  const out = new ByteWriter(64 * 1024);
  if (scanned.kind === 'refused') return out.finish();
  const envelope = dataEnvelope({ kind: 'named', type: 'checkin.created', tag: null }, arrival);
  for (let i = 0; i < scanned.spans.length; i += 2)
    writeDataLine(out, envelope, ids, body, scanned.spans[i] ?? 0, scanned.spans[i + 1] ?? 0);
  return out.finish();
}

function wrapEvents(body: Buffer): Buffer {
  const scanned = scanEvents(body, 'array');
  const out = new ByteWriter(64 * 1024);
  if (scanned.kind === 'refused') return out.finish();
  for (let i = 0; i < scanned.spans.length; i += 2) {
    const sent = readEvent(body, scanned.spans[i] ?? 0, scanned.spans[i + 1] ?? 0, namer);
    if (sent.kind === 'sent') writeSentEvent(out, sent, arrival, ids, body);
  }
  return out.finish();
}

function parseWrapStringify(body: Buffer): Buffer {
  const events = JSON.parse(body.toString()) as object[];
  const receivedat = new Date().toISOString();
  return Buffer.from(
    events
      .map(
        (each) =>
          `${JSON.stringify({ specversion: '1.0', id: crypto.randomUUID(), ...each, receivedat, host: 'shop-1', site: 'chicago' })}\n`,
      )
      .join(''),
  );
}

const dataBody = array(data);
const eventBody = array(event);
const lines = wrapEvents(eventBody);
const message = encodeBatch(
  {
    identity: '017f22e2-79b0-7cc3-98c4-dc0c0c07398f',
    partition: 0,
    type: 'checkin.created',
    count: EVENTS,
    ranges: [[1, EVENTS]],
    body: lines,
  },
  'identity',
);

function hours(): number {
  const batch = decodeBatch(message);
  if (batch.kind === 'invalid') return 0;
  let sum = 0;
  let start = 0;
  for (const { end } of linesOf(batch)) {
    sum += lineHour(batch.body, start, end);
    start = end;
  }
  return sum;
}

const tasks: Record<string, () => unknown> = {
  'baseline: parse, wrap, stringify CloudEvents': () => parseWrapStringify(eventBody),
  'baseline: JSON.parse': () => JSON.parse(dataBody.toString()) as unknown,
  'scan an array of bare data': () => scanEvents(dataBody, 'array'),
  'scan and wrap bare data': () => wrapData(dataBody),
  'scan, check and wrap CloudEvents': () => wrapEvents(eventBody),
  'decode a batch': () => decodeBatch(message),
  'decode a batch, and the hour of each line': hours,
};

/** Events for a second of processor time, for each task; tasks take turns, so that what else the machine does meets all of them. */
export function benchCore(): { name: string; perSecond: number }[] {
  const rates = new Map(Object.keys(tasks).map((name) => [name, [] as number[]]));
  for (let round = -1; round < ROUNDS; round++) {
    for (const [name, task] of Object.entries(tasks)) {
      const until = performance.now() + SECONDS * 1000;
      const before = process.cpuUsage();
      let runs = 0;
      for (; performance.now() < until; runs++) task();
      const { user, system } = process.cpuUsage(before);
      if (round >= 0) rates.get(name)?.push((runs * EVENTS * 1e6) / (user + system));
    }
  }
  return Array.from(rates, ([name, values]) => ({
    name,
    perSecond: Math.round(values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0),
  }));
}

if (import.meta.main) {
  console.log(JSON.stringify({ dataBytes: JSON.stringify(data).length, eventBytes: JSON.stringify(event).length }));
  for (const figure of benchCore()) console.log(JSON.stringify(figure));
}
