// The other site is away for long: what is told, and how what is kept for it is given up.
import { expect, test } from 'vitest';
import { dropBuffer } from '#topology/drop-buffer.ts';
import { watchSites } from '#topology/watch.ts';
import { startTwoSites, until } from '../containers.ts';
import { freePort } from '../docker.ts';
import { batchOf, byHand, publishBatches, readBatches, run, verified } from './broker.ts';

test('the other site away for long: watch tells how long the buffer lasts; dropping it says what is lost, and only then does it', async () => {
  await using sites = await startTwoSites();
  const { chicago, east } = sites;
  const config = sites.config({ log: { partitions: 1 } });
  expect((await run('declare', config)).code).toBe(0);
  const listen = `127.0.0.1:${await freePort()}`;
  const stop = new AbortController();
  const watching = watchSites(config, { listen, every: 1_000 }, stop.signal);
  const metric = async (name: string, labels: string): Promise<number> => {
    const lines = (await (await fetch(`http://${listen}/metrics`)).text()).split('\n');
    const line = lines.find((each) => each.startsWith(`waggle_${name}{`) && each.includes(labels));
    const value = line?.split(' ').at(-1);
    // Prometheus writes it so.
    return value === '+Inf' ? Infinity : Number(value);
  };
  const buffer = ['federation_buffer_full_seconds', 'site="chicago",to="us-east-1"'] as const;
  const drop = async (yes: boolean): Promise<readonly [number, string]> => {
    let said = '';
    const request = { site: chicago.config, to: east.config, yes };
    const code = await dropBuffer(config, request, (text) => void (said += text));
    return [code, said];
  };
  try {
    await until('watching', async () => (await fetch(`http://${listen}/readyz`)).ok, 20_000);
    expect(await metric(...buffer)).toBe(Infinity);
    expect(await metric('federation_up', 'from="chicago",to="us-east-1"')).toBe(1);
    expect(await drop(true)).toEqual([1, expect.stringContaining('the link chicago -> us-east-1 runs')]);
    await east.stop();
    // Enough that the rate is seen: the broker measures it every five seconds.
    await until(
      'the buffer grows',
      async () => {
        await publishBatches(
          config,
          chicago.config,
          Array.from({ length: 50 }, () => batchOf(100, 0)),
        );
        return Number.isFinite(await metric(...buffer)) && (await metric(...buffer)) > 0;
      },
      30_000,
    );
    expect(await metric('federation_buffer_bytes', 'site="chicago",to="us-east-1"')).toBeGreaterThan(1e6);
    expect(await metric('site_up', 'site="us-east-1"')).toBe(0);
    const ready = await fetch(`http://${listen}/readyz`);
    expect(ready.status).toBe(503);
    expect(JSON.stringify(await ready.json())).toMatch(/us-east-1: no management node answers/);

    const [told, text] = await drop(false);
    expect(told).toBe(0);
    expect(text).toMatch(
      /holds \d+ batches \([\d.]+ MB\).*us-east-1 never gets them, nor what is published at chicago.*They stay in the log streams of chicago.*Nothing is done without --yes/s,
    );
    const name = '/api/queues/%2F/federation%3A%20events%20-%3E%20waggle%40us-east-1';
    expect(await byHand(chicago.config).get(name)).not.toBeNull();
    expect((await drop(true))[1]).toContain('Dropped.');
    expect(await byHand(chicago.config).get(name)).toBeNull();
  } finally {
    stop.abort();
    await watching;
  }
  const lost = batchOf(5, 0);
  await publishBatches(config, chicago.config, [lost]);
  await east.start();
  await verified(config);
  const after = batchOf(5, 0);
  await publishBatches(config, chicago.config, [after]);
  expect(await readBatches(config, east.config, new Set([after.identity]))).toHaveLength(1);
  expect(await readBatches(config, chicago.config, new Set([lost.identity]))).toHaveLength(1);
});
