// What every store of the chain must do; run by each against the real thing.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { probe } from '../../../consumers/chain/probe.ts';
import type { Created, ObjectStore } from '../../../consumers/chain/store.ts';

const { signal } = new AbortController();
const MIB = 1_048_576;
export const freshName = (): string => randomBytes(12).toString('hex');

const put = (store: ObjectStore, key: string, text: string): Promise<Created> =>
  store.createIfAbsent(key, Buffer.from(text), signal);

/** Until it is settled, as the chain does: an unknown answer is read back, and an absent object created again. */
async function settled(store: ObjectStore, key: string, bytes: Buffer): Promise<'created' | 'exists' | 'there'> {
  for (;;) {
    const { kind } = await store.createIfAbsent(key, bytes, signal);
    if (kind !== 'unknown') return kind;
    if ((await store.head(key, signal)) !== null) return 'there';
  }
}

/** `open`: a store over an empty place, the same place each time. */
export function storeConformance(title: string, open: () => ObjectStore): void {
  describe(`${title} as a store of the chain`, () => {
    let store: ObjectStore;
    beforeAll(() => {
      store = open();
    });
    afterAll(() => store.close());

    it('creates an object once, and shows it whole to others', async () => {
      await using other = disposable(open());
      const key = `once/${freshName()}.json`;
      expect(await store.head(key, signal)).toBeNull();
      expect(await store.get(key, signal)).toBeNull();
      expect(await put(store, key, 'first')).toEqual({ kind: 'created' });
      expect(await put(other.store, key, 'second')).toEqual({ kind: 'exists' });
      expect((await other.store.get(key, signal))?.toString()).toBe('first');
      expect(await other.store.head(key, signal)).toEqual({ length: 5 });
    });

    it('keeps empty objects and every byte', async () => {
      const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      const name = freshName();
      for (const [i, bytes] of [Buffer.alloc(0), every].entries()) {
        expect(await store.createIfAbsent(`bytes/${name}-${i}`, bytes, signal)).toEqual({ kind: 'created' });
        expect(await store.get(`bytes/${name}-${i}`, signal)).toEqual(bytes);
      }
    });

    it.each([
      ['of 200 bytes', 200, 5],
      ['of 100 kB', 100_000, 3],
      ['of 2 MB', 2_000_000, 2],
    ])('lets one of 20 racers with bodies %s win', async (_size, size, rounds) => {
      await using other = disposable(open());
      for (let round = 0; round < rounds; round++) {
        const key = `race/${freshName()}`;
        const bodies = Array.from({ length: 20 }, (_, i) => Buffer.alloc(size, i + 1));
        const results = await Promise.all(
          bodies.map((body, i) => settled(i % 2 === 0 ? store : other.store, key, body)),
        );
        const won = results.flatMap((result, i) => (result === 'created' ? [i] : []));
        expect(won.length).toBeLessThanOrEqual(1);
        const there = await store.get(key, signal);
        const winner = won[0] ?? bodies.findIndex((body) => there?.equals(body));
        expect(there?.equals(bodies[winner] ?? Buffer.alloc(0))).toBe(true);
        // Unless its answer was lost, the winner heard of it.
        if (!results.includes('there')) expect(won).toHaveLength(1);
      }
    });

    it('lets one of 6 racers with bodies of 20 MiB win, in each way that it writes', async () => {
      const key = `race/${freshName()}`;
      const bodies = Array.from({ length: 6 }, (_, i) => Buffer.alloc(20 * MIB, i + 1));
      const results = await Promise.all(bodies.map((body) => settled(store, key, body)));
      expect(results.filter((result) => result === 'created').length).toBeLessThanOrEqual(1);
      const there = await store.get(key, signal);
      expect(there?.length).toBe(20 * MIB);
      expect(bodies.filter((body) => there?.equals(body))).toHaveLength(1);
      expect(await settled(store, key, bodies[0] ?? Buffer.alloc(0))).not.toBe('created');
    });

    it('lists in the order of bytes, by prefix, after a key, up to a limit', async () => {
      const root = `list-${freshName()}`;
      // '.' < '/' < digits < letters: a folder does not sort by its bare name.
      const keys = ['a', 'a.b/x', 'a-b/x', 'a0/x', 'aB/x', 'a_b/x', 'ab/x/y', 'ab/x0', 'b/1'].map(
        (key) => `${root}/${key === 'a' ? 'a/x' : key}`,
      );
      await Promise.all(keys.toReversed().map((key) => put(store, key, 'x')));
      const sorted = keys.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
      expect(await store.list(`${root}/`, '', 100, signal)).toEqual(sorted);
      expect(await store.list(root, '', 3, signal)).toEqual(sorted.slice(0, 3));
      expect(await store.list(`${root}/a`, '', 100, signal)).toEqual(
        sorted.filter((key) => key.startsWith(`${root}/a`)),
      );
      expect(await store.list(`${root}/nothing`, '', 100, signal)).toEqual([]);
      for (const [i, key] of sorted.entries()) {
        expect(await store.list(`${root}/`, key, 100, signal)).toEqual(sorted.slice(i + 1));
        expect(await store.list(`${root}/`, `${key}~`, 2, signal)).toEqual(sorted.slice(i + 1, i + 3));
        // A key that is not there, some just before this one, some after others.
        const absent = `${key.slice(0, -1)}!`;
        const rest = sorted.filter((other) => Buffer.compare(Buffer.from(other), Buffer.from(absent)) > 0);
        expect(await store.list(`${root}/`, absent, 100, signal)).toEqual(rest);
      }
    });

    it('lists more than a page', async () => {
      const root = `pages-${freshName()}/`;
      const keys = Array.from({ length: 1100 }, (_, i) => `${root}${String(i).padStart(5, '0')}`);
      for (let i = 0; i < keys.length; i += 50)
        await Promise.all(keys.slice(i, i + 50).map((key) => put(store, key, '')));
      expect(await store.list(root, '', 5000, signal)).toEqual(keys);
      expect(await store.list(root, keys[4] ?? '', 1050, signal)).toEqual(keys.slice(5, 1055));
    });

    it('removes, and takes an absent object as removed', async () => {
      const key = `gone/${freshName()}`;
      await put(store, key, 'x');
      await store.remove(key, signal);
      expect(await store.get(key, signal)).toBeNull();
      await store.remove(key, signal);
      expect(await put(store, key, 'y')).toEqual({ kind: 'created' });
    });

    it('proves in the probe that it is exclusive, and leaves nothing behind', async () => {
      expect(await probe(store, 'sink', freshName(), signal)).toEqual({ kind: 'exclusive' });
      expect(await store.list('_waggle/sink/', '', 10, signal)).toEqual([]);
    });

    it('ends a call when its signal aborts', async () => {
      const aborted = AbortSignal.abort(new Error('the caller went'));
      await expect(store.createIfAbsent(`aborted/${freshName()}`, Buffer.alloc(MIB), aborted)).rejects.toThrow();
      await expect(store.list('', '', 10, aborted)).rejects.toThrow();
    });
  });
}

function disposable(store: ObjectStore): { readonly store: ObjectStore } & AsyncDisposable {
  return { store, [Symbol.asyncDispose]: () => store.close() };
}
