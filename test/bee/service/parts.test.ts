// The pure parts of the service: keys, first verdicts, clocks, ids.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseEventLine } from '#core/event-line.ts';
import { correctTime } from '../../../bee/service/clock.ts';
import { FirstVerdicts, type Told } from '../../../bee/service/first-verdicts.ts';
import { createKeyring, makeKey } from '../../../bee/service/keys.ts';
import { eventLine } from '../../../bee/service/line.ts';

const key = (byte: number, name = 'app'): { key: string; hash: string } => makeKey(name, (target) => target.fill(byte));

test('two keys of a source are good while they are changed, and then the new one alone', () => {
  const [old, fresh] = [key(1), key(2)];
  const source = { name: 'app', source: '/a', types: ['a.*'] };
  const both = createKeyring([{ ...source, hashes: [old.hash, fresh.hash] }], 'token');
  expect([both.find(old.key)?.name, both.find(fresh.key)?.name]).toEqual(['app', 'app']);
  const after = createKeyring([{ ...source, hashes: [fresh.hash] }], 'token');
  expect([after.find(old.key), after.find(fresh.key)?.source]).toEqual([null, '/a']);
  expect([after.find(fresh.key)?.allows('a.b'), after.find(fresh.key)?.allows('b')]).toEqual([true, false]);
  expect(after.find('token')).toMatchObject({ source: null });
  expect(createKeyring([], '').find('')).toBeNull();
});

test('no text but a key is a key', () => {
  const ring = createKeyring(
    [{ name: 'app', source: '/a', types: ['**'], hashes: [key(1).hash] }],
    'a-token-of-some-length',
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => ring.find(text) === null && ring.find(`app.${text}`) === null),
  );
});

const settled = Promise.resolve();
const told = (at: number): Told => ({ at, text: '', kind: 'accepted', rules: '', state: 'told', settled });

test('first verdicts are told for the window, and never more are kept than allowed', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 300 }), { maxLength: 300 }), (steps) => {
      const memory = new FirstVerdicts(1000, 20);
      let now = 0;
      for (const [i, step] of steps.entries()) {
        now += step;
        memory.put('/a', `k${i}`, told(now));
        expect(memory.find('/a', `k${i}`, now)).not.toBeNull();
        expect(memory.find('/a', `k${i}`, now + 1000)).toBeNull();
        expect(memory.size).toBeLessThanOrEqual(20);
      }
    }),
  );
  const memory = new FirstVerdicts(1000, 1000);
  for (let i = 0; i < 10; i++) memory.put('/a', `k${i}`, told(i * 150));
  expect(Array.from({ length: 10 }, (_, i) => memory.find('/a', `k${i}`, 1400) !== null)).toEqual(
    Array.from({ length: 10 }, (_, i) => 1400 - i * 150 < 1000),
  );
});

test('a long id is another than its like, ids of another source are others, and what is void was never told', () => {
  const memory = new FirstVerdicts(1000, 20);
  const long = 'x'.repeat(30_000);
  memory.put('/a', long, told(0));
  expect(memory.find('/a', long, 0)).not.toBeNull();
  expect([memory.find('/a', `${long}y`, 0), memory.find('/b', long, 0)]).toEqual([null, null]);
  memory.put('/a', 'v', { ...told(0), state: 'void' });
  expect(memory.find('/a', 'v', 0)).toBeNull();
});

test('whatever a sender’s clock says, the corrected time is a time', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 99_999_999_999_999 }),
      fc.integer({ min: 0, max: 253_402_300_799_999 }),
      (sent, at) => {
        const time = new Date(at).toISOString();
        const corrected = correctTime(time, { sent, received: 1_795_000_000_000 }, 3_300_000);
        expect(corrected.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        JSON.parse(`{"a":1${corrected.members}}`);
      },
    ),
  );
  expect(correctTime(null, { sent: 0, received: 1e12 }, 1)).toMatchObject({ time: null });
});

test('whatever ids and changes hold, the line is one line of JSON', () => {
  const receiving = { sent: null, received: 0, address: '::1', tolerance: 0, site: 's', host: 'h' };
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), fc.string({ unit: 'binary' }), (id, name) => {
      const changes = [{ pointer: `/data/${name}`, sanitizer: 'drop', detail: '' }] as const;
      const verdict = {
        kind: 'accepted',
        type: 'a.b',
        rule: 'a.b@2',
        version: 2,
        id,
        time: null,
        data: '{"a":1}',
        changes,
      } as const;
      const line = eventLine(verdict, JSON.stringify(id.toWellFormed()), '"/a"', receiving);
      expect(line.indexOf('\n')).toBe(line.length - 1);
      const event = JSON.parse(line) as Record<string, unknown>;
      expect([event['id'], event['type'], event['data']]).toEqual([id.toWellFormed(), 'a.b', { a: 1 }]);
      expect(String(event['changes'])).not.toMatch(/[\p{Cc}\p{Cs}]/u);
    }),
  );
  expect(parseEventLine('{}')).toBeNull();
});
