import { expect, test } from 'vitest';
import type { Observed, ObservedNode, ObservedSite } from '#topology/objects.ts';
import { diskLeft, outlook, roughly, sizeText } from '#topology/outlook.ts';

const node = (name: string, diskFree: number, running = true): ObservedNode => ({
  name,
  running,
  alarms: [],
  plugins: [],
  diskFree,
  diskLimit: 2e9,
});
const site = (...nodes: readonly ObservedNode[]): ObservedSite => ({
  version: '4.3.6',
  nodes,
  objects: [],
  links: [],
  operatorPolicies: [],
  disabledFlags: [],
});
const buffer = (publish: number, ack: number, messages = 1_000): Observed => ({
  kind: 'queue',
  name: 'federation: events -> waggle@east',
  fields: {
    message_bytes: messages * 50_000,
    message_stats: { publish_details: { rate: publish }, ack_details: { rate: ack } },
  },
  secret: null,
  messages,
  members: ['a', 'b'],
});

test('the fullest disk of a member decides, by what comes less what goes', () => {
  const seen = outlook(site(node('a', 12e9), node('b', 52e9), node('c', 3e9)), buffer(300, 100));
  expect(seen).toEqual({ messages: 1_000, bytes: 5e7, growth: 1e7, secondsToFull: 1_000 });
});

test('what shrinks, stands or is empty is never full', () => {
  for (const each of [buffer(100, 100), buffer(0, 50), buffer(10, 0, 0)])
    expect(outlook(site(node('a', 12e9)), each).secondsToFull).toBe(Infinity);
});

test('below the limit nothing is left', () => {
  expect(diskLeft(node('a', 1e9))).toBe(0);
  expect(outlook(site(node('a', 1e9)), buffer(10, 0)).secondsToFull).toBe(0);
});

test.each([
  [90, '2 min'],
  [12_000, '3 h 20 min'],
  [400_000, '5 days'],
])('%d s is %s', (seconds, text) => expect(roughly(seconds)).toBe(text));

test.each([
  [0, '0 bytes'],
  [999, '999 bytes'],
  [1_234_000, '1.23 MB'],
  [50e9, '50 GB'],
])('%d bytes are %s', (bytes, text) => expect(sizeText(bytes)).toBe(text));
