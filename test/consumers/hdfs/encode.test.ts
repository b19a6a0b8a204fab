import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dataKey, parseDataKey, recordKey } from '../../../consumers/chain/keys.ts';
import { deadlineFor, encodePath, folderPath, pathOf, seek, TEMPORARY, urlOf } from '../../../consumers/hdfs/encode.ts';

const MIB = 1_048_576;

describe('a key', () => {
  it('of the chain is a path that HDFS takes, whatever the type', () => {
    const type = fc.stringMatching(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,3}$/).filter((text) => text.length <= 200);
    const sink = fc.stringMatching(/^[a-z][a-z0-9-]{0,62}$/);
    fc.assert(
      fc.property(type, sink, fc.nat({ max: 999 }), fc.nat({ max: 500_000 }), (typeName, sinkName, n, hour) => {
        const data = { type: typeName, hour, sink: sinkName, partition: 3, n: n + 1, name: 'x1' };
        const key = dataKey(data);
        for (const name of [key, recordKey({ sink: sinkName, partition: 3 }, n + 1, 'intent')]) {
          const path = pathOf('/events', name);
          expect(path).toBe(`/events/${name}`);
          expect(
            path.split('/').every((step, i) => i === 0 || (step !== '' && !/^\.|:/.test(step) && step.length <= 255)),
          ).toBe(true);
          // As the server reads the URL.
          expect(decodeURIComponent(urlOf('http://nn:9870', path, {}).pathname)).toBe(`/webhdfs/v1${path}`);
        }
        expect(parseDataKey(key)).toEqual(data);
      }),
    );
  });

  it.each(['a:b', 'a//b', '/a', 'a/', '', '.a', 'a/.b', '../a', 'a/..', 'a\0', `${TEMPORARY}/x`])(
    '"%s" is none',
    (key) => {
      expect(() => pathOf('/events', key)).toThrow(RangeError);
    },
  );

  it('of a folder is its path', () => {
    expect(folderPath('/events', '')).toBe('/events');
    expect(folderPath('/events', 'type=a/')).toBe('/events/type=a');
  });
});

it('encodes what would end a path', () => {
  expect(encodePath('/a%b/c?d#e f')).toBe('/a%25b/c%3Fd%23e%20f');
});

it('names parameters in lower case', () => {
  expect(urlOf('http://nn:9870', '/a', { op: 'RENAME', destination: '/b&c', renameoptions: 'NONE' }).href).toBe(
    'http://nn:9870/webhdfs/v1/a?op=RENAME&destination=%2Fb%26c&renameoptions=NONE',
  );
});

it.each([
  [0, 1],
  [16 * MIB, 1],
  [16 * MIB + 1, 2],
  [1024 * MIB, 64],
])('gives %i bytes the time-out %i times', (bytes, times) => {
  expect(deadlineFor(bytes, 30_000)).toBe(times * 30_000);
});

it.each([
  ['', '', { exact: [], after: '' }],
  ['type=', '', { exact: ['type='], after: 'type=' }],
  ['', 'a.b/x', { exact: ['a', 'a.b'], after: 'a.b' }],
  ['a.', 'a.b-c/x', { exact: ['a.b', 'a.b-c'], after: 'a.b-c' }],
  ['b', 'a', { exact: ['b'], after: 'b' }],
  ['a', 'b', null],
  ['', '.b-c', { exact: [], after: '.b-c' }],
])('where names begin with "%s", seeks "%s"', (start, rest, found) => {
  expect(seek(start, rest)).toEqual(found);
});
