// What anybody may read of Bee: the rules for people, the OpenAPI (held against real answers), CORS, the beacon's endpoint.
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterEach, expect, test } from 'vitest';
import { readFileSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  APP,
  NARROW,
  UNKNOWN,
  beeConfig,
  checkin,
  serveBee,
  type BeeParts,
  type BeeReply,
  type ServedBee,
} from './serve-bee.ts';

let served: ServedBee | null = null;
const folders: string[] = [];
afterEach(async () => {
  await served?.[Symbol.asyncDispose]();
  served = null;
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});
const serving = async (parts: BeeParts = {}): Promise<ServedBee> => (served = await serveBee(parts));
const get = async (bee: ServedBee, path: string): Promise<{ text: string; headers: Headers; status: number }> => {
  const response = await fetch(`${bee.bee.address}${path}`);
  return { text: await response.text(), headers: response.headers, status: response.status };
};

test('/rules documents every rule, field and example that is active, escapes them, and loads nothing', async () => {
  const bee = await serving();
  const { text, headers } = await get(bee, '/rules');
  expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  const status = (await (await fetch(`${bee.bee.admin}/status`)).json()) as { rules: { names: string[] } };
  expect(status.rules.names.length).toBeGreaterThan(5);
  for (const name of status.rules.names) expect(text).toContain(`<section id="${name}">`);
  for (const field of ['member_id', 'place_id', 'method', 'location']) expect(text).toContain(`<code>${field}</code>`);
  expect(text).not.toMatch(/<script|<link|<img|src=|@import|url\(|href="(?![#/])/i);
  for (const tag of ['section', 'table', 'figure', 'pre', 'ul'])
    expect(text.split(`<${tag}`).length, tag).toBe(text.split(`</${tag}>`).length);
});

test('/rules is true at once when a rule file changes; a set with a failing example changes nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'waggle-rules-'));
  folders.push(folder);
  cpSync(beeConfig('').rules, folder, { recursive: true });
  const bee = await serving({ rules: folder });
  const file = join(folder, 'checkin.created.yaml');
  const original = readFileSync(file, 'utf8');
  writeFileSync(file, original.replace('A member checks in at a place', 'Somebody <b>checks</b> in'));
  await expect
    .poll(async () => (await get(bee, '/rules')).text, { timeout: 10_000 })
    .toContain('Somebody &lt;b&gt;checks&lt;/b&gt; in');
  writeFileSync(
    file,
    original.replace('member_id: id!', 'member_id: integer!').replace('A member checks in', 'Nobody checks in'),
  );
  await expect
    .poll(async () => bee.telemetry.metrics.registry.metrics(), { timeout: 10_000 })
    .toContain('fact="rules.refused"');
  expect((await get(bee, '/rules')).text).toContain('Somebody');
  expect((await bee.send([checkin('a')])).body).toMatchObject({ accepted: 1 });
});

test('every kind of answer is as the OpenAPI document says', async () => {
  const bee = await serving({ maxEvent: 300, rate: { window: 60_000, key: 14, address: 1000 } });
  const { text } = await get(bee, '/v1/openapi.json');
  const document = JSON.parse(text) as { paths: Record<string, { post: { responses: Record<string, unknown> } }> };
  const ajv = new Ajv2020({ strict: false });
  ajv.addSchema(document, 'openapi');
  const isAnswer = ajv.compile({ $ref: 'openapi#/components/schemas/Answer' });
  const { responses } = document.paths['/v1/events']?.post ?? { responses: {} };
  const statuses = new Set<number>();
  const hold = (reply: BeeReply): void => {
    expect(isAnswer(reply.body), `${reply.text}: ${ajv.errorsText(isAnswer.errors)}`).toBe(true);
    expect(Object.keys(responses)).toContain(String(reply.status));
    statuses.add(reply.status);
  };
  hold(
    await bee.send([checkin('a'), checkin('b', { member_id: 7 }), checkin(), { type: 'no.rule' }, 7], '?changes=true'),
  );
  hold(await bee.send([checkin('a', { note: ' x ' }), checkin('a')]));
  hold(await bee.send(checkin('c'), '', { authorization: `Bearer ${NARROW.key}` }));
  hold(await bee.send('['));
  hold(await bee.send('{}', '', { authorization: `Bearer ${UNKNOWN.key}` }));
  hold(await bee.post('/v1/events', '{}'));
  hold(await bee.send([checkin('d', { note: 'x'.repeat(400) })]));
  hold(await bee.send('{}', '', { 'content-type': 'text/xml' }));
  hold(await bee.send('{}', '?level=none'));
  hold(await bee.post(`/v1/beacon?key=${APP.key}`, JSON.stringify(checkin('e'))));
  for (let i = 0; i < 10; i++) hold(await bee.send([checkin(`f-${i}`)]));
  expect([...statuses].toSorted((a, b) => a - b)).toEqual([200, 400, 401, 413, 415, 429]);
  await bee[Symbol.asyncDispose]();
  const away = await serving({ agent: 'http://127.0.0.1:1' });
  hold(await away.send([checkin('a')]));
  expect([...statuses]).toContain(503);
});

test('CORS: pages of the origins may send and read the answer, errors included; others may not', async () => {
  const bee = await serving();
  const preflight = (origin: string): Promise<Response> =>
    fetch(`${bee.bee.address}/v1/events`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });
  const allowed = await preflight('https://www.example.com');
  expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([
    204,
    'https://www.example.com',
  ]);
  expect(allowed.headers.get('access-control-allow-headers')).toContain('authorization');
  expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).not.toBe(
    'https://evil.example',
  );
  const refused = await bee.send('[', '', { origin: 'https://www.example.com', authorization: '' });
  expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([
    401,
    'https://www.example.com',
  ]);
});

test('a beacon is text/plain with its key in the query: one event a line, or an array; at most 64 KiB', async () => {
  const bee = await serving();
  const plain = { 'content-type': 'text/plain;charset=UTF-8' };
  const lines = [checkin('a'), checkin('b')].map((event) => JSON.stringify(event)).join('\n');
  expect((await bee.post(`/v1/beacon?key=${APP.key}`, lines, plain)).body).toMatchObject({ accepted: 2 });
  expect((await bee.post(`/v1/beacon?key=${APP.key}`, JSON.stringify([checkin('c')]), plain)).body).toMatchObject({
    accepted: 1,
  });
  expect((await bee.post('/v1/beacon', lines, plain)).body.error).toMatchObject({ code: 'key-missing' });
  expect((await bee.post(`/v1/beacon?key=${UNKNOWN.key}`, lines, plain)).status).toBe(401);
  const large = Array.from({ length: 700 }, (_, i) => JSON.stringify(checkin(`l-${i}`))).join('\n');
  expect(large.length).toBeGreaterThan(64 * 1024);
  expect((await bee.post(`/v1/beacon?key=${APP.key}`, large, plain)).status).toBe(413);
});

test('a clock that is wrong by years is corrected, and what was sent is kept; one that is wrong by minutes is left alone', async () => {
  const bee = await serving();
  const years = Date.now() - 3 * 365 * 86_400_000;
  const occurred = new Date(years - 60_000).toISOString();
  await bee.send([{ ...checkin('a'), time: occurred }], `?sent=${years}`);
  const [event] = bee.events();
  expect(Math.abs(Date.parse(String(event?.['time'])) - (Date.now() - 60_000))).toBeLessThan(5_000);
  expect(event).toMatchObject({ senttime: occurred, sentat: new Date(years).toISOString() });
  expect(Math.abs(Number(event?.['clockskew']) - 3 * 365 * 86_400)).toBeLessThan(5);
  const minutes = new Date(Date.now() - 50 * 60_000).toISOString();
  await bee.send([{ ...checkin('b'), time: occurred }], `?sent=${encodeURIComponent(minutes)}`);
  expect(bee.events()[1]).toMatchObject({ time: occurred, sentat: minutes });
  expect(bee.events()[1]).not.toHaveProperty('senttime');
  expect((await bee.send([checkin('c')], '?sent=yesterday')).status).toBe(400);
});

test('closing answers what is in flight', async () => {
  const gate = Promise.withResolvers<undefined>();
  const arrived = Promise.withResolvers<undefined>();
  const bee = await serving({
    outcome: async () => {
      arrived.resolve(undefined);
      await gate.promise;
      return { kind: 'accepted', level: 'disk', receipts: [] };
    },
  });
  const inFlight = bee.send([checkin('a')]);
  await arrived.promise;
  const closing = bee.bee[Symbol.asyncDispose]();
  gate.resolve(undefined);
  expect((await inFlight).body).toMatchObject({ accepted: 1 });
  await closing;
  await expect(fetch(`${bee.bee.address}/rules`)).rejects.toThrow();
});
