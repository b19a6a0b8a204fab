// Dead letters come into an agent from Bee alone, whole or not at all.
import { afterEach, expect, test } from 'vitest';
import { LETTERS_PATH, letterId, readRecordLine, recordLine, type RecordMessage } from '#core/dead-letter.ts';
import { refusal } from '#core/errors.ts';
import { outgoingLetter } from '../../ingest/publish/outgoing.ts';
import { type LetterIntake, createGate, shareSpool, takeLetters } from '../../ingest/letters.ts';
import type { EventGroup } from '../../ingest/spool/contract.ts';
import { IDENTITY, type Served, serve } from './inputs/http/serve.ts';

const TOKEN = 'a-token-of-32-characters-or-more';
const bearer = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/x-ndjson' };
const message = (id: string): RecordMessage => ({
  headers: { v: '1', record: 'letter', letter: letterId('bee', ['/a', id]), sink: 'bee' },
  body: Buffer.from(`{"id":"${id}","text":"Zürich \\u2028 \u{1f41d}"}`),
});

let served: Served | null = null;
afterEach(async () => {
  await served?.[Symbol.asyncDispose]();
  served = null;
});

async function serveLetters(): Promise<{ readonly http: Served; readonly taken: readonly EventGroup[] }> {
  const taken: EventGroup[] = [];
  const letters: LetterIntake = {
    allows: createGate(TOKEN),
    take: takeLetters,
    accept: async (groups, level) => {
      taken.push(...groups);
      return { kind: 'accepted', level, receipts: [{ identity: IDENTITY, first: 1, last: 1 }] };
    },
  };
  const http = (served = await serve({ letters }));
  return { http, taken };
}

test('letters with the token go their own way, not among the events, and leave as Bee wrote them', async () => {
  const { http, taken } = await serveLetters();
  const sent = [message('a'), message('b')];
  const reply = await http.post(LETTERS_PATH, sent.map((each) => `${recordLine(each)}\n`).join(''), bearer);
  expect(reply).toMatchObject({ status: 200, body: { accepted: 2, level: 'disk', errors: [] } });
  expect(http.groups).toEqual([]);
  expect(taken).toHaveLength(1);
  const lines = String(taken[0]?.payload).trimEnd().split('\n');
  const batch = { kind: 'batch', identity: IDENTITY, partition: 0, type: 'letter', count: 1 } as const;
  const left = lines.map((line) => outgoingLetter({ ...batch, ranges: [[1, 1]], body: Buffer.from(`${line}\n`) }));
  expect(left.map(({ body }) => body)).toEqual(sent.map(({ body }) => body));
  expect(left.map(({ options }) => options.headers as unknown)).toEqual(sent.map(({ headers }) => headers));
  expect(left.map(({ exchange }) => exchange)).toEqual(['events.dead', 'events.dead']);
});

test.each([{}, { authorization: TOKEN }, { authorization: `Bearer ${TOKEN}x` }, { authorization: 'Bearer ' }])(
  'without the token they are refused, and nothing is taken: %j',
  async (headers) => {
    const { http, taken } = await serveLetters();
    const reply = await http.post(LETTERS_PATH, recordLine(message('a')), {
      ...bearer,
      authorization: '',
      ...headers,
    });
    expect(reply).toMatchObject({ status: 401, body: { accepted: 0, errors: [{ code: 'key-unknown' }] } });
    expect([...taken, ...http.groups]).toEqual([]);
  },
);

test('where there is no Bee the path is one like any other: no type has this name', async () => {
  const http = (served = await serve());
  const reply = await http.post(LETTERS_PATH, recordLine(message('a')), bearer);
  expect(reply).toMatchObject({ status: 400, body: { errors: [{ code: 'type-invalid' }] } });
});

test.each([
  ['an event', '{"specversion":"1.0"}'],
  ['a resolution', recordLine({ headers: { record: 'resolution' }, body: Buffer.alloc(0) })],
  ['no JSON', '{'],
  ['a header that is no text', '{"headers":{"record":"letter","v":1},"body":""}'],
])('a line that is %s is refused with all that stand beside it', async (_what, line) => {
  const { http, taken } = await serveLetters();
  const reply = await http.post(LETTERS_PATH, `${recordLine(message('a'))}\n${line}\n`, bearer);
  expect(reply).toMatchObject({
    status: 400,
    body: { accepted: 0, errors: [{ code: refusal('letters-invalid').code }] },
  });
  expect(taken).toEqual([]);
});

test('the spool is shared: letters have a sixteenth of it where there is a Bee, else nothing', () => {
  expect(shareSpool(16_000, true)).toEqual({ events: 15_000, letters: 1_000 });
  expect(shareSpool(16_000, false)).toEqual({ events: 16_000, letters: 0 });
  expect(readRecordLine(Buffer.from('null'))).toBeNull();
});
