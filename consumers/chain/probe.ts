// Tries at start whether a store really refuses a second create. One that does not breaks the chain in silence: the consumer then exits 78.
import { sinkPrefix } from './keys.ts';
import { StoreUnavailable, type Created, type ObjectStore } from './store.ts';

export type Probe = { readonly kind: 'exclusive' } | { readonly kind: 'unsafe'; readonly message: string };

const RACERS = 8;
const ADVICE =
  'Without that two writers would both believe that they are alone, and events would be lost and repeated. Use a store that supports conditional writes.';

/**
 * Eight creates of one key race, then one comes late: exactly one may win, and its bytes must stay, whole. Every way in which the store
 * writes is tried. `name`: random, new for each probe. What was made is removed where rights allow. Throws StoreUnavailable and StoreRefused.
 */
export async function probe(store: ObjectStore, sink: string, name: string, signal: AbortSignal): Promise<Probe> {
  for (const [i, way] of store.ways().entries()) {
    const key = `${sinkPrefix(sink)}probe/${name}-${i}.json`;
    const message = await probeKey(way, key, signal);
    // Litter of a sink that may not delete is one small object a start.
    await store.remove(key, signal).catch(() => {});
    if (message !== null) return { kind: 'unsafe', message: `${message} ${ADVICE}` };
  }
  return { kind: 'exclusive' };
}

async function probeKey(store: ObjectStore, key: string, signal: AbortSignal): Promise<string | null> {
  const bodies = Array.from({ length: RACERS + 1 }, (_, i) => Buffer.from(`${JSON.stringify({ probe: i })}\n`));
  const late = bodies.pop() ?? Buffer.alloc(0);
  const results: Created[] = await Promise.all(bodies.map((bytes) => store.createIfAbsent(key, bytes, signal)));
  const there = await store.get(key, signal);
  // Nobody was answered, and nothing is there: the store was away for a moment, which says nothing of how it creates.
  const lost = results.flatMap((result) => (result.kind === 'unknown' ? [result.message] : []));
  if (there === null && lost.length === results.length)
    throw new StoreUnavailable(`no create of ${key} was answered, and the object is not there: ${lost[0] ?? ''}`);
  results.push(await store.createIfAbsent(key, late, signal));
  const after = await store.get(key, signal);
  const won = results.flatMap((result, i) => (result.kind === 'created' ? [i] : []));
  if (won.length > 1)
    return `The store took ${won.length} of ${results.length} creates of one key (${key}); it must take one and refuse the others.`;
  if (there === null || after === null) return `The store does not show an object that was just created (${key}).`;
  const winner = won[0];
  const intact =
    there.equals(after) &&
    (winner === undefined ? bodies.some((body) => body.equals(after)) : bodies[winner]?.equals(after));
  if (!intact) return `The store changed an object by a create that it refused (${key}).`;
  const listed = await store.list(key, '', 1, signal);
  if (listed[0] !== key) return `The store does not list an object that was just created (${key}).`;
  return null;
}
