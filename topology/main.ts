// `waggle topology plan | declare | verify | diagram`: every site at once; a site that is down does not keep the others from their turn.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config, SiteConfig } from '#core/config/config.ts';
import { apply } from './apply.ts';
import type { Change } from './change.ts';
import { checks, links, type Check } from './checks.ts';
import { desiredObjects } from './desired.ts';
import { diagramSite, diagramText } from './diagram.ts';
import { diff } from './diff.ts';
import type { Management } from './management.ts';
import type { Kind, ObservedSite } from './objects.ts';
import { observe } from './observe.ts';
import { redact } from './passwords.ts';
import { probe } from './probe.ts';
import { exitCode, reportJson, reportText, type Report, type SiteReport } from './report.ts';
import { administrator, openSite } from './site.ts';

export type TopologyCommand = 'plan' | 'declare' | 'verify';

export interface TopologyOptions {
  readonly json: boolean;
  /** Standard output unless given. */
  readonly print?: (text: string) => void;
}

/** Links come up within seconds of their declaration; queues are counted every few seconds. */
const SETTLED_DEADLINE = 30_000;
const COUNTED_DEADLINE = 10_000;
/** These lead to other sites, which must have their users first. */
const ACROSS_SITES: readonly Kind[] = ['upstream', 'upstream-set', 'federation-policy'];

/** Prints what it finds and does. Resolves to the exit code: 0 same or done, 2 differs, 1 failed. */
export async function runTopology(
  command: TopologyCommand | 'diagram',
  config: Config,
  options: TopologyOptions,
): Promise<number> {
  const print = options.print ?? ((text) => void process.stdout.write(text));
  if (command === 'diagram') return diagram(config, options.json, print);
  const report = await topologyReport(command, config);
  print(options.json ? reportJson(report) : reportText(report));
  return exitCode(report);
}

/** The same, as data. */
export async function topologyReport(command: TopologyCommand, config: Config): Promise<Report> {
  switch (command) {
    case 'plan':
      return { command, sites: await Promise.all(config.sites.map((site) => plan(config, site))), checks: [] };
    case 'declare':
      return declare(config);
    case 'verify':
      return verify(config);
    default:
      return command satisfies never;
  }
}

async function diagram(config: Config, json: boolean, print: (text: string) => void): Promise<number> {
  const sites = await Promise.all(
    config.sites.map(async (site) => {
      const seen: { observed: ObservedSite | null } = { observed: null };
      const { error } = await guarded(site, {}, async () => {
        const { api } = await openSite(config, site);
        seen.observed = await observe(api, config.vhost);
        return {};
      });
      return diagramSite({ site: site.name, error, observed: seen.observed });
    }),
  );
  print(json ? `${JSON.stringify({ command: 'diagram', sites }, null, 2)}\n` : diagramText(sites));
  return sites.every(({ error }) => error === null) ? 0 : 1;
}

async function plan(config: Config, site: SiteConfig): Promise<SiteReport> {
  return guarded(site, {}, async () => {
    const { api, bootstrap } = await openSite(config, site);
    const observed = await observe(api, config.vhost);
    return { notes: bootstrap ? [BOOTSTRAP] : [], changes: differences(config, site, observed) };
  });
}

async function verify(config: Config): Promise<Report> {
  const sites = await Promise.all(
    config.sites.map((site) =>
      guarded(site, {}, async () => {
        const { api, bootstrap } = await openSite(config, site);
        const observed = await counted(config, site, api);
        return {
          notes: bootstrap ? [BOOTSTRAP] : [],
          changes: differences(config, site, observed),
          checks: checks(config, site, observed),
        };
      }),
    ),
  );
  const healthy = sites.every(
    (site) => site.error === null && site.changes.length === 0 && site.checks.every(({ ok }) => ok),
  );
  const skipped: Check = { name: 'probe', ok: false, detail: 'not sent, since the sites are not as they should be' };
  return { command: 'verify', sites, checks: healthy ? await probe(config) : [skipped] };
}

/** First what each site needs by itself, then what leads from one to another. Every step is idempotent: what was broken off is run again. */
async function declare(config: Config): Promise<Report> {
  const begun = config.sites.map((site) => ({ site, done: [] as Change[], notes: [] as string[] }));
  const alone = await Promise.all(
    begun.map(({ site, done, notes }) =>
      guarded(site, { done, notes }, async () => {
        const { api, bootstrap } = await openSite(config, site);
        if (bootstrap) notes.push(BOOTSTRAP);
        await applyAll(config, site, api, (change) => !isAcross(change), done);
        return {};
      }),
    ),
  );
  const reachable = begun.filter((_, index) => alone[index]?.error === null);
  const across = await Promise.all(
    reachable.map(({ site, done, notes }) =>
      guarded(site, { done, notes }, async () => {
        const api = administrator(config, site);
        await applyAll(config, site, api, isAcross, done);
        const observed = await settled(
          config,
          site,
          api,
          reachable.map((each) => each.site.name),
        );
        return { changes: differences(config, site, observed), checks: links(config, site, observed) };
      }),
    ),
  );
  const sites = alone.map((report) => across.find(({ site }) => site === report.site) ?? report);
  return { command: 'declare', sites, checks: [] };
}

const BOOTSTRAP =
  'the broker is new: logged in as guest, since users.topology does not exist yet; guest is deleted by declare';

/** Adds to `done` what was done. Rejects at the first refusal of the broker, since what follows may need it. */
async function applyAll(
  config: Config,
  site: SiteConfig,
  api: Management,
  which: (change: Change) => boolean,
  done: Change[],
): Promise<void> {
  for (const change of differences(config, site, await observe(api, config.vhost)).filter(which)) {
    if (change.kind === 'refuse' || change.kind === 'orphan') continue;
    // guest is deleted last, and by the administrator: until then we may be guest ourselves.
    const actor = change.kind === 'delete' ? administrator(config, site) : api;
    await apply(actor, config.vhost, change, () => randomBytes(4));
    done.push(change);
  }
}

/** Whether no permit is missing. RabbitMQ counts messages every five seconds, so after its start each seems to be. */
const isCounted = (config: Config, site: SiteConfig, observed: ObservedSite): boolean =>
  differences(config, site, observed).every((change) => change.kind !== 'create' || change.object.kind !== 'permit');

/** As it is, or as it is after some seconds where permits seem to be missing. */
async function counted(config: Config, site: SiteConfig, api: Management): Promise<ObservedSite> {
  const deadline = Date.now() + COUNTED_DEADLINE;
  for (;;) {
    const observed = await observe(api, config.vhost);
    if (isCounted(config, site, observed) || Date.now() > deadline) return observed;
    await delay(500);
  }
}

/** Waits for the links from the other sites that were declared too, and until the broker has counted the permits. */
async function settled(
  config: Config,
  site: SiteConfig,
  api: Management,
  reachable: readonly string[],
): Promise<ObservedSite> {
  const awaited = { ...config, sites: config.sites.filter(({ name }) => reachable.includes(name)) };
  const deadline = Date.now() + SETTLED_DEADLINE;
  for (;;) {
    const observed = await observe(api, config.vhost);
    if (
      (isCounted(config, site, observed) && links(awaited, site, observed).every(({ ok }) => ok)) ||
      Date.now() > deadline
    )
      return observed;
    await delay(250);
  }
}

function differences(config: Config, site: SiteConfig, observed: ObservedSite): readonly Change[] {
  return diff(config, site, desiredObjects(config, site), observed);
}

const isAcross = (change: Change): boolean => 'object' in change && ACROSS_SITES.includes(change.object.kind);

/** `base` is reported as it is when the work ends, well or badly. */
async function guarded(
  site: SiteConfig,
  base: Partial<SiteReport>,
  work: () => Promise<Partial<SiteReport>>,
): Promise<SiteReport> {
  const report = { site: site.name, error: null, notes: [], done: [], changes: [], checks: [], ...base };
  try {
    return { ...report, ...(await work()) };
  } catch (error) {
    return { ...report, error: redact(error instanceof Error ? error.message : String(error)) };
  }
}
