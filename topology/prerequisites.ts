// What declaring cannot mend: plugins, missing nodes and replicas, foreign policies in the place of ours. Each is told with its steps.
import type { Config, SiteConfig } from '#core/config/config.ts';
import { refuse, type Refusal } from './change.ts';
import * as names from './names.ts';
import { argument, textOf, type Desired, type Observed, type ObservedSite } from './objects.ts';

export function prerequisites(
  config: Config,
  site: SiteConfig,
  desired: readonly Desired[],
  observed: ObservedSite,
): readonly Refusal[] {
  return [
    ...plugins(config, observed),
    ...nodes(site, observed),
    ...observed.objects.flatMap((each) => replicas(config, observed, each)),
    ...desired.flatMap((each) => overruled(each, observed)),
    ...limiting(config, observed),
  ];
}

/** The policy in force on an exchange or queue, as the broker chooses: of those that match, the one of the highest priority. */
export function policyInForce(
  name: string,
  kind: 'exchange' | 'queue',
  type: string,
  observed: ObservedSite,
): string | null {
  const appliesTo = [
    'all',
    ...(kind === 'exchange' ? ['exchanges'] : ['queues', type === 'stream' ? 'streams' : `${type}_queues`]),
  ];
  const matching = observed.objects
    .filter((each) => each.kind === 'policy' || each.kind === 'federation-policy')
    .filter(({ fields }) => appliesTo.includes(textOf(fields['apply-to'])) && matches(textOf(fields['pattern']), name));
  return (
    matching.toSorted((a, b) => Number(b.fields['priority'] ?? 0) - Number(a.fields['priority'] ?? 0))[0]?.name ?? null
  );
}

/** RabbitMQ's patterns are PCRE; one that JavaScript cannot read is left to the operator who wrote it. */
function matches(pattern: string, name: string): boolean {
  try {
    return new RegExp(pattern).test(name);
  } catch {
    return false;
  }
}

function overruled({ name, kind, policy, fields }: Desired, observed: ObservedSite): readonly Refusal[] {
  if (policy === null || !observed.objects.some((each) => each.name === policy && each.kind.endsWith('policy')))
    return []; // It is to be created.
  const found = policyInForce(
    name,
    kind === 'exchange' ? 'exchange' : 'queue',
    textOf(argument(fields, 'x-queue-type')),
    observed,
  );
  if (found === policy || found === null) return [];
  const step = `Narrow the pattern of ${found}, lower its priority, or remove it: rabbitmqctl clear_policy "${found}"`;
  return [refuse(`${kind} ${name}`, `the policy ${found} is in force on it, in the place of ${policy}`, step)];
}

/** A policy of the operator is merged with ours, and the stricter counts: limits of length or age lose events. */
function limiting(config: Config, observed: ObservedSite): readonly Refusal[] {
  return observed.operatorPolicies.flatMap(({ name, fields }) => {
    const taken = observed.objects
      .filter((each) => each.kind === 'queue' && names.OUR_NAMES.test(each.name))
      .filter((each) => matches(textOf(fields['pattern']), each.name))
      .map((each) => each.name);
    if (taken.length === 0) return [];
    return [
      refuse(
        `operator policy ${name}`,
        `it changes what is declared for ${taken.join(', ')}: ${textOf(fields['definition'])}`,
        `Narrow its pattern, or remove it: rabbitmqctl clear_operator_policy --vhost "${config.vhost}" "${name}"`,
      ),
    ];
  });
}

function plugins(config: Config, observed: ObservedSite): readonly Refusal[] {
  const federation = config.sites.length > 1 ? ['rabbitmq_federation', 'rabbitmq_federation_management'] : [];
  return observed.nodes.flatMap((node) => {
    // A node tells its plugins with its statistics, some seconds after its start.
    if (!node.running || node.plugins.length === 0) return [];
    const missing = ['rabbitmq_stream', ...federation].filter((plugin) => !node.plugins.includes(plugin));
    if (missing.length === 0) return [];
    return [
      refuse(
        `node ${node.name}`,
        `the plugins ${missing.join(', ')} are not enabled`,
        `On the node: rabbitmq-plugins enable ${missing.join(' ')}`,
      ),
    ];
  });
}

function nodes(site: SiteConfig, observed: ObservedSite): readonly Refusal[] {
  const running = observed.nodes.filter((node) => node.running).map((node) => node.name);
  if (running.length >= site.nodes.length) return [];
  const reason = `${running.length} of the ${site.nodes.length} configured nodes run: ${running.join(', ')}`;
  return [
    refuse(`site ${site.name}`, reason, 'Start the others, or join them to the cluster (rabbitmqctl join_cluster).'),
  ];
}

/** Also of the buffers: each queue of ours has a replica on every node. */
function replicas(config: Config, observed: ObservedSite, queue: Observed): readonly Refusal[] {
  if (queue.kind !== 'queue' || queue.members.length === 0 || !names.OUR_NAMES.test(queue.name)) return [];
  const missing = observed.nodes.map((node) => node.name).filter((node) => !queue.members.includes(node));
  if (missing.length === 0) return [];
  const isStream = argument(queue.fields, 'x-queue-type') === 'stream';
  const command = isStream ? 'rabbitmq-streams add_replica' : 'rabbitmq-queues add_member';
  const steps = missing.map((node) => `On a node: ${command} --vhost "${config.vhost}" "${queue.name}" ${node}`);
  return [refuse(`queue ${queue.name}`, `it has no replica on ${missing.join(', ')}`, ...steps)];
}
