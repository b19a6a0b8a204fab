// What the publisher has to tell: to the operator as facts and metrics, and to the senders that wait for a site.
import type { Telemetry } from '#core/io/telemetry.ts';
import { encodeRanges } from '#core/number-ranges.ts';
import type { PublisherEvents } from './publisher.ts';
import type { SiteWaiters } from './waiters.ts';

export function publisherEvents(telemetry: Telemetry, waiters: SiteWaiters): PublisherEvents {
  const { metrics } = telemetry;
  return {
    linked(site) {
      metrics.linkUp.set({ site }, 1);
      telemetry.fact('info', 'site.linked', { site }, `site ${site} takes events`);
    },
    lost(site, fault, reason, unknown) {
      metrics.linkUp.set({ site }, 0);
      const fields = { site, fault, reason, unconfirmedBatches: unknown.length };
      const text = `site ${site} is lost (${fault}: ${reason}); ${unknown.length} unconfirmed batches are sent again under their numbers`;
      if (fault === 'returned') telemetry.fact('error', 'site.returned', fields, `site ${site}: ${reason}`);
      else telemetry.fact('warn', 'site.lost', fields, text);
    },
    unreachable(site, reason) {
      metrics.linkUp.set({ site }, 0);
      telemetry.fact(
        'error',
        'site.unreachable',
        { site, reason },
        `${reason}; trying on, events stay in the spool or go to another site`,
      );
    },
    blocked(site, reason) {
      telemetry.fact('warn', 'site.blocked', { site, reason }, `site ${site} asks publishers to wait: ${reason}`);
    },
    unblocked(site) {
      telemetry.fact('info', 'site.unblocked', { site }, `site ${site} takes events again`);
    },
    moved(site, state) {
      telemetry.fact('info', 'route.moved', { site, state }, `the route sees site ${site} as ${state}`);
    },
    confirmed(_site, batch) {
      waiters.confirm(batch.identity, batch.ranges);
    },
    dropped(batch, reason) {
      const { identity, ranges, type, body } = batch;
      const numbers = encodeRanges(ranges);
      telemetry.fact(
        'error',
        'event.dropped',
        { reason, identity, numbers, type, bytes: body.length },
        `an event of type ${type} (${identity}:${numbers}) has ${body.length} bytes, more than any site takes: it is given up, and counted as dropped-${reason}`,
      );
    },
  };
}
