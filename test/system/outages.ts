// Every sink at once, at first undisturbed, then each consumer killed and each target away for a while; then all targets are read and counted.
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { until } from '../containers.ts';
import { expectAll, Flow, LOG_SINKS, SINKS, type AllSinks, type Instance, type SinkName } from './all-sinks.ts';
import type { Stored } from './committed.ts';
import type { Generator } from './generator.ts';
import { Instances, KILLS, kills } from './storm.ts';

const CONSUMER_KILLS = 3;
const TARGET_AWAY_MS = 20_000;
/** Of the load under faults: in so long it would all be sent, if it did not slow down; and the longest wait between two requests. */
const SPREAD_MS = 120_000;
const SLOWEST_MS = 5_000;
const never = new AbortController().signal;

/**
 * Twice `events`. The first through two agents that are killed seven times each (sixteen identities), to all sinks. Under the second each
 * target is stopped for 20 s, one after the other; meanwhile its own consumer is killed once, and that of the next target three times.
 */
export async function outages(system: AllSinks, events: number, batch: number): Promise<void> {
  await using flow = new Flow(system);
  await flow.start();
  const consumers = new Map(
    SINKS.map((sink) => [sink, new Instances<Instance>({ consumer: () => system.consumer(sink) })]),
  );
  await Promise.all([...consumers.values()].map((instances) => instances.scale(1)));
  const plain = flow.generators('plain', { events, batch, pace: () => 0 });
  await Promise.all([
    ...plain.map((generator) => generator.run(never)),
    kills(flow.hosts[0], plain[0]),
    kills(flow.hosts[1], plain[1]),
  ]);
  expect(flow.hosts[0].starts + flow.hosts[1].starts).toBe(2 * (KILLS + 1));
  await expectAll(system, plain);
  let faults = true;
  // The fewer are left the slower, so that it goes on for as long as faults come.
  const pace = (): number => {
    const left = events - stormy.reduce((sum, { sent }) => sum + sent, 0);
    return faults ? Math.min(SLOWEST_MS, (SPREAD_MS * batch * 2) / Math.max(1, left)) : 0;
  };
  const stormy: readonly Generator[] = flow.generators('stormy', { events, batch, pace });
  const sending = Promise.all(stormy.map((generator) => generator.run(never)));
  for (const [index, sink] of SINKS.entries()) {
    const other = SINKS[(index + 1) % SINKS.length] ?? sink;
    const instances = consumers.get(other);
    await system.targets[sink].stop();
    await consumers.get(sink)?.killOldest();
    await consumers.get(sink)?.scale(1);
    await Promise.all([delay(TARGET_AWAY_MS), instances && killed(system, other, instances)]);
    await system.targets[sink].start();
  }
  faults = false;
  await sending;
  const repeated = await expectAll(system, [...plain, ...stormy]);
  // No object that was there at some time was changed, or is gone.
  for (const sink of LOG_SINKS) {
    const { targets } = system;
    const before = new Map(await targets[sink].stored());
    expect(sameCounts(await targets[sink].anew(), before)).toBe(true);
  }
  console.log(`Splunk: ${repeated} of ${2 * events} events more than once, by id`);
  for (const instances of consumers.values()) {
    expect(instances.killed).toBe(CONSUMER_KILLS + 1);
    await instances.scale(0);
  }
}

const sameCounts = (one: Stored, other: Stored): boolean =>
  one.size === other.size && [...one].every(([event, times]) => other.get(event) === times);

async function killed(system: AllSinks, sink: SinkName, instances: Instances<Instance>): Promise<void> {
  const target = system.targets[sink];
  for (let n = 0; n < CONSUMER_KILLS; n++) {
    const before = await target.count();
    await instances.killOldest();
    await instances.scale(1);
    await until(`${sink} writes on`, async () => (await target.count()) > before);
  }
}
