// Counters over the restart of a worker: on the common page they go on from where they were, since a sum that falls is no reset that anybody
// could make sense of. The ledger's begin with what the worker found on the disk, all others at nothing; so what is carried over is what the
// successor does not begin with. Pure.
import type { MetricObjectWithValues, MetricValue } from 'prom-client';

type Metric = MetricObjectWithValues<MetricValue<string>>;

/** What the predecessor counted and the successor does not begin with. */
export function carriedOver(last: readonly Metric[], first: readonly Metric[]): readonly Metric[] {
  return combine(last, first, (before, begun) => Math.max(0, before - begun));
}

export function withCarried(now: readonly Metric[], carried: readonly Metric[]): readonly Metric[] {
  const counted = new Map(combine(carried, now, (before, value) => before + value).map((each) => [each.name, each]));
  return now.map((metric) => counted.get(metric.name) ?? metric);
}

/** The counters of `base`, each series with that of the same labels in `other` (0 where there is none); those of `other` alone against 0. */
function combine(
  base: readonly Metric[],
  other: readonly Metric[],
  of: (base: number, other: number) => number,
): readonly Metric[] {
  const others = new Map(other.map((metric) => [metric.name, metric.values]));
  return base.filter(isCounter).map((metric) => {
    const series = new Map<string, { value: MetricValue<string>; base: number; other: number }>();
    for (const value of metric.values) series.set(labelsOf(value), { value, base: value.value, other: 0 });
    for (const value of others.get(metric.name) ?? []) {
      const found = series.get(labelsOf(value));
      series.set(labelsOf(value), { value, base: found?.base ?? 0, other: value.value });
    }
    return {
      ...metric,
      values: Array.from(series.values(), (each) => ({ ...each.value, value: of(each.base, each.other) })),
    };
  });
}

/** `type` is a text in what the registry gives, whatever its type says. */
const isCounter = ({ type }: Metric): boolean => String(type) === 'counter';

const labelsOf = ({ labels }: MetricValue<string>): string =>
  JSON.stringify(Object.entries(labels).toSorted(([one], [other]) => (one < other ? -1 : 1)));
