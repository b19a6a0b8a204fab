// The routes of an agent: a cursor of the spool each, and a publisher that reads it. `balance` and `failover` are one route over all sites;
// `mirror` is one for each site, over an exchange that is not federated, so that each event comes to each site once.
import type { Config } from '#core/config/config.ts';
import type { Telemetry } from '#core/io/telemetry.ts';
import { SITE_PATIENCE } from './accept.ts';
import { publisherEvents } from './publish/events.ts';
import { outgoingEvents, outgoingMirrored } from './publish/outgoing.ts';
import { Publisher, type SiteStatus } from './publish/publisher.ts';
import { SiteWaiters } from './publish/waiters.ts';
import type { LiveConfig } from './reload.ts';
import type { Spool } from './spool/contract.ts';

/** `balance` and `failover` share a cursor, so that changing from one to the other sends nothing twice. */
const SITES = 'sites';
const mirrorOf = (site: string): string => `mirror-${site}`;

/** Names of the cursors that the configured mode needs. */
export function routeNames({ agent, sites }: Config): readonly string[] {
  return agent.route.mode === 'mirror' ? sites.map(({ name }) => mirrorOf(name)) : [SITES];
}

export interface Routes {
  /** Of each route: whoever waits for a site is content with the first that confirms. */
  readonly waiters: readonly SiteWaiters[];
  /** True while any site takes events. */
  readonly isLinked: boolean;
  /** Bytes a second by which the spool drains: what all routes have passed may go, so the slowest of those that are linked. */
  readonly drainRate: number;
  readonly sites: readonly SiteStatus[];
  /** Until the signal aborts. Rejects where the spool cannot be read. */
  run(signal: AbortSignal): Promise<void>;
}

export function createRoutes(live: LiveConfig, spool: Spool, telemetry: Telemetry): Routes {
  const { agent } = live.now;
  const links = live.links(`waggle agent ${agent.host}`);
  const plan =
    agent.route.mode === 'mirror'
      ? links.map((link) => ({ name: mirrorOf(link.site), links: [link], outgoing: outgoingMirrored }))
      : [{ name: SITES, links, outgoing: outgoingEvents }];
  const routes = plan.map(({ name, ...where }) => {
    const waiters = new SiteWaiters(SITE_PATIENCE);
    const options = { ...where, route: agent.route };
    return { waiters, publisher: new Publisher(spool.reader(name), options, publisherEvents(telemetry, waiters)) };
  });
  const publishers = routes.map(({ publisher }) => publisher);
  return {
    waiters: routes.map(({ waiters }) => waiters),
    get isLinked() {
      return publishers.some(({ isLinked }) => isLinked);
    },
    get drainRate() {
      const linked = publishers.filter(({ isLinked }) => isLinked);
      return linked.length === 0 ? 0 : Math.min(...linked.map(({ drainRate }) => drainRate));
    },
    get sites() {
      return publishers.flatMap(({ status }) => status);
    },
    async run(signal) {
      // One that fails ends the others: the agent cannot go on.
      const failed = new AbortController();
      const either = AbortSignal.any([signal, failed.signal]);
      const fail = (error: unknown): never => {
        failed.abort();
        throw error;
      };
      await Promise.all(publishers.map((publisher) => publisher.run(either).catch(fail)));
    },
  };
}
