// The section `bee`: what it means, by default and as written, and every way in which it may be wrong.
import { describe, expect, test } from 'vitest';
import { needsOfAgent, needsOfBee, needsOfTopology } from '#core/config/needs.ts';
import { config, good, problems } from './good.ts';

const HASH = `sha256:${'0a'.repeat(32)}`;
const own = (more = ''): string =>
  `${good}bee:\n  token: a-token-of-32-characters-or-more\n  keys: { ios: { hashes: ["${HASH}"] } }\n${more}`;
/** The last line is that of the key. */
const LINE = own().split('\n').length;

test('without it there is no Bee', () => {
  expect(config(good).bee).toBeNull();
});

test('every key has a default but the token and the keys', () => {
  expect(config(own()).bee).toEqual({
    listen: '127.0.0.1:9890',
    admin: '127.0.0.1:9891',
    agent: 'http://127.0.0.1:9880',
    token: 'a-token-of-32-characters-or-more',
    level: 'disk',
    rules: 'bee/rules',
    hashKey: null,
    keys: [{ name: 'ios', hashes: [HASH], source: '/bee/ios', types: ['**'] }],
    origins: [],
    trustedProxies: [],
    maxBody: 512 * 1024,
    maxEvent: 32 * 1024,
    maxEvents: 1000,
    rate: { window: 10_000, key: 10_000, address: 600 },
    clockSkew: 55 * 60_000,
    remember: 10 * 60_000,
  });
});

test('is as it is written', () => {
  const more = `  rules: /etc/waggle/rules
  hash_key: "file:/creds/s3"
  level: site
  origins: ["https://www.example.com", "http://localhost:3000"]
  trusted_proxies: [10.0.0.0/8, "::1"]
  max_body: 1MiB
  max_event: 64KiB
  max_events: 50
  rate: { window: 1m, key: 5, address: 4 }
  clock_skew: 1h
  remember: 0s
`;
  expect(config(own(more)).bee).toMatchObject({
    rules: '/etc/waggle/rules',
    hashKey: 'hunter2',
    level: 'site',
    origins: ['https://www.example.com', 'http://localhost:3000'],
    trustedProxies: ['10.0.0.0/8', '::1'],
    maxBody: 2 ** 20,
    maxEvent: 2 ** 16,
    maxEvents: 50,
    rate: { window: 60_000, key: 5, address: 4 },
    clockSkew: 3_600_000,
    remember: 0,
  });
});

describe('what is wrong is told with its place', () => {
  test.each([
    ['rules: ""', 10, 'bee.rules: '],
    ['rule: x', 3, 'bee.rule: unknown key; did you mean "rules"?'],
    ['level: tape', 10, 'bee.level: must be "memory" or "disk" or "site"'],
    ['agent: "amqp://a"', 10, 'bee.agent: '],
    ['origins: [www.example.com]', 13, 'bee.origins[0]: must be an origin such as'],
    ['trusted_proxies: [10.0.0.0/99]', 21, 'bee.trusted_proxies[0]: must be an address or a network'],
    ['max_event: 100B', 14, 'bee.max_event: must be from 256B to 1MiB'],
    ['max_body: 16KiB', 0, 'bee.max_event: '],
    ['max_events: 0', 15, 'bee.max_events: must be from 1 to 10000'],
    ['rate: { address: 0 }', 20, 'bee.rate.address: must be from 1 to'],
    ['remember: 2h', 13, 'bee.remember: must be from 0s to 1h'],
  ])('%s', (line, column, text) => {
    const [first = '', ...others] = problems(own(`  ${line}\n`));
    expect(others).toEqual([]);
    expect(first).toContain(text);
    if (column > 0) expect(first).toMatch(new RegExp(`^w\\.yaml:${LINE}:${column}: `));
  });

  test.each([
    ['a hash that is none', own().replace(HASH, 'sha256:00'), /keys\.ios\.hashes\[0\]: must be the hash of a key/],
    ['three keys of one source', own().replace(`"${HASH}"`, [1, 2, 3].map((n) => `"sha256:${String(n).repeat(64)}"`).join()), /keys\.ios\.hashes: /],
    ['no key', own().replace(/keys: .*/, 'keys: {}'), /bee\.keys: /],
    ['a source with capitals', own().replace('ios:', 'IOS:'), /bee\.keys\.IOS: /],
    ['a short token', own().replace('a-token-of-32-characters-or-more', 'hunter3'), /bee\.token: must have 16 characters or more/],
    ['no HTTP input of the agent', own().replace('agent:\n', 'agent:\n  inputs: { udp: {} }\n'), /bee: hands its events to the HTTP input/],
  ])('%s', (_name, text, message) => {
    expect(text).not.toBe(own());
    const found = problems(text);
    expect(found.length).toBe(1);
    expect(found[0]).toMatch(message);
    expect(found[0]).not.toContain('hunter3');
  }); // prettier-ignore
});

test('its secrets are needed where they are used, and nowhere else', () => {
  const unset = own().replace('a-token-of-32-characters-or-more', '"${BEE_TOKEN}"') + '  hash_key: "${BEE_HASH_KEY}"\n';
  expect(problems(unset, needsOfTopology)).toEqual([]);
  expect(problems(unset, ['bee.rules'])).toEqual([]);
  expect(problems(unset, needsOfAgent)).toEqual([expect.stringContaining('bee.token: ')]);
  expect(problems(unset, needsOfBee)).toEqual([
    expect.stringContaining('bee.token: '),
    expect.stringContaining('bee.hash_key: '),
  ]);
  const env = { BEE_TOKEN: 'from-the-environment', BEE_HASH_KEY: 'k' };
  expect(config(unset, needsOfBee, env).bee).toMatchObject({ token: 'from-the-environment', hashKey: 'k' });
});
