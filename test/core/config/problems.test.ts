import { describe, expect, test } from 'vitest';
import { maxConfigBytes } from '#core/config/check.ts';
import { changed, good, problems } from './good.ts';

describe('every problem names line, column and path, and what to write', () => {
  const cases: [name: string, text: string, expected: string[]][] = [
    ['no version', changed('version: 1\n', ''), ['w.yaml:1:1: version: is missing (Version of this format)']],
    ['another version', changed('version: 1', 'version: 2'), ['w.yaml:1:10: version: must be 1']],
    [
      'an unknown key',
      changed('agent:\n', 'agent:\n  sploo: {}\n'),
      ['w.yaml:14:3: agent.sploo: unknown key; did you mean "spool"?'],
    ],
    [
      'an unknown key like no other',
      changed('agent:\n', 'log: { colour: red }\nagent:\n'),
      ['w.yaml:13:8: log.colour: unknown key; known here: partitions, retention, max_bytes'],
    ],
    [
      'a value out of a few',
      changed('agent:\n', 'agent:\n  route: { mode: balanse }\n'),
      ['w.yaml:14:18: agent.route.mode: must be "balance" or "failover" or "mirror"; did you mean "balance"?'],
    ],
    [
      'a size without a unit',
      changed('bucket: events', 'bucket: events, rotate: { size: 64 }'),
      ['w.yaml:16:66: sinks.s3.rotate.size: must be a size such as "64MiB", "1MB" or "10GiB"'],
    ],
    [
      'a size out of range',
      changed('bucket: events', 'bucket: events, rotate: { size: 1B }'),
      ['w.yaml:16:66: sinks.s3.rotate.size: must be from 1KiB to 1GiB'],
    ],
    [
      'a duration with a blank',
      changed('agent:\n', 'log: { retention: 7 days }\nagent:\n'),
      ['w.yaml:13:19: log.retention: must be a duration such as "100ms", "5m" or "7d"'],
    ],
    [
      'no partition',
      changed('agent:\n', 'log: { partitions: 0 }\nagent:\n'),
      ['w.yaml:13:20: log.partitions: must be from 1 to 1024'],
    ],
    [
      'too many partitions',
      changed('agent:\n', 'log: { partitions: 1025 }\nagent:\n'),
      ['w.yaml:13:20: log.partitions: must be from 1 to 1024'],
    ],
    [
      'half a partition',
      changed('agent:\n', 'log: { partitions: 1.5 }\nagent:\n'),
      ['w.yaml:13:20: log.partitions: must be a whole number'],
    ],
    [
      'an address without a port',
      changed('agent:\n', 'agent:\n  admin: localhost\n'),
      ['w.yaml:14:10: agent.admin: must be an address "host:port" such as "127.0.0.1:9880"'],
    ],
    [
      'a port that is none',
      changed('agent:\n', 'agent:\n  admin: localhost:65536\n'),
      ['w.yaml:14:10: agent.admin: must be an address "host:port" such as "127.0.0.1:9880"'],
    ],
    [
      'a pattern with a star inside a word',
      changed('agent:\n', 'agent:\n  types: [{ match: "kube*", type: kube.log }]\n'),
      [
        'w.yaml:14:20: agent.types[0].match: must be a pattern for names: whole words joined by dots, where "*" is one word and "**" any number of words',
      ],
    ],
    [
      'a type with a blank',
      changed('agent:\n', 'agent:\n  types: [{ match: "**", type: kube log }]\n'),
      [
        'w.yaml:14:32: agent.types[0].type: must be an event type: words of letters, digits, "_" and "-", joined by dots, at most 200 characters',
      ],
    ],
    [
      'an unknown site of the agent',
      changed('site: chicago\n', 'site: chigaco\n'),
      [
        'w.yaml:14:9: agent.site: there is no site "chigaco"; the sites are "us-east-1", "chicago"; did you mean "chicago"?',
      ],
    ],
    [
      'an unknown home',
      changed('home: chicago', 'home: mars'),
      ['w.yaml:16:25: sinks.s3.home: there is no site "mars"; the sites are "us-east-1", "chicago"'],
    ],
    [
      'an unknown kind of sink',
      changed('kind: s3', 'kind: hdsf'),
      [
        'w.yaml:16:15: sinks.s3.kind: must be "s3" or "folder" or "hdfs" or "elasticsearch" or "splunk" or "mongodb" or "module"; did you mean "hdfs"?',
      ],
    ],
    [
      'a mapping of what is not data',
      changed('bucket: events', 'bucket: events, mapping: { drop: [/id], rename: { /data/a: /type } }'),
      [
        'w.yaml:16:68: sinks.s3.mapping.drop[0]: must be a JSON pointer (RFC 6901) below /data, such as "/data/user/id"',
        'w.yaml:16:93: sinks.s3.mapping.rename./data/a: must be a JSON pointer (RFC 6901) below /data, such as "/data/user/id"',
      ],
    ],
    [
      'names that are no names of their kind',
      changed(
        'kind: s3, home: chicago, bucket: events',
        'kind: splunk, home: chicago, endpoints: ["https://h:8088"], token: t, fields: { 9a: /data }, mapping: { set: { a: 1 } }',
      ),
      [
        'w.yaml:16:89: sinks.s3.fields.9a: must be a field name: letters, digits, ".", "_" and "-" after a letter',
        'w.yaml:16:120: sinks.s3.mapping.set.a: must be a JSON pointer (RFC 6901) below /data, such as "/data/user/id"',
      ],
    ],
    [
      'a certificate that nobody would ask for',
      changed(
        'kind: s3, home: chicago, bucket: events',
        'kind: splunk, home: chicago, endpoints: ["https://h:8088", "http://i:8088"], token: t, tls: { ca: x }',
      ),
      ['w.yaml:16:96: sinks.s3.tls: is no use where an address is http:, which is sent in the clear; write https:'],
    ],
    [
      'a sink with the name of the user that brokers begin with',
      changed('  s3: {', '  guest: {').replace('s3: { kind', 'guest: { kind'),
      ['w.yaml:16:3: sinks.guest: a sink cannot be called "guest": topology declare begins as RabbitMQ’s user guest'],
    ],
    [
      'a NameNode with TLS beside one without',
      changed(
        'kind: s3, home: chicago, bucket: events',
        'kind: hdfs, home: chicago, path: /events, name_nodes: ["http://nn1:9870", "https://nn2:9871"]',
      ),
      ['w.yaml:16:63: sinks.s3.name_nodes: must be all http: or all https:'],
    ],
    [
      'a name without a password',
      changed(
        'kind: s3, home: chicago, bucket: events',
        'kind: elasticsearch, home: chicago, nodes: ["http://es:9200"], username: u',
      ),
      ['w.yaml:16:72: sinks.s3.username: needs username and password together'],
    ],
    [
      'two ways to log in',
      changed(
        'kind: s3, home: chicago, bucket: events',
        'kind: elasticsearch, home: chicago, nodes: ["http://es:9200"], username: u, api_key: k',
      ),
      ['w.yaml:16:85: sinks.s3.api_key: stands beside username or password; give one of the two ways'],
    ],
    [
      'a sink without a kind',
      changed('kind: s3, ', ''),
      ['w.yaml:16:3: sinks.s3.kind: is missing (What it writes to)'],
    ],
    [
      'a sink without a user',
      changed('  s3: { password: s }\n', ''),
      ['w.yaml:15:3: sinks.s3: has no user; add users.s3 with its password'],
    ],
    [
      'a sink with the name of a system user',
      good.replaceAll('  s3:', '  operator:'),
      ['w.yaml:16:3: sinks.operator: a sink cannot be called "operator": its user would be waggle’s own'],
    ],
    [
      'a bad name',
      good.replaceAll('  s3:', '  S3:'),
      [
        'w.yaml:12:3: users.S3: must be a name of small letters, digits and "-" that begins with a letter',
        'w.yaml:16:3: sinks.S3: must be a name of small letters, digits and "-" that begins with a letter',
      ],
    ],
    [
      'a missing user',
      changed('  federation: { password: f }\n', ''),
      ['w.yaml:8:1: users.federation: is missing; add it with its password'],
    ],
    [
      'an unknown user',
      changed('  agent: {', '  agnet: {'),
      [
        'w.yaml:8:1: users.agent: is missing; add it with its password',
        'w.yaml:11:3: users.agnet: is neither a sink nor one of topology, federation, agent, monitoring, operator, tap; did you mean "agent"?',
      ],
    ],
    [
      'an empty password',
      changed('password: t', 'password: ""'),
      ['w.yaml:9:25: users.topology.password: must not be empty'],
    ],
    [
      'a number as password',
      changed('password: t', 'password: 12345'),
      ['w.yaml:9:25: users.topology.password: must be a text: put quotes around it'],
    ],
    [
      'an empty value',
      changed('password: t', 'password:'),
      ['w.yaml:9:15: users.topology.password: is empty; it must be a text'],
    ],
    [
      'a text for a mapping',
      changed('{ password: t }', 'hunter2'),
      ['w.yaml:9:13: users.topology: must be a mapping (key: value)'],
    ],
    [
      'keep above max',
      changed('agent:\n', 'agent:\n  spool: { max: 1GiB, keep: 2GiB }\n'),
      ['w.yaml:14:29: agent.spool.keep: must not be larger than agent.spool.max'],
    ],
    [
      'a default keep above max',
      changed('agent:\n', 'agent:\n  spool: { max: 512MiB }\n'),
      ['w.yaml:14:10: agent.spool.keep: must not be larger than agent.spool.max'],
    ],
    [
      'more workers than the spool has room for',
      changed('agent:\n', 'agent:\n  workers: 64\n  spool: { max: 32MiB, keep: 1MiB, segment: 1MiB }\n'),
      ['w.yaml:14:12: agent.workers: leaves each worker less than 1MiB of agent.spool.max'],
    ],
    [
      'an event larger than a body',
      changed('agent:\n', 'agent:\n  inputs: { http: { max_body: 1KiB } }\n'),
      ['w.yaml:14:19: agent.inputs.http.max_event: must not be larger than agent.inputs.http.max_body'],
    ],
    [
      'one broker in two sites',
      changed('"amqp://us-east-1:5672"', '"amqp://chicago-1:5672"'),
      ['w.yaml:5:13: sites.chicago.nodes[0]: the site "us-east-1" has the same address'],
    ],
    ['no site', good.replace(/sites:\n[^]*users:/, 'sites: {}\nusers:'), ['w.yaml:2:8: sites: must not be empty']],
    [
      'a key twice',
      changed('  site: chicago\n', '  site: chicago\n  site: chicago\n'),
      ['w.yaml:15:3: agent.site: is there twice; the first is in line 14'],
    ],
    [
      'an anchor',
      changed('site: chicago', 'site: &hunter2 chicago'),
      [
        'w.yaml:14:9: agent.site: anchors and aliases (&name, *name) are not supported; put quotes around a text that begins with "&" or "*"',
      ],
    ],
    [
      'an alias',
      changed('password: t', 'password: *hunter2'),
      [
        'w.yaml:9:25: users.topology.password: anchors and aliases (&name, *name) are not supported; put quotes around a text that begins with "&" or "*"',
      ],
    ],
    [
      'a tag',
      changed('password: t', 'password: !hunter2 x'),
      [
        'w.yaml:9:25: users.topology.password: tags (!name) are not supported; put quotes around a text that begins with "!"',
      ],
    ],
    ['two documents', `${good}---\nversion: 1\n`, ['w.yaml:19:1: holds more than one document (---); write one']],
    ['nothing', '', ['w.yaml:1:1: is empty']],
    ['a text', 'hello', ['w.yaml:1:1: must be a mapping (key: value)']],
    ['no YAML', 'sites: [', ['w.yaml:1:9: not YAML: unexpected end of the stream within a flow collection']],
    ['a mapping as key', '{ {a: b}: 1 }', ['w.yaml:1:3: a key must be a name']],
    ['a file too large', `#${' '.repeat(maxConfigBytes)}`, ['w.yaml:1:1: is larger than 1 MiB']],
  ];
  test.each(cases)('%s', (_name, text, expected) => {
    expect(problems(text)).toEqual(expected);
  });

  test('all of them at once, in the order of the file', () => {
    const text = good
      .replace('version: 1', 'version: 3')
      .replace('site: chicago', 'site: mars')
      .replace('password: f', 'pasword: f')
      .replace('bucket: events', 'bucket: E');
    expect(problems(text).map((line) => line.split(': ')[1])).toEqual([
      'version',
      'users.federation.password',
      'users.federation.pasword',
      'agent.site',
      'sinks.s3.bucket',
    ]);
  });

  test('windows line ends and a byte order mark do not shift lines', () => {
    const text = changed('site: chicago', 'site: mars').replaceAll('\n', '\r\n');
    expect(problems(`\u{FEFF}${text}`)[0]).toMatch(/^w\.yaml:14:9: agent\.site/);
  });
});
