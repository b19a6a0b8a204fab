// What inputs write: whole lines, their times to the nanosecond, grouped by type.
import { randomFillSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { parseEventLine } from '#core/event-line.ts';
import type { NamedType } from '#core/event.ts';
import { isUuidv7 } from '#core/uuid.ts';
import { EventWriter } from '../../../ingest/inputs/event-writer.ts';

const NOW = Date.parse('2026-11-23T14:00:00.123Z');
const types = [{ match: 'kube.**', type: 'kube.log' }];
const data = Buffer.from('{"n":1}');

function writer(clock = () => NOW): EventWriter {
  const made = new EventWriter({ types, site: 'chicago', host: 'web 1', clock, random: randomFillSync }, 'udp');
  made.begin();
  return made;
}

function named(from: EventWriter, name: string): NamedType {
  const answer = from.namer(name);
  if (answer.kind === 'refused') throw new Error(answer.message);
  return answer;
}

test('data of a named type become a whole event', () => {
  const from = writer();
  expect(from.data(named(from, 'kube.a/b'), 1, 5e6, data, 0, data.length)).toBeNull();
  const [group] = from.groups();
  expect(group).toMatchObject({ type: 'kube.log', count: 1 });
  const line = parseEventLine(group?.payload ?? '');
  expect(line).toMatchObject({
    type: 'kube.log',
    tag: 'kube.a/b',
    source: '/chicago/web%201/udp',
    time: '1970-01-01T00:00:01.005Z',
    receivedat: '2026-11-23T14:00:00.123Z',
    host: 'web 1',
    site: 'chicago',
  });
  expect(isUuidv7(line?.id ?? '')).toBe(true);
});

test('times keep their nanoseconds, and each event its own', () => {
  const from = writer();
  const type = named(from, 'a');
  const times = [
    [1_795_442_400, 0],
    [1_795_442_400, 1],
    [1_795_442_401, 1],
    [1_795_442_401, 120_000_000],
    [1_795_442_401, 999_999_999],
    [253_402_300_799, 0],
  ] as const;
  for (const [seconds, nanos] of times) from.data(type, seconds, nanos, data, 0, data.length);
  const lines = from.groups()[0]?.payload.toString().trimEnd().split('\n') ?? [];
  expect(lines.map((line) => parseEventLine(line)?.time)).toEqual([
    '2026-11-23T14:00:00.000Z',
    '2026-11-23T14:00:00.000000001Z',
    '2026-11-23T14:00:01.000000001Z',
    '2026-11-23T14:00:01.120Z',
    '2026-11-23T14:00:01.999999999Z',
    '9999-12-31T23:59:59.000Z',
  ]);
});

test('what was begun can be taken back, and lines of several types are grouped in order', () => {
  let now = NOW;
  const from = writer(() => now);
  const [a, b] = [named(from, 'a'), named(from, 'b')];
  from.data(a, 1, 0, data, 0, data.length);
  from.open(b, 1, 0).ascii('{"half":');
  from.cancel();
  from.data(b, 1, 0, data, 0, data.length);
  from.data(a, 2, 0, data, 0, data.length);
  expect(from.groups().map(({ type, count }) => [type, count])).toEqual([
    ['a', 2],
    ['b', 1],
  ]);
  now += 1;
  from.begin();
  expect(from.count).toBe(0);
  from.data(a, 1, 0, data, 0, data.length);
  expect(from.groups()[0]?.payload.toString()).toContain('"receivedat":"2026-11-23T14:00:00.124Z"');
});
