// What befalls a real HDFS, and writers of it: SafeMode, killed nodes, quotas, rights, pauses.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { claim } from '../../../consumers/chain/operations.ts';
import { runSteps } from '../../../consumers/chain/run.ts';
import { StoreRefused, StoreUnavailable, type ObjectStore } from '../../../consumers/chain/store.ts';
import { TEMPORARY } from '../../../consumers/hdfs/encode.ts';
import { openHdfsStore } from '../../../consumers/hdfs/index.ts';
import { until } from '../../containers.ts';
import { startHdfs, type Hdfs } from '../../targets/hdfs.ts';
import { freshName } from '../stores/conformance.ts';
import { hdfsSink } from './hdfs-sink.ts';
import { spoil, type SpoiledHdfs } from './spoiled-hdfs.ts';
import { remoteException, startStubNameNode } from './stub-namenode.ts';

const { signal } = new AbortController();
const MIB = 1_048_576;
const DAY_MS = 86_400_000;
let hdfs: Hdfs;
let spoiled: SpoiledHdfs;

beforeAll(async () => {
  hdfs = await startHdfs();
  spoiled = await spoil(hdfs);
});
afterEach(() => spoiled.calm());
afterAll(async () => {
  await spoiled?.[Symbol.asyncDispose]();
  await hdfs?.[Symbol.asyncDispose]();
});

const open = (change: object = {}): ObjectStore & AsyncDisposable => {
  const store = openHdfsStore(hdfsSink({ nameNodes: [hdfs.endpoint], ...change }));
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
};
const paused = (): ObjectStore & AsyncDisposable => open({ nameNodes: [spoiled.nameNode.endpoint], timeout: 60_000 });
const bodyOf = (size: number): Buffer => Buffer.alloc(size, 'abcdefg');

/** As the superuser, or whoever is named. */
async function webhdfs(method: string, path: string, query: string, user = 'root'): Promise<unknown> {
  const answer = await fetch(`${hdfs.endpoint}/webhdfs/v1${path}?${query}&user.name=${user}`, { method });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text === '' ? null : JSON.parse(text);
}

async function names(folder: string): Promise<string[]> {
  const { FileStatuses } = (await webhdfs('GET', folder, 'op=LISTSTATUS')) as {
    readonly FileStatuses: { readonly FileStatus: readonly { readonly pathSuffix: string }[] };
  };
  return FileStatuses.FileStatus.map(({ pathSuffix }) => pathSuffix);
}

const options = (trouble: (kind: string, message: string) => void = () => {}) => ({
  signal,
  concurrency: 4,
  trouble: ({ kind, message }: { kind: string; message: string }) => trouble(kind, message),
  backoff: { first: 50, most: 500 },
});

/** A promise, and what resolves it. */
function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}

describe('HDFS in trouble', () => {
  it('is waited for while it is in SafeMode, and read meanwhile', async () => {
    await using store = open();
    const key = `safe/${freshName()}`;
    await store.createIfAbsent('safe/before', bodyOf(5), signal);
    await hdfs.enterSafeMode();
    const troubles: string[] = [];
    const waited = gate();
    const claimed = runSteps(
      claim(key, bodyOf(10)),
      store,
      options((kind, message) => {
        troubles.push(`${kind} ${message}`);
        waited.open();
      }),
    );
    await waited.passed;
    expect(troubles[0]).toMatch(/^unavailable .*SafeModeException/);
    expect(await store.get('safe/before', signal)).toEqual(bodyOf(5));
    expect(await store.list('safe/', '', 10, signal)).toEqual(['safe/before']);
    await expect(store.remove('safe/before', signal)).rejects.toThrow(StoreUnavailable);
    await hdfs.leaveSafeMode();
    expect(await claimed).toBe('mine');
  });

  it('loses nothing whose create was answered, when NameNode and DataNode are killed, and comes back', async () => {
    await using store = open();
    const root = `killed-${freshName()}`;
    await store.createIfAbsent(`${root}/answered`, bodyOf(100_000), signal);
    const sizes = [40 * MIB, 8 * MIB, MIB, 100];
    let troubles = 0;
    const claims = sizes.map((size, i) =>
      runSteps(
        claim(`${root}/${i}`, bodyOf(size)),
        store,
        options(() => troubles++),
      ),
    );
    // As soon as the first is there, that is in the middle of the others.
    await Promise.race(claims);
    await Promise.all([hdfs.nameNode.kill(), ...hdfs.dataNodes.map((node) => node.kill())]);
    const late = runSteps(
      claim(`${root}/late`, bodyOf(1000)),
      store,
      options(() => troubles++),
    );
    await Promise.all([hdfs.nameNode, ...hdfs.dataNodes].map((node) => node.start()));
    expect(await Promise.all([...claims, late])).toEqual([...sizes.map(() => 'mine'), 'mine']);
    expect(troubles, 'the kill was felt').toBeGreaterThan(0);
    for (const [i, size] of sizes.entries())
      expect((await store.get(`${root}/${i}`, signal))?.equals(bodyOf(size))).toBe(true);
    expect(await store.get(`${root}/answered`, signal)).toEqual(bodyOf(100_000));
  });

  it('without its DataNode says so, and goes on once that is back', async () => {
    await using store = open();
    const key = `gone/${freshName()}`;
    await store.createIfAbsent(`${key}-before`, bodyOf(1000), signal);
    for (const node of hdfs.dataNodes) await node.kill();
    // First it is redirected to; once it is known to be dead, no DataNode is found.
    await expect(store.createIfAbsent(key, bodyOf(10), signal)).rejects.toThrow(/DataNode.*ECONNREFUSED/);
    await expect(store.get(`${key}-before`, signal)).rejects.toThrow(StoreUnavailable);
    await until('the NameNode knows', async () =>
      /Failed to find datanode/.test(await store.createIfAbsent(key, bodyOf(10), signal).then(String, String)),
    );
    await expect(store.createIfAbsent(key, bodyOf(10), signal)).rejects.toThrow(StoreUnavailable);
    await expect(store.get(`${key}-before`, signal)).rejects.toThrow(StoreUnavailable);
    expect(await store.list(`${key}-`, '', 10, signal)).toEqual([`${key}-before`]);
    const claimed = runSteps(claim(key, bodyOf(10)), store, options());
    for (const node of hdfs.dataNodes) await node.start();
    expect(await claimed).toBe('mine');
    expect(await store.get(`${key}-before`, signal)).toEqual(bodyOf(1000));
  });

  it('behind one that is on standby is found', async () => {
    await using standby = await startStubNameNode(() => remoteException('StandbyException'));
    await using store = open({ nameNodes: [standby.endpoint, hdfs.endpoint] });
    const key = `pair/${freshName()}`;
    expect(await store.createIfAbsent(key, bodyOf(100), signal)).toEqual({ kind: 'created' });
    expect(await store.get(key, signal)).toEqual(bodyOf(100));
    expect(standby.asked).toHaveLength(1);
  });
});

describe('HDFS that refuses', () => {
  it('says what to do where the quota of names is used up', async () => {
    const path = `/events/${freshName()}`;
    await using store = open({ path });
    await store.createIfAbsent('a/b', bodyOf(1), signal);
    await webhdfs('PUT', path, 'op=SETQUOTA&namespacequota=1');
    const create = (): Promise<unknown> => store.createIfAbsent('a/c', bodyOf(1), signal);
    await expect(create()).rejects.toThrow(StoreRefused);
    await expect(create()).rejects.toThrow(/-setQuota/);
    await webhdfs('PUT', path, 'op=SETQUOTA&namespacequota=-1');
    expect(await create()).toEqual({ kind: 'created' });
  });

  it('says what to do where the quota of space is used up', async () => {
    const path = `/events/${freshName()}`;
    await using store = open({ path });
    await store.createIfAbsent('a/b', bodyOf(1), signal);
    await webhdfs('PUT', path, 'op=SETQUOTA&storagespacequota=1048576');
    const create = (): Promise<unknown> => store.createIfAbsent('a/c', bodyOf(1), signal);
    await expect(create()).rejects.toThrow(StoreRefused);
    await expect(create()).rejects.toThrow(/-setSpaceQuota/);
    await webhdfs('PUT', path, 'op=SETQUOTA&storagespacequota=-1');
    expect(await create()).toEqual({ kind: 'created' });
  });

  it('says what to do where rights are missing', async () => {
    await using stranger = open({ user: 'stranger' });
    const create = (): Promise<unknown> => stranger.createIfAbsent('a/b', bodyOf(1), signal);
    await expect(create()).rejects.toThrow(StoreRefused);
    await expect(create()).rejects.toThrow(/must own the folder/);
    await using store = open({ path: `/events-${freshName()}` });
    await expect(store.createIfAbsent('a', bodyOf(1), signal)).rejects.toThrow(/must own the folder/);
    expect(await store.list('', '', 10, signal)).toEqual([]);
  });

  it('says what to do where a folder or a file stands in the way', async () => {
    await using store = open({ path: `/events/${freshName()}` });
    await store.createIfAbsent('a/b', bodyOf(1), signal);
    const inTheWay = (key: string): Promise<unknown> => store.createIfAbsent(key, bodyOf(1), signal);
    await expect(inTheWay('a')).rejects.toThrow(StoreRefused);
    await expect(inTheWay('a')).rejects.toThrow(/folder stands at .*move it elsewhere/);
    await expect(inTheWay('a/b/c')).rejects.toThrow(StoreRefused);
    await expect(inTheWay('a/b/c')).rejects.toThrow(/a file stands/);
    // A rename without options would have put it into the folder.
    expect(await store.list('', '', 10, signal)).toEqual(['a/b']);
  });

  it('is named where no WebHDFS is', async () => {
    const [dataNode] = [spoiled.dataNode.endpoint];
    await using store = open({ nameNodes: [dataNode] });
    await expect(store.list('', '', 1, signal)).rejects.toThrow(StoreRefused);
  });
});

describe('a writer that is paused before its rename', () => {
  it('finds the name taken when it wakes', async () => {
    await using sleeper = paused();
    await using rival = open();
    const key = `paused/${freshName()}`;
    const [reached, woken] = [gate(), gate()];
    spoiled.before = async (path) => {
      if (!path.includes('op=RENAME')) return;
      reached.open();
      await woken.passed;
    };
    const slept = sleeper.createIfAbsent(key, bodyOf(10), signal);
    await reached.passed;
    expect(await rival.createIfAbsent(key, bodyOf(20), signal)).toEqual({ kind: 'created' });
    woken.open();
    expect(await slept).toEqual({ kind: 'exists' });
    expect(await rival.get(key, signal)).toEqual(bodyOf(20));
  });

  it('and was given up puts nothing there when its rename comes late', async () => {
    await using sleeper = paused();
    await using rival = open();
    const key = `paused/${freshName()}`;
    const [reached, woken, arrived] = [gate(), gate(), gate()];
    let temporary = '';
    spoiled.before = async (path) => {
      if (!path.includes('op=RENAME')) return;
      temporary = /[.]tmp\/([^?]+)/.exec(path)?.[1] ?? '';
      reached.open();
      await woken.passed;
      arrived.open();
    };
    const life = new AbortController();
    const slept = sleeper.createIfAbsent(key, bodyOf(10), life.signal);
    await reached.passed;
    life.abort(new Error('gave up'));
    await expect(slept).rejects.toThrow('gave up');
    await until('its temporary file is gone', async () => !(await names(`/events/${TEMPORARY}`)).includes(temporary));
    expect(temporary).not.toBe('');
    woken.open();
    await arrived.passed;
    expect(await rival.createIfAbsent(key, bodyOf(20), signal)).toEqual({ kind: 'created' });
    expect(await rival.get(key, signal)).toEqual(bodyOf(20));
  });

  it('for more than a day does not create what others have sealed', async () => {
    await using sleeper = paused();
    await using rival = open();
    const key = `paused/${freshName()}`;
    const [reached, woken] = [gate(), gate()];
    spoiled.before = async (path) => {
      if (!path.includes('op=RENAME')) return;
      reached.open();
      await woken.passed;
    };
    const slept = sleeper.createIfAbsent(key, bodyOf(10), signal);
    await reached.passed;
    // Swept, as after a day.
    await webhdfs('DELETE', `/events/${TEMPORARY}`, 'op=DELETE&recursive=true');
    await webhdfs('PUT', `/events/${TEMPORARY}`, 'op=MKDIRS&permission=755', hdfs.user);
    woken.open();
    expect((await slept).kind).toBe('unknown');
    expect(await rival.head(key, signal)).toBeNull();
    expect(await rival.createIfAbsent(key, bodyOf(20), signal)).toEqual({ kind: 'created' });
  });
});

it('sweeps temporary files that are a day old at its start, and no younger ones', async () => {
  const path = `/events/${freshName()}`;
  const temporary = `${path}/${TEMPORARY}`;
  await using store = open({ path });
  await webhdfs('PUT', `${temporary}/folder`, 'op=MKDIRS', hdfs.user);
  // Empty files: a name is enough.
  for (const name of ['old', 'young', 'elder']) {
    await using writer = open({ path: `${path}/_waggle/x` });
    await writer.createIfAbsent(name, bodyOf(0), signal);
    await webhdfs('PUT', `${path}/_waggle/x/${name}`, `op=RENAME&destination=${temporary}/${name}`, hdfs.user);
    const modified = Date.now() - (name === 'young' ? 0.9 : 1.1) * DAY_MS;
    await webhdfs('PUT', `${temporary}/${name}`, `op=SETTIMES&modificationtime=${Math.floor(modified)}`, hdfs.user);
  }
  const left = (): Promise<string[]> => names(temporary);
  expect(await left()).toEqual(['elder', 'folder', 'old', 'young']);
  await store.createIfAbsent('a', bodyOf(1), signal);
  await until('the old ones are gone', async () => !(await left()).some((name) => ['elder', 'old'].includes(name)));
  expect(await left()).toEqual(['folder', 'young']);
});
