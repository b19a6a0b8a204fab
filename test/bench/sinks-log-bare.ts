// The baselines of the log sinks: the same objects, compressed and put by the bare client of the store, from memory. Run as a script by bareTurn.
import http from 'node:http';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { HdfsSinkConfig, LogSinkConfig, S3SinkConfig } from '#core/config/sink-config.ts';
import { batchBodies } from './backlog.ts';
import { share, takeOrder, workWhenTold } from './bare-process.ts';

export interface LogOrder {
  readonly sink: LogSinkConfig;
  readonly objects: number;
  /** Full batches in each object. */
  readonly batches: number;
  /** At once: as many as the sink has partitions, each of which writes one object after the other. */
  readonly workers: number;
}

const compress = promisify(zstdCompress);
type Put = (name: string, bytes: Buffer) => Promise<void>;

function s3({ region, endpoint, pathStyle, credentials, bucket, prefix }: S3SinkConfig): Put {
  const client = new S3Client({
    region,
    forcePathStyle: pathStyle,
    ...(endpoint !== null && { endpoint }),
    ...(credentials !== null && { credentials }),
  });
  return async (name, Body) => {
    const input = { Bucket: bucket, Key: prefix + name, Body, ContentType: 'application/zstd' };
    await client.send(new PutObjectCommand(input));
  };
}

/** CREATE of WebHDFS: the NameNode names a DataNode, which takes the bytes. */
function hdfs({ nameNodes, path, user }: HdfsSinkConfig): Put {
  const agent = new http.Agent({ keepAlive: true });
  const put = async (url: string, body: Buffer): Promise<{ readonly status: number; readonly text: string }> => {
    const headers = { 'content-type': 'application/octet-stream', 'content-length': body.length };
    const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
      http.request(url, { agent, method: 'PUT', headers }, resolve).once('error', reject).end(body);
    });
    return { status: answer.statusCode ?? 0, text: (await buffer(answer)).toString() };
  };
  return async (name, bytes) => {
    const create = `${nameNodes[0]}/webhdfs/v1${path}/${name}?op=CREATE&noredirect=true&user.name=${user}`;
    const named = await put(create, Buffer.alloc(0));
    const { Location } = JSON.parse(named.text) as { readonly Location?: string };
    if (Location === undefined) throw new Error(named.text);
    const written = await put(Location, bytes);
    if (written.status !== 201) throw new Error(written.text);
  };
}

if (import.meta.main) {
  const { sink, objects, batches, workers } = (await takeOrder()) as LogOrder;
  if (sink.kind === 'folder') throw new Error('no baseline for a folder');
  const put = sink.kind === 's3' ? s3(sink) : hdfs(sink);
  const bodies = batchBodies();
  const content = Array.from({ length: batches }, (_, i) => bodies[i % bodies.length] ?? Buffer.alloc(0));
  const names = Array.from({ length: objects }, (_, i) => `bare/${i}.ndjson.zst`);
  await workWhenTold(() =>
    share(names, workers, async (name) => {
      const plain = Buffer.concat(content);
      await put(name, await compress(plain, { pledgedSrcSize: plain.length }));
    }),
  );
}
