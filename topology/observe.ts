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

/** Reads everything at once; what does not exist yet (the vhost, say) is simply not there. */
export async function observe(api: Management, vhost: string): Promise<ObservedSite> {
  const rows = async (...parts: readonly string[]): Promise<readonly Row[]> =>
    ((await api.get(path(...parts))) ?? []) as readonly Row[];
  const row = async (...parts: readonly string[]): Promise<Row> => ((await api.get(path(...parts))) ?? {}) as Row;
  const [
    overview,
    cluster,
    nodes,
    vhosts,
    users,
    permissions,
    policies,
    exchanges,
    queues,
    bindings,
    upstreams,
    sets,
    operatorPolicies,
    links,
    flags,
  ] = await Promise.all([
    row('overview'),
    row('cluster-name'),
    rows('nodes'),
    rows('vhosts'),
    rows('users'),
    rows('permissions'),
    rows('policies', vhost),
    rows('exchanges', vhost),
    rows('queues', vhost),
    rows('bindings', vhost),
    rows('parameters', 'federation-upstream', vhost),
    rows('parameters', 'federation-upstream-set', vhost),
    rows('operator-policies', vhost),
    rows('federation-links', vhost),
    rows('feature-flags'),
  ]);
  return {
    version: textOf(overview['rabbitmq_version']),
    nodes: nodes.map(node),
    objects: [
      object('cluster-name', textOf(cluster['name']), {}),
      ...vhosts.filter((each) => each['name'] === vhost).map((each) => object('vhost', textOf(each['name']), {})),
      ...users.map((each) =>
        object('user', textOf(each['name']), { tags: tags(each['tags']) }, { secret: textOf(each['password_hash']) }),
      ),
      ...permissions
        .filter((each) => each['vhost'] === vhost)
        .map((each) => object('permission', textOf(each['user']), each)),
      ...policies.map((each) =>
        object(each['name'] === names.POLICY_FEDERATION ? 'federation-policy' : 'policy', textOf(each['name']), each),
      ),
      ...exchanges.filter((each) => each['name'] !== '').map((each) => object('exchange', textOf(each['name']), each)),
      ...queues.map((each) =>
        object('queue', textOf(each['name']), each, {
          messages: Number(each['messages'] ?? 0),
          members: Array.isArray(each['members']) ? each['members'].map(textOf) : [],
        }),
      ),
      // A queue that was not counted yet may hold its permit: then declaring puts in a second one, which the queue drops.
      ...queues
        .filter((each) => names.sinkOf(textOf(each['name']))?.holds === 'permit' && Number(each['messages'] ?? 0) > 0)
        .map((each) => object('permit', textOf(each['name']), {})),
      // Every queue is bound to the default exchange by its name: of no interest.
      ...bindings.filter((each) => each['source'] !== '').map(binding),
      ...upstreams.map((each) => object('upstream', textOf(each['name']), fieldsOf(each['value']))),
      ...sets.map((each) => object('upstream-set', textOf(each['name']), { upstreams: each['value'] ?? [] })),
    ],
    operatorPolicies: operatorPolicies.map((each) => ({ name: textOf(each['name']), fields: each })),
    links: links.map(link),
    disabledFlags: flags
      .filter((each) => each['stability'] === 'stable' && each['state'] !== 'enabled')
      .map((each) => textOf(each['name'])),
  };
}

function node(row: Row): ObservedNode {
  const plugins = row['enabled_plugins'];
  return {
    name: textOf(row['name']),
    running: row['running'] === true,
    alarms: [...(row['mem_alarm'] === true ? ['memory'] : []), ...(row['disk_free_alarm'] === true ? ['disk'] : [])],
    plugins: Array.isArray(plugins) ? plugins.map(textOf) : [],
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
