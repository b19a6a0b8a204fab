import { describe, expect, it } from 'vitest';
import { probe } from '../../../consumers/chain/probe.ts';
import { StoreRefused, StoreUnavailable, type ObjectStore } from '../../../consumers/chain/store.ts';
import { memoryStore } from './memory-store.ts';

const { signal } = new AbortController();
const ways = (change: Partial<ObjectStore>): ObjectStore => {
  const way: ObjectStore = { ...memoryStore(new Map()), ...change };
  return { ...way, ways: () => [memoryStore(new Map()), way] };
};

describe('the probe', () => {
  it('is content with a store that refuses', async () => {
    const objects = new Map<string, Buffer>();
    expect(await probe(memoryStore(objects), 's3', 'x', signal)).toEqual({ kind: 'exclusive' });
    expect(objects.size).toBe(0);
  });

  it('finds a store that overwrites', async () => {
    const store = ways({
      createIfAbsent: () => Promise.resolve({ kind: 'created' }),
      get: () => Promise.resolve(Buffer.from('{"probe":7}\n')),
    });
    expect(await probe(store, 's3', 'x', signal)).toMatchObject({
      kind: 'unsafe',
      message: expect.stringContaining('took 9 of 9'),
    });
  });

  it('finds a store that says no and overwrites all the same', async () => {
    const objects = new Map<string, Buffer>();
    const inner = memoryStore(objects);
    const store = ways({
      ...inner,
      createIfAbsent: async (key, bytes, s) => {
        const answer = await inner.createIfAbsent(key, bytes, s);
        objects.set(key, bytes);
        return answer;
      },
    });
    expect(await probe(store, 's3', 'x', signal)).toMatchObject({
      kind: 'unsafe',
      message: expect.stringContaining('changed an object'),
    });
  });

  it('finds a store that takes two of those that race', async () => {
    const objects = new Map<string, Buffer>();
    const store = ways({
      ...memoryStore(objects),
      createIfAbsent: async (key, bytes) => {
        const there = objects.has(key);
        await Promise.resolve();
        objects.set(key, bytes);
        return { kind: there ? 'exists' : 'created' };
      },
    });
    expect(await probe(store, 's3', 'x', signal)).toMatchObject({ kind: 'unsafe' });
  });

  it('finds a store that does not list what it took', async () => {
    const store = ways({ list: () => Promise.resolve([]) });
    expect(await probe(store, 's3', 'x', signal)).toMatchObject({
      kind: 'unsafe',
      message: expect.stringContaining('does not list'),
    });
  });

  it('does not blame a store that answers nobody for a moment', async () => {
    const store = ways({ createIfAbsent: () => Promise.resolve({ kind: 'unknown', message: '503 SlowDown' }) });
    await expect(probe(store, 's3', 'x', signal)).rejects.toThrow(StoreUnavailable);
    await expect(probe(store, 's3', 'x', signal)).rejects.toThrow(/503 SlowDown/);
  });

  it('is content with a store whose every answer was lost, when one create landed', async () => {
    const inner = memoryStore(new Map());
    const store = ways({
      ...inner,
      createIfAbsent: async (key, bytes, s) => {
        await inner.createIfAbsent(key, bytes, s);
        return { kind: 'unknown', message: 'no answer' };
      },
    });
    expect(await probe(store, 's3', 'x', signal)).toEqual({ kind: 'exclusive' });
  });

  it('needs no right to remove', async () => {
    const store = ways({ remove: () => Promise.reject(new StoreRefused('no')) });
    expect(await probe(store, 's3', 'x', signal)).toEqual({ kind: 'exclusive' });
  });
});
