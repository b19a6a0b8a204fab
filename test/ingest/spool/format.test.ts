// The bytes of a segment.
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import * as format from '../../../ingest/spool/format.ts';
import { decodeCursor, encodeCursor, Settled } from '../../../ingest/spool/cursor.ts';

const name: format.SegmentName = {
  identity: '018bcfe5-6800-7f19-a768-b8a8cea0911f',
  partition: 3,
  index: 7,
  first: 1001,
};

function record(seed: number, type: string, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(format.RECORD_HEADER + type.length + payload.length);
  payload.copy(
    bytes,
    format.encodeRecordHead(bytes, 0, format.KIND_EVENTS, type, 5, payload.length, 1001, 1_700_000_000_000),
  );
  format.sealRecord(bytes, 0, seed);
  return bytes;
}

it('names a segment so that its records can be read without its header', () => {
  const text = format.encodeName(name);
  expect(text).toBe('018bcfe5-6800-7f19-a768-b8a8cea0911f.p3.000007.e0000000000001001.seg');
  expect(format.decodeName(text)).toEqual(name);
  for (const other of ['reserve', 'cursor.sites', `${text}.tmp`, 'quarantine'])
    expect(format.decodeName(other)).toBe(null);
});

it('knows a header that is damaged, and one of a newer version', () => {
  const bytes = format.encodeHeader(name, 1_700_000_000_000);
  expect(format.checkHeader(bytes)).toEqual({ kind: 'good', created: 1_700_000_000_000 });
  for (let at = 0; at < 64; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(format.checkHeader(changed).kind).toBe('damaged');
  }
  expect(format.checkHeader(bytes.subarray(0, 63)).kind).toBe('damaged');
});

it('decodes what it encoded, and tells how much is missing of what is cut', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z.]{1,200}$/),
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(),
      (type, payload, cut) => {
        const seed = format.segmentSeed(name);
        const bytes = record(seed, type, Buffer.from(payload));
        const view = format.newRecordView();
        expect(format.decodeRecord(bytes, 0, bytes.length, seed, view)).toBe('good');
        expect(view).toMatchObject({
          size: bytes.length,
          kind: format.KIND_EVENTS,
          first: 1001,
          count: 5,
          time: 1_700_000_000_000,
        });
        expect(bytes.toString('latin1', view.typeStart, view.payloadStart)).toBe(type);
        expect(format.decodeRecord(bytes, 0, cut % bytes.length, seed, view)).toBe('short');
      },
    ),
  );
});

it('takes no record with a changed bit, and none that another segment wrote', () => {
  const seed = format.segmentSeed(name);
  const bytes = record(seed, 'a.b', Buffer.from('{"a":1}\n'));
  const view = format.newRecordView();
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(format.decodeRecord(changed, 0, changed.length, seed, view)).not.toBe('good');
  }
  for (const other of [
    { ...name, index: 8 },
    { ...name, identity: '018bcfe5-6800-7f19-a768-b8a8cea0911e' },
  ])
    expect(format.decodeRecord(bytes, 0, bytes.length, format.segmentSeed(other), view)).toBe('bad');
});

it('keeps a cursor, and knows one that is damaged', () => {
  const settled = new Settled();
  settled.add(settled.confirmed, [
    [1, 10],
    [20, 30],
  ]);
  settled.add(settled.quarantined, [[11, 12]]);
  settled.add(settled.reason('skipped'), [[9, 14]]);
  expect(settled).toMatchObject({ prefix: 14, highest: 30, count: 25 });
  const bytes = encodeCursor(new Map([[name.identity, settled]]));
  const check = decodeCursor(bytes);
  if (check.kind !== 'good') throw new Error('it is good');
  const again = check.cursor.get(name.identity);
  expect(again).toMatchObject({ prefix: 14, highest: 30, count: 25 });
  expect(again?.confirmed.encode()).toBe('1-10,20-30');
  expect(again?.quarantined.encode()).toBe('11-12');
  expect(again?.dropped.get('skipped')?.encode()).toBe('13-14');
  expect(decodeCursor(bytes.subarray(0, 50)).kind).toBe('damaged');
});
