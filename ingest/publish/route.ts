// Which site an identity's events go to: a pure machine over the states of the sites, the clock an input.
//
// Invariants (test/ingest/publish/route.test.ts):
// 1. A site that is away or blocked is never the target.
// 2. Where the home is ready, it is the target.
// 3. Where any site is linked and not blocked, and no home is still starting, there is a target.
// 4. After a loss or an alarm a site is ready only once it was linked and free of alarms for the whole hysteresis; until then it gets traffic
//    only where no site is ready.
import { createHash } from 'node:crypto';

/** A site as the route sees it. `since`: milliseconds of the caller's clock. */
export type SiteState =
  /** Not yet linked since the process began: its home traffic waits a moment for it, so that a start does not look like a failover. */
  | { readonly kind: 'starting'; readonly since: number }
  | { readonly kind: 'away' }
  /** Linked, but only since `since`. */
  | { readonly kind: 'returning'; readonly since: number }
  | { readonly kind: 'ready' }
  /** Linked, but the broker asks publishers to wait (a memory or disk alarm). */
  | { readonly kind: 'blocked' };

export type SiteEvent = 'linked' | 'lost' | 'blocked' | 'unblocked' | 'tick';

/** How long the home's traffic waits at start for its first link. */
export const START_GRACE = 3_000;

type Kind = SiteState['kind'];
type Step = Kind | 'stay';

/** State × event; `tick` moves only what has waited long enough. */
const TRANSITIONS = {
  starting: { linked: 'ready', lost: 'away', blocked: 'blocked', unblocked: 'stay', tick: 'away' },
  away: { linked: 'returning', lost: 'stay', blocked: 'stay', unblocked: 'stay', tick: 'stay' },
  returning: { linked: 'stay', lost: 'away', blocked: 'blocked', unblocked: 'stay', tick: 'ready' },
  ready: { linked: 'stay', lost: 'away', blocked: 'blocked', unblocked: 'stay', tick: 'stay' },
  blocked: { linked: 'stay', lost: 'away', blocked: 'stay', unblocked: 'returning', tick: 'stay' },
} as const satisfies Record<Kind, Record<SiteEvent, Step>>;

/** The state after the event; the same object where nothing changes. */
export function step(state: SiteState, event: SiteEvent, now: number, hysteresis: number): SiteState {
  if (event === 'tick') {
    if (state.kind === 'starting' && now - state.since < START_GRACE) return state;
    if (state.kind === 'returning' && now - state.since < hysteresis) return state;
  }
  const next: Step = TRANSITIONS[state.kind][event];
  switch (next) {
    case 'stay':
      return state;
    case 'returning':
      return { kind: next, since: now };
    case 'away':
    case 'ready':
    case 'blocked':
      return { kind: next };
    default:
      return next satisfies never;
  }
}

/** The index of the site that traffic at home at `home` goes to now, or -1: wait. */
export function target(sites: readonly SiteState[], home: number): number {
  const kind = sites[home]?.kind;
  if (kind === 'ready') return home;
  if (kind === 'starting') return -1;
  const ready = sites.findIndex((site) => site.kind === 'ready');
  if (ready >= 0) return ready;
  if (kind === 'returning') return home;
  return sites.findIndex((site) => site.kind === 'returning');
}

/**
 * The home of an identity under `balance`: an index into the sites sorted by name, drawn evenly from the identity itself, so that it needs
 * no state, survives adoption by another process, and over many agents each site is home to an equal part, wherever the agents stand.
 * (`failover` is for those who would rather stay near.) Hashed, because the bits of a UUIDv7 that are not time may be a counter (RFC 9562, 6.2).
 */
export function homeOf(identity: string, sites: number): number {
  return createHash('sha256').update(identity).digest().readUInt32BE(0) % sites;
}
