// The schema of waggle.yaml with its defaults: draft-07 JSON Schema, the one that editors know. `waggle schema` writes it to waggle.schema.json.
// Field names are those of the file (snake_case); shape.ts makes the checked configuration of it.
import { inputsSchema } from './input-schema.ts';
import { beeSchema } from './bee-schema.ts';
import { byName, duration, list, object, oneOf, secret, size, text, whole, type JsonSchema } from './schema-parts.ts';
import { sinkSchema } from './sink-schema.ts';
import { levelsSchema, transformsSchema } from './transform-schema.ts';
import { textKinds } from './texts.ts';

/** The users that waggle itself knows; each sink has one of its own beside them. */
export const systemUsers = ['topology', 'federation', 'agent', 'monitoring', 'operator', 'tap'] as const;

const site = object(
  'One site: a RabbitMQ cluster.',
  {
    nodes: list(text('amqp-url', 'One node.'), 'AMQP addresses of the nodes, as services reach them.'),
    stream: list(text('address', 'One node.'), 'Addresses of the stream protocol, as consumers reach them.'),
    management: {
      description: 'Address of the management API; or a list of them, one a node.',
      type: ['string', 'array'],
      format: 'http-url',
      pattern: textKinds['http-url'].pattern.source,
      items: text('http-url', 'One node.'),
      minItems: 1,
      uniqueItems: true,
    },
    federation: list(
      text('amqp-url', 'One node.'),
      'AMQP addresses as the brokers of the other sites reach them; `nodes` unless given.',
    ),
    tls: object('How this site’s certificates are checked, and what is shown to it; with it, streams use TLS too.', {
      ca: secret('PEM of the authorities trusted; the system’s unless given: "file:/path".'),
      cert: secret('PEM of the certificate shown (mutual TLS): "file:/path".'),
      key: secret('PEM of its key: "file:/path".'),
    }),
    link_certificates: text(
      'absolute-path',
      'Folder on the brokers of this site with ca.pem, cert.pem, key.pem: for its links to sites whose `federation` is amqps:.',
      { default: '/etc/rabbitmq/tls' },
    ),
  },
  { required: ['nodes', 'stream', 'management'] },
);

const user = object(
  'A RabbitMQ user; its name is its key.',
  { password: secret('"${NAME}" from the environment, or "file:/path".') },
  { required: ['password'] },
);

const agent = object(
  'The agent of a host: takes events, keeps them on its disk, sends them to a site.',
  {
    site: text('name', 'The site in which this agent runs; usually "${WAGGLE_SITE}".'),
    host: {
      type: 'string',
      description: 'Name of this host in events; the machine’s own where empty.',
      maxLength: 255,
      default: '',
    },
    admin: text('address', 'Where /healthz /readyz /metrics /status listen.', { default: '127.0.0.1:9881' }),
    workers: whole('Processes that share its ports and its spool’s bytes, to use more cores.', 1, 64, 1),
    spool: object(
      'The buffer on disk.',
      {
        path: text('absolute-path', 'Its folder.', { default: '/var/lib/waggle' }),
        max: size('Bytes it may take; beyond, senders are told to come again.', '10GiB', '1MiB', '1000TiB'),
        share: {
          type: 'number',
          description:
            'Of max, what one type, or one input, may have while it waits for a site; beyond, it is refused and others are not. 1: all.',
          minimum: 0.01,
          maximum: 1,
          default: 0.8,
        },
        keep: size('Confirmed bytes that stay on the disk while there is room.', '1GiB', '0B', '1000TiB'),
        segment: size('Bytes of one file.', '64MiB', '64KiB', '1GiB'),
      },
      { default: {} },
    ),
    inputs: inputsSchema,
    types: {
      ...list(
        object(
          'Events whose name matches get this type.',
          { match: text('name-pattern', 'Pattern of the name.'), type: text('event-type', 'The type given.') },
          { required: ['match', 'type'] },
        ),
        'Types for unruly names; the first match decides.',
      ),
      minItems: 0,
      default: [],
    },
    transforms: transformsSchema,
    levels: levelsSchema,
    route: object(
      'To which site events go.',
      {
        mode: oneOf(
          'balance: agents spread over the sites. failover: one preferred site, another while it is away. mirror: every event to every site, without federation.',
          ['balance', 'failover', 'mirror'],
          'balance',
        ),
        prefer: text('name', 'The preferred site of failover; the agent’s own unless given.'),
        hysteresis: duration(
          'How long a site must be reachable again before traffic goes back to it.',
          '30s',
          '0s',
          '1d',
        ),
        behind: text(
          'size',
          'mirror: with more bytes than this before a site, what another site confirmed is skipped for it, and counted. Half of spool.max unless given. From 1MiB to 1000TiB.',
          { 'x-range': ['1MiB', '1000TiB'] },
        ),
        window: size('Unconfirmed bytes in flight, for each site.', '8MiB', '256KiB', '1GiB'),
        linger: duration('How long a batch waits for more events.', '10ms', '0ms', '10ms'),
      },
      { default: {} },
    ),
  },
  { required: ['site'] },
);

export const configSchema: JsonSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'waggle.yaml',
  ...object(
    'The system on one page. Any value may be "${NAME}", "${NAME:-default}" or "file:/path".',
    {
      version: { const: 1, description: 'Version of this format.' },
      vhost: { type: 'string', description: 'Virtual host at every site.', minLength: 1, maxLength: 255, default: '/' },
      sites: byName('Sites by name. The order is kept.', site, 1),
      users: byName(`RabbitMQ users: ${systemUsers.join(', ')}, and one for each sink under the sink’s name.`, user, 1),
      log: object(
        'The log streams at each site: the large buffers of the log sinks.',
        {
          partitions: whole('Number of streams.', 1, 1024, 8),
          retention: duration('How long events stay.', '7d', '1m', '3650d'),
          max_bytes: size('Bytes, for all partitions together.', '50GiB', '1MiB', '1000TiB'),
        },
        { default: {} },
      ),
      dead: object(
        'The dead letters at each site.',
        {
          retention: duration('How long they stay.', '30d', '1m', '3650d'),
          max_bytes: size('Bytes.', '1GiB', '1MiB', '1000TiB'),
        },
        { default: {} },
      ),
      agent,
      bee: beeSchema,
      sinks: { ...byName('Sinks by name.', sinkSchema, 0), default: {} },
    },
    { required: ['version', 'sites', 'users', 'agent'] },
  ),
};
