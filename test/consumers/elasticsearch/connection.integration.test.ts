// How the sink reaches a real Elasticsearch: credentials, certificates, several nodes, time-outs, and never more than one socket a connection.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ElasticsearchSinkConfig } from '../../../core/config/sink-config.ts';
import { until } from '../../containers.ts';
import { makeCertificate, type Certificate } from '../../targets/certificates.ts';
import { startElasticsearch, type Elasticsearch } from '../../targets/elasticsearch.ts';
import { countsOf, eventsOf, many, sending, type Sending } from './documents.ts';
import { Front, type Manner } from './front.ts';

const PASSWORD = 'test-elastic';
const basic = { kind: 'basic', username: 'elastic', password: PASSWORD } as const;
let server: Elasticsearch;
let front: Front;
let other: Front;

beforeAll(async () => {
  server = await startElasticsearch({ password: PASSWORD, settings: { 'http.max_content_length': '2mb' } });
  front = await Front.before(server.endpoint);
  other = await Front.before(server.endpoint);
}, 150_000);
afterEach(async () => {
  for (const each of [front, other]) {
    each.manner = () => 'pass';
    each.asked.length = 0;
    await each.up();
  }
});
afterAll(async () => {
  await front[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const to = (change: Partial<ElasticsearchSinkConfig> = {}): Sending =>
  sending({ nodes: [front.endpoint], auth: basic, ...change });
const isBulk = (manner: Manner) => (_method: string, path: string) => (path.startsWith('/_bulk') ? manner : 'pass');

describe('credentials', () => {
  test('of a user are sent, and let it in', async () => {
    await using sink = to();
    expect(await sink.prepare()).toMatchObject({ kind: 'done' });
    expect(await sink.send(many('basic', 1))).toEqual({ kind: 'done', repeated: 0 });
    const authorization = `Basic ${Buffer.from(`elastic:${PASSWORD}`).toString('base64')}`;
    expect(front.asked.map(({ headers }) => headers.authorization)).toEqual(front.asked.map(() => authorization));
  });
  test('of an API key are sent as such', async () => {
    await using sink = to({ auth: { kind: 'api-key', apiKey: 'aWQ6a2V5' } });
    expect(await sink.send(many('key', 1))).toMatchObject({ kind: 'paused' });
    expect(front.asked[0]?.headers.authorization).toBe('ApiKey aWQ6a2V5');
  });
  test('that are wrong or missing pause and say so', async () => {
    for (const auth of [{ kind: 'none' }, { ...basic, password: 'wrong' }] as const) {
      await using sink = to({ auth });
      for (const outcome of [await sink.prepare(), await sink.send(many('wrong', 1))]) {
        expect(outcome).toMatchObject({
          kind: 'paused',
          code: 'security_exception',
          message: expect.stringMatching(/credentials are refused; check sinks/) as string,
        });
      }
    }
  });
  test('without the right to install the template are told of once, and go on', async () => {
    const error = { type: 'security_exception', reason: 'action [indices:admin/index_template/put] is unauthorized' };
    front.manner = (_, path) =>
      path.startsWith('/_index_template') ? { status: 403, body: { error, status: 403 } } : 'pass';
    await using sink = to();
    expect([await sink.prepare(), await sink.prepare()]).toMatchObject([{ kind: 'done' }, { kind: 'done' }]);
    expect(sink.told).toHaveLength(1);
    expect(sink.told[0]).toContain('index template waggle-daily-waggle');
  });
});

describe('a request', () => {
  test('is compressed where that is wanted, and leaves through one socket that stays', async () => {
    for (const compression of [true, false]) {
      await until('no socket of another test', () => Promise.resolve(front.sockets.size === 0));
      front.mostSockets = 0;
      await using sink = to({ compression });
      for (let n = 0; n < 3; n++) await sink.send(many(`gzip-${n}`, 100));
      expect(front.asked.at(-1)?.headers['content-encoding']).toBe(compression ? 'gzip' : undefined);
      expect(front.mostSockets).toBe(1);
    }
    await until('no socket left', () => Promise.resolve(front.sockets.size === 0));
  });
  test.each([true, false])(
    'too large for the server is refused as a whole, with compression %s, and halves of it are not',
    async (compression) => {
      await using sink = sending({ nodes: [server.endpoint], auth: basic, compression });
      const events = eventsOf(
        `large-${compression}`,
        ...Array.from({ length: 30 }, () => ({ text: 'x'.repeat(100_000) })),
      );
      for (let again = 0; again < 5; again++)
        expect(await sink.send(events)).toMatchObject({ kind: 'rejected', code: 'http-413' });
      expect(await sink.send(events.slice(0, 15))).toMatchObject({ kind: 'done' });
    },
  );
  test('that is large and fails is not looked through by the client, which would take minutes and gigabytes', async () => {
    await using sink = to({ compression: false });
    const events = eventsOf('heap', ...Array.from({ length: 64 }, () => ({ text: 'x'.repeat(1_000_000) })));
    for (const answer of [{ status: 503 }, { status: 429 }, 'nameless', 'cut'] as const) {
      front.manner = isBulk(answer === 'nameless' ? { status: 200, headers: { 'x-elastic-product': 'none' } } : answer);
      expect(await sink.send(events)).toMatchObject({ kind: answer === 'nameless' ? 'paused' : 'retry' });
    }
  });
  test('whose answer is lost is met as repeated by the next', async () => {
    await using sink = to();
    front.manner = isBulk('lost');
    expect(await sink.send(many('lost', 5))).toMatchObject({ kind: 'retry', code: 'connection-failed' });
    front.manner = () => 'pass';
    expect(await sink.send(many('lost', 5))).toEqual({ kind: 'done', repeated: 5 });
    const counts = await countsOf(server, 'waggle-*');
    expect(many('lost', 5).map(({ id }) => counts.get(id))).toEqual([1, 1, 1, 1, 1]);
  });
  test('that is not answered in time is a retry, and its socket is closed', async () => {
    await using sink = to({ timeout: 1_000 });
    front.manner = isBulk('silent');
    expect(await sink.send(many('silent', 1))).toMatchObject({ kind: 'retry', code: 'timeout' });
    await until('no socket left', () => Promise.resolve(front.sockets.size === 0));
    front.manner = () => 'pass';
    expect(await sink.send(many('silent', 1))).toMatchObject({ kind: 'done' });
  });
  test('ends at once when it is given up, also while it connects', async () => {
    front.manner = isBulk('silent');
    await using sink = to();
    // Of TEST-NET-1 (RFC 5737): nobody answers, or nobody can be reached.
    await using nowhere = to({ nodes: ['http://192.0.2.1:9200'] });
    for (const each of [sink, nowhere]) {
      const gone = new AbortController();
      const pending = each.send(many('gone', 1), gone.signal);
      gone.abort();
      // Else, ten seconds later, it would be the time-out.
      expect(await pending).toMatchObject({ kind: 'retry', code: 'connection-failed' });
    }
  });
  test.each([
    ['a page of a proxy', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }, 'paused'],
    ['a redirection', { status: 302, headers: { location: '/login' }, body: '' }, 'paused'],
    ['half an answer', { status: 200, body: '{"errors":fal' }, 'retry'],
    [
      'a gateway without its server',
      { status: 502, headers: { 'content-type': 'text/html' }, body: '<html>' },
      'retry',
    ],
    ['a limit of a proxy', { status: 429, headers: { 'retry-after': '3' }, body: '' }, 'retry'],
    ['another major version', { status: 400, body: { error: { type: 'media_type_header_exception' } } }, 'paused'],
  ] as const)('that is answered with %s', async (_, answer, kind) => {
    await using sink = to();
    front.manner = isBulk(answer);
    expect(await sink.send(many('odd', 1))).toMatchObject({ kind });
    expect(front.asked).toHaveLength(1); // the loop tries again, not the client
  });
  test('taken by what is no Elasticsearch pauses, before the first event where the template is installed', async () => {
    front.manner = () => 'nameless';
    await using sink = to();
    for (const outcome of [await sink.prepare(), await sink.send(many('nameless', 1))])
      expect(outcome).toMatchObject({ kind: 'paused', code: 'not-elasticsearch' });
  });
});

describe('several nodes', () => {
  test('are taken in turn, one socket at a time', async () => {
    await using sink = to({ nodes: [front.endpoint, other.endpoint] });
    expect(await sink.send(many('nodes', 1))).toMatchObject({ kind: 'done' });
    for (let n = 0; n < 6; n++) {
      const [here, there] = front.sockets.size > 0 ? [front, other] : [other, front];
      expect([here.sockets.size, there.sockets.size]).toEqual([1, 0]);
      here.manner = isBulk({ status: 503, body: { error: { type: 'master_not_discovered_exception' } } });
      expect(await sink.send(many(`nodes-${n}`, 1))).toMatchObject({ kind: 'retry' });
      here.manner = () => 'pass';
      expect(await sink.send(many(`nodes-${n}`, 1))).toMatchObject({ kind: 'done' });
      await until('the old socket to go', () => Promise.resolve(here.sockets.size === 0));
    }
  });
  test('of which one is down are no more than one failed request, and none to prepare', async () => {
    await other.down();
    for (let n = 0; n < 2; n++) {
      await using sink = to({ nodes: [other.endpoint, front.endpoint] });
      expect(await sink.prepare()).toMatchObject({ kind: 'done' });
      expect(await sink.send(many(`down-${n}`, 1))).toMatchObject({ kind: 'done' });
    }
    // Whatever node is the first.
    const kinds = new Set<string>();
    for (let n = 0; n < 40; n++) {
      await using sink = to({ nodes: [other.endpoint, front.endpoint] });
      const first = await sink.send(many(`first-${n}`, 1));
      kinds.add(first.kind);
      if (first.kind === 'retry') expect(await sink.send(many(`first-${n}`, 1))).toMatchObject({ kind: 'done' });
    }
    expect([...kinds].toSorted()).toEqual(['done', 'retry']);
  });
  test('of which one has no master are prepared by the other', async () => {
    other.manner = () => ({ status: 503, body: { error: { type: 'master_not_discovered_exception' } } });
    for (let n = 0; n < 4; n++) {
      await using sink = to({ nodes: [other.endpoint, front.endpoint] });
      expect(await sink.prepare()).toMatchObject({ kind: 'done' });
    }
    front.manner = other.manner;
    await using sink = to({ nodes: [other.endpoint, front.endpoint] });
    expect(await sink.prepare()).toMatchObject({ kind: 'retry', code: 'master_not_discovered_exception' });
  });
});

describe('TLS', () => {
  const LOCAL = 'IP:127.0.0.1';
  let authority: Certificate;
  let secure: Front;
  beforeAll(async () => {
    authority = makeCertificate({ subject: 'Authority', authority: true });
    const own = makeCertificate({ subject: 'search', names: LOCAL, issuer: authority });
    secure = await Front.before(server.endpoint, own, authority);
  });
  afterAll(() => secure[Symbol.asyncDispose]());

  const outcomeWith = async (tls: ElasticsearchSinkConfig['tls']) => {
    secure.asked.length = 0;
    await using sink = to({ nodes: [secure.endpoint], tls });
    const outcome = await sink.send(many('tls', 1)); // before the sink is closed
    return outcome;
  };
  test('is trusted by an authority or by a fingerprint', async () => {
    expect(await outcomeWith({ ca: authority.cert, fingerprint: null })).toMatchObject({ kind: 'done' });
    expect(await outcomeWith({ ca: null, fingerprint: authority.fingerprint })).toMatchObject({ kind: 'done' });
  });
  test('that is not trusted pauses and says why, and nothing is sent', async () => {
    const impostor = makeCertificate({ subject: 'Authority', authority: true });
    for (const tls of [
      { ca: null, fingerprint: null },
      { ca: impostor.cert, fingerprint: null },
      { ca: null, fingerprint: impostor.fingerprint },
    ]) {
      expect(await outcomeWith(tls)).toMatchObject({
        kind: 'paused',
        code: 'certificate-refused',
        message: expect.stringContaining('check sinks.*.tls') as string,
      });
      expect(secure.asked).toEqual([]);
    }
  });
});
