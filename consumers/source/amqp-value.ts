// A full decoder of AMQP 1.0 values (OASIS AMQP 1.0, part 1: types, section 1.6), for what the stream client cannot read.

/** The stream client's reader, as far as it is needed here. Offsets move as it reads. */
export interface ByteReader {
  readInt8(): number;
  readUInt8(): number;
  readUInt16(): number;
  readUInt32(): number;
  readInt32(): number;
  readInt64(): bigint;
  readUInt64(): bigint;
  readFloat(): number;
  readDouble(): number;
  readBufferOf(size: number): Buffer;
}

export type AmqpValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Buffer
  | Date
  | readonly AmqpValue[]
  | { readonly [key: string]: AmqpValue };

/** Reads one value, its format code first. Descriptors are dropped: the described value is returned. Throws on a code that the specification does not have. */
export function readAmqpValue(reader: ByteReader): AmqpValue {
  const code = reader.readUInt8();
  if (code === 0x00) {
    readAmqpValue(reader);
    return readAmqpValue(reader);
  }
  return readOfCode(reader, code);
}

/** Reads `elements` / 2 pairs of key and value, as they stand in a map after its size and count. */
export function readAmqpPairs(reader: ByteReader, elements: number): Record<string, AmqpValue> {
  const pairs: Record<string, AmqpValue> = {};
  for (let i = 0; i < elements; i += 2) {
    const key = readAmqpValue(reader);
    pairs[typeof key === 'string' ? key : JSON.stringify(key)] = readAmqpValue(reader);
  }
  return pairs;
}

function readOfCode(reader: ByteReader, code: number): AmqpValue {
  switch (code) {
    case 0x40: // null
      return null;
    case 0x41: // true
      return true;
    case 0x42: // false
      return false;
    case 0x56: // boolean
      return reader.readUInt8() !== 0;
    case 0x43: // uint0
    case 0x44: // ulong0
      return 0;
    case 0x50: // ubyte
    case 0x52: // smalluint
    case 0x53: // smallulong
      return reader.readUInt8();
    case 0x51: // byte
    case 0x54: // smallint
    case 0x55: // smalllong
      return reader.readInt8();
    case 0x60: // ushort
      return reader.readUInt16();
    case 0x61: // short
      return (reader.readUInt16() << 16) >> 16;
    case 0x70: // uint
      return reader.readUInt32();
    case 0x71: // int
      return reader.readInt32();
    case 0x72: // float
      return reader.readFloat();
    case 0x73: // char, UTF-32BE
      return String.fromCodePoint(reader.readUInt32());
    case 0x80: // ulong
      return reader.readUInt64();
    case 0x81: // long
      return reader.readInt64();
    case 0x82: // double
      return reader.readDouble();
    case 0x83: // timestamp, milliseconds
      return new Date(Number(reader.readInt64()));
    case 0x74: // decimal32
      return reader.readBufferOf(4);
    case 0x84: // decimal64
      return reader.readBufferOf(8);
    case 0x94: // decimal128
    case 0x98: // uuid
      return reader.readBufferOf(16);
    case 0xa0: // vbin8
      return reader.readBufferOf(reader.readUInt8());
    case 0xb0: // vbin32
      return reader.readBufferOf(reader.readUInt32());
    case 0xa1: // str8
    case 0xa3: // sym8
      return reader.readBufferOf(reader.readUInt8()).toString('utf8');
    case 0xb1: // str32
    case 0xb3: // sym32
      return reader.readBufferOf(reader.readUInt32()).toString('utf8');
    case 0x45: // list0
      return [];
    case 0xc0: // list8
      reader.readUInt8();
      return readList(reader, reader.readUInt8());
    case 0xd0: // list32
      reader.readUInt32();
      return readList(reader, reader.readUInt32());
    case 0xc1: // map8
      reader.readUInt8();
      return readAmqpPairs(reader, reader.readUInt8());
    case 0xd1: // map32
      reader.readUInt32();
      return readAmqpPairs(reader, reader.readUInt32());
    case 0xe0: // array8
      reader.readUInt8();
      return readArray(reader, reader.readUInt8());
    case 0xf0: // array32
      reader.readUInt32();
      return readArray(reader, reader.readUInt32());
    default:
      throw new Error(`AMQP 1.0 has no format code 0x${code.toString(16)}`);
  }
}

function readList(reader: ByteReader, count: number): AmqpValue[] {
  const list: AmqpValue[] = [];
  for (let i = 0; i < count; i++) list.push(readAmqpValue(reader));
  return list;
}

/** One constructor for all elements; it may be described (section 1.2.2). */
function readArray(reader: ByteReader, count: number): AmqpValue[] {
  let code = reader.readUInt8();
  if (code === 0x00) {
    readAmqpValue(reader);
    code = reader.readUInt8();
  }
  const list: AmqpValue[] = [];
  for (let i = 0; i < count; i++) list.push(readOfCode(reader, code));
  return list;
}
