// Every name that the brokers know, in one file: exchanges, streams, queues, policies, users.

/** Topic, federated both ways (max-hops 1): agents publish here, routing key = the event's type. */
export const EVENTS = 'events';
/** Topic, not federated: for mirrored routes, where the agent itself publishes at both sites. */
export const EVENTS_MIRROR = 'events.mirror';
/** Headers exchange: routes by the header `partition` to the log streams. */
export const EVENTS_PARTITION = 'events.partition';
/** The super stream's direct exchange, bound to the same streams. */
export const EVENTS_LOG = 'events.log';
/** Topic, not federated: where live taps bind. */
export const EVENTS_LIVE = 'events.live';
/** Fanout to the dead-letter stream of this site. */
export const EVENTS_DEAD = 'events.dead';
/** Fanout, the alternate of `events.partition`: what no partition takes. */
export const EVENTS_UNROUTED = 'events.unrouted';
/** Direct, to the sink queues by sink name: replays. */
export const SINK = 'sink';
/** The dead-letter stream of a site. */
export const DEAD_STREAM = 'events.dead-letters';
export const PROBE_TYPE = 'waggle.probe';

/** The stream of one partition of the log, 0 <= partition < log.partitions. */
export const logStream = (partition: number | 'N'): string => `events.log-${partition}`;
/** The queue of a queue sink, at its home site. */
export const sinkQueue = (sink: string): string => `sink.${sink}`;
/** The queues that hold the permits of a sink, a message each: 1 <= permit <= connections. */
export const permitQueue = (sink: string, permit: number): string => `sink.${sink}.permit-${permit}`;
/** An empty queue on which each instance of a sink has one consumer: so they count each other (of a permit's queue the broker counts the active one alone). */
export const instancesQueue = (sink: string): string => `sink.${sink}.instances`;
/** The same for the instances that have too few permits. */
export const shortQueue = (sink: string): string => `sink.${sink}.short`;
/** The cluster name of a site: federation's buffer queues carry it. */
export const clusterName = (site: string): string => `waggle@${site}`;

// --- federation ---
/** What federation itself makes at the upstream: a queue of this name, and an internal exchange of this name and a letter. */
export const FEDERATION_PREFIX = 'federation: ';
/** The queue at this site that holds what `site` has not confirmed yet. */
export const bufferQueue = (site: string): string => `${FEDERATION_PREFIX}${EVENTS} -> ${clusterName(site)}`;
/** An upstream at this site is named after the site it copies from. */
export const upstreamName = (site: string): string => site;
export const UPSTREAM_SET = 'waggle';

// --- policies ---
export const POLICY_LOG = 'waggle.log';
export const POLICY_DEAD = 'waggle.dead';
export const POLICY_BUFFER = 'waggle.federation-buffer';
export const POLICY_SINK = 'waggle.sink';
export const POLICY_PERMIT = 'waggle.permit';
export const POLICY_LIVE = 'waggle.live';
export const POLICY_FEDERATION = 'waggle.federation';

// --- users that are no sink ---
export const USER_TOPOLOGY = 'topology';
export const USER_FEDERATION = 'federation';
export const USER_AGENT = 'agent';
export const USER_MONITORING = 'monitoring';
export const USER_OPERATOR = 'operator';
/** Live taps: `waggle tap`, and applications that watch events pass. */
export const USER_TAP = 'tap';

/** Short-lived queues of live taps; they come and go, so nobody declares them. */
export const LIVE_PREFIX = 'live.';
export const liveQueue = (name: string): string => `${LIVE_PREFIX}${name}`;
/** Names that are ours: what is found under them and was not declared is an orphan. */
export const OUR_NAMES = /^(events|sink|waggle)(\.|$)|^federation: /;

/** The names above as patterns of policies and rights: RabbitMQ's regular expressions, anchored, as it stores them. */
export const PATTERNS = {
  nothing: '^$',
  everything: '.*',
  federated: '^events$',
  published: '^events(\\.mirror|\\.dead)?$',
  log: '^events\\.log(-\\d+)?$',
  logStreams: '^events\\.log-\\d+$',
  dead: '^events\\.dead$',
  deadStream: '^events\\.dead-letters$',
  buffers: '^federation: ',
  ownBuffers: '^federation: events -> ',
  federationReads: '^(federation: events -> .*|events)$',
  sinkQueues: '^sink\\.[^.]+$',
  permitQueues: '^sink\\.[^.]+\\.permit-\\d+$',
  liveQueues: '^live\\.',
  liveReads: '^(live\\..*|events\\.live)$',
  operatorWrites: '^(sink|events\\.dead)$',
  operatorReads: '^(events\\.log(-\\d+)?|events\\.dead-letters)$',
} as const;

/** What a queue sink reads: its queue, its permits, and where its instances count each other. A name holds small letters, digits and "-" alone. */
export const sinkReads = (sink: string): string => `^sink\\.${sink}(\\.(permit-\\d+|instances|short))?$`;

/** The sink whose queue bears this name, and what is in that queue; null where it is none. */
export function sinkOf(
  queue: string,
): { readonly sink: string; readonly holds: 'events' | 'permit' | 'nothing' } | null {
  const [, sink, part] = /^sink\.([^.]+)(?:\.(permit-\d+|instances|short))?$/.exec(queue) ?? [];
  if (sink === undefined) return null;
  return { sink, holds: part === undefined ? 'events' : part.startsWith('permit-') ? 'permit' : 'nothing' };
}

/** The partition whose stream bears this name; null where it is none. */
export function partitionOf(stream: string): number | null {
  const digits = /^events\.log-(\d+)$/.exec(stream)?.[1];
  return digits === undefined ? null : Number(digits);
}
