// HDFS as a store: the conformance suite against a real one, and what networks do to requests, by proxies before it.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { claim } from '../../../consumers/chain/operations.ts';
import { runSteps } from '../../../consumers/chain/run.ts';
import { StoreUnavailable, type ObjectStore } from '../../../consumers/chain/store.ts';
import { TEMPORARY } from '../../../consumers/hdfs/encode.ts';
import { openHdfsStore } from '../../../consumers/hdfs/index.ts';
import type { Fault } from '../../fault-proxy.ts';
import { startHdfs, type Hdfs } from '../../targets/hdfs.ts';
import { hdfsSink } from '../hdfs/hdfs-sink.ts';
import { spoil, type SpoiledHdfs } from '../hdfs/spoiled-hdfs.ts';
import { raceWriters } from './chain-over-store.ts';
import { freshName, storeConformance } from './conformance.ts';

const { signal } = new AbortController();
const MIB = 1_048_576;
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

const open = (change: object = {}): ObjectStore => openHdfsStore(hdfsSink({ nameNodes: [hdfs.endpoint], ...change }));
/** Through the proxies, with a short time-out. */
const throughProxies = (timeout = 2000): ObjectStore =>
  open({ nameNodes: [spoiled.nameNode.endpoint], path: '/events/spoiled', timeout });

/** The fault for the first `times` requests of this operation, then none. */
const first =
  (times: number, fault: Fault, op: string) =>
  (_method: string, path: string): Fault =>
    new RegExp(`[?&]op=${op}(&|$)`, 'i').test(path) && times-- > 0 ? fault : 'pass';

const bodyOf = (size: number): Buffer => Buffer.alloc(size, 'abcdefg');

/** Names below this folder, by the server's own word. */
async function names(folder: string): Promise<string[]> {
  const answer = await fetch(`${hdfs.endpoint}/webhdfs/v1${folder}?op=LISTSTATUS&user.name=${hdfs.user}`);
  const { FileStatuses } = (await answer.json()) as {
    readonly FileStatuses: { readonly FileStatus: readonly { readonly pathSuffix: string }[] };
  };
  return FileStatuses.FileStatus.map(({ pathSuffix }) => pathSuffix);
}

storeConformance('HDFS', () => open({ path: '/events/conformance' }));

describe('HDFS', () => {
  it('takes hard characters in the names of folders', async () => {
    const store = open({ path: '/events/50%25_a?b#c&d+é' });
    for (const key of ['type=a+b%/x', 'type=a+b%/x y', 'type=a+b%.c/&?#=é']) {
      expect(await store.createIfAbsent(key, bodyOf(9), signal)).toEqual({ kind: 'created' });
      expect(await store.createIfAbsent(key, bodyOf(9), signal)).toEqual({ kind: 'exists' });
      expect(await store.get(key, signal)).toEqual(bodyOf(9));
    }
    expect(await store.list('type=', 'type=a+b%.c/&?#=é', 9, signal)).toEqual(['type=a+b%/x', 'type=a+b%/x y']);
    await store.remove('type=a+b%/x', signal);
    expect(await store.head('type=a+b%/x', signal)).toBeNull();
    await store.close();
    expect(await names('/events')).toContain('50%25_a?b#c&d+é');
  });

  it('leaves no temporary file behind, of those who won and those who lost', async () => {
    const path = `/events/${freshName()}`;
    const store = open({ path });
    const kinds = await Promise.all(
      Array.from({ length: 20 }, () => store.createIfAbsent('a/b', bodyOf(10), signal).then(({ kind }) => kind)),
    );
    expect(kinds.filter((kind) => kind === 'created')).toHaveLength(1);
    expect(kinds.filter((kind) => kind === 'exists')).toHaveLength(19);
    await store.close();
    expect(await names(`${path}/${TEMPORARY}`)).toEqual([]);
    expect(await names(path)).toEqual(['_waggle', 'a']);
  });

  it('holds every number once, after writers that took over from one another', async () => {
    const sink = open({ path: '/events/chain' });
    await raceWriters(
      () => open({ path: '/events/chain' }),
      () => sink,
      'hdfs',
      { events: 100, window: 10, windows: 4, padding: 20 },
    );
  });

  it('holds every number once in bad weather', async () => {
    const faults: Fault[] = ['lose', 'never', 'torn', 500, 'lose', 503];
    const rule = (): Fault =>
      Math.random() < 0.03 ? (faults[Math.floor(Math.random() * faults.length)] ?? 'pass') : 'pass';
    spoiled.nameNode.rule = rule;
    spoiled.dataNode.rule = rule;
    await raceWriters(throughProxies, () => open({ path: '/events/spoiled' }), 'weather', {
      events: 100,
      window: 10,
      windows: 4,
      padding: 20_000,
    });
    expect(spoiled.nameNode.met.get('lose') ?? 0).toBeGreaterThan(0);
  });

  it('knows its own file where the answer to the rename is lost, and that of another', async () => {
    const store = throughProxies();
    const key = `lost/${freshName()}`;
    await store.createIfAbsent('lost/folder', bodyOf(1), signal);
    spoiled.nameNode.rule = first(1, 'lose', 'RENAME');
    expect(await store.createIfAbsent(key, bodyOf(10), signal)).toEqual({ kind: 'created' });
    spoiled.nameNode.rule = first(2, 'lose', 'RENAME');
    expect(await store.createIfAbsent(key, bodyOf(11), signal)).toEqual({ kind: 'exists' });
    expect(await store.get(key, signal)).toEqual(bodyOf(10));
    await store.close();
  });

  it('says that it does not know, where neither the rename nor the look behind it is answered', async () => {
    const store = throughProxies();
    const key = `unknown/${freshName()}`;
    await store.createIfAbsent('unknown/folder', bodyOf(1), signal);
    let renamed = false;
    spoiled.nameNode.rule = (_method, path) => {
      renamed ||= path.includes('op=RENAME');
      return renamed ? 'lose' : 'pass';
    };
    expect((await store.createIfAbsent(key, bodyOf(10), signal)).kind).toBe('unknown');
    spoiled.calm();
    expect(await store.get(key, signal)).toEqual(bodyOf(10));
    await store.close();
  });

  it.each(['never', 'torn', 'lose', 'hang', 500, 503] as const)(
    'shows nothing of an upload that meets %s, and then comes through',
    async (fault) => {
      const store = throughProxies(fault === 'hang' ? 500 : 2000);
      const key = `upload/${freshName()}`;
      spoiled.dataNode.rule = first(1, fault, 'CREATE');
      await expect(store.createIfAbsent(key, bodyOf(MIB), signal)).rejects.toThrow(StoreUnavailable);
      expect(await store.head(key, signal)).toBeNull();
      expect(await store.list('upload/', '', 10, signal)).not.toContain(key);
      spoiled.dataNode.rule = first(2, fault, 'CREATE');
      expect(await runSteps(claim(key, bodyOf(MIB)), store, quiet())).toBe('mine');
      expect(await store.get(key, signal)).toEqual(bodyOf(MIB));
      await store.close();
    },
  );

  it('reads no file that came short', async () => {
    const store = throughProxies();
    const key = `short/${freshName()}`;
    await store.createIfAbsent(key, bodyOf(100), signal);
    spoiled.dataNode.rule = first(1, 'lose', 'OPEN');
    await expect(store.get(key, signal)).rejects.toThrow(StoreUnavailable);
    expect(await store.get(key, signal)).toEqual(bodyOf(100));
    await store.close();
  });

  it.each(['GETFILESTATUS', 'LISTSTATUS_BATCH', 'DELETE', 'CREATE', 'OPEN'])(
    'is unavailable where %s has no answer in time',
    async (op) => {
      const direct = open({ path: '/events/spoiled' });
      await direct.createIfAbsent('late', bodyOf(1), signal);
      await direct.close();
      const store = throughProxies(1000);
      spoiled.nameNode.rule = first(9, 'hang', op);
      const call = {
        GETFILESTATUS: () => store.head('late', signal),
        LISTSTATUS_BATCH: () => store.list('', '', 1, signal),
        DELETE: () => store.remove('late-not', signal),
        CREATE: () => store.createIfAbsent('late2', bodyOf(1), signal),
        OPEN: () => store.get('late', signal),
      }[op];
      await expect(call?.()).rejects.toThrow(/nothing within 1000 ms/);
      await store.close();
    },
  );

  it('ends a call that hangs when its signal aborts', async () => {
    const store = throughProxies(60_000);
    await store.createIfAbsent('hung', bodyOf(1), signal);
    spoiled.nameNode.rule = () => 'hang';
    const calls = [
      (gone: AbortSignal) => store.createIfAbsent('a', bodyOf(10), gone),
      (gone: AbortSignal) => store.get('hung', gone),
      (gone: AbortSignal) => store.head('hung', gone),
      (gone: AbortSignal) => store.list('', '', 1, gone),
      (gone: AbortSignal) => store.remove('hung', gone),
    ];
    for (const call of calls) {
      const gone = new AbortController();
      const pending = call(gone.signal);
      gone.abort(new Error('the caller went'));
      await expect(pending).rejects.toThrow('the caller went');
    }
    spoiled.calm();
    await store.close();
  });
});

function quiet(trouble: (kind: string) => void = () => {}) {
  return {
    signal,
    concurrency: 4,
    trouble: ({ kind }: { kind: string }) => trouble(kind),
    backoff: { first: 20, most: 200 },
  };
}
