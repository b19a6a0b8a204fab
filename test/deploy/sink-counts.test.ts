// How `npm start` reads the file of the HEC collector: requests as OTLP/JSON, a line each, inside a tar.
import { expect, test } from 'vitest';
import { markedRecords } from '../../deploy/sink-counts.ts';

const record = (id: string, sample: string): object => ({
  timeUnixNano: '1795455609060000000',
  body: { kvlistValue: { values: [{ key: 'sample', value: { stringValue: sample } }] } },
  attributes: [
    { key: 'site', value: { stringValue: 'chicago' } },
    { key: 'id', value: { stringValue: id } },
  ],
});
const line = (...logRecords: readonly object[]): string =>
  JSON.stringify({ resourceLogs: [{ resource: {}, scopeLogs: [{ scope: {}, logRecords }] }] });

test('marked events are told by id, others are left out', () => {
  expect(
    markedRecords(line(record('a', 'dc5b0e88'), record('b', '1a1efbd5'), record('c', 'dc5b0e88')), 'dc5b0e88'),
  ).toEqual(['a', 'c']);
  expect(markedRecords(line(record('a', '1a1efbd5')), 'dc5b0e88')).toEqual([]);
});

test('the first line stands behind the header of the tar, the end is padding', () => {
  const header = ['events.jsonl', '0100644', 'ustar', ''].join('\0'.repeat(50));
  expect(markedRecords(`${header}${line(record('a', 'dc5b0e88'))}`, 'dc5b0e88')).toEqual(['a']);
  expect(markedRecords('\0'.repeat(512), 'dc5b0e88')).toEqual([]);
});
