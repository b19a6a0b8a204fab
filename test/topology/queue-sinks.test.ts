import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import type { QueueSinkConfig } from '#core/config/sink-config.ts';
import { compilePattern } from '#core/patterns.ts';
import type { Change } from '#topology/change.ts';
import { desiredObjects, topicPattern } from '#topology/desired.ts';
import { diff } from '#topology/diff.ts';
import { PATTERNS, permitQueue, sinkOf, sinkQueue } from '#topology/names.ts';
import { bindingName, textOf, type Observed, type ObservedSite } from '#topology/objects.ts';
import { rightsOf } from '#topology/rights.ts';
import { hashPassword } from '#topology/passwords.ts';
import { configFor } from '../site-config.ts';
import { chicago, east, queueSink } from './sites.ts';

const search = queueSink('search', 'chicago', { match: ['checkin.*', 'app.**'], connections: 2 });
const withSinks = (...sinks: readonly QueueSinkConfig[]): Config => configFor([chicago, east], { sinks });
const config = withSinks(search);
const NODE = 'rabbit@chicago-1';

function declared(of: Config): ObservedSite {
  const salt = Buffer.from([1, 2, 3, 4]);
  const objects = desiredObjects(of, chicago).map(({ kind, name, fields, secret }): Observed => ({
    kind,
    name,
    fields,
    secret: secret === null ? null : hashPassword(secret, salt),
    messages: kind === 'queue' && sinkOf(name)?.holds === 'events' ? 5 : 0,
    members: kind === 'queue' ? [NODE] : [],
  }));
  return {
    version: '4.3.6',
    nodes: [{ name: NODE, running: true, alarms: [], plugins: [], diskFree: 100e9, diskLimit: 2e9 }],
    objects,
    links: [],
    operatorPolicies: [],
    disabledFlags: [],
  };
}
/** What a change from one configuration to another does at chicago. */
const plan = (from: Config, to: Config): readonly Change[] =>
  diff(to, chicago, desiredObjects(to, chicago), declared(from));
const brief = (changes: readonly Change[]): string[] =>
  changes.map((each) => `${each.kind} ${'object' in each ? `${each.object.kind} ${each.object.name}` : each.subject}`);
const find = (name: string) => desiredObjects(config, chicago).find((each) => each.name === name);
const ofSink = (site = chicago): string[] =>
  desiredObjects(config, site)
    .filter(({ kind, name }) => kind !== 'exchange' && kind !== 'policy' && name.includes('sink.'))
    .map(({ kind, name }) => `${kind} ${name}`);

describe('a queue sink', () => {
  test('has at its home alone its queue, a binding for each pattern, one for replays, and a queue with a permit for each connection', () => {
    expect(ofSink()).toEqual([
      'queue sink.search',
      'queue sink.search.permit-1',
      'queue sink.search.permit-2',
      'queue sink.search.instances',
      'queue sink.search.short',
      'binding events -> queue sink.search, key "checkin.*"',
      'binding events -> queue sink.search, key "app.#"',
      'binding events.mirror -> queue sink.search, key "checkin.*"',
      'binding events.mirror -> queue sink.search, key "app.#"',
      'binding sink -> queue sink.search, key "search"',
      'permit sink.search.permit-1',
      'permit sink.search.permit-2',
    ]);
    expect(ofSink(east)).toEqual([]);
  });

  test('has quorum queues, permits with one active consumer, each under its own policy', () => {
    const quorum = { 'x-queue-type': 'quorum', 'x-quorum-initial-group-size': 1, 'x-queue-leader-locator': 'balanced' };
    expect(find('sink.search')).toMatchObject({ policy: 'waggle.sink', fields: { durable: true } });
    expect(find('sink.search')?.fields['arguments']).toEqual(quorum);
    expect(find('sink.search.permit-1')).toMatchObject({ policy: 'waggle.permit' });
    expect(find('sink.search.permit-1')?.fields['arguments']).toEqual({ ...quorum, 'x-single-active-consumer': true });
    expect(find('waggle.sink')?.fields['definition']).toEqual({ 'delivery-limit': -1 });
    expect(find('waggle.permit')?.fields['definition']).toEqual({
      'delivery-limit': -1,
      'consumer-timeout': 86_400_000,
      'max-length': 1,
    });
  });

  test('each of its queues is under exactly one of the two policies', () => {
    for (const sink of ['search', 'a-1', 'permit-1']) {
      expect(
        [PATTERNS.sinkQueues, PATTERNS.permitQueues].map((each) => new RegExp(each).test(sinkQueue(sink))),
      ).toEqual([true, false]);
      for (const permit of [1, 10]) {
        const name = permitQueue(sink, permit);
        expect([PATTERNS.sinkQueues, PATTERNS.permitQueues].map((each) => new RegExp(each).test(name))).toEqual([
          false,
          true,
        ]);
        expect(sinkOf(name)).toEqual({ sink, holds: 'permit' });
      }
    }
  });

  test('a policy of an operator over its queues is found', () => {
    const site = declared(config);
    const ops = { pattern: '^sink\\.', 'apply-to': 'quorum_queues', priority: 99 };
    const theirs: Observed = { kind: 'policy', name: 'ops', fields: ops, secret: null, messages: 0, members: [] };
    const changes = diff(config, chicago, desiredObjects(config, chicago), {
      ...site,
      objects: [...site.objects, theirs],
    });
    expect(brief(changes)).toEqual([
      'refuse queue sink.search',
      'refuse queue sink.search.permit-1',
      'refuse queue sink.search.permit-2',
    ]);
  });
});

test('a binding takes the types that the pattern takes', () => {
  // RabbitMQ's own rule, written down: `*` one word, `#` any number of words.
  const takes = (key: readonly string[], type: readonly string[]): boolean => {
    const [word, ...rest] = key;
    if (word === undefined) return type.length === 0;
    if (word === '#') return takes(rest, type) || (type.length > 0 && takes(key, type.slice(1)));
    return type.length > 0 && (word === '*' || word === type[0]) && takes(rest, type.slice(1));
  };
  const literal = fc.constantFrom('a', 'b', 'app');
  const words = fc.array(fc.oneof(literal, fc.constantFrom('*', '**')), { minLength: 1, maxLength: 5 });
  const type = fc.array(literal, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(words, type, (pattern, name) => {
      const key = topicPattern(pattern.join('.'));
      expect(takes(key.split('.'), name)).toBe(compilePattern(pattern.join('.'))(name.join('.')));
    }),
  );
  expect(topicPattern('a.**.b.*')).toBe('a.#.b.*');
});

describe('the plan of a changed sink', () => {
  test('is empty as declared', () => {
    expect(brief(plan(config, config))).toEqual([]);
  });

  test('a permit that is missing is put back', () => {
    const site = declared(config);
    const objects = site.objects.filter(({ kind, name }) => kind !== 'permit' || name !== 'sink.search.permit-2');
    expect(brief(diff(config, chicago, desiredObjects(config, chicago), { ...site, objects }))).toEqual([
      'create permit sink.search.permit-2',
    ]);
  });

  test('another match makes the new bindings before it takes away what no pattern names', () => {
    const changes = plan(config, withSinks({ ...search, match: ['checkin.*', '**'] }));
    expect(brief(changes)).toEqual([
      'create binding events -> queue sink.search, key "#"',
      'create binding events.mirror -> queue sink.search, key "#"',
      'delete binding events -> queue sink.search, key "app.#"',
      'delete binding events.mirror -> queue sink.search, key "app.#"',
    ]);
  });

  test('bindings by hand from elsewhere, or with arguments, are told and left alone', () => {
    for (const [source, args] of [
      ['sink', {}],
      ['events.live', {}],
      ['events', { mine: true }],
    ] as const) {
      const fields = { source, destination: 'sink.search', destinationType: 'q', routingKey: 'x', arguments: args };
      const site = declared(config);
      const stray: Observed = {
        kind: 'binding',
        name: bindingName(fields),
        fields,
        secret: null,
        messages: 0,
        members: [],
      };
      const found = { ...site, objects: [...site.objects, stray] };
      expect(brief(diff(config, chicago, desiredObjects(config, chicago), found))).toEqual([
        `orphan binding ${stray.name}`,
      ]);
    }
  });

  test('fewer connections leave a queue over that holds no events', () => {
    const changes = plan(config, withSinks({ ...search, connections: 1 }));
    expect(changes).toMatchObject([
      {
        kind: 'orphan',
        subject: 'queue sink.search.permit-2',
        reason: expect.stringContaining('a permit and no events'),
        steps: [expect.stringContaining('Start the consumers'), expect.stringContaining('rabbitmqctl delete_queue')],
      },
    ]);
  });

  test('a sink that moved leaves a queue with events behind: told with the way to drain it, bindings not told apart', () => {
    const changes = plan(config, withSinks({ ...search, home: 'us-east-1' }));
    expect(brief(changes)).toEqual([
      'orphan queue sink.search',
      'orphan queue sink.search.permit-1',
      'orphan queue sink.search.permit-2',
      'orphan queue sink.search.instances',
      'orphan queue sink.search.short',
    ]);
    expect(changes[0]).toMatchObject({
      reason: expect.stringMatching(/home of the sink search is us-east-1 now.*holds 5 messages/),
    });
    expect(JSON.stringify(changes[0])).toContain('home: chicago');
    expect(JSON.stringify(changes[1])).toContain('Wait until sink.search is drained');
  });

  test('a sink that is gone from the configuration leaves its queue behind', () => {
    const users = config.users;
    const gone = configFor([chicago, east], { users });
    const [queue] = plan(config, gone).filter((each) => each.kind === 'orphan');
    expect(queue).toMatchObject({
      subject: 'queue sink.search',
      reason: expect.stringContaining('nothing reads this queue'),
    });
  });
});

describe('rights', () => {
  test('a queue sink reads its own queue and permits, and writes dead letters', () => {
    const { permission } = rightsOf('search', config.sinks);
    const read = new RegExp(textOf(permission?.read));
    for (const allowed of [
      'sink.search',
      'sink.search.permit-1',
      'sink.search.permit-12',
      'sink.search.instances',
      'sink.search.short',
    ])
      expect(allowed).toMatch(read);
    for (const refused of [
      'sink',
      'sink.search2',
      'sink.search.permit-',
      'sink.search.x',
      'sink.other',
      'events.log-0',
      'xsink.search',
    ])
      expect(refused).not.toMatch(read);
    expect(permission).toMatchObject({ configure: '^$', write: '^events\\.dead$' });
  });

  test('an operator replays: writes to the sinks and dead letters, reads the log and the dead letters', () => {
    const { permission } = rightsOf('operator', []);
    const [write, read] = [new RegExp(textOf(permission?.write)), new RegExp(textOf(permission?.read))];
    for (const allowed of ['sink', 'events.dead']) expect(allowed).toMatch(write);
    for (const refused of ['events', 'sink.search', 'events.dead-letters']) expect(refused).not.toMatch(write);
    for (const allowed of ['events.log', 'events.log-3', 'events.dead-letters']) expect(allowed).toMatch(read);
    for (const refused of ['events', 'sink.search', 'events.dead']) expect(refused).not.toMatch(read);
    expect(permission?.configure).toBe('^$');
  });
});
