import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { scanMembers } from '#core/json/members.ts';
import { pointerAt } from '#core/json/pointer.ts';
import { type Framing, type Scanned, scanEvents } from '#core/json/scan.ts';

const scan = (text: string | Buffer, framing: Framing = 'value', limits?: { depth: number; events: number }) => {
  const body = Buffer.from(text);
  return { body, result: scanEvents(body, framing, limits) };
};
function scanned(
  text: string | Buffer,
  framing: Framing,
  limits?: { depth: number; events: number },
): { events: string[]; faults: Scanned['faults'] } {
  const { body, result } = scan(text, framing, limits);
  if (result.kind === 'refused') throw new Error(`refused: ${result.code} ${result.message}`);
  const events: string[] = [];
  for (let i = 0; i < result.spans.length; i += 2)
    events.push(body.toString('utf8', result.spans[i], result.spans[i + 1]));
  return { events, faults: result.faults };
}
const code = (text: string | Buffer, framing: Framing = 'value'): string => {
  const { result } = scan(text, framing);
  return result.kind === 'refused'
    ? result.code
    : [...result.faults.values()].map((fault) => fault.code).join() || 'scanned';
};
const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};
const jsonText = fc
  .tuple(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t', '\r'))
  .map(([value, indent]) => JSON.stringify(value, null, indent));

describe('the grammar, against JSON.parse', () => {
  test('whatever JSON.stringify makes is taken, and stays the same value on one line', () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        const { events } = scanned(text, 'value');
        expect(JSON.parse(events[0] ?? '')).toEqual(JSON.parse(text));
        expect(events[0]).not.toMatch(/[\r\n]/);
      }),
      { numRuns: 500 },
    );
  });

  test('a document with one byte changed, inserted, removed or cut off is taken where JSON.parse takes it', () => {
    const bytes = '{}[]:,"\\ \n\t0123456789-+.eEtrufalsn/bu\u0000\u001fdD8cC'.split('');
    fc.assert(
      fc.property(
        jsonText,
        fc.nat(),
        fc.constantFrom(...bytes),
        fc.constantFrom('change', 'insert', 'remove', 'cut'),
        (text, at, byte, how) => {
          const i = at % (text.length + 1);
          const changed =
            how === 'cut'
              ? text.slice(0, i)
              : text.slice(0, i) + (how === 'remove' ? '' : byte) + text.slice(how === 'insert' ? i : i + 1);
          fc.pre(changed.isWellFormed());
          expect(['scanned', 'surrogate-lone'].includes(code(changed))).toBe(parses(changed));
        },
      ),
      { numRuns: 5000 },
    );
  });

  test('random text over the alphabet of JSON is taken where JSON.parse takes it', () => {
    const letters = fc.constantFrom(
      ...'{}[]:,"\\ 019-+.eE'.split(''),
      'true',
      'false',
      'null',
      '"a"',
      '1',
      '\\u00e9',
      '"b":',
    );
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 9 }), (parts) => {
        const text = parts.join('');
        expect(code(text) === 'scanned').toBe(parses(text));
      }),
      { numRuns: 20_000 },
    );
  });

  test.each([
    '01',
    '-',
    '1.',
    '.5',
    '+1',
    '1e',
    '1e+',
    '0x10',
    'NaN',
    'Infinity',
    'tru',
    'nulll',
    "'a'",
    '"\\x41"',
    '"\\u12g4"',
    '{a:1}',
    '[1,]',
    '{"a":1,}',
    '//',
    '"a\nb"',
    '"a\tb"',
    '[1',
    '{"a"',
    '"',
    '1 2',
    '[1]]',
    '\u00a01',
    '\u20281',
  ])('%j is refused', (text) => {
    expect(parses(text)).toBe(false);
    expect(code(text)).toBe('json-malformed');
  });

  test('numbers and escapes stay what was sent', () => {
    const data = '{"n":9007199254740993,"f":1.10,"big":1e400,"e":"\\u00e9\\/"}';
    expect(scanned(data, 'value').events).toEqual([data]);
  });

  test('a message says where, in bytes from the start, and a pointer to the value', () => {
    expect(scan('{"a":[1,{"b":tru}]}').result).toMatchObject({
      pointer: '/a/1/b',
      message: 'This is not valid JSON: a value was expected at byte 14.',
    });
    expect(scan('[{"a":1},{"b":2]', 'array').result).toMatchObject({ pointer: '/1/b', code: 'json-malformed' });
  });
});

describe('framing', () => {
  test('the elements of an array, with line breaks made blanks', () => {
    expect(scanned(' [ {"a":1} ,\n[2,\n3], "x,]" ,4\r\n] \n', 'array').events).toEqual([
      '{"a":1}',
      '[2, 3]',
      '"x,]"',
      '4',
    ]);
    expect(scanned('{"a":\n1}', 'array').events).toEqual(['{"a": 1}']);
    expect(scanned('[1,2]', 'value').events).toEqual(['[1,2]']);
  });

  test('spans of random arrays hold the elements', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { minLength: 1 }), fc.constantFrom(undefined, 2), (values, indent) => {
        const { events } = scanned(JSON.stringify(values, null, indent), 'array');
        expect(events.map((event) => JSON.parse(event))).toEqual(JSON.parse(JSON.stringify(values)));
      }),
    );
  });

  test('lines: a bad one is refused alone, blank ones are none', () => {
    const { events, faults } = scanned('{"a":1}\r\n\n{"b":\n  {"c":3} \n"d" 5\n[4]', 'lines');
    expect(events).toEqual(['{"a":1}', '{"b":', '{"c":3}', '"d" 5', '[4]']);
    expect([...faults].map(([index, fault]) => [index, fault.code, fault.message.replace(/.*: /, '')])).toEqual([
      [1, 'json-malformed', 'it ends where a value was expected at byte 6.'],
      [3, 'json-malformed', 'the end of the line was expected at byte 5.'],
    ]);
  });

  test('a fault in one line does not taint the next', () => {
    expect([...scanned(`{"a":"\\ud800",}\n{"a":1}\n${'['.repeat(80)}\n[1]`, 'lines').faults.keys()]).toEqual([0, 2]);
  });

  test('bodies without events', () => {
    expect([code(''), code(' \n'), code('', 'array'), code('\n \r\n', 'lines')]).toEqual(Array(4).fill('body-empty'));
    expect([code('[]', 'array'), code('[ \n]', 'array'), code('[]')]).toEqual([
      'batch-empty',
      'batch-empty',
      'scanned',
    ]);
  });

  test('more events than allowed are refused before memory is taken for them', () => {
    const limits = { depth: 64, events: 3 };
    expect(scan('[1,2,3]', 'array', limits).result.kind).toBe('scanned');
    expect(scan('[1,2,3,4', 'array', limits).result).toMatchObject({
      code: 'batch-too-many',
      message: expect.stringContaining('more than 3 events'),
    });
    expect(scan('1\n2\n3\n4', 'lines', limits).result).toMatchObject({ code: 'batch-too-many' });
  });
});

const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

describe('what JSON.parse would let pass', () => {
  test('nesting: 64 levels in an event, not 65; neighbours are taken', () => {
    expect(code(nested(64))).toBe('scanned');
    expect(code(nested(65))).toBe('json-too-deep');
    expect(code(`${'{"a":'.repeat(64)}1${'}'.repeat(64)}`)).toBe('scanned');
    expect(code(`${'{"a":'.repeat(65)}1${'}'.repeat(65)}`)).toBe('json-too-deep');
    const { events, faults } = scanned(`[1,${nested(65)},{"a":[${nested(64)}]},${nested(64)}]`, 'array');
    expect(events).toHaveLength(4);
    expect([...faults].map(([index, fault]) => [index, fault.code, fault.pointer])).toEqual([
      [1, 'json-too-deep', '/0'.repeat(64)],
      [2, 'json-too-deep', `/a${'/0'.repeat(63)}`],
    ]);
  });

  test('50,000 levels and more are an answer, closed or not', () => {
    expect(code(nested(50_000))).toBe('json-too-deep');
    expect(code('['.repeat(50_000))).toBe('json-malformed');
    const { result } = scan('{"a":'.repeat(1_000_000));
    expect(result).toMatchObject({ code: 'json-malformed', pointer: '/a'.repeat(64) });
  });

  test('escaped halves of surrogate pairs, with their pointer', () => {
    expect(code('"\\ud83d\\ude00"')).toBe('scanned');
    for (const half of ['\\ud800', '\\udc00', '\\ud800\\ud800', '\\ud800x', '\\ud800\\n', '\\uDFFF', '\\udc00\\ud800'])
      expect(code(`"${half}"`)).toBe('surrogate-lone');
    const { faults } = scanned('[{"a":"x"},{"b":[0,{"c/d":"\\ud800"}]},{"\\udc00":1}]', 'array');
    expect([...faults].map(([index, fault]) => [index, fault.pointer])).toEqual([
      [1, '/b/1/c~1d'],
      [2, ''],
    ]);
  });

  test('bytes that are not UTF-8: the event that holds them is refused', () => {
    const bad = Buffer.concat([Buffer.from('[{"a":"é"},{"b":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"},3]')]);
    expect([...scanned(bad, 'array').faults].map(([index, fault]) => [index, fault.code])).toEqual([
      [1, 'utf8-invalid'],
    ]);
    expect(code(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))).toBe('utf8-invalid');
    expect(code(Buffer.from('{"a":1}', 'utf16le'))).toBe('json-malformed');
    expect(code(Buffer.from([0xff, 0xfe, 0x7b, 0x00]))).toBe('utf8-invalid');
  });

  test('a byte order mark', () => {
    for (const framing of ['value', 'array', 'lines'] as const)
      expect(code('\ufeff{"a":1}', framing)).toBe('bom-present');
  });
});

const duplicate = (text: string): string | null => scanMembers(Buffer.from(text), 0, Buffer.byteLength(text)).duplicate;

describe('members', () => {
  test('of any object: names, and the bytes of their values', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()),
        fc.constantFrom(undefined, 1),
        (object, indent) => {
          const text = JSON.stringify(object, null, indent);
          const buf = Buffer.from(text);
          const { names, spans, duplicate: twice } = scanMembers(buf, 0, buf.length);
          const model = Object.entries(JSON.parse(text) as object);
          expect(twice).toBeNull();
          expect(
            names.map((name, m) => [
              name,
              JSON.parse(buf.toString('utf8', spans[3 * m + 1], spans[3 * m + 2])) as unknown,
            ]),
          ).toEqual(model);
          names.forEach((name, m) =>
            expect(buf.toString('utf8', spans[3 * m], spans[3 * m + 2]).startsWith(JSON.stringify(name))).toBe(true),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  test('a name that stands twice is reported, however it is written, and among many', () => {
    expect(duplicate('{"a":1,"b":{"a":2},"\\u0061":3}')).toBe('a');
    expect(duplicate('{"a":1,"b":{"a":2,"a":3}}')).toBeNull();
    const many = Array.from({ length: 40 }, (_, i) => `"k${i}":${i}`);
    expect(duplicate(`{${many.join()}}`)).toBeNull();
    expect(duplicate(`{${[...many, '"k3":0'].join()}}`)).toBe('k3');
    expect(duplicate(`{${[...many, '"k30":0'].join()}}`)).toBe('k30');
  });
});

test('the pointer of any value in a document leads to it', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), fc.string(), (value, mark) => {
      // One string is marked; where its bytes start, the pointer must lead to it.
      const target = `\u0001${mark}`;
      const document = { 'a/b': [value, { '': value, '~': target }], after: value };
      const text = JSON.stringify(document);
      const buf = Buffer.from(text);
      const at = buf.indexOf(JSON.stringify(target));
      expect(pointerAt(buf, 0, at)).toBe('/a~1b/1/~0');
    }),
  );
});
