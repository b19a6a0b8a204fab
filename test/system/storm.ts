// Everything that can die does, while events flow; then all of S3 is read and counted.
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { until } from '../containers.ts';
import { judge, readBucket, type Verdict } from './committed.ts';
import type { ConsumerProcess } from './consumer-process.ts';
import { Generator } from './generator.ts';
import { AgentHost, type SinkOf, type System } from './system.ts';

export const CLEAN = { lost: [], repeated: [], invented: [] };

export const KILLS = 7;
const LINK_CUT_MS = 20_000;

/** Waits until everything acknowledged is committed, and then once more for what should not come. */
export async function settled(sink: SinkOf, generators: readonly Generator[], timeout: number): Promise<Verdict> {
  const { direct } = sink;
  await until(
    'all that was acknowledged is committed',
    async () => judge(await readBucket(direct), generators).lost.length === 0,
    timeout,
  );
  // A repeat would be committed with the age of a window.
  await delay(2 * direct.rotate.age);
  return judge(await readBucket(direct), generators);
}

/**
 * Two agents, each killed seven times (sixteen identities); the sink killed five times and scaled 2, 3, 1; the link between the sites
 * cut for 20 s, and each site's broker restarted. Faults come with the progress of the generators, which go on as long as they come.
 */
export async function storm(system: System, sinkName: string, events: number, batch: number): Promise<void> {
  const sink = await system.sink(sinkName);
  await using chicago = new AgentHost(sink.config, 'chicago', 'api-1');
  await using east = new AgentHost(sink.config, 'us-east-1', 'api-2');
  await Promise.all([chicago.start(), east.start()]);
  const type = `test.${sinkName}`;
  let pace = 120;
  const generators = [chicago, east].map(
    (host, i) =>
      new Generator({
        target: () => host.http,
        name: `${sinkName}-${i}`,
        type,
        events: events / 2,
        batch,
        pace: () => pace,
      }),
  );
  const sending = Promise.all(generators.map((generator) => generator.run(new AbortController().signal)));
  const [first, second] = generators as [Generator, Generator];
  const instances = new Instances(sink);
  await Promise.all([
    kills(chicago, first),
    kills(east, second),
    scaledAndKilled(instances, first),
    linkAndBrokers(system),
  ]);
  pace = 0;
  await sending;
  const verdict = await settled(sink, generators, 300_000);
  await instances.scale(0);
  expect(verdict).toMatchObject(CLEAN);
  expect(verdict.acknowledged + verdict.unknown).toBe(events);
  expect(generators.flatMap((generator) => generator.surprises)).toEqual([]);
  expect(chicago.starts + east.starts).toBe(2 * (KILLS + 1));
  expect(instances.killed).toBe(5);
}

const share = (generator: Generator, part: number): Promise<void> =>
  until(`${part} of ${generator.name} is sent`, () => generator.sent >= part * generator.events, 300_000);

export async function kills(host: AgentHost, generator: Generator): Promise<void> {
  for (let i = 1; i <= KILLS; i++) {
    await share(generator, i / (KILLS + 2));
    await host.kill();
    await host.start();
  }
}

async function scaledAndKilled(instances: Instances<ConsumerProcess>, generator: Generator): Promise<void> {
  for (const [step, count] of [2, 2, 3, 3, 1].entries()) {
    await instances.scale(count);
    await share(generator, (step + 1) / 7);
    await instances.killOldest();
  }
  await instances.scale(1);
}

async function linkAndBrokers(system: System): Promise<void> {
  await system.wan.cut();
  await delay(LINK_CUT_MS);
  await system.wan.mend();
  for (const site of [system.chicago, system.east]) {
    await site.stop();
    await site.start();
  }
}

/** The running processes of one sink. */
export class Instances<T extends ConsumerProcess> {
  killed = 0;
  readonly #sink: { consumer(): T };
  #running: T[] = [];

  constructor(sink: { consumer(): T }) {
    this.#sink = sink;
  }

  get running(): readonly T[] {
    return this.#running;
  }

  async scale(count: number): Promise<void> {
    while (this.#running.length < count) this.#running.push(this.#sink.consumer());
    const surplus = this.#running.splice(0, this.#running.length - count);
    for (const instance of surplus) expect(await instance.kill('SIGTERM')).toBe(0);
  }

  async killOldest(): Promise<void> {
    await this.#running.shift()?.kill('SIGKILL');
    this.killed++;
  }
}
