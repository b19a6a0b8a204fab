// A route that is far behind: what another route has confirmed is given up for it, oldest first, so that a site that is long away cannot fill
// the disk with what the other site has. What no route has confirmed is never given up.
import { NumberSet } from '#core/numbers.ts';
import type { Route } from './route.ts';
import type { Segment, SegmentTable } from './segments.ts';

/** Under which these numbers are counted in the route's ledger. */
const SKIPPED = 'skipped';

/** So many events of one route, and the bytes of the segments that this lets go. */
export interface Skipped {
  readonly route: string;
  readonly events: number;
  readonly bytes: number;
}

/** Bytes of the segments that hold something the route has not settled. */
export function bytesBehind(route: Route, table: SegmentTable): number {
  let bytes = 0;
  for (const segment of table.all) if (isBehind(route, segment)) bytes += segment.size;
  return bytes;
}

const isBehind = (route: Route, { cut, last, name }: Segment): boolean =>
  cut || (last >= name.first && last > (route.cursor.get(name.identity)?.prefix ?? 0));

/** Gives up until no route has more than `limit` bytes before it, or the others have confirmed nothing more there. */
export function skipBehind(routes: readonly Route[], table: SegmentTable, limit: number): readonly Skipped[] {
  if (routes.length < 2) return [];
  const skipped: Skipped[] = [];
  for (const route of routes) {
    const before = bytesBehind(route, table);
    let bytes = before;
    let events = 0;
    for (const segment of table.all) {
      if (bytes <= limit) break;
      if (!isBehind(route, segment)) continue;
      events += skip(route, routes, segment);
      if (!isBehind(route, segment)) bytes -= segment.size;
    }
    if (events > 0) skipped.push({ route: route.name, events, bytes: before - bytes });
  }
  return skipped;
}

/** Whole segments that another route has passed, but for what this one has read already, which is on its way: so a record is skipped whole, or not at all. */
function skip(route: Route, routes: readonly Route[], segment: Segment): number {
  const { name, last } = segment;
  if (last < name.first) return 0;
  const settled = route.settled(name.identity);
  const before = settled.count;
  for (const other of routes) {
    const theirs = other === route || !other.passed(segment) ? undefined : other.cursor.get(name.identity)?.confirmed;
    if (!theirs) continue;
    const missing = NumberSet.of(theirs.missing([[name.first, last]]));
    const confirmed = NumberSet.of([[name.first, last]])
      .subtract(missing)
      .ranges();
    route.drop(name.identity, route.unread(name.identity, confirmed), SKIPPED);
  }
  return settled.count - before;
}
