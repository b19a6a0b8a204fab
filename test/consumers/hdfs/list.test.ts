// Listing in the order of keys, over a tree that lists as HDFS does: by bare names, in pages.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byBytes } from '../../../consumers/hdfs/encode.ts';
import { walk, type Entry, type Tree } from '../../../consumers/hdfs/list.ts';

class Folder {
  readonly entries = new Map<string, Folder | 'file'>();
}

interface Counted extends Tree {
  pages: number;
  lookups: number;
}

function treeOf(keys: readonly string[], pageSize: number): Counted {
  const root = new Folder();
  for (const key of keys) {
    const names = key.split('/');
    const last = names.pop() ?? '';
    let folder = root;
    for (const name of names) {
      const found = folder.entries.get(name);
      const below = found instanceof Folder ? found : new Folder();
      folder.entries.set(name, below);
      folder = below;
    }
    folder.entries.set(last, 'file');
  }
  const at = (path: string): Folder | null => {
    let folder: Folder | 'file' | undefined = root;
    for (const name of path.split('/').slice(0, -1))
      folder = folder instanceof Folder ? folder.entries.get(name) : 'file';
    return folder instanceof Folder ? folder : null;
  };
  const tree: Counted = {
    pages: 0,
    lookups: 0,
    page(path, after) {
      tree.pages++;
      const entries: Entry[] = [...(at(path)?.entries ?? [])]
        .map(([name, entry]) => ({ name, isFolder: entry instanceof Folder }))
        .filter(({ name }) => byBytes(name, after) > 0)
        .toSorted((x, y) => byBytes(x.name, y.name));
      return Promise.resolve({ entries: entries.slice(0, pageSize), more: entries.length > pageSize });
    },
    entry(path, name) {
      tree.lookups++;
      const found = at(path)?.entries.get(name);
      return Promise.resolve(found === undefined ? null : { name, isFolder: found instanceof Folder });
    },
  };
  return tree;
}

async function listed(tree: Tree, prefix: string, after: string, limit: number): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of walk(tree, prefix, after)) if (keys.push(key) >= limit) break;
  return keys;
}

/** What sorts before, at and behind the slash, so that names begin others. */
const name = fc.string({ unit: fc.constantFrom('a', 'b', '-', '.', '0', '=', '~', 'é'), minLength: 1, maxLength: 4 });
const key = fc
  .array(
    name.filter((text) => !text.startsWith('.')),
    { minLength: 1, maxLength: 3 },
  )
  .map((names) => names.join('/'));
/** No key is the folder of another. */
const keys = fc
  .uniqueArray(key, { maxLength: 25 })
  .map((all) => all.filter((one) => !all.some((other) => other.startsWith(`${one}/`))));

describe('a listing', () => {
  it('is the sorted list of all keys, by prefix, after any text, up to a limit', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '-', '.', '/', '0', '=', '~', 'é'), maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        keys,
        fc.oneof(text, key).filter((prefix) => !/(^|\/)[./]/.test(prefix)),
        fc.oneof(text, key),
        fc.nat({ max: 24 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 30 }),
        async (all, prefix, after, index, pageSize, limit) => {
          const tree = treeOf(all, pageSize);
          for (const start of [after, all[index] ?? '', `${all[index] ?? ''}~`]) {
            const expected = all
              .filter((one) => one.startsWith(prefix) && byBytes(one, start) > 0)
              .toSorted(byBytes)
              .slice(0, limit);
            expect(await listed(tree, prefix, start, limit)).toEqual(expected);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('does not show hidden names', async () => {
    expect(await listed(treeOf(['.snapshot/a', '_waggle/.tmp/x', '_waggle/s/a'], 10), '', '', 10)).toEqual([
      '_waggle/s/a',
    ]);
  });

  it('costs what it shows: one page for the newest record, of however many', async () => {
    const tree = treeOf(
      Array.from({ length: 20_000 }, (_, i) => `_waggle/s/p0/${String(i).padStart(19, '0')}.commit.json`),
      1000,
    );
    await listed(tree, '_waggle/s/p0/', '', 1);
    expect([tree.pages, tree.lookups]).toEqual([1, 0]);
    await listed(tree, '_waggle/s/p0/', '_waggle/s/p0/0000000000000015000.commit.json', 1000);
    expect(tree.pages).toBe(2);
    expect(tree.lookups).toBeLessThanOrEqual(3);
  });

  it('skips a whole type without reading it', async () => {
    const hours = Array.from(
      { length: 500 },
      (_, i) => `dt=2026-11-${10 + Math.floor(i / 24)}/hour=${String(i % 24).padStart(2, '0')}`,
    );
    const tree = treeOf(
      ['type=a', 'type=a.b'].flatMap((type) => hours.map((hour) => `${type}/${hour}/x`)),
      1000,
    );
    expect(await listed(tree, 'type=', 'type=a.b/~', 1)).toEqual(['type=a/dt=2026-11-10/hour=00/x']);
    expect(tree.pages).toBeLessThan(10);
  });
});
