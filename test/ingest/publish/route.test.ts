import fc from 'fast-check';
import { expect, test } from 'vitest';
import { START_GRACE, type SiteEvent, type SiteState, homeOf, step, target } from '../../../ingest/publish/route.ts';
import { createHash } from 'node:crypto';

const HYSTERESIS = 1_000;
const events: SiteEvent[] = ['linked', 'lost', 'blocked', 'unblocked', 'tick'];
const usable = (state: SiteState | undefined): boolean => state?.kind === 'ready' || state?.kind === 'returning';

test('the invariants hold after any events', () => {
  const act = fc.record({
    site: fc.integer({ min: 0, max: 2 }),
    event: fc.constantFrom(...events),
    pause: fc.integer({ min: 0, max: 700 }),
  });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 80 }), (acts) => {
      let now = 0;
      const sites: SiteState[] = Array.from({ length: 3 }, () => ({ kind: 'starting', since: 0 }));
      /** Since when the site is linked and free of alarms after a loss or an alarm; 0 for one that was never in trouble. */
      const calmSince = [0, 0, 0];
      for (const { site, event, pause } of acts) {
        now += pause;
        const before = sites[site];
        if (!before) throw new Error('no such site');
        const after = step(before, event, now, HYSTERESIS);
        sites[site] = after;
        if (!usable(before) && after.kind === 'returning') calmSince[site] = now;
        for (let home = 0; home < 3; home++) {
          const to = target(sites, home);
          if (to >= 0) expect(usable(sites[to])).toBe(true);
          if (sites[home]?.kind === 'ready') expect(to).toBe(home);
          if (sites.some(usable) && sites[home]?.kind !== 'starting') expect(to).toBeGreaterThanOrEqual(0);
          if (to >= 0 && sites[to]?.kind === 'returning')
            expect(sites.some((each) => each.kind === 'ready')).toBe(false);
        }
        if (after.kind === 'ready' && before.kind === 'returning') {
          expect(now - (calmSince[site] ?? 0)).toBeGreaterThanOrEqual(HYSTERESIS);
        }
        if (event === 'lost') expect(after.kind).toBe('away');
        if (event === 'blocked' && before.kind !== 'away') expect(after.kind).toBe('blocked');
      }
    }),
  );
});

const at = (...sites: SiteState[]): number => target(sites, 0);

test('an outage: the other site at once, home only after the hysteresis, and a second loss starts it anew', () => {
  const ready: SiteState = { kind: 'ready' };
  expect(at({ kind: 'starting', since: 0 }, ready)).toBe(-1);
  let home = step({ kind: 'starting', since: 0 }, 'linked', 5, HYSTERESIS);
  expect(at(home, ready)).toBe(0);
  home = step(home, 'lost', 10, HYSTERESIS);
  expect(at(home, ready)).toBe(1);
  home = step(home, 'linked', 20, HYSTERESIS);
  home = step(home, 'tick', 1_019, HYSTERESIS);
  expect(at(home, ready)).toBe(1);
  expect(at(home, { kind: 'away' })).toBe(0);
  home = step(home, 'lost', 1_019, HYSTERESIS);
  home = step(home, 'linked', 1_020, HYSTERESIS);
  home = step(home, 'tick', 1_021, HYSTERESIS);
  expect(at(home, ready)).toBe(1);
  home = step(home, 'tick', 2_020, HYSTERESIS);
  expect(at(home, ready)).toBe(0);
});

test('at the start the home is waited for only a moment', () => {
  const start: SiteState = { kind: 'starting', since: 0 };
  expect(step(start, 'tick', START_GRACE - 1, HYSTERESIS)).toBe(start);
  expect(step(start, 'tick', START_GRACE, HYSTERESIS).kind).toBe('away');
});

test('homes are fixed and even', () => {
  const counts = [0, 0];
  for (let i = 0; i < 2_000; i++) {
    const identity = createHash('sha256').update(String(i)).digest('hex');
    const home = homeOf(identity, 2);
    expect(homeOf(identity, 2)).toBe(home);
    counts[home] = (counts[home] ?? 0) + 1;
  }
  // Four standard deviations around one half.
  expect(Math.abs((counts[0] ?? 0) - 1_000)).toBeLessThan(90);
});
