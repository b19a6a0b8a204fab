import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { needsEverything, needsNothing, needsOfAgent, needsOfConsumer, needsOfTopology } from '#core/config/needs.ts';
import { noInputs } from '../../site-config.ts';
import { changed, check, config, good, problems } from './good.ts';

describe('a valid configuration', () => {
  test('keeps the order of sites, and fills every default', () => {
    const { sites, agent, sinks, log, dead, vhost } = config(good);
    expect(sites.map(({ name }) => name)).toEqual(['us-east-1', 'chicago']);
    expect(sites[1]).toEqual({
      name: 'chicago',
      nodes: ['amqp://chicago-1:5672', 'amqp://[::1]:5673'],
      stream: [
        { host: 'chicago-1', port: 5552 },
        { host: '::1', port: 5553 },
      ],
      management: ['http://chicago-1:15672'],
      federation: ['amqp://chicago-1:5672', 'amqp://[::1]:5673'],
      tls: null,
      linkCertificates: '/etc/rabbitmq/tls',
    });
    expect({ log, dead, vhost }).toEqual({
      vhost: '/',
      log: { partitions: 8, retention: 7 * 86_400_000, maxBytes: 50 * 2 ** 30 },
      dead: { retention: 30 * 86_400_000, maxBytes: 2 ** 30 },
    });
    expect(agent).toEqual({
      site: 'chicago',
      host: 'this-host',
      admin: '127.0.0.1:9881',
      workers: 1,
      spool: { path: '/var/lib/waggle', max: 10 * 2 ** 30, share: 0.8, keep: 2 ** 30, segment: 64 * 2 ** 20 },
      inputs: {
        ...noInputs,
        http: { listen: '127.0.0.1:9880', level: 'disk', maxBody: 8 * 2 ** 20, maxEvent: 2 ** 20 },
      },
      types: [],
      transforms: [],
      levels: [],
      route: {
        mode: 'balance',
        prefer: 'chicago',
        behind: 5 * 2 ** 30,
        hysteresis: 30_000,
        window: 8 * 2 ** 20,
        linger: 10,
      },
    });
    expect(sinks).toEqual([
      {
        kind: 's3',
        name: 's3',
        home: 'chicago',
        match: ['**'],
        mapping: null,
        admin: '127.0.0.1:9882',
        memory: 24 * 2 ** 20,
        rotate: { size: 64 * 2 ** 20, count: 1_000_000, age: 300_000 },
        bucket: 'events',
        prefix: '',
        region: 'us-east-1',
        endpoint: null,
        pathStyle: false,
        credentials: null,
      },
    ]);
  });

  test('a folder sink needs nothing but a path; it begins at the first site', () => {
    const { sinks } = config(changed('{ kind: s3, home: chicago, bucket: events }', '{ kind: folder, path: /data }'));
    expect(sinks[0]).toMatchObject({ kind: 'folder', name: 's3', path: '/data', home: 'us-east-1' });
  });

  test('a queue sink has its defaults; a module is found from the folder of the file', () => {
    const elasticsearch = config(
      changed(
        'kind: s3, home: chicago, bucket: events',
        'kind: elasticsearch, home: chicago, nodes: ["http://es:9200"]',
      ),
    ).sinks[0];
    expect(elasticsearch).toEqual({
      kind: 'elasticsearch',
      name: 's3',
      home: 'chicago',
      match: ['**'],
      mapping: null,
      admin: '127.0.0.1:9882',
      memory: 16 * 2 ** 20,
      connections: 4,
      batch: { size: 5 * 2 ** 20, count: 5_000, age: 100 },
      timeout: 30_000,
      nodes: ['http://es:9200'],
      auth: { kind: 'none' },
      tls: { ca: null, fingerprint: null },
      index: 'waggle',
      dataStream: false,
      template: true,
      compression: true,
    });
    const own = changed(
      'kind: s3, home: chicago, bucket: events',
      'kind: module, home: chicago, module: ./sinks/mine.ts, options: { a: 1 }',
    );
    expect(config(own).sinks[0]).toMatchObject({ kind: 'module', module: 'sinks/mine.ts', options: { a: 1 } });
  });

  test('an empty inputs mapping means none', () => {
    expect(config(changed('  site: chicago', '  site: chicago\n  inputs: {}')).agent.inputs.http).toBeNull();
  });

  test('an endpoint turns path style on', () => {
    const { sinks } = config(changed('bucket: events }', 'bucket: events, endpoint: "http://s3:7070" }'));
    expect(sinks[0]).toMatchObject({ endpoint: 'http://s3:7070', pathStyle: true });
  });
});

describe('references', () => {
  const withReferences = good
    .replace('password: t', 'password: "${T}"')
    .replace('password: a', 'password: "${A:-fallback}"')
    .replace('password: s', 'password: "file:/run/secrets/s3"')
    .replace('site: chicago\n', 'site: "${SITE}"\n')
    .replace('agent:\n', 'log: { partitions: "${PARTITIONS:-4}", retention: "${DAYS:-2}d" }\nagent:\n');

  test('come from the environment, from defaults and from files; numbers too', () => {
    const { users, agent, log } = config(withReferences, needsEverything, { T: 'a: [b', SITE: 'us-east-1', A: '' });
    expect(users).toEqual({
      topology: { password: 'a: [b' },
      federation: { password: 'f' },
      agent: { password: 'fallback' },
      s3: { password: 'from-a-file' },
    });
    expect(agent.site).toBe('us-east-1');
    expect(log).toMatchObject({ partitions: 4, retention: 2 * 86_400_000 });
  });

  test('a value out of the environment is not expanded again, and is no file', () => {
    const env = { T: '${A}', SITE: 'chicago', A: 'file:/run/secrets/s3' };
    expect(config(withReferences, needsEverything, env).users).toMatchObject({
      topology: { password: '${A}' },
      agent: { password: 'file:/run/secrets/s3' },
    });
  });

  test('the path of a file may hold references', () => {
    const text = changed('password: s', 'password: "file:${DIR}/s3"');
    expect(config(text, needsEverything, { DIR: '/creds' }).users['s3']).toEqual({ password: 'hunter2' });
  });

  test('$${ stands for ${', () => {
    expect(config(changed('password: t', 'password: "$${T}"')).users['topology']).toEqual({ password: '${T}' });
  });

  test('an unset one is an error for the command that needs it, and a note for others', () => {
    expect(problems(withReferences, needsOfAgent)).toEqual([
      'w.yaml:15:9: agent.site: the environment variable SITE is not set',
    ]);
    expect(problems(withReferences, needsOfTopology)).toEqual([
      'w.yaml:9:25: users.topology.password: the environment variable T is not set',
    ]);
    const checked = check(withReferences, needsOfConsumer('s3'));
    expect(checked).toMatchObject({ kind: 'ok', config: { agent: { site: '' } } });
    if (checked.kind === 'ok') {
      expect(Object.keys(checked.config.users)).toEqual(['federation', 'agent', 's3']);
      expect(checked.unset.map(({ path }) => path)).toEqual(['users.topology.password', 'agent.site']);
    }
  });

  test('a sink whose kind does not resolve is none to a command that does not need it', () => {
    const text = changed('kind: s3', 'kind: "${KIND}"');
    expect(config(text, needsOfAgent).sinks).toEqual([]);
    expect(problems(text, needsOfConsumer('s3'))).toEqual([
      'w.yaml:16:15: sinks.s3.kind: the environment variable KIND is not set',
    ]);
  });

  test('a secret file that cannot be read is an error for its sink and for topology alone', () => {
    const text = changed('password: s', 'password: "file:/nowhere"');
    const problem = ['w.yaml:12:19: users.s3.password: the file /nowhere cannot be read'];
    expect(problems(text, needsOfConsumer('s3'))).toEqual(problem);
    expect(problems(text, needsOfTopology)).toEqual(problem);
    expect(problems(text, needsOfAgent)).toEqual([]);
  });

  test.each(['${', '${1A}', '${A-b}', '${A', 'x ${} y'])('%s is malformed whoever needs it', (text) => {
    expect(problems(changed('password: t', `password: '${text}'`), needsNothing)).toEqual([
      'w.yaml:9:25: users.topology.password: a reference is ${NAME} or ${NAME:-default}; write $${ for the characters themselves',
    ]);
  });
});

describe('secrets', () => {
  const secret = 'hunter2-s3cr3t';
  const places = [...good.matchAll(/(?<=[:[] ?)"?[^\s{}[\],:][^\s{}[\],]*"?/g)].map(({ index, 0: value }) => ({
    index,
    value,
  }));

  test('whatever value comes from a variable or a file, no message holds it', () => {
    expect(places.length).toBeGreaterThan(15);
    for (const { index, value } of places) {
      const text = `${good.slice(0, index)}"\${SECRET}"${good.slice(index + value.length)}`;
      expect(problems(text, needsEverything, { SECRET: secret }).join('\n')).not.toContain(secret);
    }
  });

  test('a password written into an address is refused and not repeated', () => {
    const lines = problems(changed('amqp://us-east-1:5672', `amqp://agent:${secret}@us-east-1:5672`));
    expect(lines).toEqual([
      'w.yaml:3:24: sites.us-east-1.nodes[0]: must be "amqp://host:port" without user and password (those stand under users)',
    ]);
  });
});

describe('robustness', () => {
  test('no text makes the check throw', () => {
    const words = [
      'version',
      'sites',
      '__proto__',
      'constructor',
      'agent',
      ':',
      ': ',
      '\n',
      '  ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '"',
      "'",
      '&a',
      '*a',
      '!t',
      '${',
      '}',
      'A',
      '|',
      '>',
      '#',
      '?',
      ',',
      '---',
      '1',
      '~',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 40 }), (parts) => {
        expect(['ok', 'invalid']).toContain(check(parts.join('')).kind);
      }),
      { numRuns: 2000 },
    );
  });

  test('a good configuration with any value replaced by any other never throws', () => {
    const lines = good.split('\n');
    fc.assert(
      fc.property(
        fc.nat(lines.length - 1),
        fc.oneof(fc.string(), fc.constantFrom('[]', '{}', '1', 'true', '~', '""')),
        (index, value) => {
          const text = lines
            .map((line, at) => (at === index ? line.replace(/: .*/, () => `: ${value}`) : line))
            .join('\n');
          expect(['ok', 'invalid']).toContain(check(text).kind);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('__proto__ is an unknown key like others', () => {
    expect(problems(changed('agent:\n', '__proto__: { vhost: x }\nagent:\n'))[0]).toMatch(
      /^w\.yaml:13:1: __proto__: unknown key/,
    );
  });

  test('nesting is limited', () => {
    expect(problems('['.repeat(30))[0]).toMatch(/nesting exceeded/);
  });
});
