import { describe, expect, test } from 'vitest';
import { type ByteReader, readAmqpPairs, readAmqpValue } from '../../../consumers/source/amqp-value.ts';

/** As the stream client's own reader moves: an offset into one buffer. */
function reader(bytes: Buffer): ByteReader & { at: number } {
  const move = (size: number): number => {
    self.at += size;
    return self.at - size;
  };
  const self = {
    at: 0,
    readInt8: () => bytes.readInt8(move(1)),
    readUInt8: () => bytes.readUInt8(move(1)),
    readUInt16: () => bytes.readUInt16BE(move(2)),
    readUInt32: () => bytes.readUInt32BE(move(4)),
    readInt32: () => bytes.readInt32BE(move(4)),
    readInt64: () => bytes.readBigInt64BE(move(8)),
    readUInt64: () => bytes.readBigUInt64BE(move(8)),
    readFloat: () => bytes.readFloatBE(move(4)),
    readDouble: () => bytes.readDoubleBE(move(8)),
    readBufferOf: (size: number) => {
      const from = move(size);
      return bytes.subarray(from, from + size);
    },
  };
  return self;
}

// AMQP 1.0, part 1, section 1.6: each primitive type by its codes.
const values: [name: string, hex: string, value: unknown][] = [
  ['null', '40', null],
  ['true', '41', true],
  ['false', '42', false],
  ['boolean', '5601', true],
  ['boolean false', '5600', false],
  ['ubyte', '50ff', 255],
  ['byte', '51ff', -1],
  ['ushort', '60ffff', 65535],
  ['short', '61ffff', -1],
  ['uint', '70ffffffff', 4294967295],
  ['smalluint', '52c8', 200],
  ['uint0', '43', 0],
  ['int', '71ffffffff', -1],
  ['smallint', '54fe', -2],
  ['ulong', '80ffffffffffffffff', 18446744073709551615n],
  ['smallulong', '53c8', 200],
  ['ulong0', '44', 0],
  ['long', '81ffffffffffffffff', -1n],
  ['smalllong', '55ff', -1],
  ['float', '723fc00000', 1.5],
  ['double', '823ff8000000000000', 1.5],
  ['char', '730001f41d', '🐝'],
  ['timestamp', '8300000000000003e8', new Date(1000)],
  ['uuid', `98${'ab'.repeat(16)}`, Buffer.alloc(16, 0xab)],
  ['decimal32', '7401020304', Buffer.from([1, 2, 3, 4])],
  ['vbin8', 'a00201ff', Buffer.from([1, 255])],
  ['vbin32', 'b00000000201ff', Buffer.from([1, 255])],
  ['str8', 'a102c3a9', 'é'],
  ['empty str8', 'a100', ''],
  ['str32', 'b100000002c3a9', 'é'],
  ['sym8', 'a30161', 'a'],
  ['sym32', 'b30000000161', 'a'],
  ['list0', '45', []],
  ['list8', 'c00402a1016142', ['a', false]],
  ['list32', 'd00000000800000002a1016142', ['a', false]],
  ['map8', 'c10602a1016154ff', { a: -1 }],
  ['map32', 'd10000000900000002a1016154ff', { a: -1 }],
  ['array8', 'e00402540102', [1, 2]],
  ['array32', 'f00000000700000002540102', [1, 2]],
  ['described', '00537445', []],
];

describe('readAmqpValue', () => {
  test.each(values)('reads %s and nothing behind it', (_, hex, value) => {
    const bytes = Buffer.from(`${hex}ee`, 'hex');
    const from = reader(bytes);
    expect(readAmqpValue(from)).toEqual(value);
    expect(from.at).toBe(bytes.length - 1);
  });

  test('refuses a code that the specification does not have', () => {
    expect(() => readAmqpValue(reader(Buffer.from('99', 'hex')))).toThrow('0x99');
  });

  test('reads pairs: falsy values and a list of maps, as federation marks a message', () => {
    const pairs = Buffer.from(
      ['a10161', '42', 'a10162', '43', 'a10163', 'c00a01', 'c10702', 'a103757269', '40'].join(''),
      'hex',
    );
    expect(readAmqpPairs(reader(pairs), 6)).toEqual({ a: false, b: 0, c: [{ uri: null }] });
  });
});
