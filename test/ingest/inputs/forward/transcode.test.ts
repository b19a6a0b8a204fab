// Records in msgpack as JSON: what msgpackr decodes is what comes out, and what JSON cannot say is said by the rules of transcode.ts.
import fc from 'fast-check';
import { Packr, pack } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { ByteWriter } from '#core/bytes.ts';
import { Walk } from '../../../../ingest/inputs/forward/msgpack.ts';
import { Transcoder } from '../../../../ingest/inputs/forward/transcode.ts';

function json(bytes: Uint8Array): string {
  const out = new ByteWriter(1);
  const transcoder = new Transcoder();
  const end = transcoder.write(out, Buffer.from(bytes), 0, bytes.length);
  if (end < 0) return transcoder.fault;
  expect(end).toBe(bytes.length);
  return out.finish().toString();
}
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const map = (value: string): Buffer => Buffer.concat([hex('81 a1 61'), hex(value)]);

describe('what JSON says too comes out as it is', () => {
  test('any JSON value', () => {
    const packr = new Packr({ useRecords: false, variableMapSize: true });
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const text = json(packr.pack(value));
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(text).not.toMatch(/[\n\r]/);
      }),
    );
  });

  test('any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        expect(JSON.parse(json(pack({ t: text.toWellFormed() })))).toEqual({ t: text.toWellFormed() });
      }),
    );
  });

  test.each([
    ['cf ffffffffffffffff', '18446744073709551615'],
    ['cf 0020000000000001', '9007199254740993'],
    ['cf 001fffffffffffff', '9007199254740991'],
    ['d3 8000000000000000', '-9223372036854775808'],
    ['d3 7fffffffffffffff', '9223372036854775807'],
    ['d2 80000000', '-2147483648'],
    ['d1 8000', '-32768'],
    ['d0 80', '-128'],
    ['ce ffffffff', '4294967295'],
    ['cd ffff', '65535'],
    ['cc ff', '255'],
    ['7f', '127'],
    ['e0', '-32'],
    ['cb 3ff199999999999a', '1.1'],
    ['cb 8000000000000000', '-0'],
    ['cb 7e37e43c8800759c', '1e+300'],
    ['ca 3fc00000', '1.5'],
    ['c0', 'null'],
    ['c2', 'false'],
    ['c3', 'true'],
  ])('%s is exactly %s', (bytes, text) => expect(json(map(bytes))).toBe(`{"a":${text}}`));
});

describe('what JSON cannot say', () => {
  test.each([
    ['NaN', 'cb 7ff8000000000000', '"NaN"'],
    ['Infinity', 'cb 7ff0000000000000', '"Infinity"'],
    ['-Infinity', 'ca ff800000', '"-Infinity"'],
    ['bin that is text', 'c4 03 616263', '"abc"'],
    ['bin that is none', 'c4 02 fffe', '"//4="'],
    ['EventTime', 'd7 00 5d0e2a00 075bcd15', '"2019-06-22T13:15:44.123456789Z"'],
    ['EventTime as ext8', 'c7 08 00 5d0e2a00 00000000', '"2019-06-22T13:15:44.000000000Z"'],
    ['a timestamp of 32 bits', 'd6 ff 5d0e2a00', '"2019-06-22T13:15:44.000000000Z"'],
    ['a timestamp of 64 bits', 'd7 ff 00000004 5d0e2a00', '"2019-06-22T13:15:44.000000001Z"'],
    ['a timestamp of 96 bits', 'c7 0c ff 00000001 ffffffffffffffff', '"1969-12-31T23:59:59.000000001Z"'],
    ['a timestamp beyond the years', 'c7 0c ff 00000001 7fffffffffffffff', '{"ext":-1,"data":"AAAAAX//////////"}'],
    ['another extension', 'd4 05 ab', '{"ext":5,"data":"qw=="}'],
    ['str that is not UTF-8', 'a4 61 ff 62 c3', '"a\ufffdb\ufffd"'],
    ['a surrogate in UTF-8', 'a3 eda080', '"\ufffd\ufffd\ufffd"'],
    ['control characters', 'a3 00 0a 1f', '"\\u0000\\n\\u001f"'],
  ])('%s', (_, bytes, text) => expect(json(map(bytes))).toBe(`{"a":${text}}`));

  test('bytes that are not UTF-8 read as a browser reads them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const text = Buffer.from(bytes).toString('utf8');
        expect(JSON.parse(json(Buffer.concat([hex('81 a1 61 d9'), Buffer.of(bytes.length), bytes])))).toEqual({
          a: text,
        });
      }),
    );
  });

  test('names that are no strings, and names that stand twice', () => {
    expect(json(hex('84 01 02 c3 03 c0 04 cb7ff8000000000000 05'))).toBe('{"1":2,"true":3,"null":4,"NaN":5}');
    expect(json(hex('82 a161 01 a161 02'))).toBe('{"a":1,"a":2}');
    expect(json(hex('81 c4 01 61 01'))).toBe('{"a":1}');
    expect(json(hex('81 a9 5f5f70726f746f5f5f 01'))).toBe('{"__proto__":1}');
  });

  test.each([
    ['an array', '81 90 01'],
    ['a map', '81 80 01'],
    ['an extension', '81 d40500 01'],
  ])('%s as a name is refused', (_, bytes) => expect(json(hex(bytes))).toBe('key-invalid'));

  test('too deep is refused, and costs no stack', () => {
    expect(json(Buffer.concat([Buffer.alloc(64, 0x91), hex('c0')]))).toBe(`${'['.repeat(64)}null${']'.repeat(64)}`);
    expect(json(Buffer.alloc(100_000, 0x91))).toBe('json-too-deep');
  });
});

describe('bytes that are no msgpack', () => {
  test('any bytes: JSON or a fault, and the same end that the walk finds', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (bytes) => {
        const buf = Buffer.from(bytes);
        const out = new ByteWriter(1);
        const transcoder = new Transcoder();
        const end = transcoder.write(out, buf, 0, buf.length);
        const walk = new Walk();
        walk.begin(0);
        const walked = walk.end(buf, buf.length, Infinity);
        if (end >= 0) {
          expect(walked).toBe(end);
          JSON.parse(out.finish().toString());
        } else if (transcoder.fault === 'msgpack-malformed') expect(walked).toBeLessThan(0);
      }),
      { numRuns: 3000 },
    );
  });

  test('a walk that is given a byte at a time ends where one over all does', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const bytes = Buffer.from(pack([value, new Date()]));
        const walk = new Walk();
        walk.begin(0);
        for (let end = 0; end < bytes.length; end++) {
          expect(walk.end(bytes, end, Infinity)).toBe(-1);
          expect(walk.needed).toBeLessThanOrEqual(bytes.length);
          expect(walk.needed).toBeGreaterThanOrEqual(end);
        }
        expect(walk.end(bytes, bytes.length, Infinity)).toBe(bytes.length);
      }),
    );
  });
});
