// What a real Elasticsearch says to each kind of document and in each state of its indices, and what the sink makes of it.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requestOutcome } from '../../../consumers/elasticsearch/classify.ts';
import { until } from '../../containers.ts';
import { startElasticsearch, type Elasticsearch } from '../../targets/elasticsearch.ts';
import { countsOf, documentsOf, eventsOf, many, sending } from './documents.ts';
import { eventOf } from '../queue/sample-event.ts';

const DAY = '2026.11.23';
let server: Elasticsearch;

beforeAll(async () => {
  server = await startElasticsearch();
}, 150_000);
afterAll(() => server[Symbol.asyncDispose]());

const at = (index: string, dataStream = false) => sending({ nodes: [server.endpoint], index, dataStream });
const ask = async (method: string, path: string, body?: unknown): Promise<unknown> => {
  const answer = await server.call(method, path, body);
  expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBeLessThan(300);
  return answer.body;
};
const cluster = (settings: Readonly<Record<string, unknown>>) =>
  ask('PUT', '/_cluster/settings', { persistent: settings });

const countOf = async (query: unknown): Promise<number> =>
  ((await ask('POST', '/whole-*/_count', { query })) as { count: number }).count;
const templateOf = async (name: string): Promise<unknown> => {
  const body = (await ask('GET', `/_index_template/${name}`)) as { index_templates: { index_template: unknown }[] };
  return body.index_templates[0]?.index_template;
};

/** The sink with its template and two events written to its index. */
async function started(index: string) {
  const to = at(index);
  expect(await to.prepare()).toEqual({ kind: 'done', repeated: 0 });
  expect(await to.send(many(index, 2))).toEqual({ kind: 'done', repeated: 0 });
  return to;
}

describe('documents', () => {
  test('hold what the event held, and are found by it', async () => {
    await using to = at('whole');
    await to.prepare();
    const event = eventOf('{"n":9007199254740993,"at":"2026-11-23","f":1.5,"user":{"id":"u 1"}}', { tag: 'T' });
    const note = eventOf('"something happened"', { id: 'e-2' });
    expect(await to.send([event, note])).toEqual({ kind: 'done', repeated: 0 });
    const found = await documentsOf(server, 'whole-*');
    expect(found.map(({ index, id }) => [index, id])).toEqual([
      [`whole-${DAY}`, event.key],
      [`whole-${DAY}`, note.key],
    ]);
    for (const term of [
      { 'data.n': '9007199254740993' },
      { 'data.at': '2026-11-23' },
      { 'data.user.id': 'u 1' },
      { 'labels.tag': 'T' },
    ])
      expect(await countOf({ term }), JSON.stringify(term)).toBe(1);
    for (const term of [{ 'event.action': 'checkin.visit' }, { 'labels.site': 'chicago' }, { 'host.name': 'api-1' }])
      expect(await countOf({ term }), JSON.stringify(term)).toBe(2);
    expect(await countOf({ match: { message: 'happened' } })).toBe(1);
    expect(
      await countOf({ range: { '@timestamp': { gte: '2026-11-23T13:59:59.5Z', lt: '2026-11-23T14:00:00Z' } } }),
    ).toBe(2);
  });

  test('of any kind are written or refused alone, and spoil no other', async () => {
    await using to = at('any');
    await to.prepare();
    await fc.assert(
      fc.asyncProperty(fc.uuid(), fc.array(fc.tuple(fc.json(), fc.string()), { maxLength: 20 }), async (id, others) => {
        const events = others.map(([data, source], n) => eventOf(data, { id: `${id}-${n}`, source, time: source }));
        const outcome = await to.send([...events, eventOf('{"good":true}', { id })]);
        expect(['done', 'partly']).toContain(outcome.kind);
        if (outcome.kind !== 'partly') return;
        expect(outcome.retry).toEqual([]);
        expect(outcome.rejected.map(({ index }) => index)).not.toContain(events.length);
      }),
      { numRuns: 25 },
    );
  });

  test('of ids, sources and texts of any length are written', async () => {
    await using to = at('long');
    await to.prepare();
    const long = 'x'.repeat(70_000);
    const events = [
      eventOf(`{"t":"${long}"}`),
      eventOf('{}', { id: long }),
      eventOf('{}', { id: 'e-2', source: long }),
    ];
    expect(await to.send([...events, eventOf(`"${long}"`, { id: 'e-3', extension: long })])).toMatchObject({
      kind: 'done',
    });
    expect(await to.send(events)).toEqual({ kind: 'done', repeated: 3 });
  });

  test('of more fields than the index may have, or levels, are written whole', async () => {
    await using to = at('wide');
    await to.prepare();
    const wide = Array.from({ length: 3 }, (_, n) =>
      Object.fromEntries(Array.from({ length: 900 }, (_each, field) => [`f${n}_${field}`, field])),
    );
    for (const [n, data] of wide.entries())
      expect(await to.send([eventOf(JSON.stringify(data), { id: `w-${n}` })])).toMatchObject({ kind: 'done' });
    expect(await to.send([eventOf(`${'{"a":'.repeat(60)}1${'}'.repeat(60)}`)])).toMatchObject({ kind: 'done' });
    expect((await countsOf(server, 'wide-*')).size).toBe(4);
  });

  test('whose fields conflict are refused with the reason, the others written, repeats known', async () => {
    await using to = at('conflict');
    await to.prepare();
    const events = eventsOf('c', { n: 1 }, { n: { x: 1 } }, { n: 2 }, { n: 'two' }, { '': 1 }, { a: 1, 'a.b': 2 });
    const outcome = await to.send(events);
    expect(outcome).toMatchObject({ kind: 'partly', retry: [], repeated: 0 });
    const rejected = outcome.kind === 'partly' ? outcome.rejected : [];
    expect(rejected.map(({ index, code }) => [index, code])).toEqual(
      [1, 3, 4, 5].map((index) => [index, 'document_parsing_exception']),
    );
    expect(rejected[0]?.message).toContain('[data.n] of type [long]');
    expect(await countsOf(server, 'conflict-*')).toEqual(
      new Map([
        ['c-0', 1],
        ['c-2', 1],
      ]),
    );
    expect(await to.send(events)).toMatchObject({ kind: 'partly', repeated: 2 });
  });

  test('go to the index of their day', async () => {
    await using to = at('days');
    const events = ['16', '17', '23'].map((day) => eventOf('{}', { id: day, time: `2026-11-${day}T15:00:00Z` }));
    await to.send([...events, eventOf('{}', { id: 'old', time: '1970-01-01T00:00:00Z' })]);
    const found = (await documentsOf(server, 'days-*')).map(
      ({ index, source }) => `${index} ${JSON.stringify(source['labels'])}`,
    );
    expect(found.toSorted()).toEqual(
      [
        'days-2026.11.16 {"site":"chicago"}',
        'days-2026.11.17 {"site":"chicago"}',
        'days-2026.11.23 {"time":"1970-01-01T00:00:00Z","site":"chicago"}',
        'days-2026.11.23 {"site":"chicago"}',
      ].toSorted(),
    );
  });
});

describe('a data stream', () => {
  test('is made by its template, takes events and knows repeats', async () => {
    await using to = at('stream', true);
    expect(await to.prepare()).toMatchObject({ kind: 'done' });
    expect(await to.send(many('s', 3))).toEqual({ kind: 'done', repeated: 0 });
    expect(await to.send(many('s', 4))).toEqual({ kind: 'done', repeated: 3 });
    expect((await documentsOf(server, 'stream'))[0]?.index).toMatch(/^\.ds-stream-/);
    await ask('POST', '/stream/_rollover');
    expect(await to.send(many('s', 1))).toEqual({ kind: 'done', repeated: 0 }); // as docs/elasticsearch.md says
  });
  test('without a template is no index made by mistake, but a pause', async () => {
    await using to = at('nowhere', true);
    expect(await to.send(many('n', 1))).toMatchObject({ kind: 'paused', code: 'index_not_found_exception' });
    await ask('PUT', '/plain');
    await using plain = at('plain', true);
    expect(await plain.send(many('n', 1))).toMatchObject({ kind: 'paused', code: 'resource_not_found_exception' });
  });
});

describe('the template', () => {
  test('replaces an older one and leaves a newer one and one of the user’s own', async () => {
    await using to = at('tidy');
    const name = 'waggle-daily-tidy';
    const put = (more: object) =>
      ask('PUT', `/_index_template/${name}`, { index_patterns: ['tidy-*'], priority: 900, ...more });
    await put({ version: 0 });
    await to.prepare();
    expect(await templateOf(name)).toMatchObject({ version: 1, index_patterns: ['tidy-*'], priority: 254 });
    for (const own of [{ version: 7 }, {}]) {
      await put(own);
      expect(await to.prepare()).toMatchObject({ kind: 'done' });
      expect(await templateOf(name)).toMatchObject({ priority: 900 });
    }
  });
  test('of a longer name than another sink’s decides for its own indices', async () => {
    await using short = at('tea');
    await using long = at('tea-audit');
    for (const to of [short, long]) expect(await to.prepare()).toMatchObject({ kind: 'done' });
    expect(await ask('POST', `/_index_template/_simulate_index/tea-audit-${DAY}`)).toMatchObject({
      overlapping: [{ name: 'waggle-daily-tea' }],
    });
  });
  test('that the server refuses is a pause that tells why', async () => {
    await ask('PUT', '/_index_template/mine', { index_patterns: ['mine-*'], priority: 254 });
    await using to = at('mine');
    expect(await to.prepare()).toMatchObject({
      kind: 'paused',
      message: expect.stringContaining('have the same priority') as string,
    });
  });
});

describe('an index', () => {
  test('that is closed pauses, beside others lets them through, and takes all once it is open', async () => {
    await using to = await started('closed');
    await ask('POST', `/closed-${DAY}/_close`);
    const other = eventOf('{}', { id: 'o', time: '2026-11-20T00:00:00Z' });
    const both = [...many('closed', 3), other];
    expect(await to.send(many('closed', 3))).toMatchObject({ kind: 'paused', code: 'index_closed_exception' });
    expect(await to.send(both)).toMatchObject({ kind: 'partly', rejected: [], retry: [0, 1, 2] });
    await ask('POST', `/closed-${DAY}/_open?wait_for_active_shards=1`);
    expect(await to.send(both)).toEqual({ kind: 'done', repeated: 3 });
  });
  test('that is deleted is made again', async () => {
    await using to = await started('deleted');
    await ask('DELETE', `/deleted-${DAY}`);
    expect(await to.send(many('deleted', 2))).toEqual({ kind: 'done', repeated: 0 });
  });
  test('that may not be made pauses', async () => {
    await using to = at('forbidden');
    await cluster({ 'action.auto_create_index': 'false' });
    expect(await to.send(many('f', 1))).toMatchObject({ kind: 'paused', code: 'index_not_found_exception' });
    await cluster({ 'action.auto_create_index': null });
    expect(await to.send(many('f', 1))).toMatchObject({ kind: 'done' });
  });
  test('that the cluster has no shards left for pauses', async () => {
    await using to = at('shards');
    await cluster({ 'cluster.max_shards_per_node': 1 });
    expect(await to.send(many('s', 1))).toMatchObject({ kind: 'paused', code: 'validation_exception' });
    await cluster({ 'cluster.max_shards_per_node': null });
    expect(await to.send(many('s', 1))).toMatchObject({ kind: 'done' });
  });
  test('that is read-only pauses, and so does a cluster', async () => {
    await using to = await started('blocked');
    await ask('PUT', `/blocked-${DAY}/_settings`, { 'index.blocks.write': true });
    expect(await to.send(many('blocked', 3))).toMatchObject({ kind: 'paused', code: 'cluster_block_exception' });
    await ask('PUT', `/blocked-${DAY}/_settings`, { 'index.blocks.write': null });
    await cluster({ 'cluster.blocks.read_only': true });
    expect(await to.send(many('blocked', 3))).toMatchObject({ kind: 'paused', code: 'cluster_block_exception' });
    await cluster({ 'cluster.blocks.read_only': null });
    expect(await to.send(many('blocked', 3))).toEqual({ kind: 'done', repeated: 2 });
  });
  test('whose primary is away is tried again', async () => {
    await ask('PUT', `/away-${DAY}?wait_for_active_shards=0`, {
      settings: { 'index.routing.allocation.require.name': 'x' },
    });
    await using to = sending({ nodes: [server.endpoint], index: 'away', timeout: 3_000 });
    expect(await to.send(many('a', 2))).toMatchObject({ kind: 'retry', code: 'unavailable_shards_exception' });
  });
});

test('a client of another major version is told so, and pauses', async () => {
  const accept = 'application/vnd.elasticsearch+json; compatible-with=7';
  const response = await fetch(`${server.endpoint}/_cluster/health`, { headers: { accept } });
  expect(requestOutcome(response.status, await response.json(), null, server.endpoint)).toMatchObject({
    kind: 'paused',
    code: 'media_type_header_exception',
    message: expect.stringContaining('of another major version than 9') as string,
  });
});

test('a mapping and a pipeline of the user’s own refuse documents, and pause where they are missing', async () => {
  await using to = at('own');
  const put = (template: object) =>
    ask('PUT', '/_index_template/waggle-daily-own', { index_patterns: ['own-*'], priority: 900, template });
  await put({ mappings: { dynamic: 'strict', properties: { '@timestamp': { type: 'date' } } } });
  expect(await to.send(many('own', 1))).toMatchObject({
    kind: 'partly',
    rejected: [{ code: 'strict_dynamic_mapping_exception' }],
  });
  await ask('DELETE', `/own-${DAY}`);
  await put({ settings: { 'index.default_pipeline': 'absent' } });
  expect(await to.send(many('own', 1))).toMatchObject({ kind: 'paused', code: 'illegal_argument_exception' });
});

test('a full disk (flood stage) pauses by name, and is over by itself', async () => {
  await using to = await started('flood');
  const mark = 'cluster.routing.allocation.disk.watermark';
  await cluster({
    'cluster.info.update.interval': '10s',
    [`${mark}.low`]: '9000gb',
    [`${mark}.high`]: '9000gb',
    [`${mark}.flood_stage`]: '9000gb',
    'cluster.routing.allocation.disk.threshold_enabled': true,
  });
  await until('the flood stage', async () => (await to.send(many('flood', 2))).kind === 'paused', 60_000);
  expect(await to.send(many('flood', 2))).toMatchObject({
    code: 'cluster_block_exception',
    message: expect.stringContaining('a disk is too full') as string,
  });
  await cluster({ [`${mark}.low`]: null, [`${mark}.high`]: null, [`${mark}.flood_stage`]: null });
  await until('its end', async () => (await to.send(many('flood', 3))).kind === 'done', 60_000);
  await cluster({ 'cluster.routing.allocation.disk.threshold_enabled': null, 'cluster.info.update.interval': null });
});

test('a tripped circuit breaker is a retry', async () => {
  await using to = await started('breaker');
  await cluster({ 'indices.breaker.total.limit': '1%' });
  expect(await to.send(many('breaker', 3))).toMatchObject({ kind: 'retry', code: 'circuit_breaking_exception' });
  await cluster({ 'indices.breaker.total.limit': null });
  expect(await to.send(many('breaker', 3))).toEqual({ kind: 'done', repeated: 2 });
});
