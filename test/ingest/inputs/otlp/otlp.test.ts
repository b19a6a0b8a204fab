// OTLP/HTTP logs: what the OpenTelemetry SDK sends, exact, and the answers that it understands.
import { gzipSync } from 'node:zlib';
import { SeverityNumber } from '@opentelemetry/api';
import { OTLPLogExporter as JsonExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventWriter } from '../../../../ingest/inputs/event-writer.ts';
import { takeLogs } from '../../../../ingest/inputs/otlp/take.ts';
import { serve, type Served } from '../http/serve.ts';

const eventsOf = (served: Served): Record<string, unknown>[] =>
  served.lines().map((line) => JSON.parse(line) as Record<string, unknown>);

describe.each([
  ['protobuf', ProtoExporter, 'none'],
  ['protobuf', ProtoExporter, 'gzip'],
  ['json', JsonExporter, 'none'],
] as const)('the OpenTelemetry SDK with %s', (_name, Exporter, compression) => {
  it(`is taken (${compression})`, async () => {
    await using served = await serve();
    const exporter = new Exporter({ url: `${served.input.address}/v1/logs`, compression: compression as never });
    const provider = new LoggerProvider({
      resource: resourceFromAttributes({ 'service.name': 'shop', 'host.cpus': 4 }),
      processors: [new BatchLogRecordProcessor({ exporter })],
    });
    provider.getLogger('cart', '1.2.3').emit({
      severityNumber: SeverityNumber.WARN,
      severityText: 'WARN',
      body: 'no "stock" ü',
      attributes: { sku: 'a-1', left: 0, rate: 0.5, tags: ['x', 'y'], deep: { a: true } },
      timestamp: [1_795_711_676, 123_456_789],
    });
    provider.getLogger('cart').emit({ eventName: 'cart.paid', body: { total: 12 } });
    await provider.forceFlush();
    await provider.shutdown();
    const [first, second] = eventsOf(served);
    expect(first).toMatchObject({
      type: 'otel.log',
      source: '/chicago/web-1/otlp',
      time: '2026-11-26T16:47:56.123456789Z',
      data: {
        severityNumber: 13,
        severityText: 'WARN',
        body: 'no "stock" ü',
        attributes: { sku: 'a-1', left: 0, rate: 0.5, tags: ['x', 'y'], deep: { a: true } },
        resource: { 'service.name': 'shop', 'host.cpus': 4 },
        scope: { name: 'cart', version: '1.2.3' },
        timeUnixNano: '1795711676123456789',
      },
    });
    expect(second).toMatchObject({ type: 'cart.paid', data: { body: { total: 12 }, eventName: 'cart.paid' } });
    expect(served.faults).toEqual([]);
  });
});

const post = (
  served: Served,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Response> =>
  fetch(`${served.input.address}/v1/logs`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });
const logs = (...records: object[]): string =>
  JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: records }] }] });

it('keeps 64 bits, ids in hexadecimal, and every kind of value', async () => {
  await using served = await serve();
  const body = logs({
    timeUnixNano: '1795711676123456789',
    traceId: '5B8EFFF798038103D269B633813FC60C',
    spanId: 'EEE19B7EC3C1B174',
    flags: 1,
    body: { kvlistValue: { values: [{ key: 'big', value: { intValue: '9223372036854775807' } }, { key: 'none' }] } },
    attributes: [
      { key: 'least', value: { intValue: '-9223372036854775808' } },
      { key: 'bytes', value: { bytesValue: 'AQI=' } },
      { key: '__proto__', value: { stringValue: 'p' } },
      { key: 'endless', value: { doubleValue: 'Infinity' } },
    ],
  }).replace('"flags":1', '"flags":1,"observedTimeUnixNano":1795711676123456789');
  const answer = await post(served, gzipSync(body), { 'content-encoding': 'gzip' });
  expect([answer.status, await answer.text()]).toEqual([200, '{}']);
  expect(served.lines()[0]).toContain(
    '"data":{"body":{"big":9223372036854775807,"none":null},"attributes":{"least":-9223372036854775808,"bytes":"AQI=","__proto__":"p","endless":"Infinity"},"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","flags":1,"timeUnixNano":"1795711676123456789","observedTimeUnixNano":"1795711676123456789"}}',
  );
});

it('answers with the records that it did not take, and with 400 where it took none', async () => {
  await using served = await serve({ maxEvent: 1024 });
  const large = { body: { stringValue: 'x'.repeat(2000) } };
  const some = await post(served, logs({ body: { stringValue: 'ok' } }, large));
  expect(some.status).toBe(200);
  expect(await some.json()).toEqual({
    partialSuccess: {
      rejectedLogRecords: '1',
      errorMessage: expect.stringContaining('larger than 1024 bytes') as string,
    },
  });
  const none = await post(served, logs(large));
  expect(none.status).toBe(400);
  expect(await none.json()).toEqual({ message: expect.stringContaining('larger than 1024 bytes') as string });
  expect((await post(served, '{}')).status).toBe(200);
  expect(served.refused).toEqual(['event-too-large', 'event-too-large']);
});

it('refuses what is no request of OTLP with a status of its kind', async () => {
  await using served = await serve();
  for (const body of [
    '',
    '{',
    '[1',
    'null',
    '{"resourceLogs":7}',
    '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"x"}]}]}]}',
  ]) {
    const answer = await post(served, body);
    expect([body, answer.status]).toEqual([body, 400]);
    expect(await answer.json()).toMatchObject({ message: expect.any(String) as string });
  }
  const proto = await post(served, new Uint8Array([255, 255, 255]), { 'content-type': 'application/x-protobuf' });
  expect([proto.status, proto.headers.get('content-type')]).toEqual([400, 'application/x-protobuf']);
  expect((await post(served, '{}', { 'content-type': 'text/plain' })).status).toBe(415);
  const deep = {
    body: Array.from({ length: 100 }).reduce<object>((value) => ({ arrayValue: { values: [value] } }), {}),
  };
  expect((await post(served, logs(deep))).status).toBe(400);
  expect(served.faults).toEqual([]);
});

it('asks to come again with Retry-After while the spool is full or its disk fails', async () => {
  for (const [reason, status] of [
    ['full', 429],
    ['disk', 503],
  ] as const) {
    await using served = await serve({
      outcome: () => Promise.resolve({ kind: 'refused', reason, message: '', retryAfter: 7 }),
    });
    const answer = await post(served, logs({ body: { stringValue: 'a' } }));
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([status, '7']);
  }
});

it('never throws, whatever the bytes', () => {
  const writer = new EventWriter(
    { types: [], site: 's', host: 'h', clock: () => 0, random: (target) => target.fill(1) },
    'otlp',
  );
  const fallback = { kind: 'named', type: 'otel.log', tag: null } as const;
  const take = (body: Buffer, coding: 'json' | 'protobuf'): string =>
    takeLogs(writer, body, coding, fallback, 1024).kind;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(['taken', 'refused']).toContain(take(Buffer.from(bytes), 'protobuf'));
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.json(), fc.json(), (one, other) => {
      const records = `{"resourceLogs":[{"resource":${one},"scopeLogs":[{"logRecords":[{"body":${other},"attributes":[{"value":${one}}]}]}]}]}`;
      for (const text of [one, records]) expect(['taken', 'refused']).toContain(take(Buffer.from(text), 'json'));
    }),
    { numRuns: 500 },
  );
});
