// What an S3 server's errors mean to the chain. Pure. (Amazon S3 API reference, "Error responses"; deviations of versitygw noted.)

export type S3Failure =
  /** The condition of a create failed. */
  | { readonly kind: 'exists' }
  | { readonly kind: 'absent' }
  /** It may have had its effect or not; trying again may help. */
  | { readonly kind: 'unavailable'; readonly message: string }
  /** Somebody must mend the configuration or the rights. */
  | { readonly kind: 'refused'; readonly message: string };

/** Where the store is, for messages. */
export interface S3Place {
  readonly bucket: string;
  /** Before every key; empty, or ending in a slash. */
  readonly prefix: string;
  readonly endpoint: string;
}

const KEY_UNKNOWN = 'the access key is not known there; check sinks.*.credentials';
const RIGHTS =
  'it needs s3:PutObject, s3:GetObject, s3:AbortMultipartUpload and s3:ListBucket (without which an absent object is refused, not absent)';
const REGION = 'the region is not that of the bucket; mend sinks.*.region';

/** Codes that need a hand, and what to do. */
const ADVICE: Readonly<Record<string, string>> = {
  NoSuchBucket: 'there is no such bucket; create it, or mend sinks.*.bucket',
  InvalidBucketName: 'this is no name of a bucket; mend sinks.*.bucket',
  XAdminUserNotFound: KEY_UNKNOWN, // versitygw, with 404
  InvalidAccessKeyId: KEY_UNKNOWN,
  SignatureDoesNotMatch: 'the secret does not belong to the access key; check sinks.*.credentials',
  CredentialsProviderError:
    'no credentials were found; set sinks.*.credentials, or provide them as the AWS SDK expects',
  ExpiredToken: 'the credentials have expired; renew them',
  RequestTimeTooSkewed: "this machine's clock differs from the server's by too much; set it",
  AccessDenied: `the credentials lack a right: ${RIGHTS}`,
  Forbidden: `the credentials lack a right: ${RIGHTS}`,
  PermanentRedirect: REGION,
  AuthorizationHeaderMalformed: REGION,
  NotImplemented: 'the server does not know a request that the chain needs; use another',
};

/** 4xx that pass. The conflict is another create under way; read back, then try again. */
const PASSING = new Set([
  'ConditionalRequestConflict',
  'OperationAborted',
  'RequestTimeout',
  'BadDigest',
  'IncompleteBody',
  'TooManyRequests',
  'NoSuchUpload',
]);
const ABSENT = new Set(['NoSuchKey', 'NotFound']);

function factsOf(error: unknown): { name: string; status: number; text: string } {
  if (!(error instanceof Error)) return { name: '', status: 0, text: String(error) };
  const metadata = '$metadata' in error ? error.$metadata : null;
  const status =
    typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
      ? Number(metadata.httpStatusCode)
      : 0;
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code} ` : '';
  return { name: error.name, status: status || 0, text: `${code}${error.message}`.trim() };
}

/** `doing`: as in "put type=…". Without a status there was no answer. */
export function classify(error: unknown, place: S3Place, doing: string): S3Failure {
  const { name, status, text } = factsOf(error);
  const where = `S3 bucket "${place.bucket}" at ${place.endpoint}`;
  if (status === 412 || name === 'PreconditionFailed') return { kind: 'exists' };
  const advice = ADVICE[name] ?? (status === 403 ? ADVICE['AccessDenied'] : status === 301 ? REGION : undefined);
  if (advice !== undefined)
    return { kind: 'refused', message: `${where}: ${advice}. (${doing}: ${name}${status === 0 ? '' : ` ${status}`})` };
  if (ABSENT.has(name)) return { kind: 'absent' };
  const message = `${where}: ${doing}: ${name}${status === 0 ? ', no answer' : ` ${status}`}${text === '' ? '' : `: ${text}`}`;
  const mended = status >= 400 && status < 500 && status !== 408 && status !== 429 && !PASSING.has(name);
  return mended ? { kind: 'refused', message } : { kind: 'unavailable', message };
}
