// Chunks whose first entry is 16 MiB or longer, made readable for the stream client. It takes the first byte of that entry's size for the
// mark of compressed sub-entries, where only the highest bit is (RabbitMQ stream protocol, PROTOCOL.adoc, "Deliver"), and reads such a chunk as
// empty or fails on it, each time anew. Messages of just below 16 MiB are such entries, since their properties are added. Only the first entry
// is looked at; so an empty one is put before it, to be dropped from what the client makes of the chunk.
//
// Frame = size(uint32) key(uint16) version(uint16) subscription(uint8) [committed chunk(uint64), version 2] chunk
// chunk = magic(uint8) type(uint8) entries(uint16) records(uint32) timestamp(8) epoch(8) offset(8) crc(4) data length(4) trailer(4) reserved(4) entry*
// entry = size(uint32, highest bit 0) message

const DELIVER = 0x0008;
const CHUNK_AT = { 1: 9, 2: 17 } as const;
const CHUNK_HEADER = 48;
/** Bytes that a frame grows by. */
const ADDED = 4;
const SUB_ENTRY = 0x80;

/** The first of whole frames, of which alone it can be: a frame so long is never read together with one before it. Null where the client can read it as it is. */
export function withEmptyEntry(frames: Buffer): Buffer | null {
  const frame = frames.subarray(0, 4 + frames.readUInt32BE(0));
  const chunk = frame.length > 8 && frame.readUInt16BE(4) === DELIVER ? chunkAt(frame) : null;
  if (chunk === null) return null;
  const data = chunk + CHUNK_HEADER;
  const first = frame[data] ?? 0;
  if (first === 0 || (first & SUB_ENTRY) !== 0) return null;
  const head = Buffer.from(frame.subarray(0, data));
  head.writeUInt32BE(frame.length - 4 + ADDED, 0);
  head.writeUInt16BE(frame.readUInt16BE(chunk + 2) + 1, chunk + 2);
  return Buffer.concat([head, Buffer.alloc(ADDED), frame.subarray(data)]);
}

function chunkAt(frame: Buffer): number | null {
  const version = frame.readUInt16BE(6);
  return version === 1 || version === 2 ? CHUNK_AT[version] : null;
}

/** Whether what is decoded now has an entry added: decoding is synchronous. */
let added = false;

/** Whole frames to what the client can read of them. */
export function decodeFrames(whole: Buffer, decode: (frames: Buffer) => void): void {
  const large = withEmptyEntry(whole);
  if (large === null) return decode(whole);
  added = true;
  try {
    decode(large);
  } finally {
    added = false;
  }
  const rest = whole.subarray(large.length - ADDED);
  if (rest.length > 0) decode(rest);
}

/** Within `decode`: the messages of a chunk without the one that was added, which took the offset of the first. */
export function asSent<M extends { readonly offset: bigint }>(messages: readonly M[]): readonly M[] {
  return added ? messages.slice(1).map((message) => ({ ...message, offset: message.offset - 1n })) : messages;
}
