import { Registry, Counter, Gauge } from 'prom-client';
import { expect, test } from 'vitest';
import { carriedOver, withCarried } from '../../../ingest/workers/counters.ts';

type Metrics = Parameters<typeof withCarried>[0];

/** Of one process: counts by reason, and a gauge. */
async function metricsOf(counts: Readonly<Record<string, number>>, bytes = 0): Promise<Metrics> {
  const registry = new Registry();
  const registers = [registry];
  const events = new Counter({ name: 'events', help: 'e', labelNames: ['reason'], registers });
  for (const [reason, count] of Object.entries(counts)) events.inc({ reason }, count);
  new Gauge({ name: 'bytes', help: 'b', registers }).set(bytes);
  return registry.getMetricsAsJSON();
}
const shown = (metrics: Metrics): Record<string, unknown> =>
  Object.fromEntries(
    metrics.flatMap(({ values }) => values.map(({ labels, value }) => [labels['reason'] ?? 'bytes', value])),
  );

test('a counter goes on from where it was, and a gauge is what it is', async () => {
  const carried = carriedOver(await metricsOf({ refused: 7, closed: 2 }, 100), await metricsOf({}, 60));
  expect(shown(withCarried(await metricsOf({ refused: 1 }, 50), carried))).toEqual({
    refused: 8,
    closed: 2,
    bytes: 50,
  });
});

test('what the successor found on the disk is not counted twice', async () => {
  const carried = carriedOver(await metricsOf({ accepted: 100, confirmed: 90 }), await metricsOf({ accepted: 30 }));
  const now = await metricsOf({ accepted: 35, confirmed: 5 });
  expect(shown(withCarried(now, carried))).toEqual({ accepted: 105, confirmed: 95, bytes: 0 });
  // It found more than was said last.
  expect(
    shown(withCarried(now, carriedOver(await metricsOf({ accepted: 20 }), await metricsOf({ accepted: 30 })))),
  ).toEqual({ accepted: 35, confirmed: 5, bytes: 0 });
});

test('over several restarts it only grows', async () => {
  let carried: Metrics = [];
  let before = 0;
  for (const [begins, ends] of [
    [0, 10],
    [4, 9],
    [9, 12],
  ] as const) {
    const first = await metricsOf({ accepted: begins });
    carried = carriedOver(withCarried(await metricsOf({ accepted: before }), carried), first);
    before = ends;
  }
  // 10, and 5, and 3.
  expect(shown(withCarried(await metricsOf({ accepted: 12 }), carried))).toMatchObject({ accepted: 18 });
});
