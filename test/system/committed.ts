// The oracle's second half: all that is stored is read, and each event counted.
import { zstdDecompressSync } from 'node:zlib';
import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import type { S3SinkConfig } from '#core/config/sink-config.ts';
import type { Generator } from './generator.ts';

/** How often each event is there, by `generator:number`. */
export type Stored = ReadonlyMap<string, number>;

/** As a naive reader sees the bucket: all data objects, whatever any chain says. */
export async function readBucket(sink: S3SinkConfig): Promise<Stored> {
  const events = new Map<string, number>();
  await countObjects(sink, new Set(), events);
  return events;
}

/** Adds the events of all data objects that are not in `known`, and the keys of these to it. */
export async function countObjects(sink: S3SinkConfig, known: Set<string>, events: Map<string, number>): Promise<void> {
  const { region, credentials, bucket } = sink;
  const client = new S3Client({
    region,
    forcePathStyle: true,
    ...(sink.endpoint === null ? {} : { endpoint: sink.endpoint }),
    ...(credentials === null ? {} : { credentials }),
  });
  for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket })) {
    for (const { Key: key = '' } of page.Contents ?? []) {
      if (key.startsWith('_waggle/') || known.has(key)) continue;
      const object = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      countObject(key, await (object.Body?.transformToByteArray() ?? new Uint8Array()), events);
      known.add(key);
    }
  }
}

/** `bytes`: of a data object, compressed. */
export function countObject(key: string, bytes: Uint8Array, events: Map<string, number>): void {
  for (const line of zstdDecompressSync(bytes).toString().split('\n').slice(0, -1)) {
    const { type, data } = JSON.parse(line) as { type: string; data: Numbered };
    if (!key.startsWith(`type=${type}/`)) throw new Error(`${key} holds an event of type ${type}`);
    countEvent(data, events);
  }
}

/** The data that generators send. */
export interface Numbered {
  readonly g: string;
  readonly n: number;
}

export function countEvent({ g, n }: Numbered, events: Map<string, number>): void {
  const name = `${g}:${n}`;
  events.set(name, (events.get(name) ?? 0) + 1);
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

export function judge(events: Stored, generators: readonly Generator[]): Verdict {
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
