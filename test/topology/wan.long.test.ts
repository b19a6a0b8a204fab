// The wide-area link between two sites, in every state that it may be in, under load from an agent at each site. What is acknowledged is in both logs.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { startTwoSites, until, type TwoSites } from '../containers.ts';
import { hostsOf, linked } from '../system/system.ts';
import { startWan, type Wan } from '../system/tcp-proxy.ts';
import { declared, verified } from './broker.ts';
import { expectAll, startLoad } from './node-faults.ts';

let sites: TwoSites;
let wan: Wan;
let config: Config;
beforeAll(async () => {
  sites = await startTwoSites();
  wan = await startWan(sites.network, hostsOf(sites));
  const { chicago, east } = sites;
  config = { ...sites.config({ log: { partitions: 2 } }), sites: [linked(wan, chicago), linked(wan, east)] };
  await declared(config);
});
afterAll(async () => {
  await wan?.[Symbol.asyncDispose]();
  await sites?.[Symbol.asyncDispose]();
});

/** Agents of both sites publish while `fault` goes on; then all is healed, and both logs must have everything. */
async function under(name: string, pace: number, fault: () => Promise<void>): Promise<void> {
  await using here = await startLoad(config, sites.chicago, `${name}-here`, pace);
  await using there = await startLoad(config, sites.east, `${name}-there`, pace);
  await until('events flow', () => here.generator.acknowledged.size > 100 && there.generator.acknowledged.size > 100);
  await fault();
  const healed = performance.now();
  await here.stop();
  await there.stop();
  const count = here.generator.acknowledged.size + there.generator.acknowledged.size;
  const repeats = await expectAll(sites.sites, 2, [here, there]);
  const seconds = ((performance.now() - healed) / 1000).toFixed(0);
  console.log(
    `${name}: ${count} events, lost 0; ${repeats} batches came twice so far; whole at both sites ${seconds} s after it was healed`,
  );
  await verified(config);
}

test('cut for 60 s', () =>
  under('cut', 10, async () => {
    await wan.cut();
    await delay(60_000);
    await wan.mend();
  }));

test('300 ms of delay and 256 kbit/s', () =>
  // 20 events of some 250 bytes each 400 ms, both ways: about half of what the line carries.
  under('slow', 400, async () => {
    await wan.shape(300, 32_000);
    await delay(45_000);
    await wan.shape(0, 0);
  }));

test('half-open: nothing comes, and nothing says so', () =>
  under('half-open', 10, async () => {
    await wan.freeze();
    await delay(45_000);
    await wan.thaw();
  }));

test('flapping every 5 s', () =>
  under('flapping', 10, async () => {
    for (let turn = 0; turn < 6; turn++) {
      await wan.cut();
      await delay(5_000);
      await wan.mend();
      await delay(5_000);
    }
  }));

test('a whole site stopped and back, then the other', () =>
  under('stopped', 10, async () => {
    for (const site of sites.sites) {
      await site.stop();
      await delay(5_000);
      await site.start();
      await verified(config);
    }
  }));
