// A data object while it grows: NDJSON that is compressed by zstd (RFC 8878) as it is read, one frame an object, so that a window holds what it
// will write and little else. Compressed on the thread pool. A small one is compressed when it ends: a stream of zstd has buffers of its own.
//
// frame = magic(4) descriptor(1) [window(1)] content size(1 to 8) block*
import { promisify } from 'node:util';
import { constants, createZstdCompress, type ZstdCompress, zstdCompress } from 'node:zlib';
import type { LineMapping } from '#core/mapping.ts';
import type { Share } from './budget.ts';
import type { Content } from './window.ts';

/**
 * Level 1 and 512 KiB of history: of log lines with UUIDs it makes objects 7 to 13 % smaller than level 3 and 2 MiB do, in half the time
 * and an eighth of the memory; of synthetic JSON without them 2 % larger (docs/decisions.md).
 */
const PARAMS = { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_windowLog]: 19 };
/** What a stream of zstd holds with these, measured. */
const STREAM_BYTES = 512 * 1024;
/** Of its output: a piece of the size below leaves some 20 KiB. */
const CHUNK = 32 * 1024;
/** What it is given at once: each block is a turn of the thread pool. */
const BLOCK = 256 * 1024;
/** Blocks that wait to be used again. */
const SPARE = 16;

const MAGIC_AND_DESCRIPTOR = 5;
const WINDOW_AT = MAGIC_AND_DESCRIPTOR + 1;
/** Of the descriptor: the content size stands in eight bytes. */
const SIZE_IN_8 = 0xc0;
const FEED = Buffer.from('\n');

const compress = promisify(zstdCompress);

/**
 * Blocks are used again and again: as garbage they would pile up to many times of what is in use, since V8 goes by its own heap, of which
 * they are no part.
 */
const spare: Buffer[] = [];

export class Frame implements Content {
  readonly #share: Pick<Share, 'change'>;
  readonly #mapping: LineMapping | null;
  /** Copies of what came, until there is a stream. */
  #pieces: Buffer[] = [];
  #stream: ZstdCompress | null = null;
  /** Its next input, as far as it is filled. */
  #block: Buffer | null = null;
  #filled = 0;
  #compressed: Buffer[] = [];
  /** Bytes of NDJSON. */
  #length = 0;
  #error: Error | null = null;

  /** `share` is told of each change of what it holds; also between calls. `mapping`: of each line; null: none. */
  constructor(share: Pick<Share, 'change'>, mapping: LineMapping | null) {
    this.#share = share;
    this.#mapping = mapping;
  }

  /** Whole lines, each with its line feed. They are copied. */
  add(lines: Buffer): void {
    if (this.#mapping === null) this.#take(lines);
    else this.#take(Buffer.concat([...mappedLines(lines, this.#mapping)]));
  }

  /** The whole frame. Rejects with zlib's error, and where not all was taken: nothing of the window is written then. */
  async finish(): Promise<Buffer> {
    const stream = this.#stream;
    if (stream === null) {
      // The pledge stands in the frame's header, and zstd fails where other than so many bytes went in.
      const options = { params: PARAMS, pledgedSrcSize: this.#length };
      const bytes = await compress(Buffer.concat(this.#pieces, this.#length), options);
      this.#share.change(bytes.length - this.#length);
      this.#pieces = [];
      return bytes;
    }
    this.#flush(stream);
    await new Promise<void>((resolve) => stream.once('close', resolve).end());
    if (this.#error !== null) throw this.#error;
    if (stream.bytesWritten !== this.#length)
      throw new RangeError(`zstd took ${stream.bytesWritten} of ${this.#length} bytes`);
    const bytes = withContentSize(this.#compressed, this.#length);
    this.#compressed = [];
    this.#stream = null;
    this.#share.change(-STREAM_BYTES);
    return bytes;
  }

  /** Drops what it holds, without a word to its share. */
  close(): void {
    this.#pieces = [];
    this.#compressed = [];
    this.#block = null;
    this.#stream?.destroy();
  }

  #take(lines: Buffer): void {
    this.#length += lines.length;
    if (this.#stream !== null) return this.#write(this.#stream, lines);
    if (this.#length < 2 * STREAM_BYTES) {
      this.#share.change(lines.length);
      this.#pieces.push(Buffer.from(lines));
      return;
    }
    // From here on a stream holds less than what it compresses.
    const stream = this.#open();
    this.#stream = stream;
    for (const piece of this.#pieces) this.#write(stream, piece);
    this.#share.change(lines.length - this.#length);
    this.#pieces = [];
    this.#write(stream, lines);
  }

  #write(stream: ZstdCompress, bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#block === null) {
        this.#block = spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK);
        this.#share.change(BLOCK);
      }
      const copied = bytes.copy(this.#block, this.#filled, at);
      at += copied;
      this.#filled += copied;
      if (this.#filled === BLOCK) this.#flush(stream);
    }
  }

  #flush(stream: ZstdCompress): void {
    const block = this.#block;
    if (block === null) return;
    const input = this.#filled === BLOCK ? block : block.subarray(0, this.#filled);
    this.#block = null;
    this.#filled = 0;
    stream.write(input, (error) => {
      // Of a stream that was destroyed the thread pool may still read it.
      if (error || stream.destroyed) return;
      if (spare.length < SPARE) spare.push(block);
      this.#share.change(-BLOCK);
    });
  }

  #open(): ZstdCompress {
    const stream = createZstdCompress({ params: PARAMS, chunkSize: CHUNK });
    stream.on('error', (error) => (this.#error = error));
    stream.on('data', (chunk: Buffer) => {
      this.#compressed.push(chunk);
      this.#share.change(chunk.length);
    });
    this.#share.change(STREAM_BYTES);
    return stream;
  }
}

/** A stream's frame does not know how long its content will be; with its size in the header readers can check it, and make room at once. */
function withContentSize(chunks: readonly Buffer[], length: number): Buffer {
  const [first = FEED, ...rest] = chunks;
  // Neither a single segment, nor a size, nor a dictionary: as a stream without a pledge begins.
  if (first.length < WINDOW_AT || first[MAGIC_AND_DESCRIPTOR - 1] !== 0)
    throw new RangeError('zstd began a frame in another way than this knows');
  const head = Buffer.alloc(WINDOW_AT + 8);
  first.copy(head, 0, 0, WINDOW_AT);
  head[MAGIC_AND_DESCRIPTOR - 1] = SIZE_IN_8;
  head.writeBigUInt64LE(BigInt(length), WINDOW_AT);
  return Buffer.concat([head, first.subarray(WINDOW_AT), ...rest]);
}

function* mappedLines(lines: Buffer, mapping: LineMapping): Generator<Buffer> {
  for (let start = 0; start < lines.length;) {
    const end = lines.indexOf(FEED, start);
    yield mapping(lines.subarray(start, end));
    yield FEED;
    start = end + 1;
  }
}
