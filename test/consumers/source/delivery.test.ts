import { describe, expect, test } from 'vitest';
import { type Delivery, readDelivery, sortFrames } from '../../../consumers/source/delivery.ts';

const u8 = (n: number): Buffer => Buffer.from([n]);
const u16 = (n: number): Buffer => Buffer.from([n >> 8, n & 0xff]);
const u32 = (n: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(n);
  return bytes;
};
const str = (text: string): Buffer => Buffer.concat([Buffer.from([0xa1, text.length]), Buffer.from(text)]);
const sym = (text: string): Buffer => Buffer.concat([Buffer.from([0xa3, text.length]), Buffer.from(text)]);
const compound = (code: number, items: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(items);
  return Buffer.concat([u8(code), u32(body.length + 4), u32(items.length), body]);
};
const section = (descriptor: number, value: Buffer): Buffer =>
  Buffer.concat([Buffer.from([0, 0x53, descriptor]), value]);
const NULL = u8(0x40);
const data = (bytes: Buffer): Buffer => section(0x75, Buffer.concat([u8(0xb0), u32(bytes.length), bytes]));

/** As RabbitMQ stores what comes by AMQP 0.9.1, with the annotation that federation adds: a list of maps. */
const message = (content: Buffer): Buffer =>
  Buffer.concat([
    section(0x70, compound(0xd0, [u8(0x41)])),
    section(
      0x72,
      compound(0xd1, [sym('x-routing-key'), str('a.b'), sym('x-received-from'), compound(0xd0, [compound(0xd1, [])])]),
    ),
    section(0x73, compound(0xd0, [str('id:1'), NULL, NULL, NULL, NULL, NULL, sym('application/x-ndjson')])),
    section(0x74, compound(0xd1, [str('v'), str('1'), str('count'), str('2')])),
    data(content),
  ]);

function frame(version: 1 | 2, entries: readonly Buffer[], key = 8): Buffer {
  const chunk = Buffer.alloc(48);
  chunk.writeUInt16BE(entries.length, 2);
  chunk.writeBigUInt64BE(41n, 24);
  const body = Buffer.concat([
    u16(key),
    u16(version),
    u8(7),
    Buffer.alloc(version === 2 ? 8 : 0),
    chunk,
    ...entries.flatMap((entry) => [u32(entry.length), entry]),
  ]);
  return Buffer.concat([u32(body.length), body]);
}

describe('a delivery', () => {
  test.each([1, 2] as const)('has its messages with their offsets (version %i)', (version) => {
    const found = readDelivery(frame(version, [message(Buffer.from('one')), message(Buffer.from('two'))]));
    expect(found).toEqual({
      subscription: 7,
      messages: [
        [41n, 'one'],
        [42n, 'two'],
      ].map(([offset, content]) => ({
        content: Buffer.from(String(content)),
        offset,
        messageProperties: { messageId: 'id:1', contentType: 'application/x-ndjson', contentEncoding: undefined },
        applicationProperties: { v: '1', count: '2' },
        messageAnnotations: { 'x-routing-key': 'a.b', 'x-received-from': [{}] },
      })),
    });
  });

  test('may begin with a message of 16 MiB, whose first byte the stream client takes for a mark', () => {
    const large = Buffer.alloc(2 ** 24, 0x78);
    const found = readDelivery(frame(2, [message(large), message(Buffer.from('two'))]));
    expect(found?.messages.map(({ content }) => content.length)).toEqual([large.length, 3]);
  });

  test('of several data sections has them together, and one without any is empty', () => {
    const found = readDelivery(
      frame(2, [Buffer.concat([data(Buffer.from('a')), data(Buffer.from('b'))]), section(0x77, str('value'))]),
    );
    expect(found?.messages.map(({ content }) => content.toString())).toEqual(['ab', '']);
  });

  test('that is none of ours is left to the client: other frames, other versions, compressed entries', () => {
    expect(readDelivery(frame(2, [message(Buffer.from('x'))], 0x8001))).toBeNull();
    expect(readDelivery(Buffer.from([0, 0, 0, 4, 0, 23, 0, 1]))).toBeNull();
    const compressed = frame(2, [message(Buffer.from('x'))]);
    compressed.writeUInt8(0x90, 17 + 48);
    expect(readDelivery(compressed)).toBeNull();
  });

  test('that is cut off or malformed is an error, wherever it is cut', () => {
    const whole = frame(2, [message(Buffer.from('one'))]);
    for (let end = 17 + 48; end < whole.length; end++)
      expect(() => readDelivery(whole.subarray(0, end))).toThrow(Error);
    expect(() => readDelivery(frame(2, [Buffer.from('garbage')]))).toThrow(/descriptor/);
    expect(() => readDelivery(frame(2, [section(0x75, str('text'))]))).toThrow(/no bytes/);
  });
});

test('deliveries and other frames go their ways, in order', () => {
  const other = Buffer.from([0, 0, 0, 4, 0, 23, 0, 1]);
  const delivery = frame(2, [message(Buffer.from('x'))]);
  const seen: string[] = [];
  sortFrames(
    Buffer.concat([other, other, delivery, delivery, other]),
    ({ messages }: Delivery) => seen.push(`delivery of ${messages.length}`),
    (frames) => seen.push(`${frames.length} bytes`),
  );
  expect(seen).toEqual(['16 bytes', 'delivery of 1', 'delivery of 1', '8 bytes']);
});
