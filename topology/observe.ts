// The management API → what a site has, in the shape of `objects.ts`.
import { path, type Management } from './management.ts';
import * as names from './names.ts';
import {
  bindingName,
  fieldsOf,
  textOf,
  type Fields,
  type Json,
  type Observed,
  type ObservedLink,
  type ObservedNode,
  type ObservedSite,
} from './objects.ts';

type Row = Readonly<Record<string, Json>>;

type Ask = (...parts: readonly string[]) => Promise<readonly Row[]>;

/** What does not exist yet (the vhost, say) is simply not there. */
const asking =
  (api: Management): Ask =>
  async (...parts) =>
    ((await api.get(path(...parts))) ?? []) as readonly Row[];

/** What `checks` needs, and what the user `monitoring` may see: nodes, links, queues, policies. */
export async function observeHealth(api: Management, vhost: string): Promise<ObservedSite> {
  const rows = asking(api);
  const [overview, nodes, policies, queues, links, flags] = await Promise.all([
    api.get(path('overview')),
    rows('nodes'),
    rows('policies', vhost),
    rows('queues', vhost),
    rows('federation-links', vhost),
    rows('feature-flags'),
  ]);
  return {
    version: textOf(((overview ?? {}) as Row)['rabbitmq_version']),
    nodes: nodes.map(node),
    objects: [
      ...policies.map((each) =>
        object(each['name'] === names.POLICY_FEDERATION ? 'federation-policy' : 'policy', textOf(each['name']), each),
      ),
      ...queues.map((each) =>
        object('queue', textOf(each['name']), each, {
          messages: Number(each['messages'] ?? 0),
          members: Array.isArray(each['members']) ? each['members'].map(textOf) : [],
        }),
      ),
    ],
    operatorPolicies: [],
    links: links.map(link),
    disabledFlags: flags
      .filter((each) => each['stability'] === 'stable' && each['state'] !== 'enabled')
      .map((each) => textOf(each['name'])),
  };
}

/** Everything, at once. */
export async function observe(api: Management, vhost: string): Promise<ObservedSite> {
  const rows = asking(api);
  const [health, cluster, vhosts, users, permissions, exchanges, bindings, upstreams, sets, operatorPolicies] =
    await Promise.all([
      observeHealth(api, vhost),
      api.get(path('cluster-name')),
      rows('vhosts'),
      rows('users'),
      rows('permissions'),
      rows('exchanges', vhost),
      rows('bindings', vhost),
      rows('parameters', 'federation-upstream', vhost),
      rows('parameters', 'federation-upstream-set', vhost),
      rows('operator-policies', vhost),
    ]);
  return {
    ...health,
    objects: [
      object('cluster-name', textOf(((cluster ?? {}) as Row)['name']), {}),
      ...vhosts.filter((each) => each['name'] === vhost).map((each) => object('vhost', textOf(each['name']), {})),
      ...users.map((each) =>
        object('user', textOf(each['name']), { tags: tags(each['tags']) }, { secret: textOf(each['password_hash']) }),
      ),
      ...permissions
        .filter((each) => each['vhost'] === vhost)
        .map((each) => object('permission', textOf(each['user']), each)),
      ...exchanges.filter((each) => each['name'] !== '').map((each) => object('exchange', textOf(each['name']), each)),
      ...health.objects,
      // A queue that was not counted yet may hold its permit: then declaring puts in a second one, which the queue drops.
      ...health.objects
        .filter(
          ({ kind, name, messages }) => kind === 'queue' && names.sinkOf(name)?.holds === 'permit' && messages > 0,
        )
        .map(({ name }) => object('permit', name, {})),
      // Every queue is bound to the default exchange by its name: of no interest.
      ...bindings.filter((each) => each['source'] !== '').map(binding),
      ...upstreams.map((each) => object('upstream', textOf(each['name']), fieldsOf(each['value']))),
      ...sets.map((each) => object('upstream-set', textOf(each['name']), { upstreams: each['value'] ?? [] })),
    ],
    operatorPolicies: operatorPolicies.map((each) => ({ name: textOf(each['name']), fields: each })),
  };
}

function node(row: Row): ObservedNode {
  const plugins = row['enabled_plugins'];
  return {
    name: textOf(row['name']),
    running: row['running'] === true,
    alarms: [...(row['mem_alarm'] === true ? ['memory'] : []), ...(row['disk_free_alarm'] === true ? ['disk'] : [])],
    plugins: Array.isArray(plugins) ? plugins.map(textOf) : [],
    diskFree: Number(row['disk_free'] ?? 0),
    diskLimit: Number(row['disk_free_limit'] ?? 0),
  };
}

function link(row: Row): ObservedLink {
  return {
    upstream: textOf(row['upstream']),
    exchange: textOf(row['exchange']),
    status: textOf(row['status']),
    error: textOf(row['error'] ?? row['reason'] ?? ''),
  };
}

function binding(row: Row): Observed {
  const fields = {
    source: textOf(row['source']),
    destination: textOf(row['destination']),
    destinationType: row['destination_type'] === 'queue' ? 'q' : 'e',
    routingKey: textOf(row['routing_key']),
    arguments: fieldsOf(row['arguments']),
  };
  return object('binding', bindingName(fields), fields);
}

function tags(value: Json | undefined): readonly string[] {
  if (Array.isArray(value)) return value.map(textOf);
  return typeof value === 'string' && value !== '' ? value.split(',') : [];
}

function object(
  kind: Observed['kind'],
  name: string,
  fields: Fields,
  more: Partial<Pick<Observed, 'secret' | 'messages' | 'members'>> = {},
): Observed {
  return { kind, name, fields, secret: null, messages: 0, members: [], ...more };
}
