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
/** Pieces are given to it in blocks of at least so many bytes: each is a turn of the thread pool. */
const BLOCK = 128 * 1024;

const MAGIC_AND_DESCRIPTOR = 5;
const WINDOW_AT = MAGIC_AND_DESCRIPTOR + 1;
/** Of the descriptor: the content size stands in eight bytes. */
const SIZE_IN_8 = 0xc0;
const FEED = Buffer.from('\n');

const compress = promisify(zstdCompress);

export class Frame implements Content {
  readonly #share: Pick<Share, 'change'>;
  readonly #mapping: LineMapping | null;
  /** Short pieces until they fill a block. */
  #pieces: Buffer[] = [];
  #gathered = 0;
  /** Not given to the stream yet, which there is not. */
  #blocks: Buffer[] = [];
  #stream: ZstdCompress | null = null;
  #compressed: Buffer[] = [];
  /** Bytes of NDJSON. */
  #length = 0;
  #error: Error | null = null;

  /** `share` is told of each change of what it holds; also between calls. `mapping`: of each line; null: none. */
  constructor(share: Pick<Share, 'change'>, mapping: LineMapping | null) {
    this.#share = share;
    this.#mapping = mapping;
  }

  /** Whole lines, each with its line feed. */
  add(lines: Buffer): void {
    const piece = this.#mapping === null ? lines : Buffer.concat([...mappedLines(lines, this.#mapping)]);
    this.#length += piece.length;
    this.#share.change(piece.length);
    this.#pieces.push(piece);
    this.#gathered += piece.length;
    if (this.#gathered >= BLOCK) this.#block();
  }

  /** The whole frame. Rejects with zlib's error, and where not all was taken: nothing of the window is written then. */
  async finish(): Promise<Buffer> {
    this.#block();
    const stream = this.#stream;
    let bytes: Buffer;
    if (stream === null) {
      // The pledge stands in the frame's header, and zstd fails where other than so many bytes went in.
      bytes = await compress(Buffer.concat(this.#blocks), { params: PARAMS, pledgedSrcSize: this.#length });
      this.#share.change(bytes.length - this.#length);
      this.#blocks = [];
    } else {
      await new Promise<void>((resolve) => stream.once('close', resolve).end());
      if (this.#error !== null) throw this.#error;
      if (stream.bytesWritten !== this.#length)
        throw new RangeError(`zstd took ${stream.bytesWritten} of ${this.#length} bytes`);
      bytes = withContentSize(this.#compressed, this.#length);
      this.#compressed = [];
      this.#stream = null;
      this.#share.change(-STREAM_BYTES);
    }
    return bytes;
  }

  /** Drops what it holds, without a word to its share. */
  close(): void {
    this.#pieces = [];
    this.#blocks = [];
    this.#compressed = [];
    this.#stream?.destroy();
  }

  #block(): void {
    const [first] = this.#pieces;
    if (first === undefined) return;
    const block = this.#pieces.length === 1 ? first : Buffer.concat(this.#pieces, this.#gathered);
    this.#pieces = [];
    this.#gathered = 0;
    if (this.#stream !== null) this.#write(this.#stream, block);
    else {
      this.#blocks.push(block);
      // From here on a stream holds less than what it compresses.
      if (this.#length < 2 * STREAM_BYTES) return;
      const stream = this.#open();
      this.#stream = stream;
      for (const each of this.#blocks) this.#write(stream, each);
      this.#blocks = [];
    }
  }

  #write(stream: ZstdCompress, block: Buffer): void {
    stream.write(block, (error) => {
      if (!error && !stream.destroyed) this.#share.change(-block.length);
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
