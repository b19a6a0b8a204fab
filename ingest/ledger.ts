// The ledger: what was accepted is confirmed, spooled, quarantined or dropped, for each route, at any time. Its figures are those that the spool
// derives from the numbers in its log; here they are compared and shown, never counted a second time.
import type { Telemetry } from '#core/io/telemetry.ts';
import type { RouteLedger, SpoolStats } from './spool/contract.ts';

/** Events for which the books do not balance; anything but 0 is a bug. */
export function imbalance(route: RouteLedger): number {
  let dropped = 0;
  for (const events of Object.values(route.dropped)) dropped += events;
  return route.accepted - route.confirmed - route.spooled - route.quarantined - dropped;
}

interface Total {
  readonly stage: string;
  readonly reason: string;
  readonly events: number;
}

/** Totals that only grow while the process runs, as the labels of waggle_events_total name them. */
function totals(route: RouteLedger): readonly Total[] {
  return [
    { stage: 'accept', reason: 'accepted', events: route.accepted },
    { stage: 'publish', reason: 'confirmed', events: route.confirmed },
    { stage: 'spool', reason: 'quarantined', events: route.quarantined },
    ...Object.entries(route.dropped).map(([reason, events]) => ({
      stage: 'spool',
      reason: `dropped-${reason}`,
      events,
    })),
  ];
}

/** Brings the metrics to what the spool says, whenever it is called. */
export function createLedger(telemetry: Telemetry): (stats: SpoolStats) => void {
  const { metrics } = telemetry;
  const shown = new Map<string, number>();
  let alarmed = false;
  return (stats) => {
    metrics.spoolBytes.set(stats.bytes);
    let wrong = false;
    for (const route of stats.routes) {
      metrics.oldestUnconfirmedSeconds.set({ route: route.route }, route.oldestUnconfirmed / 1000);
      const difference = imbalance(route);
      metrics.ledgerImbalance.set({ route: route.route }, difference);
      for (const { stage, reason, events } of totals(route)) {
        const key = `${route.route} ${stage} ${reason}`;
        const grown = events - (shown.get(key) ?? 0);
        if (grown <= 0) continue;
        metrics.events.inc({ stage, route: route.route, reason }, grown);
        shown.set(key, events);
      }
      if (difference === 0) continue;
      wrong = true;
      if (!alarmed)
        telemetry.fact(
          'error',
          'ledger.imbalance',
          { ...route, imbalance: difference },
          `the ledger of route ${route.route} does not balance: ${difference} events; please keep a copy of the spool's folder and report this with the output of /status`,
        );
    }
    alarmed = wrong;
  };
}
