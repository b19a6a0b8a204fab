import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SplunkSinkConfig } from '../../../core/config/sink-config.ts';
import { SinkConfigInvalid } from '../../../consumers/queue/contract.ts';
import { openEncoder } from '../../../consumers/splunk/encode.ts';
import type { SinkEvent } from '../../../consumers/queue/sink-event.ts';
import { eventOf } from '../queue/sample-event.ts';
import { splunkConfig } from './splunk-config.ts';

const LIMIT = 1_000_000;

function textOf(event: SinkEvent, change: Partial<SplunkSinkConfig> = {}): string {
  const encoded = openEncoder(splunkConfig(change), LIMIT)(event);
  if (encoded.kind === 'refused') throw new Error(encoded.message);
  expect(encoded.bytes).toBe(encoded.body.length);
  return encoded.body.toString('utf8');
}
const read = (event: SinkEvent, change: Partial<SplunkSinkConfig> = {}): Record<string, unknown> =>
  JSON.parse(textOf(event, change)) as Record<string, unknown>;
const timeOf = (event: SinkEvent): string => /^\{"time":([^,]+),/.exec(textOf(event))?.[1] ?? '';
/** Of so many bytes of data, beside the quotes. */
const sentEvent = (bytes: number): SinkEvent => eventOf(JSON.stringify('x'.repeat(bytes)));
const from = (pointer: string, or: string | null = null) => ({ from: pointer, or });

test('an event is one object: its data as they came, what names it in indexed fields', () => {
  expect(textOf(eventOf('{"n": 9007199254740993, "x": 1.10e5 }', { tag: 'old name' }))).toBe(
    '{"time":1795442399.5,"host":"api-1","source":"/chicago/api-1/http","sourcetype":"_json","event":{"n": 9007199254740993, "x": 1.10e5 },' +
      '"fields":{"id":"e-1","type":"checkin.visit","site":"chicago","tag":"old name"}}',
  );
});

test('any event is valid JSON, holds its data byte for byte, and no field that Splunk would refuse', () => {
  fc.assert(
    fc.property(fc.json(), fc.string({ minLength: 1 }), fc.json(), (data, id, more) => {
      const event = eventOf(data, { id, more: JSON.parse(more) as unknown });
      const text = textOf(event, { fields: { more: '/more', inner: '/data/a', nothing: '/data/x/y' } });
      const { event: indexed, fields } = JSON.parse(text) as { event: unknown; fields: Record<string, unknown> };
      const blank =
        ['null', '{}', '[]'].includes(data) || (data.startsWith('"') && String(JSON.parse(data)).trim() === '');
      if (!blank) expect(text).toContain(`"event":${data},"fields":`);
      expect(indexed ?? '').not.toBe('');
      expect(fields['id']).toBe(id);
      for (const value of Object.values(fields).flat()) expect(typeof value).toBe('string');
    }),
  );
});

describe('time', () => {
  test('has every digit that the sender gave, and no exponent', () => {
    const second = fc.integer({ min: 0, max: 4_102_444_799 });
    fc.assert(
      fc.property(second, fc.stringMatching(/^\d{0,20}$/), (seconds, fraction) => {
        const time = new Date(seconds * 1000).toISOString().replace('.000Z', fraction === '' ? 'Z' : `.${fraction}Z`);
        expect(timeOf(eventOf('1', { time }))).toBe(fraction === '' ? String(seconds) : `${seconds}.${fraction}`);
      }),
    );
  });
  test.each([
    ['2026-11-23T15:59:59.123456789+02:00', '1795442399.123456789'],
    ['2026-11-23t13:59:59z', '1795442399'],
    ['2016-12-31T23:59:60.25Z', '1483228800.25'],
    ['1970-01-01T00:00:00.000001Z', '0.000001'],
  ])('%s', (time, seconds) => {
    expect(timeOf(eventOf('1', { time }))).toBe(seconds);
  });
  test.each(['1969-12-31T23:59:59Z', '2100-01-01T00:00:00Z', '0000-01-01T00:00:00Z', 'yesterday', ''])(
    'is the arrival where the sender’s is out of reason: %j',
    (time) => {
      expect(timeOf(eventOf('1', { time }))).toBe('1795442400.125');
    },
  );
});

describe('event', () => {
  test.each([null, 'null', '""', '" \\t\\u00a0"', '"  "', '{}', '[ ]', '{ }'])(
    'is the whole CloudEvent where its data are blank: %j',
    (data) => {
      const event = eventOf(data);
      expect(textOf(event)).toContain(`"event":${event.line.toString('utf8')},"fields":`);
    },
  );
  test('is the whole CloudEvent where its data are binary', () => {
    expect(read(eventOf(null, { data_base64: 'AAEC' }))['event']).toMatchObject({ data_base64: 'AAEC' });
  });
  test.each(['0', 'false', '"x"', '" x"', '"\\n\\u0041"', '[null]', '{"":1}'])('is its data: %s', (data) => {
    expect(textOf(eventOf(data))).toContain(`"event":${data},"fields":`);
  });
  test('too large for any request is refused', () => {
    const encode = openEncoder(splunkConfig(), 1000);
    const envelope = textOf(sentEvent(1)).length - 1;
    expect(encode(sentEvent(1000 - envelope))).toMatchObject({ kind: 'encoded', bytes: 1000 });
    expect(encode(sentEvent(1001 - envelope))).toMatchObject({ kind: 'refused', code: 'too-large' });
  });
});

test('host, source, source type and index come from the event or the configuration', () => {
  const event = eventOf('{"tenant":"acme","level":3,"none":null,"blank":" ","deep":{"a/b":"ü\\n"}}');
  expect(
    read(event, {
      index: from('/data/tenant'),
      sourcetype: from('/data/level'),
      host: from('/data/deep/a~1b'),
      source: { from: null, or: 'fixed "one"' },
    }),
  ).toMatchObject({ index: 'acme', sourcetype: '3', host: 'ü\n', source: 'fixed "one"' });
  expect(
    read(event, {
      index: from('/data/none', 'main'),
      sourcetype: from('/data/blank', '_json'),
      host: from('/data/no'),
    }),
  ).toMatchObject({ index: 'main', sourcetype: '_json' });
  expect(read(event, { host: from('/data/no') })).not.toHaveProperty('host');
  expect(read(event, { source: from('/data/deep') })).toMatchObject({ source: '{"a/b":"ü\\n"}' });
});

describe('fields', () => {
  test('are strings or lists of strings; what is neither is left out', () => {
    const data =
      '{"s":"a","n":12345678901234567890,"b":true,"o":{},"z":null,"e":"","l":["a",1,null,{},[2],false],"empty":[null]}';
    const fields = Object.fromEntries(
      ['s', 'n', 'b', 'o', 'z', 'e', 'l', 'empty', 'no'].map((name) => [`f_${name}`, `/data/${name}`]),
    );
    expect(read(eventOf(data), { fields })['fields']).toEqual({
      id: 'e-1',
      type: 'checkin.visit',
      site: 'chicago',
      f_s: 'a',
      f_n: '12345678901234567890',
      f_b: 'true',
      f_l: ['a', '1', 'false'],
    });
  });
  test.each(['id', 'type', 'site', 'tag', 'host', 'source', 'sourcetype', 'index', 'time'])(
    'may not be called %s: every event has it',
    (name) => {
      const open = () => openEncoder(splunkConfig({ fields: { [name]: '/data/x' } }), LIMIT);
      expect(open).toThrow(SinkConfigInvalid);
      expect(open).toThrow(`sinks.*.fields.${name}`);
    },
  );
});
