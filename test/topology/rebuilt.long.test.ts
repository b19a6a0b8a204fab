// A site lost for good, disks and all, and rebuilt from nothing: declare brings it back, links heal, a log sink moves away and comes back and repeats
// nothing. What only the lost site had is lost, and counted here.
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import type { FolderSinkConfig } from '#core/config/sink-config.ts';
import { spoolResend } from '../../ingest/spool-command/resend.ts';
import { moveSink } from '../../consumers/move-sink.ts';
import { configFor, startSite, until, type Site } from '../containers.ts';
import { startNetwork } from '../docker.ts';
import { followLog } from '../ingest/log-oracle.ts';
import { countObject } from '../system/committed.ts';
import { startConsumerProcess } from '../system/consumer-process.ts';
import { linked } from '../system/system.ts';
import { startWan } from '../system/tcp-proxy.ts';
import { run, verified } from './broker.ts';
import { startLoad, type Load } from './node-faults.ts';

const PARTITIONS = 2;
const keys = ({ generator }: Load): ReadonlySet<string> =>
  new Set([...generator.acknowledged].map((n) => `${generator.name}:${n}`));
const keyOf = (data: unknown): string => `${(data as { g?: string }).g}:${(data as { n?: number }).n}`;

function stored(folder: string): ReadonlyMap<string, number> {
  const events = new Map<string, number>();
  for (const key of globSync('type=*/**/*.zst', { cwd: folder }))
    countObject(key, readFileSync(join(folder, key)), events);
  return events;
}

async function arrives(what: string, site: Site, load: Load): Promise<void> {
  await using log = await followLog(site, PARTITIONS);
  await until(what, () => keys(load).isSubsetOf(new Set([...log.data.values()].map(keyOf))));
}

test('a site is lost with its disks and rebuilt from nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'waggle-archive-'));
  const sink: FolderSinkConfig = {
    kind: 'folder',
    name: 'archive',
    home: 'us-east-1',
    match: ['test.load'],
    mapping: null,
    admin: '127.0.0.1:0',
    memory: 64 * 1024 ** 2,
    rotate: { size: 8 * 1024 ** 2, count: 2_000, age: 1_000 },
    path: folder,
  };
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const network = stack.use(await startNetwork());
  const [chicago, first] = await Promise.all([startSite('chicago', { network }), startSite('us-east-1', { network })]);
  stack.use(chicago);
  stack.use(first);
  const wan = stack.use(await startWan(network, ['chicago-1', 'us-east-1-1']));
  const configWith = (east: Site): Config =>
    configFor([linked(wan, chicago), linked(wan, east)], { log: { partitions: PARTITIONS }, sinks: [sink] });
  const before = configWith(first);
  expect((await run('declare', before)).code).toBe(0);
  const reading = startConsumerProcess(before, 'archive');
  stack.use(reading);

  // Undisturbed; then the link is cut, and what each site takes is on no other.
  const loads: Load[] = [];
  const load = async (
    config: Config,
    site: Site,
    name: string,
    mode: 'balance' | 'mirror' = 'balance',
  ): Promise<Load> => {
    const started = stack.use(await startLoad(config, site, name, 10, mode));
    loads.push(started);
    return started;
  };
  const flow = async (config: Config, east: Site, phase: string): Promise<readonly [Load, Load]> => {
    const both = [await load(config, chicago, `${phase}-here`), await load(config, east, `${phase}-there`)] as const;
    await delay(4_000);
    for (const each of both) {
      await each.confirmed(); // Of all that was sent before it, since the spool is in order.
      await each.stop();
      await each.confirmed();
    }
    return both;
  };
  const [here, there] = await flow(before, first, 'joined');
  await arrives('the link has copied all', chicago, there);
  await reading.kill('SIGTERM'); // The worst case: the sink at the site that is lost was away too.
  await wan.cut();
  const mirrored = await load(before, first, 'mirrored', 'mirror');
  const [cutHere, cutThere] = await flow(before, first, 'cut');
  await mirrored.confirmed();
  await mirrored.stop();
  await mirrored.confirmed();
  await first[Symbol.asyncDispose]();

  // The sink reads at the other site; the lost one is built anew, empty, under its old name.
  const said: string[] = [];
  expect(await moveSink(before, sink, 'chicago', (text) => void said.push(text))).toBe(0);
  const second = stack.use(await startSite('us-east-1', { network }));
  const after = configWith(second);
  await wan.mend();
  await until('declared', async () => (await run('declare', after)).code === 0);
  await verified(after);
  const again = stack.use(startConsumerProcess(after, 'archive'));
  await until('the sink reads at chicago', () => again.log.some(({ fact }) => fact === 'window.committed'));

  // What chicago kept for it meanwhile is in the new site's log.
  await arrives('the buffer has come', second, cutHere);
  expect(await moveSink(after, sink, 'us-east-1', (text) => void said.push(text))).toBe(0);
  const [newHere, newThere] = await flow(after, second, 'after');
  const safe = [here, there, cutHere, mirrored, newHere, newThere];
  const wanted = safe.map(keys).reduce((all, each) => all.union(each));
  await until(
    'everything that both sites had is in the sink',
    () => wanted.isSubsetOf(new Set(stored(folder).keys())),
    180_000,
  );
  const once = (): void => expect([...stored(folder)].filter(([, times]) => times > 1)).toEqual([]);
  once();
  const lost = keys(cutThere).difference(new Set(stored(folder).keys()));
  console.log(
    `${wanted.size} events that another site or a mirror had: in the sink exactly once; of ${keys(cutThere).size} that only the lost site confirmed, ${lost.size} are missing`,
  );
  expect(lost.size).toBe(keys(cutThere).size);
  // Their agent has kept them.
  const resent: string[] = [];
  const options = { site: 'us-east-1', from: null, to: null, yes: true };
  expect(await spoolResend(after, cutThere.spool, options, (text) => void resent.push(text))).toBe(0);
  console.log(resent.join(''));
  await until('they are in the sink too', () => keys(cutThere).isSubsetOf(new Set(stored(folder).keys())), 120_000);
  once();
});
