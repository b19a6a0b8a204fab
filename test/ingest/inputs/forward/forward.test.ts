// The forward protocol as real clients speak it, with the traps that they set.
import dgram from 'node:dgram';
import { once } from 'node:events';
import zlib from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { type Client, connect, entries, eventTime, pack, packed, serveForward } from './forward-client.ts';

const TIME = 1_700_000_000;
const AT = '2023-11-14T22:13:20.000Z';
const chunkOf = (chunk: string): Buffer => pack({ chunk });
const str32 = (bytes: Buffer): Buffer => {
  const head = Buffer.of(0xdb, 0, 0, 0, 0);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
};
const bin = (bytes: Buffer): Buffer => pack(bytes);

describe('every mode', () => {
  const two = entries({ n: 0 }, { n: 1 });
  test.each<readonly [string, Buffer, number]>([
    ['Message', pack(['app.log', TIME, { n: 0 }, { chunk: 'c' }]), 1],
    ['Message with EventTime', packed(pack('app.log'), eventTime(TIME, 0), pack({ n: 0 }), chunkOf('c')), 1],
    [
      'Forward',
      pack([
        'app.log',
        [
          [TIME, { n: 0 }],
          [TIME + 1, { n: 1 }],
        ],
        { chunk: 'c' },
      ]),
      2,
    ],
    ['PackedForward as bin', packed(pack('app.log'), bin(two), chunkOf('c')), 2],
    ['PackedForward as str32, as Fluentd sends it', packed(pack('app.log'), str32(two), chunkOf('c')), 2],
    ['compressed: text', packed(pack('app.log'), bin(two), pack({ chunk: 'c', compressed: 'text' })), 2],
    ['gzip', packed(pack('app.log'), bin(zlib.gzipSync(two)), pack({ chunk: 'c', compressed: 'gzip' })), 2],
    [
      'gzip of several members',
      packed(
        pack('app.log'),
        str32(Buffer.concat([zlib.gzipSync(entries({ n: 0 })), zlib.gzipSync(pack([TIME + 1, { n: 1 }]))])),
        pack({ size: 2, chunk: 'c', compressed: 'gzip' }),
      ),
      2,
    ],
    ['zstd', packed(pack('app.log'), bin(zlib.zstdCompressSync(two)), pack({ chunk: 'c', compressed: 'zstd' })), 2],
    [
      'zstd of several frames',
      packed(
        pack('app.log'),
        bin(
          Buffer.concat([zlib.zstdCompressSync(entries({ n: 0 })), zlib.zstdCompressSync(pack([TIME + 1, { n: 1 }]))]),
        ),
        pack({ chunk: 'c', compressed: 'zstd' }),
      ),
      2,
    ],
  ])('%s', async (_, message, count) => {
    await using served = await serveForward();
    await using client = await connect(served.port);
    client.send(message);
    expect(await client.answered(1)).toEqual([{ ack: 'c' }]);
    expect(served.recorder.events().map(({ type, time, payload }) => ({ type, time, payload }))).toEqual(
      [
        { type: 'app.log', time: AT, payload: { n: 0 } },
        { type: 'app.log', time: '2023-11-14T22:13:21.000Z', payload: { n: 1 } },
      ].slice(0, count),
    );
    expect(served.recorder).toMatchObject({ accepted: count, lost: {}, refused: {}, closed: {}, levels: ['disk'] });
  });
});

describe('times', () => {
  test.each<readonly [string, Buffer, string | null]>([
    ['seconds', pack(TIME), AT],
    ['EventTime, to the nanosecond', eventTime(TIME, 123_456_789), '2023-11-14T22:13:20.123456789Z'],
    ['EventTime as ext8', Buffer.from('c708006553f10000000000', 'hex'), AT],
    ['float seconds', pack(TIME + 0.25), '2023-11-14T22:13:20.250Z'],
    [
      'milliseconds, as fluent-logger sends them where told to',
      Buffer.from('cf0000018bcfe56807', 'hex'),
      '2023-11-14T22:13:20.007Z',
    ],
    ['milliseconds as a float', pack(TIME * 1000 + 7), '2023-11-14T22:13:20.007Z'],
    ['[time, metadata], as Fluent Bit sends it', packed(eventTime(TIME, 0), pack({ a: 1 })), AT],
    ['zero is now', pack(0), null],
    ['nil is now', pack(null), null],
    ['less than zero is now', pack(-5), null],
    ['beyond the year 9999 is now', Buffer.from('cf7fffffffffffffff', 'hex'), null],
    ['nanoseconds that are too many', Buffer.from('d7006553f100ffffffff', 'hex'), null],
  ])('%s', async (_, time, wanted) => {
    const now = Date.parse('2026-11-23T14:00:00.042Z');
    await using served = await serveForward({ clock: () => now });
    await using client = await connect(served.port);
    client.send(packed(pack('a'), packed(packed(time, pack({}))), chunkOf('c')));
    await client.answered(1);
    expect(served.recorder.events()[0]?.time).toBe(wanted ?? '2026-11-23T14:00:00.042Z');
  });
});

describe('acknowledgements', () => {
  test('only once the level is reached', async () => {
    await using served = await serveForward({ level: 'site' });
    await using client = await connect(served.port);
    const held = served.recorder.hold();
    client.send(pack(['a', TIME, {}, { chunk: 'c' }]));
    // The next connection's is answered while this one waits: what was sent has been read.
    await using other = await connect(served.port);
    await held.asked;
    served.recorder.outcome = null;
    other.send(pack(['a', TIME, {}, { chunk: 'd' }]));
    expect(await other.answered(1)).toEqual([{ ack: 'd' }]);
    expect(client.answers).toEqual([]);
    held.release();
    expect(await client.answered(1)).toEqual([{ ack: 'c' }]);
    expect(served.recorder.levels).toEqual(['site', 'site']);
  });

  test('the bytes of the chunk exactly as they came', async () => {
    await using served = await serveForward();
    await using client = await connect(served.port);
    // Ruby's base64 ends in a newline; str8 though it is short; a bin; bytes that are no text.
    const chunks = ['a8 7a32466b515f4d0a', 'd9 03 616263', 'c4 02 ff00', 'a4 ff00fe01'].map((text) =>
      Buffer.from(text.replaceAll(' ', ''), 'hex'),
    );
    const sent = Buffer.from('81a561636b2121', 'hex');
    expect(sent).toHaveLength(7);
    for (const chunk of chunks)
      client.send(packed(pack('a'), pack(TIME), pack({}), Buffer.concat([Buffer.of(0x81), pack('chunk'), chunk])));
    const wanted = Buffer.concat(chunks.map((chunk) => Buffer.concat([Buffer.from('81a361636b', 'hex'), chunk])));
    await vi.waitFor(() => expect(Buffer.concat(client.pieces)).toEqual(wanted));
  });

  test('one write each, so that a client which looks for one answer a read finds it', async () => {
    await using served = await serveForward();
    await using client = await connect(served.port);
    client.send(Buffer.concat(['x', 'y', 'z'].map((chunk) => pack(['a', TIME, {}, { chunk }]))));
    expect(await client.answered(3)).toEqual([{ ack: 'x' }, { ack: 'y' }, { ack: 'z' }]);
  });

  test('equal chunks are not the same: both are stored, both acknowledged', async () => {
    await using served = await serveForward();
    await using client = await connect(served.port);
    const message = pack(['a', [[TIME, { n: 1 }]], { chunk: 'hash-of-the-payload' }]);
    client.send(message, message);
    expect(await client.answered(2)).toHaveLength(2);
    expect(served.recorder.accepted).toBe(2);
  });

  test('no chunk, no answer; an option map that is always there, and one that is nil', async () => {
    await using served = await serveForward();
    await using client = await connect(served.port);
    client.send(
      pack(['a', TIME, {}]),
      pack(['a', TIME, {}, {}]),
      pack(['a', TIME, {}, null]),
      pack(['a', TIME, {}, { chunk: null }]),
    );
    client.send(pack(['a', TIME, {}, { chunk: 'last' }]));
    expect(await client.answered(1)).toEqual([{ ack: 'last' }]);
    expect(served.recorder.accepted).toBe(5);
  });

  test('a size that is wrong is no matter', async () => {
    await using served = await serveForward();
    await using client = await connect(served.port);
    client.send(packed(pack('a'), bin(entries({ n: 1 })), pack({ size: 10 ** 9, chunk: 'c' })));
    expect(await client.answered(1)).toEqual([{ ack: 'c' }]);
    expect(served.recorder.accepted).toBe(1);
  });

  test('a client that closes its side gets what is due, and then the end', async () => {
    await using served = await serveForward();
    await using client = await connect(served.port);
    client.send(pack(['a', TIME, {}, { chunk: 'c' }]));
    client.socket.end();
    await client.ended();
    expect(client.answers).toEqual([{ ack: 'c' }]);
  });
});

describe('what cannot be stored', () => {
  test.each(['full', 'disk', 'closing'] as const)('%s: the connection is closed, never silent', async (reason) => {
    await using served = await serveForward();
    served.recorder.outcome = () => Promise.resolve({ kind: 'refused', reason, message: '', retryAfter: 1 });
    await using client = await connect(served.port);
    client.send(
      pack([
        'a',
        [
          [TIME, {}],
          [TIME, {}],
        ],
        { chunk: 'c' },
      ]),
      pack(['a', TIME, {}]),
    );
    await client.ended();
    expect(client.answers).toEqual([]);
    await vi.waitFor(() => expect(served.recorder.refused).toEqual({ [reason]: 2 }));
    expect(served.recorder).toMatchObject({ lost: { [reason]: 1 }, closed: { 'not-stored': 1 }, accepted: 0 });
  });

  test('a fault of ours: the same', async () => {
    await using served = await serveForward();
    served.recorder.outcome = () => Promise.reject(new Error('a bug'));
    await using client = await connect(served.port);
    client.send(pack(['a', TIME, {}, { chunk: 'c' }]));
    await client.ended();
    expect(client.answers).toEqual([]);
    expect(served.recorder.faults).toHaveLength(1);
    expect(served.recorder.refused).toEqual({ disk: 1 });
  });
});

describe('what can never be accepted is counted and acknowledged, and costs its neighbours nothing', () => {
  const good = pack([TIME, { n: 1 }]);
  test.each<readonly [string, Buffer, Record<string, number>, number]>([
    [
      'a tag that is no type',
      pack([
        'no type',
        [
          [TIME, {}],
          [TIME, {}],
        ],
        { chunk: 'c' },
      ]),
      { 'type-invalid': 2 },
      0,
    ],
    [
      'a tag that is no type, packed',
      packed(pack('a b'), bin(entries({}, {}, {})), chunkOf('c')),
      { 'type-invalid': 3 },
      0,
    ],
    ['an empty tag', pack(['', TIME, {}, { chunk: 'c' }]), { 'type-missing': 1 }, 0],
    ['a tag that is no text', pack([7, TIME, {}, { chunk: 'c' }]), { 'message-malformed': 1 }, 0],
    [
      'a record that is no map',
      pack([
        'a',
        [
          [TIME, 'text'],
          [TIME, {}],
        ],
        { chunk: 'c' },
      ]),
      { 'record-not-object': 1 },
      1,
    ],
    ['an entry that is none', pack(['a', [7, [TIME, {}]], { chunk: 'c' }]), { 'message-malformed': 1 }, 1],
    [
      'a record that is too large',
      packed(pack('a'), bin(Buffer.concat([pack([TIME, { t: 'x'.repeat(70_000) }]), good])), chunkOf('c')),
      { 'event-too-large': 1 },
      1,
    ],
    [
      'a record that is too deep',
      packed(
        pack('a'),
        bin(Buffer.concat([Buffer.of(0x92, 1, 0x81, 0xa1, 0x61), Buffer.alloc(80, 0x91), Buffer.of(0xc0), good])),
        chunkOf('c'),
      ),
      { 'json-too-deep': 1 },
      1,
    ],
    [
      'a name that cannot be one',
      packed(pack('a'), bin(Buffer.concat([Buffer.of(0x92, 1, 0x81, 0x90, 1), good])), chunkOf('c')),
      { 'key-invalid': 1 },
      1,
    ],
    [
      'entries that end early',
      packed(pack('a'), bin(Buffer.concat([good, good.subarray(0, 4)])), chunkOf('c')),
      { 'message-malformed': 1 },
      1,
    ],
    ['no gzip', packed(pack('a'), bin(good), pack({ chunk: 'c', compressed: 'gzip' })), { 'encoding-corrupt': 1 }, 0],
    [
      'an unknown compression',
      packed(pack('a'), bin(good), pack({ chunk: 'c', compressed: 'br' })),
      { 'encoding-unsupported': 1 },
      0,
    ],
    [
      'more than the limit once inflated',
      packed(pack('a'), bin(zlib.gzipSync(Buffer.alloc(2 ** 21))), pack({ chunk: 'c', compressed: 'gzip' })),
      { 'body-inflated-too-large': 1 },
      0,
    ],
    ['metrics', pack(['a', [[TIME, {}]], { chunk: 'c', fluent_signal: 1 }]), { 'signal-unsupported': 1 }, 0],
  ])('%s', async (_, message, lost, accepted) => {
    await using served = await serveForward();
    await using client = await connect(served.port);
    client.send(message);
    expect(await client.answered(1)).toEqual([{ ack: 'c' }]);
    expect(served.recorder).toMatchObject({ lost, accepted, closed: {} });
  });
});

describe('heartbeats', () => {
  test('nil, and a connection that says nothing, are none of our business', async () => {
    await using served = await serveForward({ limits: { patience: 40 } });
    await using silent = await connect(served.port);
    await using client = await connect(served.port);
    client.send(Buffer.of(0xc0, 7), pack('text'), pack({ a: 1 }), pack(['a', TIME, {}, { chunk: 'c' }]));
    expect(await client.answered(1)).toEqual([{ ack: 'c' }]);
    await new Promise((resolve) => setTimeout(resolve, 200)); // several times the patience: nothing may happen in it
    expect(silent.closed).toBe(false);
    expect(served.recorder).toMatchObject({ accepted: 1, lost: {}, closed: {} });
  });

  test('a zero byte over UDP comes back, and nothing else does', async () => {
    await using served = await serveForward();
    const socket = dgram.createSocket('udp4');
    socket.send(Buffer.from('xyz'), served.port, '127.0.0.1');
    socket.send(Buffer.of(0), served.port, '127.0.0.1');
    const [message] = (await once(socket, 'message')) as [Buffer];
    expect(message).toEqual(Buffer.of(0));
    socket.close();
  });
});

const sent = async (client: Client, text: string, answers: number): Promise<string> => {
  client.send(Buffer.from(text));
  await vi.waitFor(() =>
    expect(
      Buffer.concat(client.pieces)
        .toString()
        .match(/\{"ack"/g) ?? [],
    ).toHaveLength(answers),
  );
  return Buffer.concat(client.pieces).toString();
};

describe('the JSON mode', () => {
  test('is known by the first byte, and answered in JSON', async () => {
    await using served = await serveForward();
    await using client = await connect(served.port);
    const first = `["a.b",${TIME},{"n":9007199254740993,"t":"]}\\""},{"chunk":"p8n9gmxTQVC8/nh2wlKKeQ==\\n"}]`;
    expect(await sent(client, first, 1)).toBe('{"ack":"p8n9gmxTQVC8/nh2wlKKeQ==\\n"}');
    const second = ` ["a.b",[[${TIME},{"n":1}],[${TIME}.5,\n{"n":2}],[1,7]],{"chunk":"d"}]\n["a.b",0,{}]`;
    expect(await sent(client, second, 2)).toContain('{"ack":"d"}');
    await vi.waitFor(() => expect(served.recorder.accepted).toBe(4));
    expect(served.recorder.lines()[0]).toContain('"data":{"n":9007199254740993,"t":"]}\\""}}');
    expect(served.recorder.events()[2]?.time).toBe('2023-11-14T22:13:20.500Z');
    expect(served.recorder.lost).toEqual({ 'record-not-object': 1 });
  });

  test('what is no JSON ends the connection', async () => {
    await using served = await serveForward();
    await using client = await connect(served.port);
    client.send(Buffer.from(`["a",1,{}]hello`));
    await client.ended();
    expect(served.recorder).toMatchObject({ accepted: 1, closed: { 'message-malformed': 1 } });
  });
});

test('a tag is mapped by `types:`, and kept', async () => {
  await using served = await serveForward({ types: [{ match: 'kube.**', type: 'kube.log' }] });
  await using client = await connect(served.port);
  client.send(pack(['kube.var.log.containers/x', TIME, {}, { chunk: 'c' }]));
  await client.answered(1);
  expect(served.recorder.events()[0]).toMatchObject({
    type: 'kube.log',
    tag: 'kube.var.log.containers/x',
    source: '/chicago/web-1/forward',
    host: 'web-1',
    site: 'chicago',
  });
});
