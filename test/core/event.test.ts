import { randomFillSync } from 'node:crypto';
import { CloudEvent, HTTP } from 'cloudevents';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteWriter } from '#core/bytes.ts';
import type { Refusal } from '#core/errors.ts';
import {
  type Arrival,
  dataEnvelope,
  lineArrival,
  lineHour,
  lineType,
  ownEventLine,
  parseEventLine,
  writeDataLine,
  writeSentEvent,
} from '#core/event-line.ts';
import { readEvent, typeNamer } from '#core/event.ts';
import { scanEvents } from '#core/json/scan.ts';
import { isUuidv7, uuidGenerator } from '#core/uuid.ts';

const RECEIVED = Date.parse('2026-11-23T14:00:00.123Z');
const arrival: Arrival = { receivedAt: RECEIVED, host: 'shop-1', site: 'chicago', source: '/chicago/shop-1/http' };
const ids = uuidGenerator(() => RECEIVED, randomFillSync);
const namer = typeNamer([]);
const plain = { kind: 'named', type: 'checkin.created', tag: null } as const;

/** A structured event through scan, check and write; the line, or the refusal. */
function through(json: string, names = namer): Buffer | Refusal {
  const body = Buffer.from(json);
  const scanned = scanEvents(body, 'value');
  if (scanned.kind === 'refused') return scanned;
  const [start = 0, end = 0] = scanned.spans;
  const sent = scanned.faults.get(0) ?? readEvent(body, start, end, names);
  if (sent.kind === 'refused') return sent;
  const out = new ByteWriter(1);
  writeSentEvent(out, sent, arrival, ids, body);
  return out.finish();
}
function line(event: unknown, names = namer): Buffer {
  const written = through(typeof event === 'string' ? event : JSON.stringify(event), names);
  if (!Buffer.isBuffer(written)) throw new Error(`refused: ${written.code} ${written.message}`);
  return written;
}
/** The JSON of `data`, byte for byte. */
function dataOf(written: Buffer): string {
  const [start, end] = parseEventLine(written)?.data ?? [0, 0];
  return written.toString('utf8', start, end);
}
const parsed = (written: Buffer): Record<string, unknown> => JSON.parse(written.toString()) as Record<string, unknown>;
/** The oracle: the CloudEvents project's own library reads and validates the line. */
function expectCloudEvent(written: Buffer): CloudEvent<unknown> {
  const read = HTTP.toEvent<unknown>({
    headers: { 'content-type': 'application/cloudevents+json' },
    body: written.toString(),
  });
  const event = Array.isArray(read) ? read[0] : read;
  if (!(event instanceof CloudEvent)) throw new Error('no event');
  expect(event.validate()).toBe(true);
  return event;
}
const least = { specversion: '1.0', type: 'a.b' };

describe('bare data', () => {
  test('a line of the envelope around the bytes as they came', () => {
    const data = '{"n":9007199254740993,"f":1.10,"e":"\\u00e9\\/", "é":[ ]}';
    const body = Buffer.from(`[${data}]`);
    const out = new ByteWriter(1);
    writeDataLine(out, dataEnvelope(plain, arrival), ids, body, 1, body.length - 1);
    const text = out.finish().toString();
    const { id } = JSON.parse(text) as { id: string };
    expect(isUuidv7(id)).toBe(true);
    expect(text).toBe(
      `{"specversion":"1.0","type":"checkin.created","receivedat":"2026-11-23T14:00:00.123Z","time":"2026-11-23T14:00:00.123Z","id":"${id}","source":"/chicago/shop-1/http","host":"shop-1","site":"chicago","datacontenttype":"application/json","data":${data}}\n`,
    );
  });

  test('any JSON value: the line is one line, the cloudevents library reads it, and the data come back', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), fc.string(), (value, indent, tag) => {
        const body = Buffer.from(JSON.stringify(value, null, indent));
        const scanned = scanEvents(body, 'value');
        if (scanned.kind === 'refused') throw new Error(scanned.code);
        const out = new ByteWriter(1);
        writeDataLine(
          out,
          dataEnvelope({ ...plain, tag }, arrival),
          ids,
          body,
          ...(scanned.spans as unknown as [number, number]),
        );
        const written = out.finish();
        expect(written.indexOf('\n')).toBe(written.length - 1);
        expect(parsed(written)['data']).toEqual(JSON.parse(JSON.stringify(value)));
        expect(parsed(written)['tag']).toBe(tag);
        if (value !== null) expectCloudEvent(written);
        expect(dataOf(written)).toBe(body.toString('utf8', scanned.spans[0], scanned.spans[1]));
      }),
    );
  });

  test('many lines in one growing buffer', () => {
    const out = new ByteWriter(1);
    const envelope = dataEnvelope(plain, arrival, RECEIVED - 5000);
    for (let i = 0; i < 500; i++) {
      const body = Buffer.from(String(i));
      writeDataLine(out, envelope, ids, body, 0, body.length);
    }
    const lines = out
      .finish()
      .toString()
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text) as { id: string; data: number; time: string });
    expect(lines.map(({ data }) => data)).toEqual(Array.from({ length: 500 }, (_, i) => i));
    expect(new Set(lines.map(({ id }) => id)).size).toBe(500);
    expect(lines[0]?.time).toBe('2026-11-23T13:59:55.123Z');
  });

  test("an event of waggle's own", () => {
    const written = ownEventLine('waggle.probe', arrival, ids, { partition: 3 });
    expect(expectCloudEvent(written).data).toEqual({ partition: 3 });
    expect(parseEventLine(written)).toMatchObject({ type: 'waggle.probe', site: 'chicago', tag: null });
  });
});

describe('structured CloudEvents', () => {
  test("the sender's members stay as they were sent; where and when we took it is ours to say", () => {
    const sent = `{ "data" : {"n": 1.10}, "id":"\\u0061b", "source":"//host/a?b=%20c", "specversion":"1.0","type":"a.b","time":"2026-11-23T13:00:00+01:00",
      "subject":"caf\\u00e9","count": 7,"ok":true,"receivedat":"1999-01-01T00:00:00Z","host":"forged","site":"forged","dataschema":"https://x.example/s","datacontenttype":"application/json; charset=utf-8"}`;
    const written = line(sent);
    expect(written.toString()).toBe(
      '{"specversion":"1.0","type":"a.b","receivedat":"2026-11-23T14:00:00.123Z","time":"2026-11-23T13:00:00+01:00","id":"\\u0061b","source":"//host/a?b=%20c","subject":"caf\\u00e9","count": 7,"ok":true,"dataschema":"https://x.example/s","datacontenttype":"application/json; charset=utf-8","host":"shop-1","site":"chicago","data" : {"n": 1.10}}\n',
    );
    expectCloudEvent(written);
  });

  test('what is missing or null is added; null extensions are dropped', () => {
    for (const event of [
      least,
      { ...least, id: null, time: null, source: null, subject: null, ext: null, data_base64: null },
    ]) {
      const read = parsed(line(event));
      expect(read).toMatchObject({ time: '2026-11-23T14:00:00.123Z', source: '/chicago/shop-1/http' });
      expect(isUuidv7(String(read['id']))).toBe(true);
      expect(Object.keys(read)).toEqual(['specversion', 'type', 'receivedat', 'time', 'id', 'source', 'host', 'site']);
      expectCloudEvent(line(event));
    }
  });

  test('data, data_base64, or neither', () => {
    expect(
      expectCloudEvent(line({ ...least, data_base64: 'AQID', datacontenttype: 'application/octet-stream' }))
        .data_base64,
    ).toBe('AQID');
    expect(dataOf(line({ ...least, data: null }))).toBe('null');
    expect(parseEventLine(line(least))?.data).toBeNull();
  });

  test('valid events of any members pass the cloudevents library, with all that was sent', () => {
    const text = fc
      .string({ minLength: 1 })
      .filter((value) => !/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(value));
    const names = fc
      .stringMatching(/^[a-z0-9]{1,20}$/)
      .filter(
        (name) =>
          ![
            'specversion',
            'data',
            'receivedat',
            'host',
            'site',
            'id',
            'type',
            'source',
            'time',
            'subject',
            'dataschema',
            'datacontenttype',
            'tag',
          ].includes(name),
      );
    const events = fc.record(
      {
        id: text,
        source: fc.webUrl(),
        type: fc.stringMatching(/^[A-Za-z0-9_-]{1,9}(\.[A-Za-z0-9_-]{1,9}){0,3}$/),
        subject: text,
        time: fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }).map((date) => date.toISOString()),
        dataschema: fc.webUrl(),
        data: fc.jsonValue().filter((value) => value !== null),
      },
      { requiredKeys: ['type'] },
    );
    const extensions = fc.dictionary(names, fc.oneof(text, fc.boolean(), fc.integer()));
    fc.assert(
      fc.property(events, extensions, (event, more) => {
        const written = line({ specversion: '1.0', ...more, ...event });
        expect(parsed(written)).toMatchObject(JSON.parse(JSON.stringify({ ...more, ...event })) as object);
        expectCloudEvent(written);
      }),
      { numRuns: 300 },
    );
  });

  test('an event with bytes changed is refused, or its line is one well-formed line with all that was sent', () => {
    const base =
      '{"specversion":"1.0","id":"\\u0061b","source":"/a","type":"a.b","time":"2026-11-23T14:00:00.000Z","subject":"é","x":1,"tag":"t","data":{"a":[1,"}"]}}';
    const pieces = [
      ...'{}[]:,"\\ \n09-.etrnulaTZ'.split(''),
      '"id"',
      '"data"',
      'null',
      '"time":',
      '""',
      '\\u0000',
      '\\"',
    ];
    const edit = fc.tuple(fc.nat(), fc.constantFrom(...pieces), fc.constantFrom('change', 'insert', 'remove'));
    let written = 0;
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 4 }), (edits) => {
        let text = base;
        for (const [at, piece, how] of edits) {
          const i = at % (text.length + 1);
          text = text.slice(0, i) + (how === 'remove' ? '' : piece) + text.slice(how === 'insert' ? i : i + 1);
        }
        const made = through(text);
        if (!Buffer.isBuffer(made)) return;
        written++;
        expect(parseEventLine(made)).not.toBeNull();
        expect(made.indexOf('\n')).toBe(made.length - 1);
        const sent = Object.entries(JSON.parse(text) as object).filter(
          ([name, value]) => value !== null || name === 'data',
        );
        expect(parsed(made)).toMatchObject(Object.fromEntries(sent));
      }),
      { numRuns: 3000 },
    );
    expect(written).toBeGreaterThan(300);
  });

  const cases: [name: string, event: unknown, code: string, pointer: string][] = [
    ['no object', '[1]', 'event-not-object', ''],
    ['no specversion', { type: 'a' }, 'specversion-invalid', '/specversion'],
    ['specversion 0.3', { ...least, specversion: '0.3' }, 'specversion-invalid', '/specversion'],
    ['specversion as a number', { ...least, specversion: 1 }, 'specversion-invalid', '/specversion'],
    ['no type', { specversion: '1.0' }, 'type-missing', '/type'],
    ['an empty type', { ...least, type: '' }, 'type-missing', '/type'],
    ['a type that is no string', { ...least, type: 5 }, 'type-invalid', '/type'],
    ['a type that is no routing key', { ...least, type: 'a..b' }, 'type-invalid', '/type'],
    ['a type with a slash', { ...least, type: 'a/b' }, 'type-invalid', '/type'],
    ['a type with a line break', { ...least, type: 'a\n' }, 'type-invalid', '/type'],
    ['a long type', { ...least, type: 'a'.repeat(201) }, 'type-too-long', '/type'],
    ['an empty id', { ...least, id: '' }, 'id-invalid', '/id'],
    ['a number as id', { ...least, id: 7 }, 'id-invalid', '/id'],
    ['a control character in the id', { ...least, id: 'a\u0000' }, 'id-invalid', '/id'],
    ['an empty source', { ...least, source: '' }, 'source-invalid', '/source'],
    ['a source with a blank', { ...least, source: 'a b' }, 'source-invalid', '/source'],
    ['a source with half an escape', { ...least, source: '/a%2' }, 'source-invalid', '/source'],
    ['a source whose first segment has a colon', { ...least, source: '1a:b' }, 'source-invalid', '/source'],
    ['a time with a blank', { ...least, time: '2026-11-23 14:00:00Z' }, 'time-invalid', '/time'],
    ['a time as a number', { ...least, time: 1_764_000_000 }, 'time-invalid', '/time'],
    ['an empty subject', { ...least, subject: '' }, 'attribute-invalid', '/subject'],
    ['a relative dataschema', { ...least, dataschema: '/s' }, 'attribute-invalid', '/dataschema'],
    ['a datacontenttype that is none', { ...least, datacontenttype: 'json' }, 'attribute-invalid', '/datacontenttype'],
    ['an extension with a hyphen', { ...least, 'a-b': '1' }, 'attribute-name-invalid', '/a-b'],
    ['an extension in upper case', { ...least, 'a/B~': '1' }, 'attribute-name-invalid', '/a~1B~0'],
    ['__proto__', '{"specversion":"1.0","type":"a","__proto__":1}', 'attribute-name-invalid', '/__proto__'],
    ['an extension that is an object', { ...least, ext: {} }, 'attribute-invalid', '/ext'],
    ['an extension that is a fraction', { ...least, ext: 1.5 }, 'attribute-invalid', '/ext'],
    ['an extension above 32 bits', { ...least, ext: 2 ** 31 }, 'attribute-invalid', '/ext'],
    ['a noncharacter in an extension', { ...least, ext: '\ufdd0' }, 'attribute-invalid', '/ext'],
    ['a tag that is no string', { ...least, tag: 1 }, 'attribute-invalid', '/tag'],
    ['both kinds of data', { ...least, data: 1, data_base64: 'AQID' }, 'data-both', '/data_base64'],
    ['base64 that is none', { ...least, data_base64: 'AQI' }, 'data-base64-invalid', '/data_base64'],
    ['data_base64 as a number', { ...least, data_base64: 1 }, 'data-base64-invalid', '/data_base64'],
    ['a member twice', '{"specversion":"1.0","type":"a","data":1,"data":2}', 'member-duplicate', '/data'],
    ['a member twice, once escaped', '{"specversion":"1.0","type":"a","\\u0074ype":"b"}', 'member-duplicate', '/type'],
    [
      'half a surrogate pair',
      '{"specversion":"1.0","type":"a","data":{"x":["\\udead"]}}',
      'surrogate-lone',
      '/data/x/0',
    ],
  ];
  test.each(cases)('%s is refused', (_, event, code, pointer) => {
    expect(through(typeof event === 'string' ? event : JSON.stringify(event))).toMatchObject({
      kind: 'refused',
      code,
      pointer,
    });
  });

  test('the bounds that are allowed', () => {
    for (const more of [
      { ext: 2 ** 31 - 1 },
      { ext: -(2 ** 31) },
      { type: 'A-_9.b' },
      { type: 'a'.repeat(200) },
      { source: 'a/b:c' },
      { source: 'urn:x:y' },
      { source: '#f' },
      { tag: 'as sent' },
    ])
      expect(parsed(line({ ...least, ...more }))).toMatchObject(more);
  });
});

describe('names and types', () => {
  const rules = typeNamer([
    { match: 'kube.**', type: 'kube.log' },
    { match: 'wild things.*', type: 'wild' },
    { match: 'order.*', type: 'order.v2' },
  ]);

  test('the first rule that matches gives the type, and the name is kept as tag', () => {
    expect(rules('kube.var.log.pods/x')).toEqual({ kind: 'named', type: 'kube.log', tag: 'kube.var.log.pods/x' });
    expect(rules('wild things.1')).toEqual({ kind: 'named', type: 'wild', tag: 'wild things.1' });
    expect(rules('kube.log')).toEqual({ kind: 'named', type: 'kube.log', tag: null });
    expect(rules('other.type')).toEqual({ kind: 'named', type: 'other.type', tag: null });
    expect(rules('un ruly')).toMatchObject({ code: 'type-invalid' });
    expect(rules(`kube.${'x'.repeat(2000)}`)).toMatchObject({ code: 'type-too-long' });
    expect(rules('constructor')).toMatchObject({ type: 'constructor' });
    expect(rules('')).toMatchObject({ code: 'type-missing' });
  });

  test("a structured event's type goes by the same rules; a tag of the sender's gives way to the name", () => {
    expect(parsed(line({ ...least, tag: 'mine', type: 'order.paid' }, rules))).toMatchObject({
      type: 'order.v2',
      tag: 'order.paid',
    });
    expect(parsed(line({ ...least, tag: 'mine' }, rules))).toMatchObject({ type: 'a.b', tag: 'mine' });
    expect(
      line({ ...least, tag: 'mine', type: 'order.paid' }, rules)
        .toString()
        .match(/"tag"/g),
    ).toHaveLength(1);
  });
});

const read = (body: Buffer): [string | null, number | null, number] => [
  lineType(body, 0, body.length),
  lineArrival(body),
  lineHour(body, 0, body.length),
];

describe('reading lines back', () => {
  const hour = Math.floor(RECEIVED / 3_600_000);
  test('type, arrival and hour, of our own order and of any other', () => {
    const times = fc
      .integer({ min: -9 * 24 * 60, max: 120 })
      .map((minutes) => new Date(RECEIVED + minutes * 60_000).toISOString());
    fc.assert(
      fc.property(
        times,
        fc.stringMatching(/^[A-Za-z0-9_-]{1,9}(\.[A-Za-z0-9_-]{1,9}){0,3}$/),
        fc.shuffledSubarray(['specversion', 'type', 'receivedat', 'time', 'id', 'source', 'host', 'site'], {
          minLength: 8,
        }),
        (time, type, order) => {
          const written = line({ ...least, type, time });
          const age = RECEIVED - Date.parse(time);
          const expected = age > 7 * 86_400_000 || age < -3_600_000 ? hour : Math.floor(Date.parse(time) / 3_600_000);
          expect(read(written)).toEqual([type, RECEIVED, expected]);
          const event = parsed(written);
          const shuffled = Buffer.from(
            `${JSON.stringify(Object.fromEntries(order.map((name) => [name, event[name]])))}\n`,
          );
          expect(read(shuffled)).toEqual([type, RECEIVED, expected]);
          const spaced = Buffer.from(`${JSON.stringify(event).replaceAll('":"', '": "')}\n`);
          expect(read(spaced)).toEqual([type, RECEIVED, expected]);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('within a body, at offsets', () => {
    const lines = [
      line({ ...least, type: 'a' }),
      line({ ...least, type: 'bb', time: '2026-11-23T12:59:59Z' }),
      line({ ...least, type: 'ccc' }),
    ];
    const body = Buffer.concat(lines);
    let start = 0;
    const found = lines.map((each) => {
      const end = start + each.length;
      const answer = [lineType(body, start, end), lineHour(body, start, end)];
      start = end;
      return answer;
    });
    expect(found).toEqual([
      ['a', hour],
      ['bb', hour - 2],
      ['ccc', hour],
    ]);
  });

  test('what is no event of ours', () => {
    const good = line(least).toString();
    for (const text of [
      '',
      '\n',
      '{}\n',
      'x\n',
      '[1]\n',
      good.slice(0, 60),
      good.slice(1),
      good.replace('receivedat', 'receivedxx'),
      good.replace('2026-11-23T14:00:00.123Z","time', 'x","time'),
    ]) {
      const body = Buffer.from(text);
      expect(lineArrival(body)).toBeNull();
      expect(() => lineHour(body, 0, body.length)).toThrow(TypeError);
    }
    for (const text of ['', '{}\n', 'x\n', good.slice(0, 60), good.replace('"id"', '"ix"')])
      expect(parseEventLine(text)).toBeNull();
  });
});
