// What every site should have, from the configuration alone: exchanges, streams, policies, users with their rights, federation.
import type { Config, SiteConfig } from '#core/config/config.ts';
import { isQueueSink, type SinkConfig } from '#core/config/sink-config.ts';
import { passwordOf } from './credentials.ts';
import * as names from './names.ts';
import { bindingName, KINDS, type Desired, type Fields, type Kind } from './objects.ts';
import { rightsOf } from './rights.ts';

const DAY = 86_400_000;
/** What a live tap may leave behind unread, whatever its own queue asks for: a burst, and no more. */
const LIVE_MESSAGES = 10_000;
const LIVE_BYTES = 16 * 1024 ** 2;
const LIVE_TIME = 60_000;
/** A stream's retention works by whole segments. */
const SEGMENTS_A_PARTITION = 20;
const SMALLEST_SEGMENT = 1024 ** 2;
/** RabbitMQ's own default, and far below its bound of 3 GB. */
const LARGEST_SEGMENT = 500_000_000;
const PRIORITY = 10;
/** Messages on their way over the WAN without a confirm: at 256 KiB each 64 MB at worst, and so many repeats for each break of the link. */
const FEDERATION_PREFETCH = 250;
const FEDERATION_RECONNECT_SECONDS = 2;
/** As long as the other site may be unable to confirm before the broker cancels the link's consumer. */
const BUFFER_CONSUMER_TIMEOUT = DAY;
/** A permit is held for as long as its connection to the target is open. */
const PERMIT_CONSUMER_TIMEOUT = DAY;

/** Everything that the site should have, in the order of declaration. */
export function desiredObjects(config: Config, site: SiteConfig): readonly Desired[] {
  const objects = [
    object('cluster-name', names.clusterName(site.name), {}),
    object('vhost', config.vhost, {}),
    ...users(config),
    ...policies(config),
    ...exchanges(config),
    ...queues(config, site),
    ...bindings(config),
    ...config.sinks.flatMap((sink) => sinkObjects(sink, site)),
    ...federation(config, site),
  ];
  return objects.toSorted((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
}

/**
 * What a sink needs at a site besides the log streams: log sinks nothing; a queue sink has its queue at its home, and there a queue for
 * each connection to the target with one message in it, its permit, and two by which its instances share these.
 */
function sinkObjects(sink: SinkConfig, site: SiteConfig): readonly Desired[] {
  if (!isQueueSink(sink) || sink.home !== site.name) return [];
  const { name } = sink;
  const queue = names.sinkQueue(name);
  const permits = Array.from({ length: sink.connections }, (_, index) => names.permitQueue(name, index + 1));
  return [
    quorumQueue(site, queue, {}, names.POLICY_SINK),
    // Events come by one of the two: what an agent mirrors is not federated.
    ...[names.EVENTS, names.EVENTS_MIRROR].flatMap((exchange) =>
      [...new Set(sink.match)].map((pattern) => bind(exchange, 'q', queue, topicPattern(pattern))),
    ),
    bind(names.SINK, 'q', queue, name),
    ...permits.map((permit) => quorumQueue(site, permit, { 'x-single-active-consumer': true }, names.POLICY_PERMIT)),
    quorumQueue(site, names.instancesQueue(name), {}, null),
    quorumQueue(site, names.shortQueue(name), {}, null),
    ...permits.map((permit) => object('permit', permit, {})),
  ];
}

function quorumQueue(site: SiteConfig, name: string, args: Fields, inForce: string | null): Desired {
  const fields = {
    durable: true,
    auto_delete: false,
    arguments: {
      'x-queue-type': 'quorum',
      'x-quorum-initial-group-size': site.nodes.length,
      'x-queue-leader-locator': 'balanced',
      ...args,
    },
  };
  return object('queue', name, fields, { policy: inForce });
}

/**
 * A pattern for types as a binding of a topic exchange (AMQP 0-9-1, section 3.1.3.3): `*` is one word there too, and `#` any number, none
 * included. Exact but for `waggle.**`, which no binding can leave out of `#`: that the sink's consumer drops.
 */
export function topicPattern(pattern: string): string {
  return pattern
    .split('.')
    .map((word) => (word === '**' ? '#' : word))
    .join('.');
}

function exchanges(config: Config): readonly Desired[] {
  const exchange = (name: string, type: string, args: Fields = {}): Desired =>
    object(
      'exchange',
      name,
      { type, durable: true, auto_delete: false, internal: false, arguments: args },
      {
        policy: name === names.EVENTS && config.sites.length > 1 ? names.POLICY_FEDERATION : null,
      },
    );
  return [
    exchange(names.EVENTS, 'topic'),
    exchange(names.EVENTS_MIRROR, 'topic'),
    exchange(names.EVENTS_UNROUTED, 'fanout'),
    exchange(names.EVENTS_PARTITION, 'headers', { 'alternate-exchange': names.EVENTS_UNROUTED }),
    // By this argument the stream protocol knows a super stream.
    exchange(names.EVENTS_LOG, 'direct', { 'x-super-stream': true }),
    exchange(names.EVENTS_LIVE, 'topic'),
    exchange(names.EVENTS_DEAD, 'fanout'),
    exchange(names.SINK, 'direct'),
  ];
}

// Retention is a policy, which can be changed; the size of a segment can be told only at declaration.
function queues(config: Config, site: SiteConfig): readonly Desired[] {
  const stream = (name: string, maxBytes: number, inForce: string): Desired =>
    object(
      'queue',
      name,
      {
        durable: true,
        auto_delete: false,
        arguments: {
          'x-queue-type': 'stream',
          'x-stream-max-segment-size-bytes': segmentBytes(maxBytes),
          'x-initial-cluster-size': site.nodes.length,
          'x-queue-leader-locator': 'balanced',
        },
      },
      { policy: inForce },
    );
  return [
    ...partitions(config).map((partition) =>
      stream(names.logStream(partition), partitionBytes(config), names.POLICY_LOG),
    ),
    stream(names.DEAD_STREAM, config.dead.maxBytes, names.POLICY_DEAD),
  ];
}

function bindings(config: Config): readonly Desired[] {
  return [
    // Federation copies for as long as the exchange has a binding: this one is for ever.
    bind(names.EVENTS, 'e', names.EVENTS_PARTITION, '#'),
    bind(names.EVENTS_MIRROR, 'e', names.EVENTS_PARTITION, '#'),
    bind(names.EVENTS, 'e', names.EVENTS_LIVE, '#'),
    bind(names.EVENTS_MIRROR, 'e', names.EVENTS_LIVE, '#'),
    bind(names.EVENTS_DEAD, 'q', names.DEAD_STREAM, ''),
    bind(names.EVENTS_UNROUTED, 'q', names.DEAD_STREAM, ''),
    ...partitions(config).flatMap((partition) => [
      bind(names.EVENTS_PARTITION, 'q', names.logStream(partition), '', {
        'x-match': 'all',
        partition: String(partition),
      }),
      bind(names.EVENTS_LOG, 'q', names.logStream(partition), String(partition), {
        'x-stream-partition-order': partition,
      }),
    ]),
  ];
}

function policies(config: Config): readonly Desired[] {
  return [
    retention(names.POLICY_LOG, names.PATTERNS.logStreams, config.log.retention, partitionBytes(config)),
    retention(names.POLICY_DEAD, names.PATTERNS.deadStream, config.dead.retention, config.dead.maxBytes),
    // Before the links, so that no buffer lives a moment with the delivery limit of 20, after which it throws messages away.
    policy(names.POLICY_BUFFER, names.PATTERNS.buffers, 'queues', {
      'delivery-limit': -1,
      'consumer-timeout': BUFFER_CONSUMER_TIMEOUT,
    }),
    // At every site: a queue that a sink left behind when its home moved keeps what it holds too.
    policy(names.POLICY_SINK, names.PATTERNS.sinkQueues, 'quorum_queues', { 'delivery-limit': -1 }),
    // Of two permits that wait in a queue, the broker drops one.
    policy(names.POLICY_PERMIT, names.PATTERNS.permitQueues, 'quorum_queues', {
      'delivery-limit': -1,
      'consumer-timeout': PERMIT_CONSUMER_TIMEOUT,
      'max-length': 1,
    }),
    // Of what a policy and the queue's own arguments say, the lower counts: an application cannot have an unbounded tap.
    policy(names.POLICY_LIVE, names.PATTERNS.liveQueues, 'queues', {
      'max-length': LIVE_MESSAGES,
      'max-length-bytes': LIVE_BYTES,
      'message-ttl': LIVE_TIME,
      expires: LIVE_TIME,
      overflow: 'drop-head',
    }),
  ];
}

function retention(name: string, pattern: string, age: number, bytes: number): Desired {
  return policy(name, pattern, 'streams', { 'max-age': streamAge(age), 'max-length-bytes': bytes });
}

function policy(name: string, pattern: string, applyTo: string, definition: Fields): Desired {
  return object('policy', name, { pattern, 'apply-to': applyTo, priority: PRIORITY, definition });
}

function users(config: Config): readonly Desired[] {
  return Object.entries(config.users).flatMap(([name, { password }]) => {
    const { tags, permission } = rightsOf(name, config.sinks);
    return [object('user', name, { tags }, { secret: password }), object('permission', name, permission)];
  });
}

function federation(config: Config, site: SiteConfig): readonly Desired[] {
  const others = config.sites.filter((other) => other.name !== site.name);
  if (others.length === 0) return [];
  const password = passwordOf(config, names.USER_FEDERATION);
  return [
    ...others.map((other) =>
      object('upstream', names.upstreamName(other.name), {
        uri: other.federation.map((node) => federationUri(node, password, config.vhost, site.linkCertificates)),
        'ack-mode': 'on-confirm',
        'max-hops': 1,
        'prefetch-count': FEDERATION_PREFETCH,
        'reconnect-delay': FEDERATION_RECONNECT_SECONDS,
        'trust-user-id': false,
        // The buffer keeps what the other site has not confirmed: replicated, and not deleted when the link stops cleanly.
        'queue-type': 'quorum',
        'resource-cleanup-mode': 'never',
      }),
    ),
    object('upstream-set', names.UPSTREAM_SET, {
      upstreams: others.map((other) => ({ upstream: names.upstreamName(other.name) })),
    }),
    object('federation-policy', names.POLICY_FEDERATION, {
      pattern: names.PATTERNS.federated,
      'apply-to': 'exchanges',
      priority: PRIORITY,
      definition: { 'federation-upstream-set': names.UPSTREAM_SET },
    }),
  ];
}

/** `certificates`: folder on the brokers that open the link. */
export function federationUri(node: string, password: string, vhost: string, certificates: string): string {
  const { protocol, host } = new URL(node);
  const user = `${names.USER_FEDERATION}:${encodeURIComponent(password)}`;
  return `${protocol}//${user}@${host}/${encodeURIComponent(vhost)}?heartbeat=10&connection_timeout=10000${protocol === 'amqps:' ? linkTls(host, certificates) : ''}`;
}

/** RabbitMQ's own names of Erlang's TLS options in a URI (rabbitmq.com/docs/uri-query-parameters). */
function linkTls(host: string, certificates: string): string {
  const file = (name: string): string => encodeURIComponent(`${certificates}/${name}.pem`);
  const name = host.replace(/:\d+$/, '');
  return `&cacertfile=${file('ca')}&certfile=${file('cert')}&keyfile=${file('key')}&verify=verify_peer&server_name_indication=${name}`;
}

/** A stream's age as RabbitMQ writes it (`7D`, `36h`, `90s`): the largest unit that is exact, rounded up to seconds. */
export function streamAge(milliseconds: number): string {
  const seconds = Math.max(1, Math.ceil(milliseconds / 1000));
  for (const [unit, length] of [
    ['D', 86_400],
    ['h', 3600],
    ['m', 60],
  ] as const) {
    if (seconds % length === 0) return `${seconds / length}${unit}`;
  }
  return `${seconds}s`;
}

export function partitionBytes(config: Config): number {
  return Math.floor(config.log.maxBytes / config.log.partitions);
}

export function segmentBytes(streamBytes: number): number {
  return Math.min(LARGEST_SEGMENT, Math.max(SMALLEST_SEGMENT, Math.floor(streamBytes / SEGMENTS_A_PARTITION)));
}

export function partitions(config: Config): readonly number[] {
  return Array.from({ length: config.log.partitions }, (_, partition) => partition);
}

function bind(
  source: string,
  destinationType: 'q' | 'e',
  destination: string,
  routingKey: string,
  args: Fields = {},
): Desired {
  const fields = { source, destination, destinationType, routingKey, arguments: args };
  return object('binding', bindingName(fields), fields);
}

function object(
  kind: Kind,
  name: string,
  fields: Fields,
  more: Partial<Pick<Desired, 'secret' | 'policy'>> = {},
): Desired {
  return { kind, name, fields, secret: null, policy: null, ...more };
}
