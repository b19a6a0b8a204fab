import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { startSite, type Site } from '../containers.ts';
import { configFor } from '../site-config.ts';
import { byHand, run } from './broker.ts';
import { east, queueSink } from './sites.ts';

let site: Site;
let config: Config;

// The other site is never there: what is declared at one site does not need it.
beforeAll(async () => {
  site = await startSite('chicago', { environment: { RABBITMQ_FEATURE_FLAGS: '' } });
  const away = { ...east, management: ['http://127.0.0.1:1'] };
  config = configFor([site.config, away], {
    sinks: [queueSink('search', 'chicago', { match: ['checkin.*'], connections: 1 })],
  });
  await run('declare', config);
});
afterAll(() => site?.[Symbol.asyncDispose]());

interface Told {
  readonly sites: readonly {
    readonly site: string;
    readonly error: string | null;
    readonly changes: readonly {
      readonly kind: string;
      readonly subject?: string;
      readonly reason?: string;
      readonly steps?: readonly string[];
      readonly object?: { readonly kind: string; readonly name: string };
      readonly fields?: readonly { readonly field: string }[];
    }[];
    readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
  }[];
}

const told = async (command: 'plan' | 'verify'): Promise<Told['sites'][number]> => {
  const { sites } = JSON.parse((await run(command, config, true)).text) as Told;
  return sites[0] as Told['sites'][number]; // chicago is the first
};

/** What `verify` says of chicago, a line each: what, and what to do. */
async function found(): Promise<readonly string[]> {
  return (await told('verify')).changes.map((change) =>
    change.object
      ? `${change.kind} ${change.object.kind} ${change.object.name}${change.fields ? `: ${change.fields.map(({ field }) => field).join(', ')}` : ''}`
      : `${change.kind} ${change.subject}: ${change.reason} | ${change.steps?.join(' | ')}`,
  );
}

type Call = readonly ['PUT' | 'POST' | 'DELETE', string, unknown?];
const enc = encodeURIComponent;
const at = (...parts: readonly string[]): string => `/api/${parts.map(enc).join('/')}`;
const stream = { durable: true, arguments: { 'x-queue-type': 'stream' } };
const quorum = { durable: true, arguments: { 'x-queue-type': 'quorum' } };

/** `undo`: by hand where declare must not; then `declare` mends. */
const drifts: readonly {
  readonly what: string;
  readonly make: readonly Call[];
  readonly says: RegExp;
  readonly undo?: readonly Call[];
}[] = [
  {
    what: 'a policy changed',
    make: [
      [
        'PUT',
        at('policies', '/', 'waggle.log'),
        { pattern: '^events\\.log-\\d+$', 'apply-to': 'streams', priority: 10, definition: { 'max-age': '1D' } },
      ],
    ],
    says: /^update policy waggle\.log: definition$/,
  },
  {
    what: 'a policy deleted',
    make: [['DELETE', at('policies', '/', 'waggle.federation-buffer')]],
    says: /^create policy waggle\.federation-buffer$/,
  },
  {
    what: 'a policy of somebody else in the place of ours',
    make: [
      [
        'PUT',
        at('policies', '/', 'ha-all'),
        { pattern: '.*', 'apply-to': 'all', priority: 99, definition: { 'max-length': 5 } },
      ],
    ],
    says: /^refuse queue events\.log-0: the policy ha-all is in force on it, in the place of waggle\.log \| Narrow the pattern/,
    undo: [['DELETE', at('policies', '/', 'ha-all')]],
  },
  {
    what: 'an operator policy over our queues',
    make: [
      [
        'PUT',
        at('operator-policies', '/', 'ttl'),
        { pattern: '^sink', 'apply-to': 'queues', priority: 1, definition: { 'message-ttl': 1000 } },
      ],
    ],
    says: /^refuse operator policy ttl: it changes what is declared for sink\.search, .*"message-ttl":1000\} \| Narrow.*clear_operator_policy/,
    undo: [['DELETE', at('operator-policies', '/', 'ttl')]],
  },
  {
    what: 'a policy in our name space',
    make: [
      [
        'PUT',
        at('policies', '/', 'waggle.mine'),
        { pattern: '^x$', 'apply-to': 'queues', definition: { 'max-length': 1 } },
      ],
    ],
    says: /^orphan policy waggle\.mine: it is in no configuration \| rabbitmqctl clear_policy/,
    undo: [['DELETE', at('policies', '/', 'waggle.mine')]],
  },
  {
    what: 'a binding added',
    make: [['POST', at('bindings', '/', 'e', 'events', 'q', 'events.dead-letters'), { routing_key: 'a' }]],
    says: /^orphan binding events -> queue events\.dead-letters, key "a": .*\| Remove it by hand/,
    undo: [['DELETE', `${at('bindings', '/', 'e', 'events', 'q', 'events.dead-letters')}/a`]],
  },
  {
    what: 'a binding removed',
    make: [['DELETE', `${at('bindings', '/', 'e', 'events', 'e', 'events.live')}/${enc('#')}`]],
    says: /^create binding events -> exchange events\.live, key "#"$/,
  },
  {
    what: 'a binding beyond the match of a sink',
    make: [['POST', at('bindings', '/', 'e', 'events', 'q', 'sink.search'), { routing_key: '#' }]],
    says: /^delete binding events -> queue sink\.search, key "#"$/,
  },
  {
    what: 'rights widened',
    make: [['PUT', at('permissions', '/', 'agent'), { configure: '.*', write: '.*', read: '.*' }]],
    says: /^update permission agent: configure, write, read$/,
  },
  {
    what: 'rights taken away',
    make: [['DELETE', at('permissions', '/', 'search')]],
    says: /^create permission search$/,
  },
  {
    what: 'rights of a stranger',
    make: [
      ['PUT', at('users', 'eve'), { password: 'x', tags: '' }],
      ['PUT', at('permissions', '/', 'eve'), { configure: '', write: '.*', read: '.*' }],
    ],
    says: /^orphan permission eve: this user has rights .*\| If it is not needed: rabbitmqctl clear_permissions/,
    undo: [['DELETE', at('users', 'eve')]],
  },
  {
    what: 'a tag added',
    make: [['PUT', at('users', 'monitoring'), { password: 'test-monitoring', tags: 'administrator' }]],
    says: /^update user monitoring: tags$/,
  },
  {
    what: 'a password changed',
    make: [['PUT', at('users', 'agent'), { password: 'other', tags: '' }]],
    says: /^update user agent: password$/,
  },
  { what: 'a user deleted', make: [['DELETE', at('users', 'tap')]], says: /^create user tap$/ },
  {
    what: 'guest back again',
    make: [['PUT', at('users', 'guest'), { password: 'guest', tags: 'administrator' }]],
    says: /^delete user guest$/,
  },
  {
    what: 'an exchange deleted',
    make: [['DELETE', at('exchanges', '/', 'events.dead')]],
    says: /^create exchange events\.dead$/,
  },
  {
    what: 'an exchange of another type',
    make: [
      ['DELETE', at('exchanges', '/', 'sink')],
      ['PUT', at('exchanges', '/', 'sink'), { type: 'topic', durable: true }],
    ],
    says: /^refuse exchange sink: type is "topic", should be "direct"; the broker cannot change this in place \| Let the agents/,
    undo: [['DELETE', at('exchanges', '/', 'sink')]],
  },
  {
    what: 'an unknown exchange in our name space',
    make: [['PUT', at('exchanges', '/', 'events.mine'), { type: 'fanout', durable: true }]],
    says: /^orphan exchange events\.mine: it is in no configuration \| Delete it by hand/,
    undo: [['DELETE', at('exchanges', '/', 'events.mine')]],
  },
  {
    what: 'a queue deleted',
    make: [['DELETE', at('queues', '/', 'sink.search.instances')]],
    says: /^create queue sink\.search\.instances$/,
  },
  {
    what: 'a sink’s queue of another type',
    make: [
      ['DELETE', at('queues', '/', 'sink.search')],
      ['PUT', at('queues', '/', 'sink.search'), { durable: true, arguments: { 'x-queue-type': 'classic' } }],
    ],
    says: /^refuse queue sink\.search: arguments is .*should be .*\| It holds 0 messages .*new name beside the old one.*both queues are bound.*\| .*drained.*\| Check that it is empty and unused: rabbitmqctl list_queues .*\| .*remove the bindings.*\| Delete it: rabbitmqctl delete_queue/,
    undo: [['DELETE', at('queues', '/', 'sink.search')]],
  },
  {
    what: 'a stream with other arguments',
    make: [
      ['DELETE', at('queues', '/', 'events.log-1')],
      [
        'PUT',
        at('queues', '/', 'events.log-1'),
        { durable: true, arguments: { 'x-queue-type': 'stream', 'x-max-age': '1h' } },
      ],
    ],
    says: /^refuse queue events\.log-1: arguments is .*\| .*The log of us-east-1 holds the same events.*waggle sink move NAME --to us-east-1\).*\| Delete it: .*declare at once/,
    undo: [['DELETE', at('queues', '/', 'events.log-1')]],
  },
  {
    what: 'a stream whose segments are too large',
    make: [
      ['DELETE', at('queues', '/', 'events.log-1')],
      [
        'PUT',
        at('queues', '/', 'events.log-1'),
        { durable: true, arguments: { 'x-queue-type': 'stream', 'x-stream-max-segment-size-bytes': 500_000_000 } },
      ],
    ],
    says: /^refuse queue events\.log-1: its segments of 500000000 bytes are too large .*\| Raise max_bytes again/,
    undo: [['DELETE', at('queues', '/', 'events.log-1')]],
  },
  {
    what: 'a buffer of a site that is in no configuration',
    make: [['PUT', at('queues', '/', 'federation: events -> waggle@boston'), quorum]],
    says: /^orphan queue federation: events -> waggle@boston: no site of the configuration drains this buffer; .*\| Then delete it by hand/,
    undo: [['DELETE', at('queues', '/', 'federation: events -> waggle@boston')]],
  },
  {
    what: 'an unknown queue in our name space',
    make: [['PUT', at('queues', '/', 'sink.other'), quorum]],
    says: /^orphan queue sink\.other: no queue sink other is in the configuration: nothing reads this queue/,
    undo: [['DELETE', at('queues', '/', 'sink.other')]],
  },
  {
    what: 'a partition that is left over',
    make: [['PUT', at('queues', '/', 'events.log-9'), stream]],
    says: /^orphan queue events\.log-9: .*\| The number of partitions was lowered: wait until every sink has read it/,
    undo: [['DELETE', at('queues', '/', 'events.log-9')]],
  },
  {
    what: 'a live tap that no limit bounds',
    make: [['PUT', at('queues', '/', 'live.stream'), stream]],
    says: /^orphan queue live\.stream: a live tap that is a stream: .*\| Have its owner use a classic queue/,
    undo: [['DELETE', at('queues', '/', 'live.stream')]],
  },
  {
    what: 'an upstream changed',
    make: [
      [
        'PUT',
        at('parameters', 'federation-upstream', '/', 'us-east-1'),
        { value: { uri: 'amqp://us-east-1-1', 'ack-mode': 'no-ack' } },
      ],
    ],
    says: /^update upstream us-east-1: uri, ack-mode, max-hops/,
  },
  {
    what: 'an upstream of somebody else',
    make: [['PUT', at('parameters', 'federation-upstream', '/', 'paris'), { value: { uri: 'amqp://paris' } }]],
    says: /^orphan upstream paris: it is in no configuration \| .*clear_parameter/,
    undo: [['DELETE', at('parameters', 'federation-upstream', '/', 'paris')]],
  },
  {
    what: 'the set of upstreams emptied',
    make: [['PUT', at('parameters', 'federation-upstream-set', '/', 'waggle'), { value: [] }]],
    says: /^update upstream-set waggle: upstreams$/,
  },
  {
    what: 'federation switched off',
    make: [['DELETE', at('policies', '/', 'waggle.federation')]],
    says: /^create federation-policy waggle\.federation$/,
  },
  {
    what: 'another cluster name',
    make: [['PUT', at('cluster-name'), { name: 'rabbit@elsewhere' }]],
    says: /^refuse cluster name rabbit@elsewhere: it should be waggle@chicago, but the site is in use: .*\| .*rabbitmqctl set_cluster_name waggle@chicago/,
    undo: [['PUT', at('cluster-name'), { name: 'waggle@chicago' }]],
  },
];

const flags = async () => (await told('verify')).checks.find(({ name }) => name === 'feature flags');

// Feature flags can be switched on alone: so this broker starts without those that may be off.
test('feature flags that are off are told, and how to switch them on', async () => {
  expect(await flags()).toMatchObject({
    ok: false,
    detail: expect.stringMatching(/^not enabled: .*rabbitmq_4\.3\.0.*: rabbitmqctl enable_feature_flag all$/),
  });
  await site.nodes[0]?.exec(['rabbitmqctl', 'enable_feature_flag', 'all']);
  expect(await flags()).toMatchObject({ ok: true });
});

describe('drift made with the management API is found by verify, with what to do', () => {
  test('of what was declared nothing differs', async () => {
    expect(await found()).toEqual([]);
    expect((await told('plan')).changes).toEqual([]);
  });

  test.each(drifts)('$what', async ({ make, says, undo = [] }) => {
    const api = byHand(site.config);
    for (const [method, path, body] of make) await api.send(method, path, body);
    const differs = await found();
    expect(differs).toContainEqual(expect.stringMatching(says));
    const messages = (await run('plan', config)).text;
    expect(messages).not.toContain('test-federation');
    if (undo.length > 0) {
      // What is for people stays as it is.
      await run('declare', config);
      expect(await found()).toContainEqual(expect.stringMatching(says));
    }
    for (const [method, path, body] of undo) await api.send(method, path, body);
    await run('declare', config);
    expect(await found()).toEqual([]);
  });
});
