// `waggle topology watch`: looks at every site as the user `monitoring` and exports what services cannot know: alarms, links, and how long the
// buffers of federation last. It changes nothing. /readyz says what is wrong, in the words of `verify`.
import type { Config, SiteConfig } from '#core/config/config.ts';
import { pause } from '#core/io/abort.ts';
import { startAdmin } from '#core/io/admin.ts';
import { createTelemetry } from '#core/io/telemetry.ts';
import { checks, links } from './checks.ts';
import { passwordOf } from './credentials.ts';
import { management } from './management.ts';
import { bufferQueue, USER_MONITORING } from './names.ts';
import type { ObservedSite } from './objects.ts';
import { observeHealth } from './observe.ts';
import { diskLeft, outlook } from './outlook.ts';

export interface WatchOptions {
  /** `host:port` of /healthz /readyz /metrics /status. */
  readonly listen: string;
  /** Milliseconds between two looks. */
  readonly every: number;
}

/** Until the signal aborts. Resolves to 0. */
export async function watchSites(config: Config, options: WatchOptions, signal: AbortSignal): Promise<number> {
  const { log, metrics, fact } = createTelemetry('topology-watch');
  const password = passwordOf(config, USER_MONITORING);
  const apis = config.sites.map((site) => management(site.management, USER_MONITORING, password, site.tls));
  const troubles = new Map<string, readonly string[]>();
  const look = async (site: SiteConfig, index: number): Promise<void> => {
    const before = troubles.get(site.name) ?? [];
    let now: readonly string[];
    try {
      const observed = await observeHealth(apis[index] ?? management([], '', ''), config.vhost);
      measure(config, site, observed);
      const failed = checks(config, site, observed).filter(({ ok }) => !ok);
      now = failed.map(({ name, detail }) => `${site.name}: ${name}: ${detail}`);
    } catch (error) {
      now = [`${site.name}: ${error instanceof Error ? error.message : String(error)}`];
      metrics.siteUp.set({ site: site.name }, 0);
    }
    troubles.set(site.name, now);
    for (const trouble of now)
      if (!before.includes(trouble)) fact('warn', 'site.trouble', { site: site.name }, trouble);
    if (before.length > 0 && now.length === 0) fact('info', 'site.well', { site: site.name });
  };
  const measure = (all: Config, site: SiteConfig, observed: ObservedSite): void => {
    metrics.siteUp.set({ site: site.name }, 1);
    const running = observed.nodes.filter((node) => node.running);
    for (const kind of ['memory', 'disk'])
      metrics.siteAlarm.set({ site: site.name, kind }, running.some(({ alarms }) => alarms.includes(kind)) ? 1 : 0);
    metrics.diskLeftBytes.set({ site: site.name }, Math.min(...running.map(diskLeft)));
    for (const other of all.sites.filter(({ name }) => name !== site.name)) {
      const buffer = observed.objects.find((each) => each.kind === 'queue' && each.name === bufferQueue(other.name));
      const at = { site: site.name, to: other.name };
      const seen = buffer ? outlook(observed, buffer) : { bytes: 0, secondsToFull: Infinity };
      metrics.bufferBytes.set(at, seen.bytes);
      metrics.bufferFullSeconds.set(at, seen.secondsToFull);
      const link = links(all, site, observed).find(({ name }) => name === `link ${other.name} -> ${site.name}`);
      metrics.federationUp.set({ from: other.name, to: site.name }, link?.ok ? 1 : 0);
    }
  };
  const lookAtAll = (): Promise<unknown> => Promise.all(config.sites.map(look));
  await lookAtAll();
  await using admin = await startAdmin({
    listen: options.listen,
    registry: metrics.registry,
    ready: () => {
      const reasons = [...troubles.values()].flat();
      return { ok: reasons.length === 0, reasons };
    },
    status: () => Object.fromEntries(troubles),
  });
  log.info(
    { fact: 'watch.started', admin: admin.address },
    `watching ${config.sites.map(({ name }) => name).join(', ')}`,
  );
  for (;;) {
    await pause(options.every, signal);
    if (signal.aborted) return 0;
    await lookAtAll();
  }
}
