// What the broker delivers of a stream, as messages. Pure. (RabbitMQ stream protocol, PROTOCOL.adoc, "Deliver"; AMQP 1.0, part 3, section 3.2.)
//
// Frame   = size(uint32) key(uint16) version(uint16) subscription(uint8) [committed chunk(uint64), version 2] chunk
// chunk   = magic(uint8) type(uint8) entries(uint16) records(uint32) timestamp(8) epoch(8) offset(8) crc(4) data length(4) trailer(4) reserved(4) entry*
// entry   = size(uint32, highest bit 0) section*        a message; with the highest bit 1: several, compressed together
// section = 0x00 descriptor value
//
// Not by the stream client's own decoder: that takes the first byte of a first entry of 16 MiB or more for the mark of compressed ones, fails on
// lists and maps, copies each message, and makes text of each chunk for a debug log.
import { type AmqpValue, type ByteReader, readAmqpValue } from './amqp-value.ts';

export interface StreamMessage {
  readonly content: Buffer;
  readonly offset: bigint;
  readonly messageProperties: {
    readonly messageId?: unknown;
    readonly contentType?: unknown;
    readonly contentEncoding?: unknown;
  };
  readonly applicationProperties: Readonly<Record<string, unknown>>;
  readonly messageAnnotations: Readonly<Record<string, unknown>>;
}

export interface Delivery {
  readonly subscription: number;
  readonly messages: readonly StreamMessage[];
}

const DELIVER = 0x0008;
const KEY_AT = 4;
const VERSION_AT = 6;
const SUBSCRIPTION_AT = 8;
const CHUNK_AT: Readonly<Record<number, number>> = { 1: 9, 2: 17 };
const ENTRIES_AT = 2;
const OFFSET_AT = 24;
const CHUNK_HEADER = 48;
const COMPRESSED = 0x80;

const PROPERTIES = 0x73;
const ANNOTATIONS = 0x72;
const APPLICATION = 0x74;
const DATA = 0x75;
/** Of the list of properties. */
const MESSAGE_ID = 0;
const CONTENT_TYPE = 6;
const CONTENT_ENCODING = 7;

/** Contents are views of the frame. Null where it is no delivery, or one with compressed entries. Throws on what is no message of AMQP. */
export function readDelivery(frame: Buffer): Delivery | null {
  if (frame.length <= SUBSCRIPTION_AT || frame.readUInt16BE(KEY_AT) !== DELIVER) return null;
  const chunk = CHUNK_AT[frame.readUInt16BE(VERSION_AT)];
  if (chunk === undefined) return null;
  const entries = frame.readUInt16BE(chunk + ENTRIES_AT);
  const first = frame.readBigUInt64BE(chunk + OFFSET_AT);
  const messages: StreamMessage[] = [];
  for (let at = chunk + CHUNK_HEADER, i = 0; i < entries; i++) {
    if (((frame[at] ?? 0) & COMPRESSED) !== 0) return null;
    const start = at + 4;
    at = start + frame.readUInt32BE(at);
    if (at > frame.length) throw new RangeError('stream: an entry reaches beyond its frame');
    messages.push(readMessage(frame, start, at, first + BigInt(i)));
  }
  return { subscription: frame[SUBSCRIPTION_AT] ?? 0, messages };
}

function readMessage(frame: Buffer, start: number, end: number, offset: bigint): StreamMessage {
  const reader = new FrameReader(frame, start);
  let content: Buffer = NOTHING;
  let properties: readonly AmqpValue[] = [];
  let applicationProperties: Readonly<Record<string, AmqpValue>> = {};
  let messageAnnotations: Readonly<Record<string, AmqpValue>> = {};
  while (reader.at < end) {
    if (reader.readUInt8() !== 0) throw new Error('stream: a section of a message begins with no descriptor');
    const descriptor = Number(readAmqpValue(reader));
    if (descriptor === DATA) {
      const data = reader.binary();
      content = content.length === 0 ? data : Buffer.concat([content, data]);
      continue;
    }
    const value = readAmqpValue(reader);
    if (descriptor === PROPERTIES && Array.isArray(value)) properties = value as readonly AmqpValue[];
    else if (descriptor === APPLICATION) applicationProperties = recordOf(value);
    else if (descriptor === ANNOTATIONS) messageAnnotations = recordOf(value);
  }
  if (reader.at !== end) throw new Error('stream: a message is longer than its entry');
  return {
    content,
    offset,
    messageProperties: {
      messageId: properties[MESSAGE_ID],
      contentType: properties[CONTENT_TYPE],
      contentEncoding: properties[CONTENT_ENCODING],
    },
    applicationProperties,
    messageAnnotations,
  };
}

const NOTHING = Buffer.alloc(0);

const recordOf = (value: AmqpValue): Readonly<Record<string, AmqpValue>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value)
    ? (value as Readonly<Record<string, AmqpValue>>)
    : {};

class FrameReader implements ByteReader {
  readonly #frame: Buffer;
  at: number;

  constructor(frame: Buffer, at: number) {
    this.#frame = frame;
    this.at = at;
  }

  /** Of a data section, without a copy. */
  binary(): Buffer {
    const code = this.readUInt8();
    if (code === 0xa0) return this.readBufferOf(this.readUInt8());
    if (code === 0xb0) return this.readBufferOf(this.readUInt32());
    throw new Error('stream: a data section holds no bytes');
  }

  readInt8(): number {
    return this.#frame.readInt8(this.#step(1));
  }
  readUInt8(): number {
    return this.#frame.readUInt8(this.#step(1));
  }
  readUInt16(): number {
    return this.#frame.readUInt16BE(this.#step(2));
  }
  readUInt32(): number {
    return this.#frame.readUInt32BE(this.#step(4));
  }
  readInt32(): number {
    return this.#frame.readInt32BE(this.#step(4));
  }
  readInt64(): bigint {
    return this.#frame.readBigInt64BE(this.#step(8));
  }
  readUInt64(): bigint {
    return this.#frame.readBigUInt64BE(this.#step(8));
  }
  readFloat(): number {
    return this.#frame.readFloatBE(this.#step(4));
  }
  readDouble(): number {
    return this.#frame.readDoubleBE(this.#step(8));
  }
  readBufferOf(size: number): Buffer {
    const from = this.#step(size);
    if (this.at > this.#frame.length) throw new RangeError('stream: a value reaches beyond its frame');
    return this.#frame.subarray(from, this.at);
  }

  #step(bytes: number): number {
    const from = this.at;
    this.at += bytes;
    return from;
  }
}

/** Whole frames, one after the other: deliveries to `deliver`, all others to the client, as many together as follow each other. */
export function sortFrames(
  whole: Buffer,
  deliver: (delivery: Delivery) => void,
  others: (frames: Buffer) => void,
): void {
  let from = 0;
  let at = 0;
  while (at < whole.length) {
    const end = at + 4 + whole.readUInt32BE(at);
    const delivery = readDelivery(whole.subarray(at, end));
    if (delivery !== null) {
      if (at > from) others(whole.subarray(from, at));
      deliver(delivery);
      from = end;
    }
    at = end;
  }
  if (at > from) others(whole.subarray(from, at));
}
