// Dead letters at a real site: written as the sinks write them, seen, mended, replayed and resolved as an operator does.
import { randomFillSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChannelModel } from 'amqplib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { letterId, type DeadLetter } from '#core/dead-letter.ts';
import { ownEventLine, parseEventLine } from '#core/event-line.ts';
import { uuidGenerator } from '#core/uuid.ts';
import { openDeadLetters } from '../../../consumers/dead/write.ts';
import { configFor, type Site, startSite, until } from '../../containers.ts';
import { noInputs } from '../../site-config.ts';
import { startAgentProcess } from '../../ingest/agent-process.ts';
import { files, search } from '../sinks.ts';
import { startCommand } from '../operator-process.ts';
import { connectAdmin, dead, depth, takeEvents } from '../operator-bench.ts';
import { declared } from '../../topology/broker.ts';

let site: Site;
let config: Config;
let admin: ChannelModel;
let folder: string;
beforeAll(async () => {
  site = await startSite('chicago');
  config = configFor([site.config], { sinks: [files, search] });
  await declared(config);
  admin = await connectAdmin(site);
  folder = await mkdtemp(join(tmpdir(), 'waggle-dead-'));
});
afterAll(async () => {
  await admin?.close();
  await site?.[Symbol.asyncDispose]();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const ids = uuidGenerator(Date.now, randomFillSync);
const arrival = { receivedAt: Date.now(), host: 'host', site: 'chicago', source: '/chicago/host/http' };

function letterOf(sink: string, type: string, code: string, data: unknown): DeadLetter {
  const line = ownEventLine(type, arrival, ids, data);
  const { id = '', source = '' } = parseEventLine(line) ?? {};
  return {
    letter: letterId(sink, [source, id]),
    sink,
    site: 'chicago',
    reason: 'rejected',
    code,
    message: `the target says: ${code}`,
    first: Date.now() - 5_000,
    last: Date.now(),
    attempts: 3,
    content: 'event',
    event: { type, id, source },
    position: null,
    body: line.subarray(0, -1),
  };
}

async function put(sink: string, letters: readonly DeadLetter[]): Promise<void> {
  const link = {
    site: 'chicago',
    nodes: site.config.nodes,
    user: sink,
    password: `test-${sink}`,
    vhost: '/',
    name: 't',
  };
  await using writer = openDeadLetters(sink, link, () => {});
  await writer.put('chicago', letters, new AbortController().signal);
}

test('a stream that is empty is read to its end at once', async () => {
  expect(await dead(config, ['list'])).toEqual({ code: 0, out: '0 letters\n', err: '' });
});

test('letters are listed by what is asked, with counts, and shown whole with their history', async () => {
  const one = letterOf('search', 'checkin.visit', 'mapping', { n: 9007199254740993n.toString(), big: 1 });
  await put('search', [one, letterOf('search', 'card.tapped', 'too-large', {})]);
  await put('files', [letterOf('files', 'card.tapped', 'no-name', {})]);
  const list = await dead(config, ['list']);
  expect(list.code).toBe(0);
  expect(list.out).toContain('3 letters, by sink and reason:');
  expect(list.out).toContain('  search: rejected (mapping): 1 open\n');
  expect(list.out).toContain(one.letter.slice(0, 12));
  for (const [options, count] of [
    [{ sink: 'files' }, 1],
    [{ code: 'mapping' }, 1],
    [{ type: 'card.*' }, 2],
    [{ reason: 'invalid' }, 0],
    [{ to: '2020-01-01' }, 0],
    [{ from: '2020-01-01' }, 3],
    [{ state: 'resolved' }, 0],
  ] as const) {
    const { out } = await dead(config, ['list'], { ...options, json: true });
    expect(
      out.split('\n').filter((line) => line !== ''),
      JSON.stringify(options),
    ).toHaveLength(count);
  }
  const shown = await dead(config, ['show', one.letter.slice(0, 8)]);
  expect(shown.code).toBe(0);
  expect(shown.out).toContain(one.body.toString());
  expect(shown.out).toContain('tried 3 times since');
  expect((await dead(config, ['show', one.letter], { body: true })).out).toBe(`${one.body.toString()}\n`);
  expect((await dead(config, ['show', '0000000000000000'])).code).toBe(1);
});

test('letters go back to the queue of the sink that refused them, once; what is resolved stays visible and is not replayed again', async () => {
  const letters = Array.from({ length: 1_200 }, (_, n) =>
    letterOf('search', n % 3 === 0 ? 'card.tapped' : 'checkin.visit', 'bulk', { n }),
  );
  await put('search', letters);
  const planned = await dead(config, ['replay'], { code: 'bulk' });
  expect(planned.out).toBe('1200 letters to the queue of search at chicago\nnothing was done; add --yes to do it\n');
  expect(await depth(admin, 'search')).toBe(0);

  expect((await dead(config, ['replay'], { code: 'bulk', yes: true })).code).toBe(0);
  const taken = await takeEvents(admin, 'search', 1_200);
  expect(new Set(taken.map(({ id }) => id))).toEqual(new Set(letters.map(({ event }) => event?.id)));
  expect(taken).toHaveLength(1_200);
  // Under one fresh identity, without gaps.
  expect(new Set(taken.map(({ identity }) => identity)).size).toBe(1);
  expect(taken.map(({ number }) => number).toSorted((a, b) => a - b)).toEqual(letters.map((_, n) => n + 1));

  expect((await dead(config, ['list'], { code: 'bulk' })).out).toBe('0 letters\n');
  expect((await dead(config, ['list'], { code: 'bulk', state: 'all' })).out).toContain('bulk): 1200 resolved');
  const again = await dead(config, ['replay', letters[0]?.letter ?? ''], { yes: true });
  expect(again.out).toContain('1 letter left out: resolved already');
  // A quorum queue counts acks a moment later.
  await until('nothing more to be there', async () => (await depth(admin, 'search')) === 0);
});

test('a replay that is killed in its midst is started again: every letter arrives, and what was resolved is not touched', async () => {
  const letters = Array.from({ length: 2_500 }, (_, n) => letterOf('search', 'card.tapped', 'kill', { n }));
  await put('search', letters);
  const options = { code: 'kill', yes: true };
  const killed = startCommand({ config, args: ['replay'], options: { ...options, rate: '100' } });
  await until('some to be resolved', async () =>
    (await dead(config, ['list'], { code: 'kill', state: 'resolved' })).out.includes('kill): '),
  );
  killed.process.kill('SIGKILL');
  expect(await killed.exited).toBeNull();
  const left = (await dead(config, ['list'], { code: 'kill', json: true })).out.split('\n').length - 1;
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(2_500);
  const rest = await dead(config, ['replay'], options);
  expect(rest).toMatchObject({ code: 0, out: expect.stringContaining(`${left} of ${left} letters`) as string });
  const taken = await takeEvents(admin, 'search', 2_500);
  expect(new Set(taken.map(({ id }) => id))).toEqual(new Set(letters.map(({ event }) => event?.id)));
  // Of a kill between the confirm and the resolution: one group.
  expect(taken.length).toBeLessThanOrEqual(3_000);
  expect((await dead(config, ['list'], { code: 'kill' })).out).toBe('0 letters\n');
});

test('a letter that is refused again after its replay is open again, and its history shows all of it', async () => {
  const letter = letterOf('search', 'card.tapped', 'again', {});
  await put('search', [letter]);
  expect((await dead(config, ['replay'], { code: 'again', yes: true })).code).toBe(0);
  expect(await takeEvents(admin, 'search', 1)).toHaveLength(1);
  await put('search', [{ ...letter, last: Date.now() }]);
  expect((await dead(config, ['list'], { code: 'again' })).out).toContain('again): 1 open');
  const { out } = await dead(config, ['show', letter.letter]);
  expect(out.match(/rejected \(again\)/g)).toHaveLength(2);
  expect(out).toContain('replayed: to the queue at chicago');
  expect((await dead(config, ['discard', letter.letter], { yes: true })).code).toBe(0);
  expect((await dead(config, ['list'], { code: 'again', state: 'all' })).out).toContain('discarded');
});

test('an event can be mended before; what is no longer the same event is refused', async () => {
  const letter = letterOf('search', 'checkin.visit', 'mend', { port: 'eighty' });
  await put('search', [letter, letterOf('search', 'checkin.visit', 'mend', {})]);
  const file = join(folder, 'event.json');
  const options = { event: file, yes: true };
  await writeFile(file, '{\n  "port": 9007199254740993\n}\n');
  expect((await dead(config, ['replay'], { ...options, code: 'mend' })).err).toContain('--event goes with one letter');
  await writeFile(file, letter.body.toString().replace('"id":"', '"id":"x'));
  expect((await dead(config, ['replay', letter.letter], options)).err).toContain('id must stay');
  await writeFile(file, '{"port":');
  expect((await dead(config, ['replay', letter.letter], options)).code).toBe(1);
  expect(await depth(admin, 'search')).toBe(0);

  await writeFile(file, '{\n  "port": 9007199254740993\n}\n');
  expect((await dead(config, ['replay', letter.letter], options)).code).toBe(0);
  const [taken] = await takeEvents(admin, 'search', 1);
  expect(taken?.id).toBe(letter.event?.id);
  expect(taken?.line).toContain('"data":{   "port": 9007199254740993 }}');
  expect((await dead(config, ['show', letter.letter])).out).toContain('replayed: mended, to the queue');
});

test('a letter of a log sink goes through the agent of this host as a new event, of the same id and source', async () => {
  await dead(config, ['discard'], { yes: true });
  const letter = letterOf('files', 'card.tapped', 'log', { n: 1 });
  await put('files', [letter]);
  expect((await dead(config, ['replay'], { code: 'log', yes: true })).out).toContain(
    'agent.inputs.http is not configured',
  );

  const http = { listen: '127.0.0.1:0', level: 'disk', maxBody: 8 * 1024 ** 2, maxEvent: 1024 ** 2 } as const;
  const spool = { ...config.agent.spool, path: join(folder, 'spool') };
  await using agent = await startAgentProcess({
    ...config,
    agent: { ...config.agent, spool, inputs: { ...noInputs, http } },
  });
  const listen = agent.http.replace('http://', '');
  const withAgent = { ...config, agent: { ...config.agent, inputs: { ...noInputs, http: { ...http, listen } } } };
  const done = await dead(withAgent, ['replay'], { code: 'log', yes: true });
  expect(done).toMatchObject({ code: 0, out: expect.stringContaining('files: 1 of 1 letter replayed') as string });
  // Its type is also one of the queue sink's.
  const [taken] = await takeEvents(admin, 'search', 1);
  expect(parseEventLine(taken?.line ?? '')).toMatchObject({ id: letter.event?.id, source: letter.event?.source });
  expect((await dead(config, ['list'], { code: 'log' })).out).toBe('0 letters\n');
  expect(await agent.kill('SIGTERM')).toBe(0);
});

test('what no partition took is shown as unrouted, and left out of a replay', async () => {
  const channel = await admin.createConfirmChannel();
  const headers = { v: '1', agent: ids.next(), partition: '99', count: '1', seq: '1' };
  const options = { headers, contentType: 'application/x-ndjson', messageId: `${headers.agent}:1`, appId: 'waggle' };
  channel.publish('events', 'web.click', ownEventLine('web.click', arrival, ids, {}), options);
  await channel.waitForConfirms();
  const list = await dead(config, ['list'], { reason: 'unrouted', json: true });
  expect(JSON.parse(list.out)).toMatchObject({ reason: 'unrouted', type: 'web.click', sink: '', content: 'batch' });
  const { out } = await dead(config, ['replay'], { reason: 'unrouted', yes: true });
  expect(out).toContain('1 letter left out: no sink refused it');
});

test('a site that is away is told, and costs the others nothing', async () => {
  const away = { ...site.config, name: 'away', stream: [{ host: '127.0.0.1', port: 1 }] };
  const { code, out, err } = await dead({ ...config, sites: [site.config, away] }, ['list'], { state: 'all' });
  expect(code).toBe(1);
  expect(err).toMatch(/^site away: no stream connection: 127\.0\.0\.1:1 as operator: /);
  expect(out).toContain('1200 resolved');
});

test('a letter as large as a message may be is kept, and comes out as it went in', async () => {
  const body = Buffer.alloc(16 * 1024 ** 2, 'x');
  const letter = { ...letterOf('search', 'card.tapped', 'large', {}), body, content: 'message', event: null } as const;
  await put('search', [letter, letterOf('search', 'card.tapped', 'behind', {})]);
  const { out } = await dead(config, ['show', letter.letter], { body: true });
  expect(Buffer.from(out.trimEnd()).equals(body)).toBe(true);
  expect((await dead(config, ['replay', letter.letter], { yes: true })).out).toContain('left out: it is no event');
  expect((await dead(config, ['list'], { code: 'behind' })).out).toContain('1 open');
});
