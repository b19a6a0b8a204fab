// What `verify` demands beyond an empty plan, from what was observed alone: nodes, alarms, links that run, buffers that keep. Pure.
import type { Config, SiteConfig } from '#core/config/config.ts';
import * as names from './names.ts';
import { argument, textOf, type ObservedSite } from './objects.ts';
import { expectedBuffers } from './orphans.ts';
import { redact } from './passwords.ts';
import { policyInForce } from './prerequisites.ts';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** For people: what is wrong and what to do; or, where it is well, what was found. */
  readonly detail: string;
}

const OLDEST = [4, 3, 4] as const;

export function checks(config: Config, site: SiteConfig, observed: ObservedSite): readonly Check[] {
  return [
    version(observed),
    ...observed.nodes.map((node): Check => {
      const name = `node ${node.name}`;
      if (!node.running) return { name, ok: false, detail: 'it does not run: start it' };
      if (node.alarms.length === 0) return { name, ok: true, detail: 'runs, no alarm' };
      return {
        name,
        ok: false,
        detail: `${node.alarms.join(' and ')} alarm: publishers are blocked. Free ${node.alarms.join(' and ')} on it, or give it more`,
      };
    }),
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
  if (faults.length === 0)
    return { name, ok: true, detail: `quorum queue with ${found.members.length} of ${observed.nodes.length} members` };
  return { name, ok: false, detail: `${faults.join('; ')}. Drain it, delete it by hand, and declare again` };
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
