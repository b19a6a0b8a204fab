// Lines to events, by format: what is joined, cut, kept as it came; whatever the chunks are.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TailFileConfig } from '#core/config/input-config.ts';
import { EventWriter } from '../../../../ingest/inputs/event-writer.ts';
import { containerOf, nanoseconds } from '../../../../ingest/inputs/tail/formats.ts';
import { fieldsOf, Parser, type Ended } from '../../../../ingest/inputs/tail/parse.ts';
import { isRotationOf, rotatedFrom } from '../../../../ingest/inputs/tail/position.ts';
import { entry } from './tailing.ts';

const NOW = 1_795_711_676_043;

interface Read {
  readonly events: { readonly time: string; readonly data: Readonly<Record<string, unknown>> }[];
  readonly left: number;
  readonly raw: string;
  readonly figures: object;
}

/** Feeds the bytes as a file that grows by `chunk` bytes. */
function read(config: Partial<TailFileConfig>, bytes: Buffer, chunk = bytes.length, ended: Ended = 'none'): Read {
  const whole = entry(config);
  const writer = new EventWriter(
    { types: [], site: 's', host: 'h', clock: () => NOW, random: (target) => target.fill(7) },
    'tail',
  );
  const parser = new Parser(whole, writer, () => undefined);
  const fields = fieldsOf(whole, whole.paths[0] ?? '/var/log/app.log');
  const out: Buffer[] = [];
  let offset = 0;
  let skip = false;
  for (let size = Math.min(chunk, bytes.length); ; size = Math.min(size + chunk, bytes.length)) {
    const end = size === bytes.length;
    for (;;) {
      writer.begin();
      const piece = Buffer.from(bytes.subarray(offset, size));
      const parsed = parser.parse(piece, piece.length, skip, end ? ended : 'none', fields, 1024 * 1024);
      for (const { payload } of writer.groups()) out.push(payload);
      offset += parsed.consumed;
      skip = parsed.skip;
      if (parsed.consumed === 0) break;
    }
    if (end) break;
  }
  const raw = Buffer.concat(out).toString('utf8');
  const events = raw
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Read['events'][number]);
  return { events, left: bytes.length - offset, raw, figures: parser.figures };
}

const data = (config: Partial<TailFileConfig>, text: string | Buffer, ended: Ended = 'none'): unknown[] =>
  read(config, Buffer.from(text), undefined, ended).events.map((event) => event.data);

describe('plain', () => {
  it('makes a message of each line, whatever is in it, and of none that is blank', () => {
    expect(data({}, 'a "b" \\ \t ü\n\r\n\nwindows\r\nrest')).toEqual([
      { message: 'a "b" \\ \t ü' },
      { message: 'windows' },
    ]);
  });

  it('replaces bytes that are not UTF-8, and counts', () => {
    const bytes = Buffer.from([0x61, 0xff, 0xfe, 0x62, 0x0a]);
    const { events, figures } = read({}, bytes);
    expect(events.map((event) => event.data)).toEqual([{ message: 'a��b' }]);
    expect(figures).toMatchObject({ invalidUtf8: 1 });
  });

  it('cuts a line that is too long, within no character, and leaves its rest out, however it comes', () => {
    const text = `short\n${'ü'.repeat(1000)}\nnext\n`;
    for (const chunk of [1, 7, 600, 5000]) {
      const { events, figures } = read({ maxLine: 1025 }, Buffer.from(text), chunk);
      expect(events.map((event) => event.data)).toEqual([
        { message: 'short' },
        { message: 'ü'.repeat(512), truncated: true },
        { message: 'next' },
      ]);
      expect(figures).toMatchObject({ long: 1 });
    }
  });

  it('skips the hole that a truncation under a writer leaves', () => {
    expect(data({}, Buffer.concat([Buffer.alloc(100_000), Buffer.from('after\n')]))).toEqual([{ message: 'after' }]);
  });

  it('takes the last line without its line feed once nothing more comes', () => {
    expect(data({}, 'a\nb', 'none')).toEqual([{ message: 'a' }]);
    expect(data({}, 'a\nb', 'end')).toEqual([{ message: 'a' }, { message: 'b' }]);
  });

  it('reads the same events out of whatever chunks', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.integer({ min: 1, max: 40 }), (lines, chunk) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const whole = read({}, bytes).events.map((event) => event.data);
        expect(read({}, bytes, chunk).events.map((event) => event.data)).toEqual(whole);
      }),
    );
  });
});

describe('json', () => {
  it('keeps the bytes of objects, and what is no object as a message', () => {
    const text = '{"n":9007199254740993,"s":"\\u00e9"}\n[1]\nnot json\n {"a": {"b":1} } \r\n{"a":"\\ud800"}\n';
    const { events, raw, figures } = read({ format: 'json' }, Buffer.from(text));
    expect(raw).toContain('"data":{"n":9007199254740993,"s":"\\u00e9"}}');
    expect(events.map((event) => event.data).slice(1)).toEqual([
      { message: '[1]' },
      { message: 'not json' },
      { a: { b: 1 } },
      { message: '{"a":"\\ud800"}' },
    ]);
    expect(figures).toMatchObject({ unparsed: 3 });
  });

  it('adds the path where asked to', () => {
    expect(data({ format: 'json', pathField: 'file', paths: ['/l/a.log'] }, '{"a":1}\n{}\nx\n')).toEqual([
      { file: '/l/a.log', a: 1 },
      { file: '/l/a.log' },
      { file: '/l/a.log', message: 'x' },
    ]);
  });
});

describe('regexp', () => {
  const config = { format: 'regexp', pattern: '^(?<time>\\S+) (?<level>[A-Z]+) (?<text>.*)$' } as const;

  it('takes named groups, the time among them, and other lines as messages', () => {
    const { events } = read(config, Buffer.from('2026-11-26T10:00:00.123456789Z INFO hello\nother\n'));
    expect(events).toMatchObject([
      { time: '2026-11-26T10:00:00.123456789Z', data: { level: 'INFO', text: 'hello' } },
      { data: { message: 'other' } },
    ]);
  });

  it('stays linear for a pattern that would not', () => {
    const started = performance.now();
    data({ format: 'regexp', pattern: '^(?P<a>(a+)+)$' }, `${'a'.repeat(30_000)}b\n`);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('says what is wrong with a pattern', () => {
    expect(() => data({ format: 'regexp', pattern: '(' }, '')).toThrow('not a regular expression of RE2: ');
  });
});

describe('multiline', () => {
  const config = { multiline: { start: '^\\d{4}-', timeout: 1000 } };
  const text = '2026-01-01 boom\n  at a\n\n  at b\n2026-01-02 fine\n';

  it('joins lines up to the next that begins a record, and the last one once nothing comes', () => {
    expect(data(config, text)).toEqual([{ message: '2026-01-01 boom\n  at a\n\n  at b' }]);
    expect(data(config, text, 'idle')).toEqual([
      { message: '2026-01-01 boom\n  at a\n\n  at b' },
      { message: '2026-01-02 fine' },
    ]);
    expect(data(config, `${text}  more`, 'end').at(-1)).toEqual({ message: '2026-01-02 fine\n  more' });
  });

  it('is bounded', () => {
    const long = `2026-01-01 a\n${'  at x\n'.repeat(1000)}2026-01-02 b\n`;
    const [first] = data({ ...config, maxLine: 1024 }, long, 'idle') as { message: string; truncated?: boolean }[];
    expect(first).toMatchObject({ truncated: true });
    expect(first?.message.length).toBeLessThanOrEqual(1024);
  });
});

describe('containers', () => {
  const id = 'a'.repeat(64);
  const path = `/var/log/containers/api-7d_shop_web-${id}.log`;

  it('reads pod, namespace and container from the name', () => {
    expect(containerOf(path)).toEqual({ pod: 'api-7d', namespace: 'shop', container: 'web', container_id: id });
    expect(containerOf('/var/log/pods/shop_api-7d_0f-9/web/3.log')).toEqual({
      pod: 'api-7d',
      namespace: 'shop',
      container: 'web',
      pod_uid: '0f-9',
    });
  });

  const cri = [
    '2026-11-26T10:00:00.000000001Z stdout F one',
    '2026-11-26T10:00:00.1Z stdout P two ',
    '2026-11-26T10:00:00.2Z stderr F other',
    '2026-11-26T10:00:00.3Z stdout F halves',
    'no cri at all',
    '2026-11-26T10:00:01+01:00 stdout F  spaces ',
  ];

  it('joins the parts of CRI lines by stream, and keeps their times', () => {
    const { events } = read({ format: 'cri', paths: [path] }, Buffer.from(`${cri.join('\n')}\n`), 11);
    expect(events.map(({ data: { message, stream } }) => [message, stream])).toEqual([
      ['one', 'stdout'],
      ['other', 'stderr'],
      ['two halves', 'stdout'],
      ['no cri at all', undefined],
      [' spaces ', 'stdout'],
    ]);
    expect(events[0]).toMatchObject({ time: '2026-11-26T10:00:00.000000001Z', data: { pod: 'api-7d' } });
    expect(events[2]?.time).toBe('2026-11-26T10:00:00.100Z');
    expect(events[4]?.time).toBe('2026-11-26T09:00:01.000Z');
  });

  it('leaves no part behind as done: a position is below it', () => {
    const bytes = Buffer.from(`${cri.slice(0, 3).join('\n')}\n`);
    const { events, left } = read({ format: 'cri', paths: [path] }, bytes);
    expect(events.map((event) => event.data['message'])).toEqual(['one']);
    expect(left).toBe(bytes.length - (cri[0]?.length ?? 0) - 1);
  });

  it('reads the json-file of Docker, parts joined', () => {
    const lines = [
      { log: 'a\n', stream: 'stdout', time: '2026-11-26T10:00:00.5Z' },
      { log: 'long ', stream: 'stdout', time: '2026-11-26T10:00:01Z' },
      { log: 'line\r\n', stream: 'stdout', time: '2026-11-26T10:00:02Z' },
    ];
    const { events } = read(
      { format: 'docker' },
      Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join('')),
    );
    expect(events).toMatchObject([
      { time: '2026-11-26T10:00:00.500Z', data: { message: 'a', stream: 'stdout' } },
      { time: '2026-11-26T10:00:01.000Z', data: { message: 'long line', stream: 'stdout' } },
    ]);
  });

  it('joins the records of containers that consist of lines', () => {
    const text = ['F boom', 'F   at a', 'P   at ', 'F b', 'F next'].map(
      (rest, i) => `2026-11-26T10:00:0${i}Z stdout ${rest}\n`,
    );
    expect(data({ format: 'cri', multiline: { start: '^\\S', timeout: 1000 } }, text.join(''), 'idle')).toMatchObject([
      { message: 'boom\n  at a\n  at b' },
      { message: 'next' },
    ]);
  });
});

it('knows nanoseconds exactly', () => {
  expect(nanoseconds('2026-11-26T10:00:00.123456789+01:00')).toBe(1795683600123456789n);
  expect(nanoseconds('yesterday')).toBe(null);
});

it.each([
  ['app.log.1', true],
  ['app.log-20261126', true],
  ['app.log.2026-11-26T10:00', true],
  ['app-20261126.log', true],
  ['app.2.log', true],
  ['app.log', false],
  ['app.log.old', false],
  ['app2.log', false],
  ['other.log.1', false],
])('%s is a rotation of app.log: %s', (name, is) => {
  expect(isRotationOf('app.log', name)).toBe(is);
  expect(rotatedFrom(name, new Set(['app.log', 'x'])) === 'app.log').toBe(is);
});
