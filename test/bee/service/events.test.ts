// POST /v1/events: verdicts by index, and what the agent has of them.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import type { Accepted } from '../../../ingest/inputs/contract.ts';
import { APP, NARROW, TOKEN, beeConfig, checkin, serveBee, type BeeParts, type ServedBee } from './serve-bee.ts';

let served: ServedBee | null = null;
afterEach(async () => {
  await served?.[Symbol.asyncDispose]();
  served = null;
});
const serving = async (parts: BeeParts = {}): Promise<ServedBee> => (served = await serveBee(parts));

test('an event is accepted once the agent has it: sanitised, with the source of its key, its rule and its sender', async () => {
  const bee = await serving();
  const reply = await bee.send({ ...checkin('a-1', { note: '  hello ' }), source: '/forged', tag: 'forged' });
  expect(reply.status).toBe(200);
  expect(reply.body).toMatchObject({ level: 'disk', accepted: 1, rejected: 0, retry: 0, error: null });
  expect(reply.body.verdicts).toEqual([
    { index: 0, verdict: 'accepted', id: 'a-1', rule: 'checkin.created', version: 1 },
  ]);
  expect(bee.events()).toEqual([
    expect.objectContaining({
      id: 'a-1',
      source: '/apps/ios',
      type: 'checkin.created',
      rule: 'checkin.created',
      address: '127.0.0.1',
      data: expect.objectContaining({ note: 'hello', points: 0 }),
    }),
  ]);
  expect(bee.events()[0]).not.toHaveProperty('tag');
});

const events = [checkin('a'), { type: 'nothing.known', id: 'b', data: {} }, checkin('c')];
const framed: readonly (readonly [string, string, string | Uint8Array<ArrayBuffer>, Record<string, string>])[] = [
  ['an array', 'application/json', JSON.stringify(events), {}],
  ['NDJSON', 'application/x-ndjson', events.map((event) => JSON.stringify(event)).join('\n'), {}],
  [
    'a batch of CloudEvents',
    'application/cloudevents-batch+json',
    JSON.stringify(events.map((event) => ({ specversion: '1.0', source: '/x', ...event }))),
    {},
  ],
  ['gzip', 'application/json', gzipSync(JSON.stringify(events)), { 'content-encoding': 'gzip' }],
  ['zstd', 'application/json; charset=utf-8', zstdCompressSync(JSON.stringify(events)), { 'content-encoding': 'zstd' }],
];
test.each(framed)(
  '%s: a verdict for each event, and one bad event does not spoil the batch',
  async (_what, type, body, headers) => {
    const bee = await serving();
    const reply = await bee.post('/v1/events', body, {
      'content-type': type,
      authorization: `Bearer ${APP.key}`,
      ...headers,
    });
    expect(reply.status).toBe(200);
    expect(reply.body.verdicts.map(({ index, verdict, code, id }) => [index, verdict, code, id])).toEqual([
      [0, 'accepted', undefined, 'a'],
      [1, 'rejected', 'type-unknown', 'b'],
      [2, 'accepted', undefined, 'c'],
    ]);
    expect(bee.events().map(({ id }) => id)).toEqual(['a', 'c']);
    expect(bee.letters).toHaveLength(1);
  },
);

test('changes are told where they are asked for, and stay with the event, without values', async () => {
  const bee = await serving();
  const reply = await bee.send([checkin('a', { note: ' secret-note\u200b ' })], '?changes=true');
  const changes = reply.body.verdicts[0]?.changes ?? [];
  expect(changes.length).toBeGreaterThan(0);
  expect(changes.every(({ pointer }) => pointer.startsWith('/data/'))).toBe(true);
  expect(reply.text).not.toContain('secret-note');
  expect(bee.events()[0]?.['changes']).toContain('/data/note');
});

test('an event without an id is given one, and told', async () => {
  const bee = await serving();
  const { body } = await bee.send([checkin()]);
  expect(body.verdicts[0]?.id).toMatch(/^[0-9a-f-]{36}$/);
  expect(bee.events()[0]?.['id']).toBe(body.verdicts[0]?.id);
});

test('a key sends only what its types allow', async () => {
  const bee = await serving();
  const { body } = await bee.send([checkin('a')], '', { authorization: `Bearer ${NARROW.key}` });
  expect(body.verdicts[0]).toMatchObject({ verdict: 'rejected', code: 'type-forbidden', pointer: '/type' });
  expect(bee.events()).toEqual([]);
  expect(bee.letters[0]?.headers).toMatchObject({ code: 'type-forbidden', source: '/apps/narrow' });
});

test.each(['memory', 'disk', 'site'])('the level asked for, %s, is the level asked of the agent', async (level) => {
  const bee = await serving();
  const { body } = await bee.send([checkin('a'), { type: 'x' }], `?level=${level}`);
  expect(body).toMatchObject({ level, accepted: 1, rejected: 1 });
  expect(bee.agent.levels).toEqual([level]);
});

const onDisk = async (): Promise<Accepted> => ({ kind: 'accepted', level: 'disk', receipts: [] });
test('a site that takes too long: 202, and the level that was reached', async () => {
  const bee = await serving({ outcome: onDisk });
  expect(await bee.send([checkin('a')], '?level=site')).toMatchObject({
    status: 202,
    body: { level: 'disk', accepted: 1 },
  });
});

const full = async (): Promise<Accepted> => ({ kind: 'refused', reason: 'full', message: '', retryAfter: 7 });
test('the agent full: 503 with its Retry-After, nothing told of why, and nothing half done', async () => {
  let isFull = true;
  const bee = await serving({
    outcome: async () => (isFull ? full() : { kind: 'accepted', level: 'disk', receipts: [] }),
  });
  const reply = await bee.send([checkin('a')]);
  expect(reply).toMatchObject({
    status: 503,
    body: { level: null, accepted: 0, verdicts: [], error: { code: 'agent-unavailable' } },
  });
  expect(reply.headers.get('retry-after')).toBe('7');
  expect(reply.text).not.toContain('spool');
  expect(bee.events()).toEqual([]);
  isFull = false;
  expect((await bee.send([checkin('a')])).body).toMatchObject({ accepted: 1 });
  expect(bee.events().map(({ id }) => id)).toEqual(['a']);
});

test('letters that cannot be kept: 503, and not even the good events are taken', async () => {
  let isFull = true;
  const bee = await serving({
    letterOutcome: async () => (isFull ? full() : { kind: 'accepted', level: 'disk', receipts: [] }),
  });
  expect((await bee.send(events)).status).toBe(503);
  expect(bee.events()).toEqual([]);
  isFull = false;
  expect((await bee.send(events)).body).toMatchObject({ accepted: 2, rejected: 1 });
});

test('the agent away: 503 with Retry-After, and not ready; both until it answers again', async () => {
  const bee = await serving({ agent: 'http://127.0.0.1:1' });
  const reply = await bee.send([checkin('a')]);
  expect(reply.status).toBe(503);
  expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await fetch(`${bee.bee.admin}/readyz`)).status).toBe(503);
});

test('a phone that sends again is told its first verdict, and no event is there twice', async () => {
  const bee = await serving();
  const batch = [checkin('a'), { type: 'nothing.known', id: 'b', data: {} }, checkin('a')];
  const first = await bee.send(batch);
  expect(first.body).toMatchObject({ accepted: 2, rejected: 1 });
  const again = await bee.send(batch);
  expect(again.body.verdicts).toEqual(first.body.verdicts);
  expect(bee.events().map(({ id }) => id)).toEqual(['a']);
  expect(bee.letters).toHaveLength(1);
  await bee.send([checkin('a')], '', { authorization: `Bearer ${NARROW.key}` });
  expect(bee.letters, 'ids of another source are others').toHaveLength(2);
});

test('the same event twice at once: one waits for the other, and both are told the same', async () => {
  const gate = Promise.withResolvers<undefined>();
  const bee = await serving({
    outcome: async () => {
      await gate.promise;
      return { kind: 'accepted', level: 'disk', receipts: [] };
    },
  });
  const both = [bee.send([checkin('a'), checkin('b')]), bee.send([checkin('b'), checkin('a')])];
  setTimeout(() => gate.resolve(undefined), 50);
  const replies = await Promise.all(both);
  for (const { body } of replies) expect(body).toMatchObject({ accepted: 2, retry: 0 });
  expect(
    bee
      .events()
      .map(({ id }) => id)
      .toSorted((a, b) => (String(a) < String(b) ? -1 : 1)),
  ).toEqual(['a', 'b']);
});

test('what was on its way when the agent refused is to be sent again: verdict retry', async () => {
  const gate = Promise.withResolvers<undefined>();
  const bee = await serving({
    outcome: async () => {
      await gate.promise;
      return full();
    },
  });
  const first = bee.send([checkin('a')]);
  await expect.poll(async () => (await fetch(`${bee.bee.admin}/healthz`)).status).toBe(200);
  const second = bee.send([checkin('a')]);
  setTimeout(() => gate.resolve(undefined), 50);
  const replies = await Promise.all([first, second]);
  const answers = replies.map(({ status, body }) => (status === 503 ? '503' : (body.verdicts[0]?.verdict ?? '')));
  expect(
    answers.every((answer) => answer === '503' || answer === 'retry'),
    answers.join(),
  ).toBe(true);
});

test('a rejected event lies in the dead letters: with its reason, without its secrets, in a form that can be replayed', async () => {
  const bee = await serving();
  const bad = { ...checkin('bad-1', { member_id: 7, password: 'hunter2' }), time: '2026-11-01T10:00:00Z' };
  const { body } = await bee.send([bad]);
  expect(body.verdicts[0]).toMatchObject({ verdict: 'rejected', rule: 'checkin.created', id: 'bad-1' });
  const [letter] = bee.letters;
  expect(letter?.headers).toMatchObject({
    sink: 'bee',
    reason: 'rejected',
    content: 'event',
    type: 'checkin.created',
    id: 'bad-1',
    source: '/apps/ios',
    code: body.verdicts[0]?.code,
  });
  expect(JSON.parse(letter?.body ?? '')).toMatchObject({
    specversion: '1.0',
    type: 'checkin.created',
    id: 'bad-1',
    source: '/apps/ios',
    time: '2026-11-01T10:00:00Z',
    data: { member_id: 7 },
  });
  expect(letter?.body).not.toContain('hunter2');
});

test('what cannot be read as JSON leaves a letter without its bytes', async () => {
  const bee = await serving();
  const { body } = await bee.post('/v1/events', `${JSON.stringify(checkin('a'))}\n{"password":"hunter2"\n`, {
    'content-type': 'application/x-ndjson',
    authorization: `Bearer ${APP.key}`,
  });
  expect(body.verdicts.map(({ verdict }) => verdict)).toEqual(['accepted', 'rejected']);
  expect(bee.letters).toEqual([
    { headers: expect.objectContaining({ content: 'message', code: 'json-malformed' }) as unknown, body: '' },
  ]);
});

test('an operator who replays is believed: source and id stay, and rules judge anew', async () => {
  const bee = await serving();
  await bee.send([{ ...checkin('bad-1', { member_id: 7 }) }]);
  const replayed = (bee.letters[0]?.body ?? '').replace('"member_id":7', '"member_id":"m-7"');
  const again = await bee.send(`[${replayed}]`, '', { authorization: `Bearer ${TOKEN}` });
  expect(again.body).toMatchObject({ accepted: 1 });
  expect(bee.events()[0]).toMatchObject({ id: 'bad-1', source: '/apps/ios' });
});

test('rules change under load: no request is dropped, each is judged by one set, and old requests finish by theirs', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'waggle-rules-'));
  try {
    cpSync(beeConfig('').rules, folder, { recursive: true });
    const bee = await serving({ rules: folder, rate: { window: 60_000, key: 1e6, address: 1e6 } });
    const file = join(folder, 'checkin.created.yaml');
    const original = readFileSync(file, 'utf8');
    const [loose, strict] = [
      original,
      original.replace(/^unknown: .*\n/m, '').replace('fields:', 'unknown: reject\nfields:'),
    ];
    const active = async (): Promise<string> => (await fetch(`${bee.bee.address}/rules`)).text();
    const seen = new Set<string>();
    let sent = 0;
    const over = new AbortController();
    const phone = async (name: string): Promise<void> => {
      for (let n = 0; !over.signal.aborted; n++) {
        const batch = Array.from({ length: 20 }, (_, i) => checkin(`${name}-${n}-${i}`, { colour: 'red' }));
        const { status, body } = await bee.send(batch);
        sent += batch.length;
        expect(status).toBe(200);
        // All of a request by the same set: all are let through without the field, or all are rejected for it.
        expect([body.accepted, body.rejected]).toSatisfy(
          ([yes, no]) => (yes === 20 && no === 0) || (yes === 0 && no === 20),
        );
        seen.add(body.accepted === 20 ? 'loose' : 'strict');
      }
    };
    const phones = Promise.all([phone('a'), phone('b'), phone('c')]);
    for (const [text, told] of [
      [strict, 'a reason to reject'],
      [loose, 'left out'],
      [strict, 'a reason to reject'],
    ] as const) {
      writeFileSync(file, text);
      await expect.poll(async () => sectionOf(await active()), { timeout: 10_000 }).toContain(told);
      const before = sent;
      await expect.poll(() => sent, { timeout: 10_000 }).toBeGreaterThan(before + 60);
    }
    over.abort();
    await phones;
    expect(seen).toEqual(new Set(['loose', 'strict']));
    expect(bee.events().length + bee.letters.length).toBe(sent);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);

const sectionOf = (page: string): string => /<section id="checkin.created">.*?<\/section>/s.exec(page)?.[0] ?? '';

test('counters tell which app sends what is rejected', async () => {
  const bee = await serving();
  await bee.send([checkin('a'), checkin('b', { member_id: 7 }), { type: 'nothing.known', data: {} }]);
  await bee.send([checkin('a')]);
  const metrics = await bee.telemetry.metrics.registry.metrics();
  const lines = metrics.split('\n').filter((line) => line.startsWith('waggle_bee_events_total{'));
  const shown = lines.map((line) =>
    [/key="([^"]*)"/, /rule="([^"]*)"/, /code="([^"]*)"/, / (\d+)$/].map((part) => part.exec(line)?.[1]),
  );
  expect(shown.map((line) => line.join(' ')).toSorted()).toEqual([
    'app  repeated 1',
    'app  type-unknown 1',
    'app checkin.created accepted 1',
    'app checkin.created kind-wrong 1',
  ]);
});
