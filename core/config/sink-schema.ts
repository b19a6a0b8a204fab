// The schema of sinks: every kind with its fields and defaults.
import {
  byName,
  duration,
  list,
  mappingFields,
  object,
  secret,
  size,
  text,
  whole,
  type JsonSchema,
} from './schema-parts.ts';

const pointer = (description: string): JsonSchema => text('pointer', description);
const pick = (description: string, more: JsonSchema = {}): JsonSchema =>
  object(
    description,
    {
      from: pointer('JSON pointer into the event, such as /type or /data/tenant.'),
      or: { type: 'string', description: 'The text itself; with from, where nothing stands there.', minLength: 1 },
    },
    more,
  );

const common = {
  kind: { type: 'string', description: 'What it writes to.' },
  home: text('name', 'The site at which it begins to read.'),
  match: list(text('type-pattern', 'Pattern of types.'), 'Types that it takes; waggle.** only where named.', {
    default: ['**'],
  }),
  mapping: object('Changes of the data, in this order. Paths are JSON pointers that begin with /data/.', mappingFields),
  admin: text('address', 'Where /healthz /readyz /metrics /status listen.', { default: '127.0.0.1:9882' }),
};

const tls = {
  tls: object('How the server’s certificate is checked; left out: by the system’s authorities.', {
    ca: secret('PEM of the authorities trusted: "file:/path".'),
    fingerprint: text('fingerprint', 'SHA-256 of the certificate, or of one in its chain.'),
  }),
};

const logSink = {
  ...common,
  memory: size(
    'Bytes of events that one process holds before they are written, compressed for the most part.',
    '24MiB',
    '1MiB',
    '4GiB',
  ),
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

const queueSink = (batch: { readonly size: string; readonly count: number }, timeout = '30s') => ({
  ...common,
  memory: size('Bytes of events that one process takes from the queue and has not settled.', '16MiB', '256KiB', '4GiB'),
  connections: whole('Connections to the target, over all instances together.', 1, 256, 4),
  batch: object(
    'One request: whichever comes first.',
    {
      size: size(
        'Bytes, before compression; also of one event, beyond which it goes to the dead letters.',
        batch.size,
        '1KiB',
        '64MiB',
      ),
      count: whole('Events.', 1, 100_000, batch.count),
      age: duration('How long an event waits for more.', '100ms', '0ms', '1m'),
    },
    { default: {} },
  ),
  timeout: duration('Of one request.', timeout, '1s', '10m'),
});

/** Every kind of sink with its fields. */
const kinds = {
  s3: object(
    'A sink that writes objects to S3, exactly once.',
    {
      ...logSink,
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
    { ...logSink, path: text('absolute-path', 'The folder.') },
    { required: ['path'] },
  ),
  hdfs: object(
    'A sink that writes files to HDFS over WebHDFS, exactly once.',
    {
      ...logSink,
      ...tls,
      name_nodes: list(text('http-url', 'One NameNode.'), 'WebHDFS of the NameNode, or of both of an HA pair.'),
      path: text('hdfs-path', 'The folder that holds everything; this user must own it.'),
      user: text('hdfs-user', 'As whom it writes (user.name).', { default: 'waggle' }),
      delegation_token: secret('Instead of user: "${NAME}" or "file:/path".'),
      timeout: duration('Of one request.', '30s', '1s', '10m'),
    },
    { required: ['home', 'name_nodes', 'path'] },
  ),
  elasticsearch: object(
    'A sink that indexes events in Elasticsearch; by id none twice.',
    {
      ...queueSink({ size: '5MiB', count: 5_000 }),
      ...tls,
      nodes: list(text('endpoint', 'One node.'), 'Addresses of the nodes.'),
      username: { type: 'string', description: 'Basic authentication.', minLength: 1 },
      password: secret('"${NAME}" or "file:/path".'),
      api_key: secret('Instead of username and password: "${NAME}" or "file:/path".'),
      index: text('index', 'Prefix of the daily indices, or name of the data stream.', { default: 'waggle' }),
      data_stream: { type: 'boolean', description: 'Write to a data stream instead of daily indices.', default: false },
      template: { type: 'boolean', description: 'Install the index template at start.', default: true },
      compression: { type: 'boolean', description: 'Compress requests (gzip).', default: true },
    },
    { required: ['home', 'nodes'] },
  ),
  splunk: object(
    'A sink that sends events to a Splunk HTTP Event Collector.',
    {
      ...queueSink({ size: '1MB', count: 5_000 }),
      ...tls,
      endpoints: list(text('endpoint', 'One collector.'), 'Addresses; each connection keeps to one.'),
      token: secret('The token of the collector: "${NAME}" or "file:/path".'),
      ack: object(
        'Indexer acknowledgement; the token must have it enabled too.',
        {
          enabled: { type: 'boolean', description: 'Whether to wait for it.', default: false },
          poll: duration('How often it is asked for.', '10s', '100ms', '5m'),
          // A message is given back to its queue after 10 minutes.
          timeout: duration('After which events are sent again.', '5m', '1s', '9m'),
        },
        { default: {} },
      ),
      index: pick('The index; the token’s own unless given.'),
      source: pick('The source; the event’s source unless given.', { default: { from: '/source' } }),
      sourcetype: pick('The source type; _json unless given.', { default: { or: '_json' } }),
      host: pick('The host; the event’s host unless given.', { default: { from: '/host' } }),
      fields: {
        ...byName('Indexed fields beside id and type: name to JSON pointer.', pointer('JSON pointer.'), 0),
        propertyNames: { format: 'field-name' },
        default: {},
      },
      compression: { type: 'boolean', description: 'Compress requests (gzip).', default: true },
    },
    { required: ['home', 'endpoints', 'token'] },
  ),
  mongodb: object(
    'A sink that upserts events into a MongoDB collection; by id none twice.',
    {
      ...queueSink({ size: '8MiB', count: 2_000 }),
      uri: secret('Connection string: "${NAME}" or "file:/path".'),
      database: { type: 'string', description: 'The database.', minLength: 1, default: 'waggle' },
      collection: { type: 'string', description: 'The collection.', minLength: 1, default: 'events' },
    },
    { required: ['home', 'uri'] },
  ),
  module: object(
    'A sink of your own: a module that exports openSink (docs/writing-a-sink.md).',
    {
      ...queueSink({ size: '1MiB', count: 1_000 }),
      module: { type: 'string', description: 'Its path, from this file’s folder.', minLength: 1 },
      options: { type: 'object', description: 'Handed to it as they are.', default: {} },
    },
    { required: ['home', 'module'] },
  ),
} as const satisfies Record<string, JsonSchema>;

export const sinkSchema: JsonSchema = {
  type: 'object',
  required: ['kind'],
  properties: { kind: { type: 'string', description: 'What it writes to.', enum: Object.keys(kinds) } },
  allOf: Object.entries(kinds).map(([kind, then]) => ({
    if: { required: ['kind'], properties: { kind: { const: kind } } },
    // oxlint-disable-next-line unicorn/no-thenable -- JSON Schema's own word
    then,
  })),
};
