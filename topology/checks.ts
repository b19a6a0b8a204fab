// What `verify` demands beyond an empty plan, from what was observed alone: nodes, alarms, links that run, buffers that keep. Pure.
import type { Config, SiteConfig } from '#core/config/config.ts';
import * as names from './names.ts';
import { argument, textOf, type Observed, type ObservedNode, type ObservedSite } from './objects.ts';
import { expectedBuffers } from './orphans.ts';
import { outlook, roughly, sizeText } from './outlook.ts';
import { redact } from './passwords.ts';
import { policyInForce } from './prerequisites.ts';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** For people: what is wrong and what to do; or, where it is well, what was found. */
  readonly detail: string;
}

/** Of the limit of free disk: below, it is told. Links obey no alarm, so the alarm itself would be late. */
const EARLY = 2;
/** A buffer that is full in less is told. */
const SOON_SECONDS = 24 * 3600;
const OLDEST = [4, 3, 4] as const;

export function checks(config: Config, site: SiteConfig, observed: ObservedSite): readonly Check[] {
  return [
    version(observed),
    ...observed.nodes.map((node) => nodeCheck(config, node)),
    {
      name: 'feature flags',
      ok: observed.disabledFlags.length === 0,
      detail:
        observed.disabledFlags.length === 0
          ? 'all stable ones are enabled'
          : `not enabled: ${observed.disabledFlags.join(', ')}. Once all nodes have this version: rabbitmqctl enable_feature_flag all`,
    },
    ...links(config, site, observed),
    ...expectedBuffers(config, site).map((buffer) => bufferCheck(buffer, observed)),
  ];
}

function nodeCheck(config: Config, node: ObservedNode): Check {
  const name = `node ${node.name}`;
  const alarms = node.alarms.join(' and ');
  if (!node.running) return { name, ok: false, detail: 'it does not run: start it' };
  // rabbitmq-server#16670
  const linksGoOn = `links from other sites obey no alarm and go on writing to it. To stop them (the other sites keep what is for it): rabbitmqctl clear_policy --vhost "${config.vhost}" ${names.POLICY_FEDERATION}; waggle topology declare brings them back`;
  if (node.alarms.length > 0)
    return {
      name,
      ok: false,
      detail: `${alarms} alarm: publishers are blocked, and agents go to another site. Free ${alarms} on it, or give it more${config.sites.length > 1 ? `; ${linksGoOn}` : ''}`,
    };
  if (node.diskFree < EARLY * node.diskLimit)
    return {
      name,
      ok: false,
      detail: `${sizeText(node.diskFree)} of its disk are free, and at ${sizeText(node.diskLimit)} publishers are blocked: free some, lower log.max_bytes, or give it more`,
    };
  return { name, ok: true, detail: 'runs, no alarm' };
}

/** The links that copy the other sites' events to this one. A dead link may vanish, so each expected one is looked for. */
export function links(config: Config, site: SiteConfig, observed: ObservedSite): readonly Check[] {
  return config.sites
    .filter((other) => other.name !== site.name)
    .map((other): Check => {
      const name = `link ${other.name} -> ${site.name}`;
      const found = observed.links.filter(
        (each) => each.exchange === names.EVENTS && each.upstream === names.upstreamName(other.name),
      );
      if (found.some((each) => each.status === 'running')) return { name, ok: true, detail: 'running' };
      const state = found.map((each) => redact(`${each.status} ${each.error}`.trim())).join('; ') || 'there is none';
      return {
        name,
        ok: false,
        detail: `not running: ${state}. See that ${other.federation.join(', ')} can be reached from ${site.name}'s nodes, and that waggle topology plan is empty at both`,
      };
    });
}

function bufferCheck(buffer: string, observed: ObservedSite): Check {
  const name = `buffer "${buffer}"`;
  const found = observed.objects.find((each) => each.kind === 'queue' && each.name === buffer);
  if (!found) return { name, ok: false, detail: 'it is not there: it comes with the first link from the other site' };
  const type = textOf(argument(found.fields, 'x-queue-type')) || 'classic';
  const policy = policyInForce(buffer, 'queue', type, observed);
  const losing = ['x-expires', 'x-message-ttl', 'x-max-length', 'x-max-length-bytes'].filter(
    (each) => argument(found.fields, each) !== null,
  );
  const faults = [
    ...(type === 'quorum' ? [] : [`it is a ${type} queue, not a quorum queue`]),
    ...(policy === names.POLICY_BUFFER
      ? []
      : [`the policy on it is ${policy ?? 'none'}, not ${names.POLICY_BUFFER}: it may drop messages after 20 tries`]),
    ...losing.map((each) => `it has ${each}, which loses events`),
  ];
  if (faults.length === 0) return growthCheck(name, found, observed);
  return { name, ok: false, detail: `${faults.join('; ')}. Drain it, delete it by hand, and declare again` };
}

function growthCheck(name: string, buffer: Observed, observed: ObservedSite): Check {
  const { messages, bytes, growth, secondsToFull } = outlook(observed, buffer);
  const holds = `quorum queue with ${buffer.members.length} of ${observed.nodes.length} members, holds ${messages} batches (${sizeText(bytes)})`;
  if (secondsToFull >= SOON_SECONDS) return { name, ok: true, detail: holds };
  return {
    name,
    ok: false,
    detail: `${holds} and grows by ${sizeText(growth)}/s: the disk is full in ${roughly(secondsToFull)}. Bring the link back, give more disk, or give up what it holds: waggle topology drop-buffer`,
  };
}

function version(observed: ObservedSite): Check {
  const parts = observed.version.split('.').map((part) => Number.parseInt(part, 10));
  const first = OLDEST.findIndex((wanted, index) => parts[index] !== wanted);
  const ok = first === -1 || (parts[first] ?? 0) > (OLDEST[first] ?? 0);
  return {
    name: 'version',
    ok,
    detail: ok
      ? `RabbitMQ ${observed.version}`
      : `RabbitMQ ${observed.version} is too old: ${OLDEST.join('.')} or newer is needed`,
  };
}
