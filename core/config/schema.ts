// The schema of waggle.yaml with its defaults: draft-07 JSON Schema, the one that editors know. `waggle schema` writes it to waggle.schema.json.
// Field names are those of the file (snake_case); shape.ts makes the checked configuration of it.
import { textKinds, type TextKindName } from './texts.ts';

export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

/** The users that waggle itself knows; each sink has one of its own beside them. */
export const systemUsers = ['topology', 'federation', 'agent', 'monitoring', 'operator'] as const;

const text = (kind: TextKindName, description: string, more: JsonSchema = {}): JsonSchema => ({
  type: 'string',
  description,
  format: kind,
  pattern: textKinds[kind].pattern.source,
  ...more,
});
const size = (description: string, byDefault: string, min: string, max: string): JsonSchema =>
  text('size', `${description} From ${min} to ${max}.`, { default: byDefault, 'x-range': [min, max] });
const duration = (description: string, byDefault: string, min: string, max: string): JsonSchema =>
  text('duration', `${description} From ${min} to ${max}.`, { default: byDefault, 'x-range': [min, max] });
const oneOf = (description: string, values: readonly string[], byDefault: string): JsonSchema => ({
  type: 'string',
  description,
  enum: values,
  default: byDefault,
});
const whole = (description: string, minimum: number, maximum: number, byDefault: number): JsonSchema => ({
  type: 'integer',
  description,
  minimum,
  maximum,
  default: byDefault,
});
const secret = (description: string): JsonSchema => ({ type: 'string', description, minLength: 1 });
const list = (items: JsonSchema, description: string, more: JsonSchema = {}): JsonSchema => ({
  type: 'array',
  description,
  items,
  minItems: 1,
  uniqueItems: true,
  ...more,
});

interface ObjectOptions {
  readonly required?: readonly string[];
  /** Stands in where the whole mapping is left out. */
  readonly default?: object;
}
const object = (
  description: string,
  properties: Readonly<Record<string, JsonSchema>>,
  options: ObjectOptions = {},
): JsonSchema => ({
  type: 'object',
  description,
  properties,
  additionalProperties: false,
  ...options,
});
const byName = (description: string, value: JsonSchema, minProperties: number): JsonSchema => ({
  type: 'object',
  description,
  propertyNames: { format: 'name', pattern: textKinds.name.pattern.source },
  additionalProperties: value,
  minProperties,
});

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
  },
  { required: ['nodes', 'stream', 'management'] },
);

const user = object(
  'A RabbitMQ user; its name is its key.',
  { password: secret('"${NAME}" from the environment, or "file:/path".') },
  { required: ['password'] },
);

const http = object('Events over HTTP.', {
  listen: text('address', 'Where to listen.', { default: '127.0.0.1:9880' }),
  level: oneOf(
    'Where an event must be before the sender is answered, unless the request says.',
    ['memory', 'disk', 'site'],
    'disk',
  ),
  max_body: size('Largest body of a request, inflated.', '8MiB', '1KiB', '256MiB'),
  // Its line is longer by what the agent adds, and a site takes no message beyond 16 MiB.
  max_event: size('Largest single event.', '1MiB', '1KiB', '15MiB'),
});

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
    spool: object(
      'The buffer on disk.',
      {
        path: text('absolute-path', 'Its folder.', { default: '/var/lib/waggle' }),
        max: size('Bytes it may take; beyond, senders are told to come again.', '10GiB', '1MiB', '1000TiB'),
        keep: size('Confirmed bytes that stay on the disk while there is room.', '1GiB', '0B', '1000TiB'),
        segment: size('Bytes of one file.', '64MiB', '64KiB', '1GiB'),
      },
      { default: {} },
    ),
    inputs: object('Ways in. Left out: HTTP with its defaults.', { http }, { default: { http: {} } }),
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
    route: object(
      'To which site events go.',
      {
        mode: oneOf(
          'balance: agents spread over the sites. failover: one preferred site, another while it is away.',
          ['balance', 'failover'],
          'balance',
        ),
        prefer: text('name', 'The preferred site of failover; the agent’s own unless given.'),
        hysteresis: duration(
          'How long a site must be reachable again before traffic goes back to it.',
          '30s',
          '0s',
          '1d',
        ),
        window: size('Unconfirmed bytes in flight, for each site.', '8MiB', '256KiB', '1GiB'),
        linger: duration('How long a batch waits for more events.', '10ms', '0ms', '10ms'),
      },
      { default: {} },
    ),
  },
  { required: ['site'] },
);

const sinkCommon = {
  kind: { type: 'string', description: 'What it writes to.' },
  home: text('name', 'The site at which it begins to read.'),
  match: list(text('type-pattern', 'Pattern of types.'), 'Types that it takes; waggle.** only where named.', {
    default: ['**'],
  }),
} as const;
const logSinkCommon = {
  ...sinkCommon,
  admin: text('address', 'Where /healthz /readyz /metrics /status listen.', { default: '127.0.0.1:9882' }),
  memory: size('Bytes of events that one process holds before it writes.', '256MiB', '1MiB', '4GiB'),
  rotate: object(
    'When an object is finished: whichever comes first.',
    {
      size: size('Bytes of events, before compression.', '64MiB', '1KiB', '1GiB'),
      count: whole('Events.', 1, 100_000_000, 1_000_000),
      age: duration('Since its first event was read.', '5m', '100ms', '1d'),
    },
    { default: {} },
  ),
};

/** Every kind of sink with its fields. */
const sinkKinds = {
  s3: object(
    'A sink that writes objects to S3, exactly once.',
    {
      ...logSinkCommon,
      bucket: text('bucket', 'The bucket; it must exist.'),
      prefix: text('prefix', 'Put before every key; ends with "/".', { default: '' }),
      region: { type: 'string', description: 'Region of the bucket.', minLength: 1, default: 'us-east-1' },
      endpoint: text('endpoint', 'Address of a server that speaks S3; Amazon’s own unless given.'),
      path_style: {
        type: 'boolean',
        description: 'Bucket in the path, not in the host; true where an endpoint is given.',
      },
      credentials: object(
        'Left out: the usual chain of the AWS SDK (environment, profile, instance).',
        {
          access_key_id: secret('"${NAME}" or "file:/path".'),
          secret_access_key: secret('"${NAME}" or "file:/path".'),
        },
        { required: ['access_key_id', 'secret_access_key'] },
      ),
    },
    { required: ['home', 'bucket'] },
  ),
  folder: object(
    'A sink that writes files to a folder of this machine, exactly once.',
    { ...logSinkCommon, path: text('absolute-path', 'The folder.') },
    { required: ['path'] },
  ),
} as const satisfies Record<string, JsonSchema>;

const sink: JsonSchema = {
  type: 'object',
  required: ['kind'],
  properties: { kind: { type: 'string', description: 'What it writes to.', enum: Object.keys(sinkKinds) } },
  allOf: Object.entries(sinkKinds).map(([kind, then]) => ({
    if: { required: ['kind'], properties: { kind: { const: kind } } },
    // oxlint-disable-next-line unicorn/no-thenable -- JSON Schema's own word
    then,
  })),
};

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
      sinks: { ...byName('Sinks by name.', sink, 0), default: {} },
    },
    { required: ['version', 'sites', 'users', 'agent'] },
  ),
};
