import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { letterId, type DeadRecord, type StoredLetter } from '#core/dead-letter.ts';
import type { CommandOptions } from '../../../consumers/operator-command.ts';
import { LetterFold, queryFilter, type Letter, type LetterQuery } from '../../../consumers/dead/letters.ts';
import { parseQuery } from '../../../consumers/dead/query.ts';

const letterRecord = (parts: Partial<StoredLetter> = {}): StoredLetter => ({
  kind: 'letter',
  letter: letterId('search', ['a']),
  sink: 'search',
  site: 'chicago',
  reason: 'rejected',
  code: 'mapping',
  message: 'no',
  first: 1_000,
  last: 2_000,
  attempts: 2,
  content: 'event',
  event: { type: 'card.tapped', id: '1', source: '/s' },
  position: null,
  type: 'card.tapped',
  body: Buffer.alloc(0),
  ...parts,
});
const resolution = (letter: string, upto: bigint): DeadRecord => ({
  kind: 'resolution',
  letter,
  sink: 'search',
  site: 'chicago',
  reason: 'replayed',
  message: '',
  at: 3_000,
  upto,
});

const folded = (records: readonly DeadRecord[]): Letter[] => {
  const fold = new LetterFold('chicago');
  for (const [offset, record] of records.entries()) fold.add(record, BigInt(offset));
  return [...fold.letters()];
};

describe('letters', () => {
  test('are open exactly where a record lies behind what was resolved, whatever came in whatever order', () => {
    const step = fc.record({ letter: fc.constantFrom('a', 'b', 'c'), resolves: fc.option(fc.nat(20)) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const records = steps.map(({ letter, resolves }) => {
          const id = letterId('search', [letter]);
          return resolves === null ? letterRecord({ letter: id }) : resolution(id, BigInt(resolves));
        });
        const found = new Map(folded(records).map((letter) => [letter.id, letter]));
        for (const name of ['a', 'b', 'c']) {
          const id = letterId('search', [name]);
          const own = steps.map((each, offset) => ({ ...each, offset })).filter(({ letter }) => letter === name);
          const last = own.findLast(({ resolves }) => resolves === null);
          expect(found.has(id)).toBe(last !== undefined);
          if (last === undefined) continue;
          const answered = own.some(({ offset, resolves }) => offset > last.offset && (resolves ?? -1) >= last.offset);
          expect(found.get(id)?.resolved !== null).toBe(answered);
          expect(found.get(id)?.offset).toBe(BigInt(last.offset));
        }
      }),
    );
  });

  test('refused several times count all their attempts, from the first to the last', () => {
    const again = letterRecord({ first: 5_000, last: 6_000, attempts: 3, code: 'other', message: 'x'.repeat(900) });
    const [letter] = folded([letterRecord(), resolution(letterRecord().letter, 0n), again]);
    expect(letter).toMatchObject({ first: 1_000, last: 6_000, attempts: 5, code: 'other', resolved: null });
    expect(letter?.message.length).toBeLessThan(200);
  });

  test('refused again while they were replayed stay open: the resolution answers what it saw', () => {
    expect(folded([letterRecord(), letterRecord(), resolution(letterRecord().letter, 0n)])[0]?.resolved).toBeNull();
  });
});

const query = (options: CommandOptions, ids: readonly string[] = []): LetterQuery => {
  const parsed = parseQuery(ids, options);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
};

describe('a query', () => {
  const [letter] = folded([letterRecord({ last: Date.parse('2026-11-23T14:05:00Z') })]);
  const takes = (options: CommandOptions, ids?: readonly string[]): boolean =>
    letter !== undefined && queryFilter(query(options, ids))(letter);

  test('takes what fits all that is asked', () => {
    expect(takes({})).toBe(true);
    expect(takes({ sink: 'search', reason: 'rejected', code: 'mapping', type: 'card.*', state: 'open' })).toBe(true);
    expect(takes({ sink: 's3' })).toBe(false);
    expect(takes({ type: 'card' })).toBe(false);
    expect(takes({ state: 'resolved' })).toBe(false);
    expect(takes({}, [letter?.id.slice(0, 6) ?? ''])).toBe(true);
    expect(takes({}, ['0123', letter?.id ?? ''])).toBe(true);
    expect(takes({}, ['ffff0000'])).toBe(false);
  });

  test('has a time from (inclusive) and to (exclusive)', () => {
    expect(takes({ from: '2026-11-23T14:05', to: '2026-11-23T15' })).toBe(true);
    expect(takes({ to: '2026-11-23T14:05:00Z' })).toBe(false);
    expect(takes({ from: '2026-11-24' })).toBe(false);
  });

  test('that is none says what is wrong', () => {
    expect(parseQuery(['xyz'], {})).toContain('"xyz" is no letter');
    expect(parseQuery(['abc'], {})).toContain('4 or more');
    expect(parseQuery([], { state: 'opened' })).toMatch(/--state: .*did you mean "open"/);
    expect(parseQuery([], { type: 'a*' })).toContain('--type: ');
    expect(parseQuery([], { from: 'yesterday' })).toContain('--from: ');
    expect(parseQuery([], { to: '2026-13-01' })).toContain('--to: ');
  });
});
