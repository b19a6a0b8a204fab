// What became of events, by key, rule and code, so that a broken version of an app shows itself. All three are of closed sets: keys and rules are
// configured, codes are a table. Counted in plain maps, since a labelled counter costs as much as judging an event.
import { Counter, type Registry } from 'prom-client';
import type { RejectionCode } from '../codes.ts';

/** `repeated`: told its first verdict again. */
export type CountedCode = RejectionCode | 'accepted' | 'repeated' | 'retry';

export interface BeeCounts {
  /** `rule` null: none was found, or it was not looked for. */
  readonly add: (key: string, rule: string | null, code: CountedCode, events: number) => void;
  /** Requests that were refused as a whole. */
  readonly refused: (code: string) => void;
  /** For /status. */
  readonly figures: () => object;
}

type Table = Map<string, Map<string, Map<string, number>>>;

export function createCounts(registry: Registry): BeeCounts {
  const table: Table = new Map();
  const refusals: Record<string, number> = {};
  const requests = new Counter({
    name: 'waggle_bee_refused_requests_total',
    help: 'Requests that Bee refused as a whole, by code.',
    labelNames: ['code'],
    registers: [registry],
  });
  const shown = new Counter({
    name: 'waggle_bee_events_total',
    help: 'Events that Bee judged, by key, rule and code (`accepted`, `repeated`, or why rejected).',
    labelNames: ['key', 'rule', 'code'],
    registers: [registry],
    collect(): void {
      this.reset();
      for (const [key, rules] of table)
        for (const [rule, codes] of rules) for (const [code, events] of codes) this.inc({ key, rule, code }, events);
    },
  });
  void shown;
  return {
    add(key, rule, code, events) {
      const rules = within(table, key);
      const codes = within(rules, rule ?? '');
      codes.set(code, (codes.get(code) ?? 0) + events);
    },
    refused(code) {
      refusals[code] = (refusals[code] ?? 0) + 1;
      requests.inc({ code });
    },
    figures: () => ({
      events: Object.fromEntries(
        Array.from(table, ([key, rules]) => [
          key,
          Object.fromEntries(Array.from(rules, ([rule, codes]) => [rule || '-', Object.fromEntries(codes)])),
        ]),
      ),
      refused: refusals,
    }),
  };
}

function within<V>(map: Map<string, Map<string, V>>, name: string): Map<string, V> {
  let inner = map.get(name);
  if (inner === undefined) map.set(name, (inner = new Map()));
  return inner;
}
