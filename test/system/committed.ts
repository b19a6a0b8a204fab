// The oracle's second half: every object in the bucket is read, and each event counted.
import { zstdDecompressSync } from 'node:zlib';
import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import type { S3SinkConfig } from '#core/config/sink-config.ts';
import type { Generator } from './generator.ts';

export interface Found {
  /** How often each event is in a data object, by `generator:number`. */
  readonly events: ReadonlyMap<string, number>;
  readonly objects: number;
  /** Empty frames. */
  readonly seals: number;
}

/** As a naive reader sees the bucket: all data objects, whatever any chain says. */
export async function readBucket(sink: S3SinkConfig): Promise<Found> {
  const { region, credentials, bucket } = sink;
  const client = new S3Client({
    region,
    forcePathStyle: true,
    ...(sink.endpoint === null ? {} : { endpoint: sink.endpoint }),
    ...(credentials === null ? {} : { credentials }),
  });
  const events = new Map<string, number>();
  let objects = 0;
  let seals = 0;
  for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket })) {
    for (const { Key: key = '' } of page.Contents ?? []) {
      if (key.startsWith('_waggle/')) continue;
      const object = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      const text = zstdDecompressSync(await (object.Body?.transformToByteArray() ?? new Uint8Array())).toString();
      if (text === '') seals++;
      else objects++;
      for (const line of text.split('\n').slice(0, -1)) {
        const { type, data } = JSON.parse(line) as { type: string; data: { g: string; n: number } };
        if (!key.startsWith(`type=${type}/`)) throw new Error(`${key} holds an event of type ${type}`);
        const name = `${data.g}:${data.n}`;
        events.set(name, (events.get(name) ?? 0) + 1);
      }
    }
  }
  return { events, objects, seals };
}

export interface Verdict {
  readonly acknowledged: number;
  readonly unknown: number;
  /** Acknowledged, and not there. */
  readonly lost: readonly string[];
  readonly repeated: readonly string[];
  /** There, and never sent. */
  readonly invented: readonly string[];
}

export function judge({ events }: Found, generators: readonly Generator[]): Verdict {
  const names = (set: (generator: Generator) => ReadonlySet<number>): string[] =>
    generators.flatMap((generator) => [...set(generator)].map((n) => `${generator.name}:${n}`));
  const acknowledged = names((generator) => generator.acknowledged);
  const unknown = names((generator) => generator.unknown);
  const sent = new Set([...acknowledged, ...unknown]);
  return {
    acknowledged: acknowledged.length,
    unknown: unknown.length,
    lost: acknowledged.filter((name) => !events.has(name)),
    repeated: [...events].filter(([, times]) => times > 1).map(([name]) => name),
    invented: [...events.keys()].filter((name) => !sent.has(name)),
  };
}
