import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { documentEncoder } from '../../../consumers/elasticsearch/encode.ts';
import { SinkEvent } from '../../../consumers/queue/sink-event.ts';
import { eventOf } from '../queue/sample-event.ts';

const daily = { index: 'waggle', dataStream: false };

function linesOf(event: SinkEvent, to = daily): [action: string, document: string] {
  const encoded = documentEncoder(to)(event);
  if (encoded.kind === 'refused') throw new Error(encoded.message);
  expect(encoded.bytes).toBe(encoded.body.length);
  const lines = encoded.body.toString().split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[2]).toBe('');
  return [lines[0] ?? '', lines[1] ?? ''];
}

interface Document {
  readonly '@timestamp': string;
  readonly event: Readonly<Record<string, string>>;
  readonly host?: { readonly name: string };
  readonly labels?: Readonly<Record<string, unknown>>;
  readonly data?: unknown;
  readonly message?: string;
  readonly data_base64?: string;
}
const documentOf = (event: SinkEvent): Document => JSON.parse(linesOf(event)[1]) as Document;
const indexOf = (event: SinkEvent): string =>
  (JSON.parse(linesOf(event)[0]) as { create: { _index: string } }).create._index;

test('an event is a create of its key in the index of its day, and a document of ECS names with the data as they came', () => {
  const event = eventOf('{"n": 9007199254740993, "x": 1.10e5 }', { tag: 'old name', subject: 'u\n1' });
  expect(linesOf(event)).toEqual([
    `{"create":{"_index":"waggle-2026.11.23","_id":"${event.key}"}}`,
    '{"@timestamp":"2026-11-23T13:59:59.5Z","event":{"id":"e-1","action":"checkin.visit","provider":"/chicago/api-1/http",' +
      '"created":"2026-11-23T14:00:00.125Z"},"host":{"name":"api-1"},"labels":{"site":"chicago","tag":"old name","subject":"u\\n1"},' +
      '"data":{"n": 9007199254740993, "x": 1.10e5 }}',
  ]);
});

test('a data stream is named as it is', () => {
  const event = eventOf('{}');
  expect(linesOf(event, { index: 'logs-waggle-prod', dataStream: true })[0]).toBe(
    `{"create":{"_index":"logs-waggle-prod","_id":"${event.key}"}}`,
  );
});

test('the key is the same for the same source and id, and short whatever their length', () => {
  expect(eventOf('1').key).toBe(eventOf('2', { time: '2020-01-01T00:00:00Z' }).key);
  expect(eventOf('1').key).not.toBe(eventOf('1', { id: 'e-2' }).key);
  expect(eventOf('1').key).toHaveLength(43);
  expect(linesOf(eventOf('1', { id: 'i'.repeat(70_000) }))[0].length).toBeLessThan(120);
});

test('any event is two lines of valid JSON, its data byte for byte', () => {
  const text = fc.string({ unit: 'grapheme' });
  fc.assert(
    fc.property(
      fc.json(),
      text,
      text,
      fc.dictionary(fc.stringMatching(/^x[a-z0-9]{1,8}$/), fc.oneof(text, fc.boolean(), fc.integer())),
      (data, id, host, extensions) => {
        const event = eventOf(data, { id, host, ...extensions });
        const [action, document] = linesOf(event);
        expect(Object.keys(JSON.parse(action) as object)).toEqual(['create']);
        const read = JSON.parse(document) as Document;
        expect(read.event['id']).toBe(id);
        expect(read.host?.name).toBe(host);
        expect(read.labels).toEqual({ site: 'chicago', ...extensions });
        if (data.startsWith('{')) expect(document).toContain(`,"data":${data}}`);
        else if (data === 'null') expect(read.data).toBeNull();
        else expect(read.message).toBe(data.startsWith('"') ? JSON.parse(data) : data);
      },
    ),
  );
});

describe('data that are no object', () => {
  test.each([
    ['"a \\"text\\""', 'a "text"'],
    ['9007199254740993', '9007199254740993'],
    ['[1, "a"]', '[1, "a"]'],
    ['true', 'true'],
  ])('stand in message as text: %s', (data, message) => {
    expect(documentOf(eventOf(data))).toMatchObject({ message });
    expect(documentOf(eventOf(data))).not.toHaveProperty('data');
  });
  test('are left out where there are none, and kept beside where they are bytes', () => {
    expect(Object.keys(documentOf(eventOf(null)))).toEqual(['@timestamp', 'event', 'host', 'labels']);
    expect(documentOf(eventOf(null, { data_base64: 'AAE=' }))).toMatchObject({ data_base64: 'AAE=' });
  });
});

describe('labels', () => {
  test('hold all members without a place of their own, but no content type that every event has', () => {
    expect(
      documentOf(eventOf('{}', { datacontenttype: 'application/json', traceparent: '00-1', sampled: true })).labels,
    ).toEqual({ site: 'chicago', traceparent: '00-1', sampled: true });
    expect(documentOf(eventOf('{}', { datacontenttype: 'text/plain' })).labels).toMatchObject({
      datacontenttype: 'text/plain',
    });
  });
  test('are left out where there are none', () => {
    const event = documentOf(eventOf('{}', { site: undefined, host: undefined }));
    expect(Object.keys(event)).toEqual(['@timestamp', 'event', 'data']);
  });
});

describe('the time', () => {
  const received = '2026-11-23T00:30:00.000Z';
  test.each([
    ['a week ago', '2026-11-16T00:30:00Z', 'waggle-2026.11.16'],
    ['the day before, by its offset', '2026-11-23T01:00:00.123456789+02:00', 'waggle-2026.11.22'],
    ['an hour ahead', '2026-11-23T01:30:00Z', 'waggle-2026.11.23'],
  ])('of an event within bounds decides: %s', (_, time, index) => {
    const event = eventOf('{}', { receivedat: received, time });
    expect(indexOf(event)).toBe(index);
    expect(documentOf(event)).toMatchObject({ '@timestamp': time, labels: { site: 'chicago' } });
    expect(documentOf(event).labels).not.toHaveProperty('time');
  });
  test.each([
    ['long ago', '1970-01-01T00:00:00Z'],
    ['just too long ago', '2026-11-16T00:29:59.999Z'],
    ['just too far ahead', '2026-11-23T01:30:00.001Z'],
    ['far ahead', '9999-12-31T23:59:59Z'],
    ['no time', 'yesterday'],
    ['empty', ''],
    ['no date', '2026-02-30T00:00:00Z'],
  ])('out of bounds gives way to the arrival, and is kept: %s', (_, time) => {
    const event = eventOf('{}', { receivedat: received, time });
    expect(indexOf(event)).toBe('waggle-2026.11.23');
    expect(documentOf(event)).toMatchObject({ '@timestamp': received, labels: { time } });
  });
  test.each([
    ['small letters', '2026-11-23t00:10:00z', '2026-11-23T00:10:00.000Z'],
    ['more than nanoseconds', '2026-11-23T00:10:00.1234567891Z', '2026-11-23T00:10:00.123Z'],
    ['a zone that Java does not know', '2026-11-23T23:50:00+23:50', '2026-11-23T00:00:00.000Z'],
  ])('that Elasticsearch cannot read is written so that it can, and kept: %s', (_, time, written) => {
    const event = eventOf('{}', { receivedat: received, time });
    expect(documentOf(event)).toMatchObject({ '@timestamp': written, labels: { time } });
  });
  test('may hold escapes', () => {
    const line = eventOf('{}').line.toString().replace('"time":"2026', '"time":"\\u0032026');
    const escaped = SinkEvent.read(Buffer.from(line));
    if (escaped === null) throw new Error('no event');
    expect(documentOf(escaped)).toMatchObject({ '@timestamp': '2026-11-23T13:59:59.500Z' });
  });
  test('a leap second is the next second', () => {
    const event = eventOf('{}', { receivedat: '2017-01-01T00:00:10.000Z', time: '2016-12-31T23:59:60Z' });
    expect(indexOf(event)).toBe('waggle-2017.01.01');
    expect(documentOf(event)['@timestamp']).toBe('2017-01-01T00:00:00.000Z');
  });
  test('an event that does not say when it was received is refused', () => {
    expect(documentEncoder(daily)(eventOf('{}', { receivedat: 'once' }))).toMatchObject({
      kind: 'refused',
      code: 'receivedat-invalid',
    });
  });
});

test('one encoder serves events of many days and sizes', () => {
  const encode = documentEncoder(daily);
  for (const [id, day] of [
    ['a'.repeat(100_000), '20'],
    ['b', '21'],
    ['c', '20'],
  ] as const) {
    const event = eventOf(`{"id":"${id}"}`, { id, time: `2026-11-${day}T00:00:00Z` });
    const encoded = encode(event);
    expect(encoded.kind === 'encoded' && encoded.body.toString()).toBe(`${linesOf(event).join('\n')}\n`);
  }
});
