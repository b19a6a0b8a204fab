// S3 as a store: the conformance suite against a real server, and what networks and servers do to requests, by a proxy before it.
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { claim } from '../../../consumers/chain/operations.ts';
import { runSteps } from '../../../consumers/chain/run.ts';
import { StoreRefused, StoreUnavailable, type ObjectStore } from '../../../consumers/chain/store.ts';
import { MULTIPART_FROM } from '../../../consumers/s3/encode.ts';
import { openS3Store } from '../../../consumers/s3/index.ts';
import { S3Store } from '../../../consumers/s3/send.ts';
import { startS3, type S3 } from '../../containers.ts';
import { raceWriters } from './chain-over-store.ts';
import { freshName, storeConformance } from './conformance.ts';
import { startFaultProxy, type Fault, type FaultProxy } from '../../fault-proxy.ts';

const MIB = 1_048_576;
const { signal } = new AbortController();
let s3: S3;
let proxy: FaultProxy;
/** Straight to the server. */
let direct: S3Client;

beforeAll(async () => {
  s3 = await startS3();
  proxy = await startFaultProxy(s3.endpoint);
  direct = clientAt(s3.endpoint);
  await direct.send(new CreateBucketCommand({ Bucket: 'events' }));
  await direct.send(new CreateBucketCommand({ Bucket: 'conformance' }));
});
afterEach(() => {
  proxy.rule = () => 'pass';
});
afterAll(async () => {
  direct?.destroy();
  await proxy?.[Symbol.asyncDispose]();
  await s3?.[Symbol.asyncDispose]();
});

function clientAt(endpoint: string, requestTimeout = 2000, maxAttempts = 3): S3Client {
  const { region, credentials } = s3;
  const requestHandler = { connectionTimeout: 1000, requestTimeout, throwOnRequestTimeout: true };
  return new S3Client({ endpoint, region, credentials, forcePathStyle: true, requestHandler, maxAttempts });
}

const sinkAt = (endpoint: string, change: object = {}) =>
  openS3Store({
    kind: 's3',
    name: 's3',
    home: 'chicago',
    match: ['**'],
    mapping: null,
    rotate: { size: 64 * MIB, count: 1_000_000, age: 300_000 },
    memory: 256 * MIB,
    admin: '127.0.0.1:0',
    bucket: 'events',
    prefix: 'logs/',
    region: s3.region,
    endpoint,
    pathStyle: true,
    credentials: s3.credentials,
    ...change,
  });

/** With short timeouts, through the proxy. */
const spoiled = (requestTimeout?: number): S3Store =>
  new S3Store(
    clientAt(proxy.endpoint, requestTimeout),
    { bucket: 'events', prefix: '', endpoint: proxy.endpoint },
    MULTIPART_FROM,
  );

/** Parts from 64 KiB on, so that much weather meets them. */
const inParts = (client: S3Client): ObjectStore =>
  new S3Store(client, { bucket: 'events', prefix: '', endpoint: 'the proxy' }, 65_536);

/** The fault for the first `times` requests of this method (and query), then none. */
const first =
  (times: number, fault: Fault, method: string, part = '') =>
  (actual: string, path: string): Fault =>
    actual === method && path.includes(part) && times-- > 0 ? fault : 'pass';

const bodyOf = (size: number): Buffer => Buffer.alloc(size, 'abcdefg');

storeConformance('S3', () => sinkAt(s3.endpoint, { bucket: 'conformance', prefix: '' }));

describe('S3', () => {
  it('keeps everything below its prefix, and sees nothing else', async () => {
    const store = sinkAt(s3.endpoint);
    const whole = sinkAt(s3.endpoint, { prefix: '' });
    const key = `prefixed/${freshName()}`;
    await whole.createIfAbsent(`other/${key}`, bodyOf(3), signal);
    await store.createIfAbsent(key, bodyOf(3), signal);
    expect(await whole.get(`logs/${key}`, signal)).toEqual(bodyOf(3));
    expect(await store.list('', '', 10, signal)).toEqual([key]);
    await Promise.all([store.close(), whole.close()]);
  });

  it.each([
    ['one request', 1000, ''],
    ['a body of 7 MiB', 7 * MIB, ''],
    ['the completion of parts', 9 * MIB, 'uploadId'],
  ])('does not call its own object another, where the answer to %s is lost', async (_what, size, part) => {
    const store = spoiled();
    const method = part === '' ? 'PUT' : 'POST';
    for (const times of [1, 3]) {
      const key = `lost/${freshName()}`;
      proxy.rule = first(times, 'lose', method, part);
      const result = await store.createIfAbsent(key, bodyOf(size), signal);
      if (times === 3) expect(result.kind).toBe('unknown');
      expect(await store.head(key, signal)).toEqual({ length: size });
      // However it was answered, whoever reads back finds that it is his.
      proxy.rule = first(times, 'lose', method, part);
      expect(await runSteps(claim(`${key}-claimed`, bodyOf(size)), store, quiet())).toBe('mine');
    }
    await store.close();
  });

  it.each(['never', 'torn', 409, 500, 503, 'hang'] as const)('comes through where a put meets %s', async (fault) => {
    const store = spoiled(fault === 'hang' ? 300 : undefined);
    const key = `trouble/${freshName()}`;
    proxy.rule = first(3, fault, 'PUT');
    // 409 is not among what the SDK tries again.
    expect((await store.createIfAbsent(key, bodyOf(100_000), signal)).kind).toBe('unknown');
    expect(await store.head(key, signal)).toBeNull();
    proxy.rule = first(5, fault, 'PUT');
    expect(await runSteps(claim(key, bodyOf(100_000)), store, quiet())).toBe('mine');
    expect((await store.get(key, signal))?.equals(bodyOf(100_000))).toBe(true);
    await store.close();
  });

  it.each([500, 503, 'never', 'hang'] as const)(
    'is unavailable where a read meets %s, and the runner waits for it',
    async (fault) => {
      const store = spoiled(fault === 'hang' ? 300 : undefined);
      await store.createIfAbsent('read', bodyOf(10), signal);
      proxy.rule = first(3, fault, 'GET');
      await expect(store.get('read', signal)).rejects.toThrow(StoreUnavailable);
      proxy.rule = first(4, fault, 'GET');
      const troubles: string[] = [];
      const list = runSteps(
        claim('read', bodyOf(11)),
        store,
        quiet((kind) => troubles.push(kind)),
      );
      expect(await list).toBe('other');
      expect(troubles).toEqual(['unavailable']);
      await store.close();
    },
  );

  it('ends a request that hangs when the signal aborts', async () => {
    const store = sinkAt(proxy.endpoint);
    proxy.rule = () => 'hang';
    for (const call of ['createIfAbsent', 'get'] as const) {
      const gone = new AbortController();
      const pending = call === 'get' ? store.get('a', gone.signal) : store.createIfAbsent('a', bodyOf(10), gone.signal);
      gone.abort(new Error('the caller went'));
      await expect(pending).rejects.toThrow('the caller went');
    }
    await store.close();
  });

  it('leaves no upload open, whether parts fail, the key exists, or all goes well', async () => {
    const store = spoiled();
    const key = `parts/${freshName()}`;
    expect(await store.createIfAbsent(key, bodyOf(20 * MIB), signal)).toEqual({ kind: 'created' });
    expect(await store.createIfAbsent(key, bodyOf(9 * MIB), signal)).toEqual({ kind: 'exists' });
    proxy.rule = first(9, 500, 'PUT', 'partNumber=2');
    expect((await store.createIfAbsent(`${key}-failed`, bodyOf(20 * MIB), signal)).kind).toBe('unknown');
    expect((await direct.send(new ListMultipartUploadsCommand({ Bucket: 'events' }))).Uploads ?? []).toEqual([]);
    expect((await store.get(key, signal))?.equals(bodyOf(20 * MIB))).toBe(true);
    await store.close();
  });

  it.each([
    ['small objects', { events: 200, window: 10, windows: 4, padding: 20 }],
    ['objects in parts', { events: 45, window: 5, windows: 3, padding: 200_000 }],
  ])(
    'holds every number once, after writers that took over from one another in bad weather: %s',
    async (title, race) => {
      const faults: Fault[] = ['lose', 'never', 'torn', 409, 500, 'lose'];
      proxy.rule = () =>
        Math.random() < 0.06 ? (faults[Math.floor(Math.random() * faults.length)] ?? 'pass') : 'pass';
      proxy.met.clear();
      await raceWriters(
        () => inParts(clientAt(proxy.endpoint)),
        () => inParts(clientAt(s3.endpoint)),
        title.replaceAll(' ', '-'),
        race,
      );
      expect(proxy.met.get('lose') ?? 0).toBeGreaterThan(0);
    },
  );

  it.each([
    ['a missing bucket', { bucket: 'nobody-made-this' }, /create it/],
    ['a wrong access key', { credentials: { accessKeyId: 'nobody', secretAccessKey: 'x' } }, /access key is not known/],
    [
      'a wrong secret',
      { credentials: { accessKeyId: 'test-access', secretAccessKey: 'wrong' } },
      /secret does not belong/,
    ],
    ['a wrong region', { region: 'eu-central-1' }, /region is not/],
  ])('says what to do about %s', async (_what, change, advice) => {
    const store = sinkAt(s3.endpoint, change);
    await expect(store.createIfAbsent('a', bodyOf(1), signal)).rejects.toThrow(StoreRefused);
    await expect(store.list('', '', 1, signal)).rejects.toThrow(advice);
    await store.close();
  });

  it('is unavailable where nobody listens', async () => {
    const store = new S3Store(
      clientAt('http://127.0.0.1:1'),
      { bucket: 'events', prefix: '', endpoint: 'nowhere' },
      MULTIPART_FROM,
    );
    await expect(store.list('', '', 1, signal)).rejects.toThrow(StoreUnavailable);
    await store.close();
  });

  it('holds whole objects only, after the server was killed in mid-upload', async () => {
    // Without the SDK's own retries, so that the kill is felt.
    const place = { bucket: 'events', prefix: '', endpoint: s3.endpoint };
    const store = new S3Store(clientAt(s3.endpoint, 2000, 1), place, MULTIPART_FROM);
    const sizes = [40 * MIB, 24 * MIB, 7 * MIB, 7 * MIB, 2 * MIB, 100];
    const root = `killed-${freshName()}`;
    let troubles = 0;
    const options = quiet(() => troubles++);
    const uploads = sizes.map((size, i) => runSteps(claim(`${root}/${i}`, bodyOf(size)), store, options));
    await s3.kill();
    await s3.start();
    expect(await Promise.all(uploads)).toEqual(sizes.map(() => 'mine'));
    expect(troubles, 'the kill was felt').toBeGreaterThan(0);
    for (const [i, size] of sizes.entries())
      expect((await store.get(`${root}/${i}`, signal))?.equals(bodyOf(size))).toBe(true);
    await store.close();
  });
});

function quiet(trouble: (kind: string) => void = () => {}) {
  return {
    signal,
    concurrency: 4,
    trouble: ({ kind }: { kind: string }) => trouble(kind),
    backoff: { first: 20, most: 200 },
  };
}
