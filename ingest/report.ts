// What an agent says of itself, and several as one: /readyz and /status are made of reports, one of each worker. Pure.
import type { Readiness } from '#core/io/admin.ts';
import { imbalance } from './ledger.ts';
import type { SiteStatus } from './publish/publisher.ts';
import type { RouteLedger, SpoolStats } from './spool/contract.ts';

export interface AgentReport {
  /** Of each input: its name, its address, its books. */
  readonly inputs: readonly object[];
  readonly stats: SpoolStats;
  readonly sites: readonly SiteStatus[];
  /** A site takes events. */
  readonly isLinked: boolean;
  readonly drainRate: number;
}

/** Types with most of the spool that are named. */
const MOST = 5;

/** Several spools as one, the first of them that of events: its identity is told. */
export function addStats(all: readonly [SpoolStats, ...SpoolStats[]]): SpoolStats {
  return all.slice(1).reduce(addTwo, all[0]);
}

function addTwo(one: SpoolStats, other: SpoolStats): SpoolStats {
  const refused = one.refusing === null ? other : one;
  return {
    identity: one.identity,
    routes: addByKey(one.routes, other.routes, ({ route }) => route, addLedgers),
    bytes: one.bytes + other.bytes,
    kept: one.kept + other.kept,
    max: one.max + other.max,
    segments: one.segments + other.segments,
    most: addByKey(one.most, other.most, ({ type }) => type, addUp)
      .toSorted((a, b) => b.bytes - a.bytes)
      .slice(0, MOST),
    pendingEvents: one.pendingEvents + other.pendingEvents,
    pendingBytes: one.pendingBytes + other.pendingBytes,
    refusing: refused.refusing,
    refusingSince: refused.refusingSince,
  };
}

function addLedgers(one: RouteLedger, other: RouteLedger): RouteLedger {
  return { ...addUp(one, other), oldestUnconfirmed: Math.max(one.oldestUnconfirmed, other.oldestUnconfirmed) };
}

/** Several workers as one agent. */
export function addReports(all: readonly [AgentReport, ...AgentReport[]]): AgentReport {
  return all.slice(1).reduce(
    (one, other) => ({
      inputs: addByKey(one.inputs, other.inputs, (input) => ('input' in input ? String(input.input) : ''), addUp),
      stats: addTwo(one.stats, other.stats),
      sites: addByKey(one.sites, other.sites, ({ site }) => site, addSites),
      isLinked: one.isLinked && other.isLinked,
      drainRate: one.drainRate + other.drainRate,
    }),
    all[0],
  );
}

/** As the one sees it that has trouble with it. */
function addSites(one: SiteStatus, other: SiteStatus): SiteStatus {
  const shown = one.trouble === null && other.trouble !== null ? other : one;
  return { ...shown, unconfirmedBytes: one.unconfirmedBytes + other.unconfirmedBytes };
}

/** Those with the same key become one; each stands where it first stood. */
function addByKey<T>(
  one: readonly T[],
  other: readonly T[],
  keyOf: (each: T) => string,
  add: (a: T, b: T) => T,
): readonly T[] {
  const byKey = new Map<string, T>();
  for (const each of [...one, ...other]) {
    const before = byKey.get(keyOf(each));
    byKey.set(keyOf(each), before === undefined ? each : add(before, each));
  }
  return [...byKey.values()];
}

/** Numbers are added, at any depth; all else is as the first has it. */
function addUp<T extends object>(one: T, other: T): T {
  const sum = { ...other, ...one } as Record<string, unknown>;
  for (const [key, value] of Object.entries(other)) {
    if (!(key in one)) continue;
    const before = sum[key];
    if (typeof before === 'number' && typeof value === 'number') sum[key] = before + value;
    else if (isObject(before) && isObject(value)) sum[key] = addUp(before, value);
  }
  return sum as T;
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `who`: of several workers, which one. */
export function readinessOf({ stats, sites, isLinked }: AgentReport, who = ''): Readiness {
  const reasons: string[] = [];
  if (stats.refusing !== null) reasons.push(`${who}the spool refuses events: ${stats.refusing}`);
  if (!isLinked) {
    const why = sites.map(({ site, state, trouble }) => trouble ?? `site ${site} is ${state}`);
    reasons.push(`${who}no site takes events, they are only spooled: ${why.join('; ')}`);
  }
  return { ok: reasons.length === 0, reasons };
}

export interface Named {
  readonly site: string;
  readonly host: string;
  readonly route: { readonly mode: string };
}

export function statusOf({ site, host, route }: Named, { inputs, stats, sites, drainRate }: AgentReport): object {
  return {
    site,
    host,
    inputs,
    route: { mode: route.mode, bytesPerSecond: Math.round(drainRate), sites },
    ledger: stats.routes.map((each) => ({ ...each, imbalance: imbalance(each) })),
    spool: { ...stats, routes: undefined },
  };
}
