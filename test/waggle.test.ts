// The command as people call it: what it prints, and its exit codes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };

const root = join(import.meta.dirname, '..');
let folder = '';
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'waggle-command-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `waggle ARGS` with this environment and no other variable of ours. */
async function waggle(args: readonly string[], env: Readonly<Record<string, string>> = {}, input = ''): Promise<Ended> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('WAGGLE_'));
  const child = spawn(process.execPath, ['waggle.ts', ...args], {
    cwd: root,
    env: { ...Object.fromEntries(inherited), ...env },
  });
  child.stdin.end(input);
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number]>,
  ]);
  return { code, out, err };
}

function written(name: string, content: string): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}

const wrongRules = (): string => {
  const rules = join(folder, 'rules');
  mkdirSync(rules, { recursive: true });
  writeFileSync(join(rules, 'a.b.yaml'), 'type: a.b\nabout: A.\nfields:\n  n: txet\n');
  return rules;
};
const viewed = (screen: string): string =>
  `{"type":"screen.viewed","data":{"device_id":"0190a5c2-7d1e-7c3a-9f2b-3d5e8a1c4b6f","screen":${screen},"viewed_ms":1}}`;

describe('bee', () => {
  test.each([
    [['test'], 0, /^8 rules, set [0-9a-f]{16}: may be activated$/m, /^$/],
    [['test', '--json'], 0, /^\{"set":"[0-9a-f]{16}","rules":\[/, /^$/],
    [['try', viewed('"home"')], 0, /^accepted$/m, /^$/],
    [['try', viewed('7')], 1, /kind-wrong at \/data\/screen/, /^$/],
    [['compile', 'purchase'], 0, /"https:\/\/json-schema.org\/draft\/2020-12\/schema"/, /^$/],
    [['compile'], 64, /^$/, /compile needs the name of a rule/],
    [['compile', 'nothing'], 64, /^$/, /there is no rule "nothing"; there are app.opened/],
    [['diff', 'purchase', 'purchase'], 0, /^purchase takes what purchase takes$/m, /^$/],
    [['diff', 'purchase', 'app.opened'], 1, /^breaks senders: /m, /^$/],
    [['schema'], 0, /"title": "A rule of Bee/, /^$/],
    [['key', 'app'], 0, /app\.[A-Za-z0-9_-]{20}/, /^$|hash|key/],
    [['taste'], 64, /^$/, /Allowed choices are key, test, try, compile, diff, schema/],
    [['test', '--rules', '/nowhere/at/all'], 78, /^$/, /\/nowhere\/at\/all/],
  ])('%j', async (args, code, out, err) => {
    const ended = await waggle(['bee', ...args]);
    expect(ended).toEqual({ code, out: expect.stringMatching(out), err: expect.stringMatching(err) });
  });

  test('a wrong rule file is told with file, line and column', async () => {
    const ended = await waggle(['bee', 'test', '--rules', wrongRules()]);
    expect(ended).toMatchObject({ code: 78, out: '' });
    expect(ended.err).toMatch(/a\.b\.yaml:4:6: fields\.n: is no field type; did you mean "text"\?/);
  });
});

describe('use', () => {
  test('--help names every subcommand and the exit codes', async () => {
    const { code, out } = await waggle(['--help']);
    expect(code).toBe(0);
    for (const name of ['validate', 'schema', 'agent', 'consumer', 'topology', 'dead', 'replay', 'status', 'send'])
      expect(out).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    expect(out).toContain('78 configuration');
  });

  test('each subcommand has its own --help', async () => {
    const { code, out } = await waggle(['topology', '--help']);
    expect(code).toBe(0);
    expect(out).toContain('"plan", "declare", "verify", "diagram"');
    expect(out).toContain('--config <file>');
  });

  test('--version is that of the package', async () => {
    expect(await waggle(['--version'])).toEqual({ code: 0, out: `${manifest.version}\n`, err: '' });
  });

  test.each([
    [[], /^Usage: waggle/],
    [['agnet'], /unknown command 'agnet'.*Did you mean agent/s],
    [['topology'], /missing required argument/],
    [['topology', 'pln'], /Allowed choices are plan, declare, verify, diagram, watch, drop-buffer/],
    [['topology', 'plan', '--to', 'chicago'], /--to goes with topology drop-buffer/],
    [['topology', 'drop-buffer', '--site', 'chicago'], /the sites are chicago, us-east-1/],
    [['validate', 'extra'], /too many arguments/],
    [['consumer', 's3', '--from', '2026-11-23'], /go with --list/],
    [['consumer', 'search', '--list'], /search is a queue sink: .*--list is for log sinks/],
    [['consumer', 's4'], /no sink "s4"; its sinks are s3, hdfs, search, splunk; did you mean "s3"/],
    [['dead', 'lst'], /Allowed choices are list, show, replay, discard/],
    [['dead', 'show'], /name one letter by its id/],
    [['dead', 'list', '--state', 'opened'], /--state: .*did you mean "open"/],
    [['replay', '--sink', 'search', '--from', '2026-11-23'], /required option '--to <time>'/],
    [['replay', '--sink', 's3', '--from', '2026-11-23', '--to', '2026-11-24'], /waggle sink move s3 --to SITE/],
    [['replay', '--sink', 'search', '--from', '2026-11-24', '--to', '2026-11-23'], /--from must be before --to/],
    [['send', '{}'], /required option '--type <type>'/],
    [['status', '--admin', 'nowhere'], /--admin: not an address/],
  ])('%j is wrong use: 64, and says why', async (args, why) => {
    const names = [
      'S3_PASSWORD',
      'S3_ACCESS_KEY_ID',
      'S3_SECRET_ACCESS_KEY',
      'OPERATOR_PASSWORD',
      'TOPOLOGY_PASSWORD',
      'ELASTICSEARCH_PASSWORD',
    ];
    const { code, out, err } = await waggle(args, Object.fromEntries(names.map((name) => [`WAGGLE_${name}`, 'x'])));
    expect({ code, out }).toEqual({ code: 64, out: '' });
    expect(err).toMatch(why);
  });

  test('an hour that is none is wrong use', async () => {
    const env = { WAGGLE_S3_ACCESS_KEY_ID: 'x', WAGGLE_S3_SECRET_ACCESS_KEY: 'x' };
    const { code, err } = await waggle(['consumer', 's3', '--list', '--to', 'noon'], env);
    expect(code).toBe(64);
    expect(err).toMatch(/--to: an hour is written/);
  });
});

describe('configuration', () => {
  test('validate tells what holds, and what does not resolve here', async () => {
    const { code, out, err } = await waggle(['validate'], { WAGGLE_SITE: 'chicago', WAGGLE_AGENT_PASSWORD: 'hunter2' });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(
      /^waggle\.yaml: valid: sites chicago, us-east-1; 8 partitions; sinks s3 \(at chicago\), hdfs \(at us-east-1\), search/,
    );
    expect(out).toMatch(/users\.s3\.password: note: the environment variable WAGGLE_S3_PASSWORD is not set/);
    expect(out).not.toMatch(/WAGGLE_SITE|WAGGLE_AGENT_PASSWORD|hunter2/);
  });

  test('every problem is a line of its own on standard error: 78', async () => {
    const file = written('wrong.yaml', 'version: 1\nsites: {}\nusers: { agent: { pasword: hunter2 } }\n');
    const { code, out, err } = await waggle(['validate', '--config', file]);
    expect({ code, out }).toEqual({ code: 78, out: '' });
    expect(
      err
        .trimEnd()
        .split('\n')
        .every((line) => line.startsWith(`${file}:`)),
    ).toBe(true);
    expect(err).toContain(`${file}:3:19: users.agent.pasword: unknown key; did you mean "password"?\n`);
    expect(err).not.toContain('hunter2');
  });

  test('WAGGLE_CONFIG names the file, and one that is not there is said so', async () => {
    const { code, err } = await waggle(['validate'], { WAGGLE_CONFIG: '/nowhere/waggle.yaml' });
    expect(code).toBe(78);
    expect(err).toBe('/nowhere/waggle.yaml:1:1: there is no such file; name one with --config or WAGGLE_CONFIG\n');
  });

  test.each([
    [['agent'], ['users.agent.password', 'agent.site', 'bee.token']],
    [['bee'], ['agent.site', 'bee.token', 'bee.hash_key', 'bee.keys.demo.hashes[0]']],
    [
      ['consumer', 's3'],
      ['users.s3.password', 'sinks.s3.credentials.access_key_id', 'sinks.s3.credentials.secret_access_key'],
    ],
    [
      ['consumer', 's3', '--list'],
      ['sinks.s3.credentials.access_key_id', 'sinks.s3.credentials.secret_access_key'],
    ],
    [
      ['topology', 'plan'],
      ['topology', 'federation', 'monitoring', 'operator', 'tap', 'agent', 's3', 'hdfs', 'search', 'splunk'].map(
        (user) => `users.${user}.password`,
      ),
    ],
  ])('%j starts nothing while a secret that it needs is missing, and asks for no other', async (args, paths) => {
    const { code, err } = await waggle(args);
    expect(code).toBe(78);
    expect(
      err
        .trimEnd()
        .split('\n')
        .map((line) => line.split(': ')[1]),
    ).toEqual(paths);
  });

  test('schema prints the schema', async () => {
    const { code, out } = await waggle(['schema']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ title: 'waggle.yaml' });
  });

  // A pipe holds 64 KiB, and the schema is longer.
  test.each([
    ['is waited for', 'cat', 'waggle.yaml'],
    ['that goes away does not fail the command', `echo '{}'`, undefined],
  ])('a reader of a pipe %s', async (_, reader, title) => {
    const command = `{ "${process.execPath}" waggle.ts schema; echo "exit $?" >&2; } | ${reader}`;
    const child = spawn('sh', ['-c', command], { cwd: root });
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    expect(err).toBe('exit 0\n');
    expect((JSON.parse(out) as { title?: string }).title).toBe(title);
  });
});

const minimal = {
  version: 1,
  sites: { here: { nodes: ['amqp://h:5672'], stream: ['h:5552'], management: 'http://h:15672' } },
  users: { topology: { password: '${T}' }, agent: { password: '${A}' } },
};

test('a store that cannot be listed: 1, and says why without a stack', async () => {
  const file = written(
    'list.yaml',
    JSON.stringify({
      ...minimal,
      agent: { site: 'here' },
      users: { ...minimal.users, files: { password: 'f' } },
      sinks: { files: { kind: 'folder', path: join(folder, 'list.yaml', 'inside') } },
    }),
  );
  const { code, out, err } = await waggle(['--config', file, 'consumer', 'files', '--list']);
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toMatch(/^folder sink: cannot list .*ENOTDIR[^\n]*\n$/);
});

/** A server that notes one request and answers with this code. */
async function serve(code: number) {
  const requests: { url: string | undefined; type: string | undefined; body: string }[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    requests.push({ url: request.url, type: request.headers['content-type'], body: await text(request) });
    response.writeHead(code).end('{"accepted":1}');
  };
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const listen = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const file = written(
    'send.yaml',
    JSON.stringify({ ...minimal, agent: { site: 'here', inputs: { http: { listen } } } }),
  );
  return { requests, file, [Symbol.asyncDispose]: async () => void (server.close(), await once(server, 'close')) };
}

describe('send', () => {
  test('posts the data, from the argument or standard input, as one event of the type', async () => {
    await using agent = await serve(200);
    const first = await waggle(['send', '--config', agent.file, '--type', 'checkin.created', '{"n":1}']);
    expect(first).toEqual({ code: 0, out: '{"accepted":1}\n', err: '' });
    expect((await waggle(['send', '--config', agent.file, '--type', 'a'], {}, '{"n":2}')).code).toBe(0);
    expect(agent.requests).toEqual([
      { url: '/events/checkin.created', type: 'application/json', body: '{"n":1}' },
      { url: '/events/a', type: 'application/json', body: '{"n":2}' },
    ]);
  });

  test('a refusal is shown: 1', async () => {
    await using agent = await serve(429);
    expect(await waggle(['send', '--config', agent.file, '--type', 'a', '{}'])).toMatchObject({
      code: 1,
      out: '{"accepted":1}\n',
    });
  });

  test('no agent: 1, and says where it was looked for', async () => {
    const file = written(
      'nobody.yaml',
      JSON.stringify({ ...minimal, agent: { site: 'here', inputs: { http: { listen: '127.0.0.1:1' } } } }),
    );
    const { code, out } = await waggle(['send', '--config', file, '--type', 'a', '{}']);
    expect(code).toBe(1);
    expect(out).toContain('no answer from the agent at http://127.0.0.1:1/events/a');
  });
});
