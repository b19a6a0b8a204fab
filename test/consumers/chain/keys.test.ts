import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dataKey, hourOf, parseDataKey, parseRecordKey, recordKey } from '../../../consumers/chain/keys.ts';

const number = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const id = { sink: 's3', partition: 3 };

describe('record keys', () => {
  it('are as documented', () => {
    expect(recordKey(id, 1, 'commit')).toBe('_waggle/s3/p3/9223372036854775806.commit.json');
    expect(recordKey(id, 256, 'intent')).toBe('_waggle/s3/p3/9223372036854775551.intent.json');
  });

  it('list the newest first, a commit before its intent', () => {
    fc.assert(
      fc.property(number, number, (m, n) => {
        fc.pre(m > n);
        const order = [
          recordKey(id, m, 'commit'),
          recordKey(id, m, 'intent'),
          recordKey(id, n, 'commit'),
          recordKey(id, n, 'intent'),
        ];
        expect(order.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)))).toEqual(order);
      }),
    );
  });

  it('are read as they were written, and only as those of their chain', () => {
    fc.assert(
      fc.property(number, fc.constantFrom('intent' as const, 'commit' as const), (n, kind) => {
        expect(parseRecordKey(id, recordKey(id, n, kind))).toEqual({ n, kind });
        expect(parseRecordKey({ ...id, partition: 1 }, recordKey(id, n, kind))).toBeNull();
      }),
    );
    for (const key of [
      '_waggle/s3/p3/readme',
      '_waggle/s3/p3/9223372036854775807.commit.json',
      '_waggle/s3/p3/1.commit.json',
      '_waggle/s3/p3/0000000000000000001.commit.json',
    ])
      expect(parseRecordKey(id, key)).toBeNull();
  });
});

describe('data keys', () => {
  const name = {
    type: 'checkin.created',
    hour: hourOf(Date.parse('2026-11-23T14:59:59.999Z')),
    sink: 's3',
    partition: 3,
    n: 17,
    name: 'k3x',
  };

  it('are as documented', () => {
    expect(dataKey(name)).toBe('type=checkin.created/dt=2026-11-23/hour=14/s3-p3-17-k3x.ndjson.zst');
  });

  it('are read as they were written, whatever hyphens the sink has', () => {
    const word = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/);
    fc.assert(
      fc.property(
        fc.record({
          type: fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join('.')),
          hour: fc.integer({ min: 0, max: 2_000_000 }),
          sink: fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/),
          partition: fc.nat(1000),
          n: number,
          name: fc.stringMatching(/^[a-z0-9]{16,24}$/),
        }),
        (data) => {
          expect(parseDataKey(dataKey(data))).toEqual(data);
        },
      ),
    );
  });

  it.each([
    'type=a/dt=2026-11-23/hour=14/other.txt',
    'type=a/dt=2026-13-23/hour=14/s3-p0-1-x.ndjson.zst',
    'type=a/dt=2026-11-23/hour=25/s3-p0-1-x.ndjson.zst',
    'a/type=a/dt=2026-11-23/hour=14/s3-p0-1-x.ndjson.zst',
    'type=a/dt=2026-11-23/hour=14/s3-p0-01-x.ndjson.zst',
  ])('are not %s', (key) => expect(parseDataKey(key)).toBeNull());
});
