// What bears our names, or has a hold on what is ours, and is in no configuration: reported, with what to do by hand, and never touched.
import type { Config, SiteConfig } from '#core/config/config.ts';
import { isQueueSink } from '#core/config/sink-config.ts';
import type { Change } from './change.ts';
import * as names from './names.ts';
import { argument, textOf, type Observed } from './objects.ts';

/** `unknown`: what is at the site and not desired. */
export function orphans(config: Config, site: SiteConfig, unknown: readonly Observed[]): readonly Change[] {
  return unknown.flatMap((each) => orphan(config, site, each));
}

/** The buffers that the other sites' links keep at this one. */
export function expectedBuffers(config: Config, site: SiteConfig): readonly string[] {
  return config.sites.filter((other) => other.name !== site.name).map((other) => names.bufferQueue(other.name));
}

function orphan(config: Config, site: SiteConfig, observed: Observed): readonly Change[] {
  const { kind, name, fields } = observed;
  const vhost = `--vhost "${config.vhost}"`;
  switch (kind) {
    case 'queue':
      return orphanQueue(config, site, observed);
    case 'exchange':
      if (!names.OUR_NAMES.test(name) || name.startsWith(names.FEDERATION_PREFIX)) return [];
      return report(
        observed,
        'it is in no configuration',
        'Delete it by hand when nothing publishes to it (management, exchanges page).',
      );
    case 'binding':
      return orphanBinding(config, site, observed);
    case 'permission': {
      const rights = ['configure', 'write', 'read'].map((right) => `${right} ${textOf(fields[right])}`).join(', ');
      const reason = `this user has rights in the vhost ${config.vhost} (${rights}) and is in no configuration`;
      return report(observed, reason, `If it is not needed: rabbitmqctl clear_permissions ${vhost} "${name}"`);
    }
    case 'policy':
    case 'federation-policy':
      if (!names.OUR_NAMES.test(name)) return [];
      return report(observed, 'it is in no configuration', `rabbitmqctl clear_policy ${vhost} "${name}"`);
    case 'upstream':
    case 'upstream-set':
      return report(
        observed,
        'it is in no configuration',
        `If nothing else needs it: rabbitmqctl clear_parameter ${vhost} federation-${kind} "${name}"`,
      );
    case 'user': // Without rights in our vhost it is none of our business.
    case 'cluster-name':
    case 'vhost':
    case 'permit': // Of the queue that holds it all is told.
      return [];
    default:
      return kind satisfies never;
  }
}

function orphanQueue(config: Config, site: SiteConfig, observed: Observed): readonly Change[] {
  const { name, messages } = observed;
  const remove = `Then delete it by hand: rabbitmqctl delete_queue --vhost "${config.vhost}" "${name}"`;
  const isStream = argument(observed.fields, 'x-queue-type') === 'stream';
  if (name.startsWith(names.LIVE_PREFIX) && isStream) {
    const reason = `a live tap that is a stream: no limit holds for it, and it may fill the disk; it holds ${messages} messages`;
    return report(observed, reason, 'Have its owner use a classic queue.', remove);
  }
  if (!names.OUR_NAMES.test(name) || expectedBuffers(config, site).includes(name)) return [];
  if (name.startsWith(names.FEDERATION_PREFIX)) {
    return report(
      observed,
      `no site of the configuration drains this buffer; it holds ${messages} messages (as last counted) and may go on filling the disk`,
      'If the site it is named after was renamed or rebuilt, its events may be missing there: move them, or read them from the log streams of this site.',
      remove,
    );
  }
  const owner = names.sinkOf(name);
  if (owner) return orphanOfSink(config, site, observed, owner, remove);
  return report(
    observed,
    `it is in no configuration, and holds ${messages} messages (as last counted)`,
    ...(isOldPartition(config, name)
      ? [
          'The number of partitions was lowered: wait until every sink has read it to its end, and its retention is over.',
        ]
      : []),
    remove,
  );
}

/** The home of a queue sink; null where the configuration has no queue sink of this name. */
function homeOf(config: Config, name: string): string | null {
  return config.sinks.find((sink) => sink.name === name && isQueueSink(sink))?.home ?? null;
}

function orphanOfSink(
  config: Config,
  site: SiteConfig,
  observed: Observed,
  { sink, holds }: { readonly sink: string; readonly holds: 'events' | 'permit' | 'nothing' },
  remove: string,
): readonly Change[] {
  const home = homeOf(config, sink);
  const queue = names.sinkQueue(sink);
  if (holds !== 'events') {
    if (home === site.name)
      return report(
        observed,
        `the sink ${sink} may open fewer connections now; it holds a permit and no events, but a consumer that runs with the earlier configuration may hold that permit`,
        `Start the consumers of ${sink} again.`,
        remove,
      );
    const reason = `the sink ${sink} has its home elsewhere or is in no configuration; it holds no events`;
    return report(observed, reason, `Wait until ${queue} is drained and deleted here.`, remove);
  }
  const fills = `it holds ${observed.messages} messages (as last counted), and goes on filling while it is bound`;
  const unbind = `Remove its bindings (management, queues page, "${queue}"): then nothing more is added.`;
  if (home === null)
    return report(
      observed,
      `no queue sink ${sink} is in the configuration: nothing reads this queue; ${fills}`,
      unbind,
      `Put the sink back into the configuration and let its consumer empty the queue; or, if nothing in it is needed, go on.`,
      remove,
    );
  return report(
    observed,
    `the home of the sink ${sink} is ${home} now: nothing reads this queue; ${fills}`,
    `See that waggle topology plan is empty for ${home}: from then on the queue there gets every event.`,
    unbind,
    `Drain it: run waggle consumer ${sink} with a copy of the configuration that says home: ${site.name}, until the queue is empty. Events that both queues hold arrive twice; a target that goes by id drops them. While it runs, the target may see twice the connections.`,
    remove,
  );
}

function orphanBinding(config: Config, site: SiteConfig, observed: Observed): readonly Change[] {
  const source = textOf(observed.fields['source']);
  const destination = textOf(observed.fields['destination']);
  if (!names.OUR_NAMES.test(source) || source.startsWith(names.FEDERATION_PREFIX)) return [];
  const isTap = source === names.EVENTS_LIVE && destination.startsWith(names.LIVE_PREFIX);
  // Of an old partition the stream itself is reported, and of a sink that left its queue.
  if (isTap || destination.startsWith(names.FEDERATION_PREFIX) || isOldPartition(config, destination)) return [];
  const owner = names.sinkOf(destination);
  if (owner && homeOf(config, owner.sink) !== site.name) return [];
  const reason = 'it is in no configuration, and sends events where nobody expects them';
  return report(observed, reason, 'Remove it by hand (management, exchanges page) if it is not wanted.');
}

function isOldPartition(config: Config, queue: string): boolean {
  const partition = names.partitionOf(queue);
  return partition !== null && partition >= config.log.partitions;
}

function report({ kind, name }: Observed, reason: string, ...steps: readonly string[]): readonly Change[] {
  return [{ kind: 'orphan', subject: `${kind} ${name}`, reason, steps }];
}
