// Makes a bucket where it is missing, for the S3 server of docker-compose.yml. In production a bucket is the business of its owner.
//   node deploy/make-bucket.ts ENDPOINT BUCKET      credentials: WAGGLE_S3_ACCESS_KEY_ID, WAGGLE_S3_SECRET_ACCESS_KEY
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';

async function makeBucket(endpoint: string, bucket: string, env: NodeJS.ProcessEnv): Promise<void> {
  const credentials = {
    accessKeyId: env['WAGGLE_S3_ACCESS_KEY_ID'] ?? '',
    secretAccessKey: env['WAGGLE_S3_SECRET_ACCESS_KEY'] ?? '',
  };
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    console.log(`bucket ${bucket}: made`);
  } catch (error) {
    if (!(error instanceof Error && error.name.startsWith('BucketAlready'))) throw error;
    console.log(`bucket ${bucket}: there`);
  }
}

const [endpoint, bucket] = process.argv.slice(2);
if (endpoint === undefined || bucket === undefined) {
  console.error('Usage: node deploy/make-bucket.ts ENDPOINT BUCKET');
  process.exit(64);
}
try {
  await makeBucket(endpoint, bucket, process.env);
} catch (error) {
  console.error(`bucket ${bucket} at ${endpoint}: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
