// One change → one call of the management API. Each is idempotent, so an interrupted declaration is simply run again.
import type { Change } from './change.ts';
import { path, type Management } from './management.ts';
import { fieldsOf, textOf, type Desired, type Fields, type Json, type Observed } from './objects.ts';
import { HASHING_ALGORITHM, hashPassword } from './passwords.ts';

/** `salt`: four random bytes for each password. Rejects with a ManagementError. What is for people is not touched. */
export async function apply(api: Management, vhost: string, change: Change, salt: () => Buffer): Promise<void> {
  switch (change.kind) {
    case 'create':
    case 'update':
      return put(api, vhost, change.object, salt);
    case 'delete':
      return remove(api, vhost, change.object);
    case 'refuse':
    case 'orphan':
      return;
    default:
      return change satisfies never;
  }
}

function put(
  api: Management,
  vhost: string,
  { kind, name, fields, secret }: Desired,
  salt: () => Buffer,
): Promise<void> {
  switch (kind) {
    case 'cluster-name':
      return api.send('PUT', path('cluster-name'), { name });
    case 'vhost':
      return api.send('PUT', path('vhosts', name), {});
    case 'user':
      return api.send('PUT', path('users', name), {
        ...fields,
        password_hash: hashPassword(secret ?? '', salt()),
        hashing_algorithm: HASHING_ALGORITHM,
      });
    case 'permission':
      return api.send('PUT', path('permissions', vhost, name), fields);
    case 'policy':
    case 'federation-policy':
      return api.send('PUT', path('policies', vhost, name), fields);
    case 'exchange':
      return api.send('PUT', path('exchanges', vhost, name), fields);
    case 'queue':
      return api.send('PUT', path('queues', vhost, name), fields);
    case 'binding':
      return bind(api, vhost, fields);
    case 'permit':
      return api.send('POST', path('exchanges', vhost, 'amq.default', 'publish'), {
        properties: { delivery_mode: 2 },
        routing_key: name,
        payload: 'permit',
        payload_encoding: 'string',
      });
    case 'upstream':
      return api.send('PUT', path('parameters', 'federation-upstream', vhost, name), { value: fields });
    case 'upstream-set':
      return api.send('PUT', path('parameters', 'federation-upstream-set', vhost, name), {
        value: fields['upstreams'],
      });
    default:
      return kind satisfies never;
  }
}

function bind(api: Management, vhost: string, fields: Fields): Promise<void> {
  const { routingKey, arguments: args } = fields;
  return api.send('POST', between(vhost, fields), { routing_key: routingKey, arguments: args });
}

/** All bindings between a source and a destination. */
function between(vhost: string, { source, destination, destinationType }: Fields): string {
  return path('bindings', vhost, 'e', textOf(source), textOf(destinationType), textOf(destination));
}

function remove(api: Management, vhost: string, { kind, name, fields }: Observed): Promise<void> {
  return kind === 'binding' ? unbind(api, vhost, fields) : api.send('DELETE', path('users', name), undefined);
}

/** The API deletes a binding by a key of its own making, which it tells in its list. */
async function unbind(api: Management, vhost: string, fields: Fields): Promise<void> {
  const where = between(vhost, fields);
  for (const row of ((await api.get(where)) ?? []) as readonly Readonly<Record<string, Json>>[]) {
    if (row['routing_key'] !== fields['routingKey'] || Object.keys(fieldsOf(row['arguments'])).length > 0) continue;
    await api.send('DELETE', where + path(textOf(row['properties_key'])).slice('/api'.length), undefined);
  }
}
