// The S3 sink's wiring: from its configuration to its store.
import { S3Client } from '@aws-sdk/client-s3';
import type { S3SinkConfig } from '#core/config/sink-config.ts';
import type { ObjectStore } from '../chain/store.ts';
import { MULTIPART_FROM } from './encode.ts';
import { S3Store } from './send.ts';

const CONNECT_MS = 5_000;
/** Until the answer's head, and of silence. A part of 8 MiB takes 8 s at 1 MiB/s. */
const ANSWER_MS = 30_000;

/**
 * Opens nothing yet. A store that does not know checksum trailers is served by the SDK's own AWS_REQUEST_CHECKSUM_CALCULATION=WHEN_REQUIRED,
 * and no credentials here means its default chain (environment, profile, instance role).
 */
export function openS3Store(sink: S3SinkConfig): ObjectStore {
  const client = new S3Client({
    region: sink.region,
    forcePathStyle: sink.pathStyle,
    ...(sink.endpoint === null ? {} : { endpoint: sink.endpoint }),
    ...(sink.credentials === null ? {} : { credentials: sink.credentials }),
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: ANSWER_MS,
      throwOnRequestTimeout: true,
      socketTimeout: ANSWER_MS,
    },
  });
  const { bucket, prefix, endpoint } = sink;
  return new S3Store(client, { bucket, prefix, endpoint: endpoint ?? 'Amazon S3' }, MULTIPART_FROM);
}
