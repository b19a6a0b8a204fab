import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NumberSet } from '#core/numbers.ts';
import { uuidv7 } from '#core/uuid.ts';
import {
  decodeCommit,
  decodeIntent,
  encodeCommit,
  encodeIntent,
  RecordInvalid,
} from '../../../consumers/chain/record-codec.ts';
import type { Commit, Intent, Numbers } from '../../../consumers/chain/records.ts';

const id = { sink: 's3', partition: 3 };

const time = fc.nat(2_000_000_000_000);
const identity = fc
  .tuple(time, fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map(([at, random]) => uuidv7(at, random));
const set = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 1_000_000 }), fc.nat(50)), { minLength: 1, maxLength: 5 })
  .map((ranges) => NumberSet.of(ranges.map(([first, length]) => [first, first + length] as const)));
const numbers: fc.Arbitrary<Numbers> = fc
  .array(fc.tuple(identity, set), { maxLength: 4 })
  .map((entries) => new Map(entries));
const name = fc.stringMatching(/^[a-z0-9]{16,24}$/);
const site = fc.constantFrom('chicago', 'us-east-1');
const n = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const count = fc.integer({ min: 1, max: 1_000_000 });
const key = fc.string({ minLength: 1 });
const sha256 = fc.stringMatching(/^[0-9a-f]{64}$/);

const intents: fc.Arbitrary<Intent> = fc
  .record({
    n,
    name,
    at: time,
    home: site,
    objects: fc.array(fc.record({ key, count, sha256, numbers }), { maxLength: 3 }),
    skipped: numbers,
  })
  .map((rest) => ({ kind: 'intent', ...id, ...rest }));

const position = fc.record({ offset: fc.bigInt({ min: 0n, max: 2n ** 63n }), identity, first: n });
const snapshot = fc.record({
  floor: time,
  seen: fc
    .array(fc.tuple(identity, fc.record({ last: time, dead: fc.boolean(), numbers: set })), { maxLength: 4 })
    .map((entries) => new Map(entries)),
  earlier: fc.array(fc.record({ n, at: time }), { maxLength: 3 }),
});
const commits: fc.Arbitrary<Commit> = fc
  .record({
    n,
    name,
    at: time,
    home: site,
    sealed: fc.boolean(),
    objects: fc.array(fc.record({ key, count }), { maxLength: 3 }),
    adds: numbers,
    positions: fc.array(fc.tuple(site, position), { maxLength: 2 }).map((entries) => new Map(entries)),
    snapshot: fc.option(snapshot),
  })
  .map((rest) => ({ kind: 'commit', ...id, ...rest }));

/** Sets compared by their text. */
const flat = (value: unknown): unknown =>
  JSON.stringify(value, (_, inner: unknown) => {
    if (inner instanceof NumberSet) return inner.encode();
    if (inner instanceof Map) return [...inner];
    return typeof inner === 'bigint' ? inner.toString() : inner;
  });

const commit: Commit = {
  kind: 'commit',
  ...id,
  n: 2,
  name: 'aaaaaaaaaaaaaaaa',
  at: 5,
  home: 'chicago',
  sealed: false,
  objects: [{ key: 'k', count: 1 }],
  adds: new Map([['x', NumberSet.of([[1, 3]])]]),
  positions: new Map([['chicago', { offset: 9_007_199_254_740_993n, identity: 'x', first: 1 }]]),
  snapshot: {
    floor: 0,
    seen: new Map([['x', { last: 5, dead: false, numbers: NumberSet.of([[1, 3]]) }]]),
    earlier: [{ n: 2, at: 5 }],
  },
};

describe('the records', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(intents, commits, (intent, written) => {
        expect(flat(decodeIntent(id, intent.n, 'k', encodeIntent(intent)))).toBe(flat(intent));
        expect(flat(decodeCommit(id, written.n, 'k', encodeCommit(written)))).toBe(flat(written));
      }),
    );
  });

  it('leave identities without numbers out', () => {
    const bytes = encodeCommit({ ...commit, adds: new Map([['x', new NumberSet()]]) });
    expect(decodeCommit(id, 2, 'k', bytes).adds.size).toBe(0);
  });

  it.each([
    [['v'], 2, 'v', /newer|update/],
    [['kind'], 'intent', 'kind', /"commit"/],
    [['sink'], 'other', 'sink', /"s3"/],
    [['partition'], 4, 'partition', /3/],
    [['n'], 3, 'n', /2/],
    [['name'], '', 'name', /text/],
    [['at'], -1, 'at', /integer/],
    [['home'], undefined, '', /"home" is missing/],
    [['surplus'], 1, '', /"surplus" is not known/],
    [['sealed'], 0, 'sealed', /true or false/],
    [['objects'], {}, 'objects', /list/],
    [['objects', 0, 'count'], 0, 'objects[0].count', /integer/],
    [['objects', 0, 'key'], 7, 'objects[0].key', /text/],
    [['adds', 'x'], '3-1', 'adds.x', /range/],
    [['adds'], [], 'adds', /object/],
    [['positions', 'chicago', 'offset'], 12, 'positions.chicago.offset', /text/],
    [['positions', 'chicago', 'first'], 1.5, 'positions.chicago.first', /integer/],
    [['snapshot', 'floor'], null, 'snapshot.floor', /integer/],
    [['snapshot', 'seen', 'x', 'dead'], null, 'snapshot.seen.x.dead', /true or false/],
    [['snapshot', 'earlier', 0, 'n'], '1', 'snapshot.earlier[0].n', /integer/],
  ])('name key and field where %j is %j', (path, value, field, what) => {
    const json: unknown = JSON.parse(encodeCommit(commit).toString());
    let inner = json as Record<string | number, unknown>;
    for (const step of path.slice(0, -1)) inner = inner[step] as Record<string | number, unknown>;
    inner[path.at(-1) ?? ''] = value;
    const decode = (): unknown => decodeCommit(id, 2, 'the/key', Buffer.from(JSON.stringify(json)));
    expect(decode).toThrow(RecordInvalid);
    expect(decode).toThrow(expect.objectContaining({ key: 'the/key', field }));
    expect(decode).toThrow(what);
  });

  it.each(['', '{', 'null', '[]', '"x"'])('refuse %j', (text) => {
    expect(() => decodeIntent(id, 1, 'the/key', Buffer.from(text))).toThrow(/^chain record the\/key/);
  });
});
