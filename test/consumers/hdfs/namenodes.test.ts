// Two NameNodes, and answers that a healthy one does not give.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { StoreRefused, StoreUnavailable, type ObjectStore } from '../../../consumers/chain/store.ts';
import { openHdfsStore } from '../../../consumers/hdfs/index.ts';
import { hdfsSink } from './hdfs-sink.ts';
import { remoteException, startStubNameNode, statusOf, type Reply, type StubNameNode } from './stub-namenode.ts';

const { signal } = new AbortController();
const opened: AsyncDisposable[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const one of opened.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function stub(reply: StubNameNode['reply']): Promise<StubNameNode> {
  const started = await startStubNameNode(reply);
  opened.push(started);
  return started;
}

function storeAt(nodes: readonly StubNameNode[], change: object = {}): ObjectStore {
  const store = openHdfsStore(hdfsSink({ nameNodes: nodes.map(({ endpoint }) => endpoint), timeout: 2000, ...change }));
  opened.push({ [Symbol.asyncDispose]: () => store.close() });
  return store;
}

const unfinished = (found: readonly object[]): Reply => ({
  status: 200,
  body: { DirectoryListing: { partialListing: { FileStatuses: { FileStatus: found } }, remainingEntries: 5 } },
});
const standby = () => remoteException('StandbyException');
const active = () => statusOf();

describe('of two NameNodes', () => {
  it.each([
    ['is on standby', standby],
    ['starts up', () => remoteException('RetriableException')],
    ['is gone', (): Reply => 'cut'],
  ])('the other is asked where one %s, and kept', async (_what, away) => {
    const [first, second] = [await stub(away), await stub(active)];
    const store = storeAt([first, second]);
    for (let i = 0; i < 3; i++) expect(await store.head('a', signal)).toEqual({ length: 3 });
    expect([first.asked.length, second.asked.length]).toEqual([1, 3]);
    // A failover, and back.
    first.reply = active;
    second.reply = standby;
    for (let i = 0; i < 3; i++) expect(await store.head('a', signal)).toEqual({ length: 3 });
    expect([first.asked.length, second.asked.length]).toEqual([4, 4]);
  });

  it('the first may be unreachable', async () => {
    const [gone, there] = [await startStubNameNode(active), await stub(active)];
    await gone[Symbol.asyncDispose]();
    expect(await storeAt([gone, there]).head('a', signal)).toEqual({ length: 3 });
  });

  it('both on standby are unavailable, and both are named', async () => {
    const nodes = [await stub(standby), await stub(standby)];
    const head = storeAt(nodes).head('a', signal);
    await expect(head).rejects.toThrow(StoreUnavailable);
    await expect(head).rejects.toThrow(new RegExp(nodes.map(({ endpoint }) => endpoint).join('.*')));
  });

  it('one in SafeMode is the active one: no other is asked', async () => {
    const [first, second] = [await stub(() => remoteException('SafeModeException')), await stub(standby)];
    await expect(storeAt([first, second]).remove('a', signal)).rejects.toThrow(/SafeModeException/);
    expect(second.asked).toEqual([]);
  });
});

// Each by the package, which hides most of these, and beside it.
const calls = [
  ['head', (store: ObjectStore) => store.head('a', signal)],
  ['remove', (store: ObjectStore) => store.remove('a', signal)],
  ['list', (store: ObjectStore) => store.list('', '', 10, signal)],
  ['get', (store: ObjectStore) => store.get('a', signal)],
  ['createIfAbsent', (store: ObjectStore) => store.createIfAbsent('a', Buffer.from('abc'), signal)],
] as const;

describe.each(calls)('%s', (_name, call) => {
  it.each([
    [429, 'slow down', StoreUnavailable],
    [500, '', StoreUnavailable],
    [502, '<html>', StoreUnavailable],
    [503, '', StoreUnavailable],
    [401, '<html>', StoreRefused],
    [404, '<html>', StoreRefused],
  ])('hears HTTP %i "%s"', async (status, body, kind) => {
    await expect(call(storeAt([await stub(() => ({ status, body }))]))).rejects.toThrow(kind);
  });

  // The package would end the process on the first two.
  it.each(['', 'null', '<html>', '[]', '{}', '{"FileStatus":null,"DirectoryListing":5,"Location":7}'])(
    'takes no answer "%s" for success',
    async (body) => {
      await expect(call(storeAt([await stub(() => ({ status: 200, body }))]))).rejects.toThrow(StoreUnavailable);
    },
  );

  it('passes exceptions on', async () => {
    const node = await stub(() => remoteException('AccessControlException'));
    await expect(call(storeAt([node]))).rejects.toThrow(StoreRefused);
    node.reply = () => remoteException('SafeModeException');
    await expect(call(storeAt([node]))).rejects.toThrow(StoreUnavailable);
  });
});

describe('a NameNode', () => {
  it.each([{ fileId: 0 }, { fileId: undefined }, { length: 1.5 }, { type: null }, { modificationTime: '1' }])(
    'that says %o of a file is not believed',
    async (change) => {
      await expect(storeAt([await stub(() => statusOf(change))]).head('a', signal)).rejects.toThrow(/status of a file/);
    },
  );

  it('hears the user, or the token, which is in no message', async () => {
    const node = await stub(() => remoteException('AccessControlException'));
    await expect(storeAt([node]).head('a', signal)).rejects.toThrow(StoreRefused);
    expect(node.asked.map(({ query }) => query.get('user.name'))).toEqual(['waggle']);
    const store = storeAt([node], { delegationToken: 'se+cr/et' });
    for (const [, call] of calls) {
      const message = await call(store).catch(String);
      expect(message).toContain(node.endpoint);
      expect(message).not.toMatch(/se.{1,3}cr/);
    }
    expect(new Set(node.asked.slice(1).map(({ query }) => query.get('delegation')))).toEqual(new Set(['se+cr/et']));
    expect(node.asked.slice(1).every(({ query }) => !query.has('user.name'))).toBe(true);
  });

  it('whose pages do not go on is not asked for ever', async () => {
    const entry = { pathSuffix: 'a', type: 'FILE', length: 1, fileId: 16_400, modificationTime: 1 };
    const node = await stub(() => unfinished([entry]));
    await expect(storeAt([node]).list('', '', 10, signal)).rejects.toThrow(/startafter/);
    node.reply = () => unfinished([]);
    await expect(storeAt([node]).list('', '', 10, signal)).rejects.toThrow(StoreRefused);
  });

  it('without TLS names no DataNode with TLS', async () => {
    const node = await stub(() => ({ status: 200, body: { Location: 'https://127.0.0.1:1/x' } }));
    const create = storeAt([node]).createIfAbsent('a', Buffer.from('abc'), signal);
    await expect(create).rejects.toThrow(/dfs\.http\.policy/);
  });

  it.each(calls.slice(0, 3))('that closed a kept connection is asked once more: %s', async (_name, call) => {
    const node = await stub(() => remoteException('FileNotFoundException', 404));
    const store = storeAt([node]);
    await store.head('warm', signal);
    node.reply = () => {
      node.reply = () => remoteException('FileNotFoundException', 404);
      return 'cut';
    };
    await call(store);
    expect(node.connections).toBe(2);
    // Not on a fresh connection: then the NameNode itself has trouble.
    node.reply = () => 'cut';
    await expect(call(store)).rejects.toThrow(StoreUnavailable);
    expect(node.connections).toBe(3);
  });

  it('answers through few connections, which are kept', async () => {
    const node = await stub(active);
    const store = storeAt([node]);
    await Promise.all(Array.from({ length: 100 }, () => store.head('a', signal)));
    for (let i = 0; i < 20; i++) await store.head('a', signal);
    expect(node.connections).toBeLessThanOrEqual(16);
  });

  it('is reached directly, whatever proxy the environment names', async () => {
    vi.stubEnv('http_proxy', 'http://127.0.0.1:1');
    for (const name of ['NO_PROXY', 'no_proxy', 'HTTP_PROXY']) vi.stubEnv(name, undefined);
    expect(await storeAt([await stub(active)]).head('a', signal)).toEqual({ length: 3 });
  });
});
