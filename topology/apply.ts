// One change → one call of the management API. Each is idempotent, so an interrupted declaration is simply run again.
import type { Change } from './change.ts';
import { path, type Management } from './management.ts';
import { textOf, type Desired, type Fields } from './objects.ts';
import { HASHING_ALGORITHM, hashPassword } from './passwords.ts';

/** `salt`: four random bytes for each password. Rejects with a ManagementError. What is for people is not touched. */
export async function apply(api: Management, vhost: string, change: Change, salt: () => Buffer): Promise<void> {
  switch (change.kind) {
    case 'create':
    case 'update':
      return put(api, vhost, change.object, salt);
    case 'delete':
      return api.send('DELETE', path('users', change.object.name), undefined);
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
  const where = path(
    'bindings',
    vhost,
    'e',
    textOf(fields['source']),
    textOf(fields['destinationType']),
    textOf(fields['destination']),
  );
  return api.send('POST', where, { routing_key: fields['routingKey'], arguments: fields['arguments'] });
}
