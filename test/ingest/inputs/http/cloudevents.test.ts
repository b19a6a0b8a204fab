// CloudEvents HTTP binding 1.0.2, with the reference SDK for JavaScript as the oracle: what it sends comes out as the event it was.
import { CloudEvent, HTTP, type Message } from 'cloudevents';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { attributeOf } from '../../../../ingest/inputs/http/binary.ts';
import { serve, type Served } from './serve.ts';

let served: Served;
beforeAll(async () => {
  served = await serve();
});
beforeEach(() => {
  served.groups.length = 0;
});
afterAll(() => served[Symbol.asyncDispose]());

const OURS = new Set(['receivedat', 'host', 'site']);

/** Lines as the SDK reads them, without what we add. */
function taken(): CloudEvent<unknown>[] {
  return served.lines().map((line) => {
    const event = HTTP.toEvent({
      headers: { 'content-type': 'application/cloudevents+json' },
      body: line,
    }) as CloudEvent<unknown>;
    return event.cloneWith({ receivedat: undefined, host: undefined, site: undefined }, false);
  });
}

const plain = (event: CloudEvent<unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(event.toJSON()).filter(([name, value]) => value !== undefined && !OURS.has(name)));

const byId = (list: Record<string, unknown>[]): Record<string, unknown>[] =>
  list.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));

async function send(message: Message<unknown>): Promise<void> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers)) headers[name] = encodeHeader(String(value));
  const body = message.body as string | Uint8Array<ArrayBuffer> | undefined;
  const reply = await served.post('/events', body ?? null, headers);
  expect(reply).toMatchObject({ status: 200, body: { errors: [] } });
}

/** Section 3.1.3.2; the SDK leaves it to its caller. */
const encodeHeader = (value: string): string =>
  value.replace(/[^\x21\x23\x24\x26-\x7e]/gu, (character) =>
    character === ' ' || character === '"' || character === '%' || character > '~' ? percent(character) : character,
  );
const percent = (character: string): string =>
  Array.from(Buffer.from(character), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');

const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((value) => !/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(value) && value.trim() === value);
const events = fc
  .record({
    id: text,
    type: fc.stringMatching(/^[A-Za-z0-9_-]{1,8}(\.[A-Za-z0-9_-]{1,8}){0,3}$/),
    source: fc.constantFrom('/a/b', 'urn:x:y', 'https://example.org/a?b=c#d'),
    subject: text,
    time: fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }).map((date) => date.toISOString()),
    extension: text,
    // No 0, false or empty string: the SDK loses those when it reads.
    data: fc
      .oneof(
        fc.object({ maxDepth: 3 }),
        fc.array(fc.double({ noNaN: true, noDefaultInfinity: true })),
        fc.integer({ min: 1 }),
      )
      .map((value) => JSON.parse(JSON.stringify(value)) as unknown),
  })
  .map(
    ({ extension, ...rest }) =>
      new CloudEvent<unknown>({ ...rest, datacontenttype: 'application/json', anextension: extension }),
  );

describe('messages of the SDK', () => {
  test('binary', () =>
    fc.assert(
      fc.asyncProperty(events, async (event) => {
        served.groups.length = 0;
        await send(HTTP.binary(event));
        expect(taken().map(plain)).toEqual([
          { ...plain(event), datacontenttype: expect.stringMatching(/^application\/json/) },
        ]);
      }),
      { numRuns: 60 },
    ));

  test('structured', () =>
    fc.assert(
      fc.asyncProperty(events, async (event) => {
        served.groups.length = 0;
        await send(HTTP.structured(event));
        expect(taken().map(plain)).toEqual([plain(event)]);
      }),
      { numRuns: 60 },
    ));

  test('batched', () =>
    fc.assert(
      fc.asyncProperty(fc.array(events, { minLength: 1, maxLength: 8 }), async (batch) => {
        served.groups.length = 0;
        const body = `[${batch.map((event) => HTTP.structured(event).body as string).join(',')}]`;
        await send({ headers: { 'content-type': 'application/cloudevents-batch+json; charset=utf-8' }, body });
        expect(byId(taken().map(plain))).toEqual(byId(batch.map(plain)));
      }),
      { numRuns: 30 },
    ));

  test('without data', async () => {
    const event = new CloudEvent({ id: '1', type: 'a.b', source: '/x' });
    await send(HTTP.structured(event));
    expect(taken().map(plain)).toEqual([plain(event)]);
    expect(served.lines()[0]).not.toContain('"data"');
  });
});

const ce = (more: Record<string, string>): Record<string, string> => ({
  'ce-specversion': '1.0',
  'ce-id': '1',
  'ce-source': '/x',
  'ce-type': 'a.b',
  ...more,
});
const line = (): Record<string, unknown> => JSON.parse(served.lines()[0] ?? '') as Record<string, unknown>;

describe('binary mode', () => {
  test('text comes out as a string', async () => {
    await served.post('/events', 'grüß "dich"\n', ce({ 'content-type': 'text/plain' }));
    expect(line()).toMatchObject({ datacontenttype: 'text/plain', data: 'grüß "dich"\n' });
  });

  test('bytes come out in base64', async () => {
    await served.post('/events', new Uint8Array([0xff, 0, 1]), ce({ 'content-type': 'image/png' }));
    expect(line()).toMatchObject({ datacontenttype: 'image/png', data_base64: '/wAB' });
  });

  test('text that is not UTF-8 comes out in base64', async () => {
    await served.post('/events', new Uint8Array([0xff]), ce({ 'content-type': 'text/plain' }));
    expect(line()).toMatchObject({ data_base64: '/w==' });
  });

  test('no body is no data', async () => {
    await served.post('/events', null, ce({}));
    expect(line()).not.toHaveProperty('data');
    expect(line()).toMatchObject({ id: '1', type: 'a.b', source: '/x' });
  });

  test('a body cannot add attributes', async () => {
    const reply = await served.post('/events', '1,"type":"evil"', ce({ 'content-type': 'application/json' }));
    expect(reply).toMatchObject({ status: 400, body: { errors: [{ code: 'json-malformed', pointer: '/data' }] } });
  });

  test('neither can a header', async () => {
    await served.post(
      '/events',
      '1',
      ce({ 'content-type': 'application/json', 'ce-subject': '%22%2C%22type%22:%22evil' }),
    );
    expect(line()).toMatchObject({ type: 'a.b', subject: '","type":"evil' });
  });

  const refused: readonly (readonly [name: string, headers: Record<string, string>, code: string, pointer: string])[] =
    [
      ['a header that is no UTF-8', { 'ce-subject': '%ff' }, 'attribute-invalid', '/subject'],
      ['a header with half an escape', { 'ce-subject': '100%' }, 'attribute-invalid', '/subject'],
      ['a header that is not ASCII', { 'ce-subject': '\xfc' }, 'attribute-invalid', '/subject'],
      ['a header of data', { 'ce-data': '1' }, 'attribute-name-invalid', '/data'],
      [
        'a content type of its own',
        { 'ce-datacontenttype': 'text/plain' },
        'attribute-name-invalid',
        '/datacontenttype',
      ],
      ['a name that is none', { 'ce-my-name': '1' }, 'attribute-name-invalid', '/my-name'],
      ['no type', { 'ce-type': '' }, 'type-missing', '/type'],
      ['another version', { 'ce-specversion': '0.3' }, 'specversion-invalid', '/specversion'],
      [
        'JSON that is not UTF-8',
        { 'content-type': 'application/json; charset=latin1' },
        'content-type-unsupported',
        '',
      ],
    ];
  for (const [name, headers, code, pointer] of refused)
    test(`${name}: ${code}`, async () => {
      const reply = await served.post('/events', '1', ce({ 'content-type': 'application/json', ...headers }));
      expect([400, 415]).toContain(reply.status);
      expect(reply.body.errors).toMatchObject([{ code, pointer }]);
      expect(served.groups).toEqual([]);
    });
});

describe('attributes in headers (section 3.1.3.2)', () => {
  test.each([
    ['plain', 'plain'],
    ['Euro%20%E2%82%AC%20%F0%9F%98%80', 'Euro € 😀'],
    ['%65uro', 'euro'],
    ['"quoted \\" and \\\\ text"', 'quoted " and \\ text'],
    ['"%20"', ' '],
    ['%2520', '%20'],
    ['+', '+'],
  ])('%s', (header, value) => expect(attributeOf(header)).toBe(value));

  test('what was encoded comes back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        const whole = value.toWellFormed();
        expect(attributeOf(encodeHeader(whole))).toBe(whole);
      }),
    );
  });
});
