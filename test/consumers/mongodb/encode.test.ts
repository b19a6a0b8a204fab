import fc from 'fast-check';
import { BSON } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { encode, exactNumber, LIMIT, sameNumber, type Statement } from '../../../consumers/mongodb/encode.ts';
import { SinkEvent } from '../../../consumers/queue/sink-event.ts';
import { eventOf } from './events.ts';

function statement(event: SinkEvent): Statement {
  const encoded = encode(event);
  if (encoded.kind === 'refused') throw new Error(encoded.message);
  return encoded.body;
}

/** What a reader finds. */
function stored(event: SinkEvent): Record<string, unknown> {
  const { u } = statement(event);
  return BSON.deserialize(BSON.serialize(u.$setOnInsert), { promoteLongs: false });
}
const data = (json: string): unknown => stored(eventOf('1', json))['data'];

test('a document holds the event under its key, its times as dates', () => {
  const event = eventOf('visit-1', '{"user":7}', ',"tag":"app"');
  const { q, upsert } = statement(event);
  expect([q, upsert]).toEqual([{ _id: event.key }, true]);
  expect(stored(event)).toEqual({
    specversion: '1.0',
    id: 'visit-1',
    source: '/chicago/web-1/http',
    type: 'checkin.visit',
    time: new Date('2026-11-23T17:00:00.123Z'),
    receivedat: new Date('2026-11-23T17:00:00.456Z'),
    host: 'web-1',
    tag: 'app',
    data: { user: new BSON.Int32(7).valueOf() },
  });
});

test.each([
  ['2026-11-23T17:00:00Z', '2026-11-23T17:00:00.000Z', false],
  ['2026-11-23T17:00:00.1Z', '2026-11-23T17:00:00.100Z', false],
  ['2026-11-23T17:00:00.123000Z', '2026-11-23T17:00:00.123Z', false],
  ['2026-11-23T17:00:00.123456Z', '2026-11-23T17:00:00.123Z', true],
  ['2026-11-23T18:00:00.123+01:00', '2026-11-23T17:00:00.123Z', true],
  ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z', true],
])('the time %s stands as the date %s, and where that says less as text too: %s', (time, date, less) => {
  const event = SinkEvent.read(
    Buffer.from(eventOf('1', '1').line.toString().replace('2026-11-23T17:00:00.123Z', time)),
  );
  const found = event === null ? {} : stored(event);
  expect(found['time']).toEqual(new Date(date));
  expect(found['time_text']).toBe(less ? time : undefined);
});

const digits = (max: number): fc.Arbitrary<string> => fc.stringMatching(new RegExp(`^[0-9]{1,${max}}$`));

describe('numbers', () => {
  const numeral = fc
    .tuple(
      fc.constantFrom('', '-'),
      fc.oneof(
        fc.constant('0'),
        digits(40).map((text) => text.replace(/^0+(?=.)/, '')),
      ),
      fc.option(digits(40), { nil: null }),
      fc.option(fc.tuple(fc.constantFrom('e', 'E'), fc.constantFrom('', '+', '-'), digits(5)), { nil: null }),
    )
    .map(
      ([sign, whole, fraction, exponent]) =>
        `${sign}${whole}${fraction === null ? '' : `.${fraction}`}${exponent?.join('') ?? ''}`,
    );
  const short = fc.double({ noNaN: true, noDefaultInfinity: true }).map(String);
  const long = fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }).map(String);

  test('any number in JSON keeps its value', () => {
    fc.assert(
      fc.property(fc.oneof(numeral, short, long), (text) => {
        const found = data(`{"n":${text}}`) as { n: unknown };
        expect(sameNumber(String(found.n), text) || found.n === text, `${text} became ${String(found.n)}`).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ['1', 'number'],
    ['-0', 'number'],
    ['1.50', 'number'],
    ['1e2', 'number'],
    ['9007199254740991', 'number'],
    ['9007199254740993', 'Long'],
    ['9007199254740994', 'Long'],
    ['-9223372036854775808', 'Long'],
    ['9223372036854775808', 'Decimal128'],
    ['0.1', 'number'],
    ['0.30000000000000004', 'number'],
    ['3.141592653589793238462643383279503', 'Decimal128'],
    ['1e400', 'Decimal128'],
    ['12345678901234567890123456789012345', 'string'],
    ['1e7000', 'string'],
    ['1e-7000', 'string'],
  ])('%s is a %s', (text, type) => {
    const value = exactNumber(text, Number(text));
    expect(typeof value === 'object' ? value._bsontype : typeof value).toBe(type);
  });

  test('minus zero stays so', () => expect(Object.is((data('[-0]') as number[])[0], -0)).toBe(true));
  test('sameNumber tells numbers apart', () => {
    expect([sameNumber('10', '1e1'), sameNumber('-1', '1'), sameNumber('Infinity', 'Infinity')]).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe('data', () => {
  test('comes out as it went in', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'grapheme' }), (value) => {
        const json = JSON.stringify(value);
        // Numbers that a double does not hold have their own test.
        fc.pre(!/\\u0000[^"]*":|\d{16}/.test(json));
        expect(data(json)).toEqual(JSON.parse(json));
      }),
    );
  });

  test.each([
    '{"$set":1,"a.b":{"$c.d":2},"":3,".":4,"$":5}',
    '{"_id":1,"data":{"_id":{"$oid":2}}}',
    '{"__proto__":{"a":1}}',
  ])('any name may stand in %s', (json) => expect(JSON.stringify(data(json))).toBe(json));

  test.each(['{"_bsontype":"ObjectId","id":1}', '{"a":[{"\\u005fbsontype":"Long"}]}', '{"_bsontype":{"_bsontype":7}}'])(
    '%s is no type of BSON',
    (json) => expect(data(json)).toEqual(JSON.parse(json)),
  );

  test('64 levels stand', () => {
    const json = `${'{"a":['.repeat(31)}1${']}'.repeat(31)}`;
    expect(JSON.stringify(data(json))).toBe(json);
  });
});

describe('refused', () => {
  test('a name with a NUL', () => {
    expect(encode(eventOf('1', '{"a":{"b\\u0000":1}}'))).toMatchObject({ kind: 'refused', code: 'name-with-nul' });
    expect(encode(eventOf('1', '{"a":"b\\u0000"}')).kind).toBe('encoded');
  });
  test.each(['_id', 'a.b', '$inc', '_bsontype', '__proto__', 'A', ''])('an attribute named "%s"', (name) => {
    expect(encode(eventOf('1', '1', `,${JSON.stringify(name)}:"x"`))).toMatchObject({
      kind: 'refused',
      code: 'name-invalid',
    });
  });
});

test('a request within the limit is a command within 16 MiB', () => {
  const event = eventOf('1', JSON.stringify({ text: 'x'.repeat(100), list: Array.from({ length: 50 }, (_, i) => i) }));
  const one = encode(event);
  if (one.kind === 'refused') throw new Error(one.message);
  const count = Math.floor(LIMIT.bytes / one.bytes);
  const command = BSON.calculateObjectSize({ updates: Array.from({ length: count }, () => one.body) });
  expect(command).toBeLessThanOrEqual(LIMIT.bytes);
  expect(command).toBeGreaterThan(LIMIT.bytes * 0.99);
});
