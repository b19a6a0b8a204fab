// The chain's store in an S3 bucket. `If-None-Match: *` makes a create exclusive, on PutObject and on CompleteMultipartUpload.
//
// The SDK retries three times, so a create may meet itself: its first try landed, the answer was lost, the second hears 412. That is
// answered as `exists`, and the chain reads back who made it. An upload that was given up stays invisible and costs storage until it is
// aborted: give the bucket a rule that aborts incomplete uploads.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
  type S3Client,
} from '@aws-sdk/client-s3';
import { StoreRefused, StoreUnavailable, type Created, type ObjectStore } from '../chain/store.ts';
import { classify, type S3Place } from './classify.ts';
import { contentType, partsOf } from './encode.ts';

const PAGE = 1000;
const PARTS_AT_ONCE = 4;
const ABORT_MS = 5_000;

export class S3Store implements ObjectStore {
  readonly #client: S3Client;
  readonly #place: S3Place;
  readonly #multipartFrom: number;

  /** Objects of more than `multipartFrom` bytes go in parts. */
  constructor(client: S3Client, place: S3Place, multipartFrom: number) {
    this.#client = client;
    this.#place = place;
    this.#multipartFrom = multipartFrom;
  }

  async createIfAbsent(key: string, bytes: Buffer, signal: AbortSignal): Promise<Created> {
    try {
      await (bytes.length > this.#multipartFrom ? this.#putParts(key, bytes, signal) : this.#put(key, bytes, signal));
      return { kind: 'created' };
    } catch (error) {
      signal.throwIfAborted();
      const failure = classify(error, this.#place, `create ${key}`);
      if (failure.kind === 'exists') return failure;
      if (failure.kind === 'refused') throw new StoreRefused(failure.message, { cause: error });
      return { kind: 'unknown', message: failure.kind === 'absent' ? `${key}: the upload is gone` : failure.message };
    }
  }

  async head(key: string, signal: AbortSignal): Promise<{ readonly length: number } | null> {
    return this.#read(`head ${key}`, signal, async () => {
      const { ContentLength } = await this.#client.send(new HeadObjectCommand(this.#named(key)), {
        abortSignal: signal,
      });
      if (ContentLength === undefined) throw new StoreUnavailable(`S3: head ${key}: an answer without Content-Length`);
      return { length: ContentLength };
    });
  }

  async get(key: string, signal: AbortSignal): Promise<Buffer | null> {
    return this.#read(`get ${key}`, signal, async () => {
      const { Body } = await this.#client.send(new GetObjectCommand(this.#named(key)), { abortSignal: signal });
      const bytes = await Body?.transformToByteArray();
      return Buffer.from(bytes?.buffer ?? new ArrayBuffer(0), bytes?.byteOffset, bytes?.byteLength);
    });
  }

  async list(prefix: string, after: string, limit: number, signal: AbortSignal): Promise<readonly string[]> {
    const { bucket, prefix: root } = this.#place;
    const keys: string[] = [];
    for (let start = after; ;) {
      const wanted = Math.min(PAGE, limit - keys.length);
      const input = {
        Bucket: bucket,
        Prefix: root + prefix,
        MaxKeys: wanted,
        ...(start === '' ? {} : { StartAfter: root + start }),
      };
      const page = await this.#read(`list ${prefix}`, signal, () =>
        this.#client.send(new ListObjectsV2Command(input), { abortSignal: signal }),
      );
      const found = (page?.Contents ?? []).flatMap(({ Key }) => (Key === undefined ? [] : [Key.slice(root.length)]));
      const last = found.at(-1);
      keys.push(...found.filter((key) => !key.endsWith('/'))); // what consoles make to show a folder
      if (last === undefined || page?.IsTruncated !== true || keys.length >= limit) return keys;
      start = last;
    }
  }

  async remove(key: string, signal: AbortSignal): Promise<void> {
    await this.#read(`delete ${key}`, signal, () =>
      this.#client.send(new DeleteObjectCommand(this.#named(key)), { abortSignal: signal }),
    );
  }

  ways(): readonly ObjectStore[] {
    return [new S3Store(this.#client, this.#place, Infinity), new S3Store(this.#client, this.#place, 0)];
  }

  close(): Promise<void> {
    this.#client.destroy();
    return Promise.resolve();
  }

  #named(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#place.bucket, Key: this.#place.prefix + key };
  }

  /** Null where the key is absent. Throws StoreUnavailable and StoreRefused. */
  async #read<T>(doing: string, signal: AbortSignal, work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof StoreUnavailable) throw error;
      const failure = classify(error, this.#place, doing);
      if (failure.kind === 'absent') return null;
      const message = failure.kind === 'exists' ? `S3: ${doing}: an unexpected 412` : failure.message;
      if (failure.kind === 'refused') throw new StoreRefused(message, { cause: error });
      throw new StoreUnavailable(message, { cause: error });
    }
  }

  async #put(key: string, bytes: Buffer, abortSignal: AbortSignal): Promise<void> {
    const input = { ...this.#named(key), Body: bytes, ContentType: contentType(key), IfNoneMatch: '*' };
    await this.#client.send(new PutObjectCommand(input), { abortSignal });
  }

  async #putParts(key: string, bytes: Buffer, abortSignal: AbortSignal): Promise<void> {
    const named = this.#named(key);
    const create = new CreateMultipartUploadCommand({
      ...named,
      ContentType: contentType(key),
      ChecksumAlgorithm: 'CRC32',
    });
    const { UploadId } = await this.#client.send(create, { abortSignal });
    const upload = { ...named, UploadId };
    try {
      const Parts = await this.#sendParts(upload, partsOf(bytes), abortSignal);
      const complete = new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts }, IfNoneMatch: '*' });
      await this.#client.send(complete, { abortSignal });
    } catch (error) {
      // Not under the caller's signal: what was uploaded is to go even when this process ends. Failing, the bucket's rule does it.
      const abort = new AbortMultipartUploadCommand(upload);
      await this.#client.send(abort, { abortSignal: AbortSignal.timeout(ABORT_MS) }).catch(() => {});
      throw error;
    }
  }

  async #sendParts(
    upload: { Bucket: string; Key: string; UploadId: string | undefined },
    parts: readonly Buffer[],
    signal: AbortSignal,
  ): Promise<CompletedPart[]> {
    const done: CompletedPart[] = [];
    const failed = new AbortController();
    const abortSignal = AbortSignal.any([signal, failed.signal]);
    const rest = parts.entries();
    const worker = async (): Promise<void> => {
      for (const [i, Body] of rest) {
        const part = { ...upload, PartNumber: i + 1, Body, ChecksumAlgorithm: 'CRC32' as const };
        const { ETag, ChecksumCRC32 } = await this.#client.send(new UploadPartCommand(part), { abortSignal });
        done[i] = { PartNumber: i + 1, ETag, ChecksumCRC32 };
      }
    };
    try {
      await Promise.all(Array.from({ length: Math.min(PARTS_AT_ONCE, parts.length) }, worker));
    } finally {
      failed.abort();
    }
    return done;
  }
}
