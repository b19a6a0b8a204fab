import { describe, expect, it } from 'vitest';
import { classify } from '../../../consumers/s3/classify.ts';
import { contentType, MULTIPART_FROM, partsOf } from '../../../consumers/s3/encode.ts';

const place = { bucket: 'events', prefix: '', endpoint: 'http://s3:7070' };
const MIB = 1_048_576;

/** As the SDK throws it. */
const answer = (name: string, status: number): Error =>
  Object.assign(new Error('said the server'), { name, $metadata: { httpStatusCode: status } });

describe('an S3 answer', () => {
  it.each([
    ['PreconditionFailed', 412, 'exists'],
    ['NoSuchKey', 404, 'absent'],
    ['NotFound', 404, 'absent'],
    ['ConditionalRequestConflict', 409, 'unavailable'],
    ['OperationAborted', 409, 'unavailable'],
    ['InternalError', 500, 'unavailable'],
    ['InternalError', 200, 'unavailable'], // an error in the body of a completion
    ['SlowDown', 503, 'unavailable'],
    ['TooManyRequests', 429, 'unavailable'],
    ['RequestTimeout', 400, 'unavailable'],
    ['BadDigest', 400, 'unavailable'],
    ['NoSuchUpload', 404, 'unavailable'],
    ['NoSuchBucket', 404, 'refused'],
    ['XAdminUserNotFound', 404, 'refused'],
    ['AccessDenied', 403, 'refused'],
    ['403', 403, 'refused'], // of a HEAD, which has no body
    ['ObjectParentIsFile', 409, 'refused'],
    ['InvalidRequest', 400, 'refused'],
    ['NotImplemented', 501, 'refused'],
    ['301', 301, 'refused'],
  ])('%s %i is: %s', (name, status, kind) => {
    expect(classify(answer(name, status), place, 'put a')).toMatchObject({ kind });
  });

  it.each([
    Object.assign(new Error('socket hang up'), { code: 'ECONNRESET', name: 'TimeoutError' }),
    Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
    Object.assign(new Error('x'), { name: 'TimeoutError', $metadata: {} }),
    'a thrown string',
  ])('that never came is no refusal: %s', (error) => {
    expect(classify(error, place, 'put a')).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('no answer'),
    });
  });

  it('names bucket, place, what was done and what to do', () => {
    expect(classify(answer('NoSuchBucket', 404), place, 'put a')).toEqual({
      kind: 'refused',
      message:
        'S3 bucket "events" at http://s3:7070: there is no such bucket; create it, or mend sinks.*.bucket. (put a: NoSuchBucket 404)',
    });
  });

  it('to missing credentials says where they go', () => {
    const error = Object.assign(new Error('could not load'), { name: 'CredentialsProviderError' });
    expect(classify(error, place, 'put a')).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('sinks.*.credentials'),
    });
  });
});

describe('parts', () => {
  it.each([
    [1, 1],
    [MULTIPART_FROM, 1],
    [MULTIPART_FROM + 1, 2],
    [64 * MIB, 8],
    [0, 1],
  ])('of %i bytes are %i, and whole', (size, count) => {
    const bytes = Buffer.alloc(size, 'abc');
    const parts = partsOf(bytes);
    expect(parts).toHaveLength(count);
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  });
});

it('has no content type that makes clients decompress', () => {
  expect(contentType('type=a/x.ndjson.zst')).toBe('application/zstd');
  expect(contentType('_waggle/s3/p0/1.commit.json')).toBe('application/json');
});
