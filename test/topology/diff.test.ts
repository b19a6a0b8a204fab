import { describe, expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { checks } from '#topology/checks.ts';
import { desiredObjects } from '#topology/desired.ts';
import type { Change } from '#topology/change.ts';
import { diff } from '#topology/diff.ts';
import type { Desired, Fields, Observed, ObservedSite } from '#topology/objects.ts';
import { hashPassword, passwordMatches, redact } from '#topology/passwords.ts';
import { exitCode, reportJson, reportText, type Report, type SiteReport } from '#topology/report.ts';
import { configFor } from '../site-config.ts';
import { chicago, east } from './sites.ts';

const config = configFor([chicago, east]);
const salt = Buffer.from([1, 2, 3, 4]);
const NODE = 'rabbit@chicago-1';

/** A site that has exactly what it should have. */
function declared(of: Config = config): ObservedSite {
  return {
    version: '4.3.6',
    nodes: [
      {
        name: NODE,
        running: true,
        alarms: [],
        plugins: ['rabbitmq_stream', 'rabbitmq_federation', 'rabbitmq_federation_management'],
        diskFree: 100e9,
        diskLimit: 2e9,
      },
    ],
    objects: [...desiredObjects(of, chicago).map(observed), buffer({})],
    links: [{ upstream: 'us-east-1', exchange: 'events', status: 'running', error: '' }],
    operatorPolicies: [],
    disabledFlags: [],
  };
}

function observed({ kind, name, fields, secret }: Desired): Observed {
  return {
    kind,
    name,
    fields,
    secret: secret === null ? null : hashPassword(secret, salt),
    messages: 0,
    members: kind === 'queue' ? [NODE] : [],
  };
}

function buffer(args: Fields): Observed {
  const fields = { arguments: { 'x-queue-type': 'quorum', ...args } };
  return {
    kind: 'queue',
    name: 'federation: events -> waggle@us-east-1',
    fields,
    secret: null,
    messages: 0,
    members: [NODE],
  };
}

const change = (site: ObservedSite, edit: (object: Observed) => Observed | null): ObservedSite => ({
  ...site,
  objects: site.objects.flatMap((each) => edit(each) ?? []),
});
const edited = (kind: string, name: string, edit: (fields: Fields) => Fields) =>
  change(declared(), (each) =>
    each.kind === kind && each.name === name ? { ...each, fields: edit(each.fields) } : each,
  );
const plan = (site: ObservedSite, of: Config = config): readonly Change[] =>
  diff(of, chicago, desiredObjects(of, chicago), site);
const brief = (changes: readonly Change[]): string[] =>
  changes.map((each) => `${each.kind} ${'object' in each ? `${each.object.kind} ${each.object.name}` : each.subject}`);

const extra = (kind: Observed['kind'], name: string, fields: Fields = {}): ObservedSite => {
  const site = declared();
  return {
    ...site,
    objects: [
      ...site.objects,
      { kind, name, fields, secret: null, messages: 7, members: kind === 'queue' ? [NODE] : [] },
    ],
  };
};

describe('the plan', () => {
  test('is empty for a site as declared, whatever salt its passwords have', () => {
    expect(plan(declared())).toEqual([]);
  });

  test('creates everything on a new broker, in order, and renames the cluster and deletes guest', () => {
    const empty: ObservedSite = {
      ...declared(),
      objects: [
        { kind: 'cluster-name', name: NODE, fields: {}, secret: null, messages: 0, members: [] },
        { kind: 'user', name: 'guest', fields: { tags: ['administrator'] }, secret: 'x', messages: 0, members: [] },
        { kind: 'permission', name: 'guest', fields: {}, secret: null, messages: 0, members: [] },
      ],
    };
    const all = desiredObjects(config, chicago).map(
      ({ kind, name }) => `${kind === 'cluster-name' ? 'update' : 'create'} ${kind} ${name}`,
    );
    expect(brief(plan(empty))).toEqual([...all, 'delete user guest']);
  });

  test('makes again what was removed', () => {
    const name = 'events -> exchange events.partition, key "#"';
    expect(brief(plan(change(declared(), (each) => (each.name === name ? null : each))))).toEqual([
      `create binding ${name}`,
    ]);
  });

  test('puts right a policy, rights and a password, and tells from what to what without secrets', () => {
    const policy = plan(edited('policy', 'waggle.log', (fields) => ({ ...fields, definition: { 'max-age': '1D' } })));
    expect(policy).toMatchObject([{ kind: 'update', fields: [{ field: 'definition', from: '{"max-age":"1D"}' }] }]);
    expect(plan(edited('permission', 'agent', (fields) => ({ ...fields, write: '.*' })))).toMatchObject([
      { kind: 'update', fields: [{ field: 'write', from: '".*"' }] },
    ]);
    const other = configFor([chicago, east], { users: { ...config.users, agent: { password: 'rotated-secret' } } });
    const password = plan(declared(), other);
    expect(brief(password)).toEqual(['update user agent']);
    expect(JSON.stringify(password.map((each) => (each.kind === 'update' ? each.fields : each)))).not.toContain(
      'rotated-secret',
    );
  });

  test('a new password of the federation is seen and not shown', () => {
    const other = configFor([chicago, east], {
      users: { ...config.users, federation: { password: 'rotated-secret' } },
    });
    const changes = plan(declared(), other);
    expect(brief(changes)).toEqual(['update user federation', 'update upstream us-east-1']);
    expect(changes).toMatchObject([
      {},
      { fields: [{ field: 'uri', from: '(another secret)', to: '(as configured)' }] },
    ]);
  });

  test('never touches a queue or exchange that differs: it tells why and what to do', () => {
    const queue = plan(
      edited('queue', 'events.log-0', () => ({
        durable: true,
        auto_delete: false,
        arguments: { 'x-queue-type': 'quorum' },
      })),
    );
    expect(brief(queue)).toEqual(['refuse queue events.log-0']);
    const exchange = plan(edited('exchange', 'events.partition', (fields) => ({ ...fields, arguments: {} })));
    expect(exchange).toMatchObject([
      {
        kind: 'refuse',
        reason: expect.stringContaining('alternate-exchange'),
        steps: [expect.any(String), expect.any(String), expect.any(String)],
      },
    ]);
  });

  test('a larger limit needs no new segments; a limit below four segments does', () => {
    const larger = configFor([chicago, east], { log: { maxBytes: 100 * 1024 ** 3 } });
    expect(brief(plan(declared(), larger))).toEqual(['update policy waggle.log']);
    const smaller = configFor([chicago, east], { log: { maxBytes: 1024 ** 3 / 6 } });
    expect(brief(plan(declared(), smaller))).toEqual([
      'update policy waggle.log',
      'refuse queue events.log-0',
      'refuse queue events.log-1',
    ]);
  });

  test('does not rename a cluster that is in use', () => {
    const renamed = change(declared(), (each) =>
      each.kind === 'cluster-name' ? { ...each, name: 'waggle@old' } : each,
    );
    expect(plan(renamed)).toMatchObject([{ kind: 'refuse', subject: 'cluster name waggle@old' }]);
  });

  test('reports orphans: foreign buffers, streams of old partitions, stray bindings, users with rights, foreign upstreams', () => {
    expect(brief(plan(extra('queue', 'federation: events -> waggle@boston')))).toEqual([
      'orphan queue federation: events -> waggle@boston',
    ]);
    expect(brief(plan(extra('queue', 'events.log-2')))).toEqual(['orphan queue events.log-2']);
    const stray = { source: 'events', destination: 'mine', destinationType: 'q', routingKey: '#', arguments: {} };
    expect(brief(plan(extra('binding', 'events -> queue mine, key "#"', stray)))).toEqual([
      'orphan binding events -> queue mine, key "#"',
    ]);
    expect(brief(plan(extra('permission', 'mallory', { configure: '.*', write: '.*', read: '.*' })))).toEqual([
      'orphan permission mallory',
    ]);
    expect(brief(plan(extra('upstream', 'boston')))).toEqual(['orphan upstream boston']);
  });

  test('leaves alone what is none of its business: taps, federation’s own objects, other queues and users', () => {
    const tap = { source: 'events.live', destination: 'live.1', destinationType: 'q', routingKey: '#', arguments: {} };
    for (const site of [
      extra('queue', 'somebody-else'),
      extra('queue', 'live.1'),
      extra('binding', 'events.live -> queue live.1, key "#"', tap),
      extra('exchange', 'federation: events -> waggle@us-east-1 B'),
      extra('exchange', 'amq.topic'),
      extra('user', 'mallory'),
      extra('policy', 'theirs', { pattern: '^theirs', 'apply-to': 'all', priority: 99 }),
    ])
      expect(brief(plan(site))).toEqual([]);
  });

  test('finds a policy of higher priority in the place of ours', () => {
    const site = extra('policy', 'ops', { pattern: '^events\\.', 'apply-to': 'queues', priority: 99 });
    expect(brief(plan(site))).toEqual([
      'refuse queue events.log-0',
      'refuse queue events.log-1',
      'refuse queue events.dead-letters',
    ]);
  });

  test('tells missing plugins, nodes and replicas', () => {
    const site = declared();
    const second = {
      name: 'rabbit@chicago-2',
      running: true,
      alarms: [],
      plugins: ['rabbitmq_stream'],
      diskFree: 100e9,
      diskLimit: 2e9,
    };
    const changes = plan({ ...site, nodes: [...site.nodes, second] });
    expect(brief(changes)).toEqual([
      'refuse node rabbit@chicago-2',
      'refuse queue events.log-0',
      'refuse queue events.log-1',
      'refuse queue events.dead-letters',
      'refuse queue federation: events -> waggle@us-east-1',
    ]);
    const three = { ...chicago, nodes: [...chicago.nodes, 'amqp://chicago-2:5672', 'amqp://chicago-3:5672'] };
    expect(brief(diff(config, three, desiredObjects(config, chicago), site))).toEqual(['refuse site chicago']);
  });
});

const failing = (site: ObservedSite): string[] =>
  checks(config, chicago, site)
    .filter(({ ok }) => !ok)
    .map(({ name }) => name);

describe('the checks of verify', () => {
  test('pass for a site as declared', () => {
    expect(failing(declared())).toEqual([]);
  });

  test('fail for a link that is missing, starting, or of another exchange', () => {
    const link = { upstream: 'us-east-1', exchange: 'events', status: 'running', error: '' };
    for (const links of [
      [],
      [{ ...link, status: 'starting' }],
      [{ ...link, exchange: 'other' }],
      [{ ...link, upstream: 'boston' }],
    ])
      expect(failing({ ...declared(), links })).toEqual(['link us-east-1 -> chicago']);
  });

  test('fail for a buffer that is missing, classic, expiring, or without our policy', () => {
    const name = 'buffer "federation: events -> waggle@us-east-1"';
    const withBuffer = (made: Observed | null) =>
      change(declared(), (each) => (each.name.startsWith('federation: ') ? made : each));
    for (const made of [null, buffer({ 'x-queue-type': 'classic' }), buffer({ 'x-expires': 1000 })])
      expect(failing(withBuffer(made))).toEqual([name]);
    expect(failing(change(declared(), (each) => (each.name === 'waggle.federation-buffer' ? null : each)))).toEqual([
      name,
    ]);
  });

  test('fail for an old version, an alarm, a stopped node and disabled feature flags', () => {
    expect(failing({ ...declared(), version: '4.3.3' })).toEqual(['version']);
    for (const version of ['4.3.4', '4.4.0', '5.0.0']) expect(failing({ ...declared(), version })).toEqual([]);
    expect(failing({ ...declared(), disabledFlags: ['khepri_db'] })).toEqual(['feature flags']);
    const nodes = [
      { name: 'a', running: false, alarms: [], plugins: [], diskFree: 100e9, diskLimit: 2e9 },
      { name: 'b', running: true, alarms: ['disk'], plugins: [], diskFree: 100e9, diskLimit: 2e9 },
    ];
    expect(failing({ ...declared(), nodes })).toEqual(['node a', 'node b']);
  });
});

describe('the report', () => {
  const site: SiteReport = { site: 'chicago', error: null, notes: [], done: [], changes: [], checks: [] };
  const report = (of: Partial<SiteReport>, across: Report['checks'] = []): Report => ({
    command: 'plan',
    sites: [{ ...site, ...of }],
    checks: across,
  });

  test('exits 0 for the same, 2 for a difference, 1 for a failure before all', () => {
    const changes = plan(edited('policy', 'waggle.log', () => ({})));
    expect(exitCode(report({}))).toBe(0);
    expect(exitCode(report({ changes }))).toBe(2);
    expect(exitCode(report({ changes, error: 'away' }))).toBe(1);
    expect(exitCode(report({ checks: [{ name: 'link', ok: false, detail: '' }] }))).toBe(1);
    expect(exitCode(report({}, [{ name: 'probe', ok: false, detail: '' }]))).toBe(1);
  });

  test('shows no password, as text or JSON', () => {
    const users = Object.fromEntries(Object.keys(config.users).map((name) => [name, { password: `hidden-${name}` }]));
    const secret = configFor([chicago, east], { users });
    const creations = diff(secret, chicago, desiredObjects(secret, chicago), { ...declared(), objects: [] });
    for (const changes of [creations, plan(declared(), secret)]) {
      expect(changes.length).toBeGreaterThan(0);
      for (const text of [reportText(report({ changes })), reportJson(report({ changes }))])
        expect(text).not.toContain('hidden-');
    }
  });
});

test('a password is known again by its salted hash', () => {
  // From rabbitmq.com/docs/passwords#computing-password-hash: password test12, salt 908DC60A.
  expect(hashPassword('test12', Buffer.from('908DC60A', 'hex'))).toBe(
    'kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR',
  );
  expect(passwordMatches(hashPassword('pässword', salt), 'pässword')).toBe(true);
  for (const [hash, password] of [
    [hashPassword('a', salt), 'b'],
    ['', 'a'],
    ['AAAA', ''],
  ] as const)
    expect(passwordMatches(hash, password)).toBe(false);
});

test('passwords in URIs are hidden', () => {
  expect(redact('["amqp://federation:p%40ss@host:5672/%2F","amqps://u:x@h"] http://plain:15672/')).toBe(
    '["amqp://federation:***@host:5672/%2F","amqps://u:***@h"] http://plain:15672/',
  );
});
