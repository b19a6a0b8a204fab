// An ObjectStore over a map, for tests of what reads objects.
import type { ObjectStore } from '../../../consumers/chain/store.ts';

export function memoryStore(objects: Map<string, Buffer>): ObjectStore {
  const store: ObjectStore = {
    createIfAbsent: (key, bytes) => {
      if (objects.has(key)) return Promise.resolve({ kind: 'exists' });
      objects.set(key, bytes);
      return Promise.resolve({ kind: 'created' });
    },
    head: (key) => {
      const bytes = objects.get(key);
      return Promise.resolve(bytes === undefined ? null : { length: bytes.length });
    },
    get: (key) => Promise.resolve(objects.get(key) ?? null),
    list: (prefix, after, limit) => {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after);
      return Promise.resolve(keys.toSorted((x, y) => (x < y ? -1 : 1)).slice(0, limit));
    },
    remove: (key) => {
      objects.delete(key);
      return Promise.resolve();
    },
    ways: () => [store],
    close: () => Promise.resolve(),
  };
  return store;
}
