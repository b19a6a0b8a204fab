// Who may do what at a broker: least rights, as anchored regular expressions for configure, write and read.
import { isQueueSink, type SinkConfig } from '#core/config/sink-config.ts';
import * as names from './names.ts';

const { PATTERNS } = names;

export interface Rights {
  /** Of the management API. */
  readonly tags: readonly string[];
  readonly permission: { readonly configure: string; readonly write: string; readonly read: string };
}

/** Rights of a user of the configuration; a name that is no role is a sink: a log sink unless it is one of the queue sinks. */
export function rightsOf(user: string, sinks: readonly SinkConfig[]): Rights {
  switch (user) {
    case names.USER_TOPOLOGY:
      return {
        tags: ['administrator'],
        permission: { configure: PATTERNS.everything, write: PATTERNS.everything, read: PATTERNS.everything },
      };
    case names.USER_FEDERATION:
      // At the site it copies from, a link declares its buffer and binds it to `events`.
      return allow(PATTERNS.ownBuffers, PATTERNS.ownBuffers, PATTERNS.federationReads);
    case names.USER_AGENT:
      return allow(PATTERNS.nothing, PATTERNS.published, PATTERNS.nothing);
    case names.USER_OPERATOR:
      // Dead letters are read, resolved and replayed; history is replayed out of the log streams.
      return allow(PATTERNS.nothing, PATTERNS.operatorWrites, PATTERNS.operatorReads);
    case names.USER_TAP:
      // To bind a queue takes the right to write to it, and to read the exchange.
      return allow(PATTERNS.liveQueues, PATTERNS.liveQueues, PATTERNS.liveReads);
    case names.USER_MONITORING:
      // Rights to nothing: without them the management API hides the queues of the vhost.
      return { ...allow(PATTERNS.nothing, PATTERNS.nothing, PATTERNS.nothing), tags: ['monitoring'] };
    default: {
      const hasQueue = sinks.some((sink) => sink.name === user && isQueueSink(sink));
      return allow(PATTERNS.nothing, PATTERNS.dead, hasQueue ? names.sinkReads(user) : PATTERNS.log);
    }
  }
}

function allow(configure: string, write: string, read: string): Rights {
  return { tags: [], permission: { configure, write, read } };
}
