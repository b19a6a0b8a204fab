import { expect, test } from 'vitest';
import { diagramSite, diagramText } from '#topology/diagram.ts';
import type { Observed, ObservedSite } from '#topology/objects.ts';

const object = (kind: Observed['kind'], name: string, fields: Observed['fields'], messages = 0): Observed => ({
  kind,
  name,
  fields,
  secret: null,
  messages,
  members: ['a', 'b', 'c'],
});
const stats = (rates: Readonly<Record<string, number>>) => ({
  message_stats: Object.fromEntries(Object.entries(rates).map(([name, rate]) => [`${name}_details`, { rate }])),
});
const binding = (source: string, destination: string, routingKey: string, args = {}): Observed =>
  object('binding', `${source} ${destination} ${routingKey}`, { source, destination, routingKey, arguments: args });

const observed: ObservedSite = {
  version: '4.3.6',
  nodes: [
    { name: 'rabbit@a', running: true, alarms: ['disk'], plugins: [], diskFree: 100e9, diskLimit: 2e9 },
    { name: 'rabbit@b', running: false, alarms: [], plugins: [], diskFree: 100e9, diskLimit: 2e9 },
  ],
  objects: [
    object('exchange', 'events', { type: 'topic', ...stats({ publish_in: 210.4 }) }),
    object('exchange', 'events.partition', { type: 'headers' }),
    object('exchange', 'amq.topic', { type: 'topic' }),
    object('queue', 'events.log-0', { arguments: { 'x-queue-type': 'stream' }, ...stats({ publish: 100 }) }, 1000),
    object('queue', 'events.log-1', { arguments: { 'x-queue-type': 'stream' }, ...stats({ publish: 50 }) }, 234),
    object('queue', 'mine', { arguments: {}, consumers: 2 }, 7),
    object('queue', 'federation: events -> waggle@east', { arguments: { 'x-queue-type': 'quorum' } }, 4321),
    object('queue', 'unbound', {}),
    binding('events', 'events.partition', '#'),
    binding('events.partition', 'events.log-0', '', { partition: '0' }),
    binding('events.partition', 'events.log-1', '', { partition: '1' }),
    binding('events', 'mine', 'check"in.*'),
  ],
  links: [{ upstream: 'east', exchange: 'events', status: 'error', error: 'no <route>' }],
  operatorPolicies: [],
  disabledFlags: [],
};
const there = diagramSite({ site: 'chicago', error: null, observed });
const away = diagramSite({ site: 'east', error: 'no node answers', observed: null });

test('what bears our names, and what is bound to it, is there with depths and rates', () => {
  expect(there.queues.map(({ name, type, messages, in: rate }) => [name, type, messages, rate])).toEqual([
    ['events.log-0', 'stream', 1000, 100],
    ['events.log-1', 'stream', 234, 50],
    ['mine', 'classic', 7, 0],
    ['federation: events -> waggle@east', 'quorum', 4321, 0],
  ]);
  expect(there.exchanges.map(({ name, in: rate }) => [name, rate])).toEqual([
    ['events', 210.4],
    ['events.partition', 0],
  ]);
  expect(there.bindings).toContainEqual({ from: 'events.partition', to: 'events.log-1', key: '1' });
});

test('it is drawn: partitions as one box, edges between what is there, links with what waits for them', () => {
  const text = diagramText([
    there,
    away,
    { ...away, site: 'east', links: [{ from: 'chicago', status: 'running', error: '' }] },
  ]);
  expect(text).toMatch(/^flowchart LR\n {2}subgraph s0\["chicago: rabbit@a disk alarm, rabbit@b is down"\]/);
  expect(text).toContain(
    '"events.log-N<br>2 × stream, 3 members<br>1,234 messages<br>150/s in, 0/s out<br>0 consumers"',
  );
  expect(text).toContain('subgraph s1["east: no node answers"]');
  expect(text).toContain('|"check#quot;in.*"|');
  expect(text).toContain('-.->|"link: error<br>no #lt;route#gt;"|');
  expect(text).toContain('==>|"link: running<br>4,321 wait"|');
  const ids = new Set([...text.matchAll(/^ {4}(s\d+_\w+?)(?=\{\{|\[\()/gm)].map(([, id]) => id));
  const ends = [...text.matchAll(/^ {4}(s\d+_\w+) -->(?:\|.*\|)? (s\d+_\w+)$/gm)].flatMap(([, from, to]) => [from, to]);
  expect(ends.length).toBe(6);
  expect(ends.filter((end) => !ids.has(end ?? ''))).toEqual([]);
});
