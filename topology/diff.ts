// Desired and observed → what would have to happen. Pure; nothing here ever proposes to delete or to recreate what holds messages.
import type { Config, SiteConfig } from '#core/config/config.ts';
import { isQueueSink } from '#core/config/sink-config.ts';
import { refuse, type Change, type FieldChange } from './change.ts';
import * as names from './names.ts';
import {
  argument,
  canonical,
  key,
  type Desired,
  type Fields,
  type Json,
  type Observed,
  textOf,
  type ObservedSite,
} from './objects.ts';
import { orphans } from './orphans.ts';
import { passwordMatches, redact } from './passwords.ts';
import { prerequisites } from './prerequisites.ts';

const GUEST = 'guest';
/** Told at declaration only, and of no harm when another: members and the size of segments are judged by what they do. */
const ONLY_AT_DECLARATION = [
  'x-initial-cluster-size',
  'x-quorum-initial-group-size',
  'x-queue-leader-locator',
  'x-stream-max-segment-size-bytes',
];
/** Of the segment size that would be taken now, a twentieth of the limit: above it, a segment is more than a quarter of the limit. */
const LARGEST_SEGMENT_FACTOR = 5;

/** Changes in the order in which they are to be made (that of `desired`), then what is for people. */
export function diff(
  config: Config,
  site: SiteConfig,
  desired: readonly Desired[],
  observed: ObservedSite,
): readonly Change[] {
  const found = new Map(observed.objects.map((each) => [key(each), each]));
  const wanted = new Set(desired.map(key));
  const guest = found.get(key({ kind: 'user', name: GUEST }));
  const unknown = observed.objects.filter((each) => !wanted.has(key(each)) && each.name !== GUEST);
  const tooWide = unknown.filter((each) => isTooWide(config, site, each));
  const deletions: readonly Change[] = [
    ...tooWide.map((object) => ({ kind: 'delete' as const, object, reason: 'the sink’s match does not name it' })),
    ...(guest && !wanted.has(key(guest))
      ? [{ kind: 'delete' as const, object: guest, reason: 'everybody knows its password' }]
      : []),
  ];
  return [
    ...desired.flatMap((each) => compare(config, site, each, found.get(key(each)), observed)),
    ...deletions,
    ...prerequisites(config, site, desired, observed),
    ...orphans(
      config,
      site,
      unknown.filter((each) => !tooWide.includes(each)),
    ),
  ];
}

/** A binding of events to a sink's queue beyond its `match`: what came by it would be dropped by the sink, so it may go. */
function isTooWide(config: Config, site: SiteConfig, { kind, fields }: Observed): boolean {
  const source = textOf(fields['source']);
  if (kind !== 'binding' || (source !== names.EVENTS && source !== names.EVENTS_MIRROR)) return false;
  return (
    canonical(fields['arguments'] ?? {}) === '{}' &&
    config.sinks.some(
      (sink) =>
        isQueueSink(sink) && sink.home === site.name && names.sinkQueue(sink.name) === textOf(fields['destination']),
    )
  );
}

function compare(
  config: Config,
  site: SiteConfig,
  desired: Desired,
  observed: Observed | undefined,
  all: ObservedSite,
): readonly Change[] {
  if (!observed)
    return desired.kind === 'cluster-name' ? renaming(desired, all) : [{ kind: 'create', object: desired }];
  switch (desired.kind) {
    case 'cluster-name':
    case 'vhost':
    case 'binding':
    case 'permit':
      return []; // The name says it all.
    case 'user':
    case 'permission':
    case 'policy':
    case 'upstream':
    case 'upstream-set':
    case 'federation-policy': {
      const fields = [...differences(desired.fields, observed.fields), ...passwordChange(desired, observed)];
      return fields.length > 0 ? [{ kind: 'update', object: desired, fields }] : [];
    }
    case 'exchange':
    case 'queue':
      return [...immutable(config, site, desired, observed), ...segments(config, site, desired, observed)];
    default:
      return desired.kind satisfies never;
  }
}

/** A cluster that has its exchanges may have buffers at other sites under its name. */
function renaming(desired: Desired, site: ObservedSite): readonly Change[] {
  const old = site.objects.find((each) => each.kind === 'cluster-name')?.name ?? '';
  if (!site.objects.some((each) => each.kind === 'exchange' && each.name === names.EVENTS)) {
    return [{ kind: 'update', object: desired, fields: [{ field: 'name', from: old, to: desired.name }] }];
  }
  const buffer = `${names.FEDERATION_PREFIX}${names.EVENTS} -> ${old}`;
  return [
    refuse(
      `cluster name ${old}`,
      `it should be ${desired.name}, but the site is in use: the other sites' buffers "${buffer}" would be left behind, with what they hold`,
      'Let the agents publish at the other site, and wait until those buffers are empty (queues page of the management, at every other site).',
      `On a node of this site: rabbitmqctl set_cluster_name ${desired.name}`,
      'Run waggle topology plan at once: it names the buffers that are left behind, and how to remove them.',
    ),
  ];
}

function passwordChange(desired: Desired, observed: Observed): readonly FieldChange[] {
  if (desired.secret === null || (observed.secret !== null && passwordMatches(observed.secret, desired.secret)))
    return [];
  return [{ field: 'password', from: '(another)', to: '(as configured)' }];
}

function immutable(config: Config, site: SiteConfig, desired: Desired, observed: Observed): readonly Change[] {
  const fields = differences(comparable(desired.fields), comparable(observed.fields));
  if (fields.length === 0) return [];
  const differ = fields.map(({ field, from, to }) => `${field} is ${from}, should be ${to}`).join('; ');
  const reason = `${differ}; the broker cannot change this in place`;
  return desired.kind === 'queue'
    ? [refuse(`queue ${observed.name}`, reason, ...remakeQueue(config, site, observed))]
    : [
        refuse(
          `exchange ${observed.name}`,
          reason,
          'Let the agents publish at the other site, and wait until their spools say that all is confirmed.',
          `Delete the exchange by hand (management, exchanges page, "${observed.name}"); its bindings go with it.`,
          'waggle topology declare makes it anew, with its bindings.',
        ),
      ];
}

function remakeQueue(config: Config, site: SiteConfig, { name, messages }: Observed): readonly string[] {
  const vhost = `--vhost "${config.vhost}"`;
  const check = `Check that it is empty and unused: rabbitmqctl list_queues ${vhost} name messages consumers`;
  const remove = `Delete it: rabbitmqctl delete_queue ${vhost} --if-unused "${name}"`;
  const owner = names.sinkOf(name);
  if (owner?.holds === 'events') {
    const { sink } = owner;
    return [
      `It holds ${messages} messages (as last counted), and its name is fixed by that of the sink: so give the sink a new name beside the old one in the configuration (with its user), and run waggle topology declare: both queues are bound, and get every event.`,
      `Start consumers of the new name. Stop those of ${sink} once its queue is drained: what came since is in both queues, and a target that goes by id drops the repeats.`,
      check,
      `Take ${sink} out of the configuration, remove the bindings of the queue (management, queues page, "${name}"), check once more, and then:`,
      remove,
    ];
  }
  const other = config.sites.find((each) => each.name !== site.name)?.name;
  const readers =
    other === undefined
      ? 'Let every sink read it to its end; what it holds is on no other site.'
      : `The log of ${other} holds the same events: let every log sink whose home is ${site.name} read there meanwhile (waggle sink move NAME --to ${other}).`;
  return [
    `It holds ${messages} messages (as last counted), and its name is fixed. ${readers}`,
    'Let the agents publish at another site, and wait until their spools say that all is confirmed.',
    `Check that nobody reads it any more: rabbitmqctl list_queues ${vhost} name messages consumers`,
    `${remove}, and run waggle topology declare at once: it makes the queue anew. What comes between the two is kept in ${names.DEAD_STREAM}.`,
    ...(other === undefined ? [] : [`Move the sinks back if you like: they repeat nothing.`]),
  ];
}

function comparable(fields: Fields): Fields {
  const args = fields['arguments'];
  if (args === null || typeof args !== 'object' || Array.isArray(args)) return fields;
  const kept = Object.entries(args as Fields).filter(([name]) => !ONLY_AT_DECLARATION.includes(name));
  return { ...fields, arguments: Object.fromEntries(kept) };
}

/** Retention drops whole segments: with segments above a quarter of the limit it holds far more, or far less, than asked. */
function segments(config: Config, site: SiteConfig, desired: Desired, observed: Observed): readonly Change[] {
  const wanted = argument(desired.fields, 'x-stream-max-segment-size-bytes');
  const has = argument(observed.fields, 'x-stream-max-segment-size-bytes');
  if (typeof wanted !== 'number' || typeof has !== 'number' || has <= wanted * LARGEST_SEGMENT_FACTOR) return [];
  const reason = `its segments of ${has} bytes are too large for the configured max_bytes (a new stream would take ${wanted}), and retention drops whole segments`;
  return [
    refuse(
      `queue ${observed.name}`,
      reason,
      'Raise max_bytes again, or have the stream made anew:',
      ...remakeQueue(config, site, observed),
    ),
  ];
}

function differences(desired: Fields, observed: Fields): readonly FieldChange[] {
  return Object.entries(desired).flatMap(([field, to]) => {
    const from = observed[field];
    if (from !== undefined && canonical(from) === canonical(to)) return [];
    const change = { field, from: text(from), to: text(to) };
    return [change.from === change.to ? { field, from: '(another secret)', to: '(as configured)' } : change];
  });
}

function text(value: Json | undefined): string {
  return value === undefined ? 'nothing' : redact(canonical(value));
}
