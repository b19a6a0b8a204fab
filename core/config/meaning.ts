// What a schema cannot say: names that must exist elsewhere, limits that depend on one another. It works on values that may be wrong in
// other ways too (then the schema tells), so that all problems come at once.
import { parseSize } from '../units.ts';
import { didYouMean, type PathStep } from './problem.ts';
import { systemUsers } from './schema.ts';
import type { Finding } from './validate.ts';

/** `isResolved`: the text there came out of a reference and must not be repeated. */
export function checkMeaning(
  root: unknown,
  isResolved: (path: readonly PathStep[]) => boolean,
  isAbsent: (path: readonly PathStep[]) => boolean,
): readonly Finding[] {
  const findings: Finding[] = [];
  const say = (path: readonly PathStep[], at: 'key' | 'value', message: string): number =>
    findings.push({ path, at, message });
  const sites = keys(root, ['sites']);
  const users = keys(root, ['users']);
  const sinks = keys(root, ['sinks']);

  const siteExists = (path: readonly PathStep[]): void => {
    const name = valueAt(root, path);
    if (typeof name !== 'string' || sites.length === 0 || sites.includes(name)) return;
    const known = sites.map((site) => `"${site}"`).join(', ');
    const what = isResolved(path) ? 'names no site (its value comes from a reference)' : `there is no site "${name}"`;
    say(path, 'value', `${what}; the sites are ${known}${isResolved(path) ? '' : didYouMean(name, sites)}`);
  };
  siteExists(['agent', 'site']);
  siteExists(['agent', 'route', 'prefer']);

  const token = valueAt(root, ['bee', 'token']);
  if (typeof token === 'string' && token.length < 16)
    say(['bee', 'token'], 'value', 'must have 16 characters or more: it is a secret');
  if (
    keys(root, ['bee']).length > 0 &&
    !isAbsent(['agent', 'inputs']) &&
    valueAt(root, ['agent', 'inputs', 'http']) === undefined
  )
    say(['bee'], 'key', 'hands its events to the HTTP input of the agent; add agent.inputs.http');

  for (const sink of sinks) {
    const has = (field: string): boolean =>
      keys(root, ['sinks', sink]).includes(field) || isAbsent(['sinks', sink, field]);
    if (has('api_key') && (has('username') || has('password')))
      say(['sinks', sink, 'api_key'], 'key', 'stands beside username or password; give one of the two ways');
    else if (has('username') !== has('password') && valueAt(root, ['sinks', sink, 'kind']) === 'elasticsearch')
      say(['sinks', sink, has('username') ? 'username' : 'password'], 'key', 'needs username and password together');
    const nameNodes = valueAt(root, ['sinks', sink, 'name_nodes']);
    const schemes = new Set([nameNodes].flat().map((url) => String(url).split(':', 1)[0]));
    if (Array.isArray(nameNodes) && schemes.size > 1)
      say(['sinks', sink, 'name_nodes'], 'value', 'must be all http: or all https:');
    const addresses = ['name_nodes', 'nodes', 'endpoints'].flatMap(
      (field) => valueAt(root, ['sinks', sink, field]) ?? [],
    );
    if (has('tls') && addresses.some((url) => typeof url === 'string' && url.startsWith('http:')))
      say(
        ['sinks', sink, 'tls'],
        'key',
        'is no use where an address is http:, which is sent in the clear; write https:',
      );
    siteExists(['sinks', sink, 'home']);
    if ((systemUsers as readonly string[]).includes(sink)) {
      say(['sinks', sink], 'key', `a sink cannot be called "${sink}": its user would be waggle’s own`);
    } else if (sink === 'bee') {
      say(['sinks', sink], 'key', 'a sink cannot be called "bee": dead letters of that name are what Bee rejected');
    } else if (sink === 'guest') {
      say(['sinks', sink], 'key', 'a sink cannot be called "guest": topology declare begins as RabbitMQ’s user guest');
    } else if (!users.includes(sink)) {
      say(['sinks', sink], 'key', `has no user; add users.${sink} with its password`);
    }
  }
  const required = sites.length > 1 ? ['topology', 'agent', 'federation'] : ['topology', 'agent'];
  for (const user of required) {
    if (isMapping(valueAt(root, ['users'])) && !users.includes(user))
      say(['users', user], 'key', 'is missing; add it with its password');
  }
  for (const user of users) {
    const known = [...systemUsers, ...sinks];
    if (!known.includes(user))
      say(['users', user], 'key', `is neither a sink nor one of ${systemUsers.join(', ')}${didYouMean(user, known)}`);
  }

  for (const site of sites) {
    const tls = keys(root, ['sites', site, 'tls']);
    const given = (field: string): boolean => tls.includes(field) || isAbsent(['sites', site, 'tls', field]);
    if (given('cert') !== given('key'))
      say(['sites', site, 'tls', given('cert') ? 'cert' : 'key'], 'key', 'needs cert and key together');
    if (!keys(root, ['sites', site]).includes('tls')) continue;
    for (const field of ['nodes', 'management'])
      if ([valueAt(root, ['sites', site, field])].flat().some((url) => /^(amqp|http):/.test(String(url))))
        say(['sites', site, field], 'value', 'is in the clear, though the site has tls; write amqps: and https:');
  }

  // A broker belongs to one site: else topology would federate it with itself.
  const addresses = new Map<string, string>();
  for (const site of sites) {
    for (const field of ['nodes', 'stream', 'management', 'federation']) {
      const value = valueAt(root, ['sites', site, field]);
      for (const [index, entry] of [value].flat().entries()) {
        const path = ['sites', site, field, ...(Array.isArray(value) ? [index] : [])];
        if (typeof entry !== 'string') continue;
        const owner = addresses.get(`${field} ${entry}`);
        if (owner !== undefined && owner !== site) say(path, 'value', `the site "${owner}" has the same address`);
        addresses.set(`${field} ${entry}`, site);
      }
    }
  }

  const atMost = (small: readonly PathStep[], large: readonly PathStep[], largeName: string): void => {
    const [low, high] = [sizeAt(root, small), sizeAt(root, large)];
    if (low !== null && high !== null && low > high && !isAbsent(large))
      say(small, 'value', `must not be larger than ${largeName}`);
  };
  atMost(['agent', 'spool', 'keep'], ['agent', 'spool', 'max'], 'agent.spool.max');
  atMost(['agent', 'route', 'behind'], ['agent', 'spool', 'max'], 'agent.spool.max');
  atMost(['agent', 'spool', 'segment'], ['agent', 'spool', 'max'], 'agent.spool.max');
  const workers = valueAt(root, ['agent', 'workers']);
  const max = sizeAt(root, ['agent', 'spool', 'max']);
  if (typeof workers === 'number' && max !== null && max / workers < 1024 ** 2)
    say(['agent', 'workers'], 'value', 'leaves each worker less than 1MiB of agent.spool.max');
  atMost(
    ['agent', 'inputs', 'http', 'max_event'],
    ['agent', 'inputs', 'http', 'max_body'],
    'agent.inputs.http.max_body',
  );
  atMost(['bee', 'max_event'], ['bee', 'max_body'], 'bee.max_body');
  atMost(
    ['agent', 'inputs', 'forward', 'max_event'],
    ['agent', 'inputs', 'forward', 'max_chunk'],
    'agent.inputs.forward.max_chunk',
  );
  return findings;
}

const isMapping = (value: unknown): value is Readonly<Record<PathStep, unknown>> =>
  typeof value === 'object' && value !== null;

function valueAt(root: unknown, path: readonly PathStep[]): unknown {
  return path.reduce<unknown>(
    (value, step) => (isMapping(value) && Object.hasOwn(value, step) ? value[step] : undefined),
    root,
  );
}

function keys(root: unknown, path: readonly PathStep[]): readonly string[] {
  const value = valueAt(root, path);
  return isMapping(value) && !Array.isArray(value) ? Object.keys(value) : [];
}

function sizeAt(root: unknown, path: readonly PathStep[]): number | null {
  const value = valueAt(root, path);
  return typeof value === 'string' ? parseSize(value) : null;
}
