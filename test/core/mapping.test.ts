// A sink's mapping: what it changes, and that nothing else changes.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MappingConfig } from '#core/config/sink-config.ts';
import { compileMapping } from '#core/mapping.ts';

const map = (parts: Partial<MappingConfig>, line: string): string =>
  compileMapping({ drop: [], rename: {}, set: {}, ...parts })(Buffer.from(line)).toString();

const event = (data: string): string => `{"specversion":"1.0","type":"a.b","id":"1","data":${data}}`;

describe('a mapping', () => {
  test.each([
    ['drops a member', { drop: ['/data/card'] }, '{"card":"4111","n":1}', '{"n":1}'],
    ['drops every one of a name', { drop: ['/data/x'] }, '{"x":1,"n":2,"x":3}', '{"n":2}'],
    ['drops in the depth', { drop: ['/data/user/mail'] }, '{"user":{"mail":"m","id":7}}', '{"user":{"id":7}}'],
    ['renames', { rename: { '/data/usr': '/data/user' } }, '{"usr":{"id":7}}', '{"user":{"id":7}}'],
    ['moves up', { rename: { '/data/user/id': '/data/user_id' } }, '{"user":{"id":7}}', '{"user":{},"user_id":7}'],
    ['moves into itself', { rename: { '/data/a': '/data/a/b' } }, '{"a":1}', '{"a":{"b":1}}'],
    ['replaces what a rename meets', { rename: { '/data/a': '/data/b' } }, '{"a":1,"b":2,"b":3}', '{"b":1}'],
    ['sets', { set: { '/data/env': 'prod' } }, '{"n":1}', '{"n":1,"env":"prod"}'],
    ['makes objects on the way', { set: { '/data/a/b': [1] } }, '{}', '{"a":{"b":[1]}}'],
    ['does not write through a text', { set: { '/data/a/b': 1 } }, '{"a":"text"}', '{"a":"text"}'],
    [
      'does not lose what a rename cannot put',
      { rename: { '/data/x': '/data/a/b' } },
      '{"a":1,"x":2}',
      '{"a":1,"x":2}',
    ],
    ['does not enter an array', { drop: ['/data/a/0'] }, '{"a":[1,2]}', '{"a":[1,2]}'],
    ['knows escaped names', { drop: ['/data/a~1b', '/data/~0'] }, '{"a/b":1,"~":2,"\\u006e":3}', '{"n":3}'],
    ['leaves data alone that is no object', { drop: ['/data/a'], set: { '/data/b': 1 } }, '[1]', '[1]'],
    [
      'drops, renames, sets, in this order',
      { drop: ['/data/b'], rename: { '/data/a': '/data/b' }, set: { '/data/b': 9, '/data/c': 1 } },
      '{"a":1,"b":2}',
      '{"b":9,"c":1}',
    ],
  ])('%s', (_, parts, before, after) => {
    expect(map(parts, event(before))).toBe(event(after));
  });

  test('sets data where there are none', () => {
    expect(map({ set: { '/data/a': 1 } }, '{"id":"1"}')).toBe('{"id":"1","data":{"a":1}}');
  });

  test('answers the line itself where nothing changes, and where it is no object', () => {
    const mapping = compileMapping({ drop: ['/data/gone'], rename: {}, set: {} });
    for (const line of [event('{"n":1e400,"m":9007199254740993}'), '[1]', '{"data":', 'x'].map((text) =>
      Buffer.from(text),
    )) {
      expect(mapping(line)).toBe(line);
    }
  });

  test('keeps numbers as they were written', () => {
    const numbers = '{"a":9007199254740993,"b":1.10,"c":-0.0,"d":1E5}';
    expect(map({ set: { '/data/e': true } }, event(numbers))).toBe(event(`${numbers.slice(0, -1)},"e":true}`));
  });

  test('agrees with the same changes of the parsed value', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const leaf = fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.array(fc.integer(), { maxLength: 2 }));
    const level = (inner: fc.Arbitrary<unknown>) =>
      fc.oneof(leaf, fc.dictionary(name, inner, { maxKeys: 3, noNullPrototype: true }));
    const data = fc.dictionary(name, level(level(leaf)), { noNullPrototype: true });
    const path = fc.array(name, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(data, path, path, (value, drop, set) => {
        const wanted = structuredClone(value) as Record<string, unknown>;
        oracleDrop(wanted, drop);
        oracleSet(wanted, set, 'set');
        const mapped = map(
          { drop: [`/data/${drop.join('/')}`], set: { [`/data/${set.join('/')}`]: 'set' } },
          event(JSON.stringify(value)),
        );
        expect((JSON.parse(mapped) as { data: unknown }).data).toEqual(wanted);
      }),
    );
  });
});

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function oracleDrop(value: Record<string, unknown>, path: readonly string[]): void {
  const [step = '', ...rest] = path;
  const inner = value[step];
  if (rest.length === 0) delete value[step];
  else if (isObject(inner)) oracleDrop(inner, rest);
}

function oracleSet(value: Record<string, unknown>, path: readonly string[], leaf: unknown): boolean {
  const [step = '', ...rest] = path;
  if (rest.length === 0) value[step] = leaf;
  else {
    const inner = Object.hasOwn(value, step) ? value[step] : {};
    if (!isObject(inner)) return false;
    if (oracleSet(inner, rest, leaf)) value[step] = inner;
  }
  return true;
}
