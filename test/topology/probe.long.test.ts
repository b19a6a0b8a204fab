import { expect, test } from 'vitest';
import { probe } from '#topology/probe.ts';
import { startTwoSites } from '../containers.ts';
import { declared, byHand } from './broker.ts';

test('the probe names the stream and the way on which events do not arrive', async () => {
  await using sites = await startTwoSites();
  const config = sites.config();
  await declared(config);
  const east = byHand(sites.east.config);
  const bindings = (await east.get('/api/bindings/%2F/e/events.partition/q/events.log-1')) as {
    properties_key: string;
  }[];
  expect(bindings).toHaveLength(1);
  const key = encodeURIComponent(bindings[0]?.properties_key ?? '');
  await east.send('DELETE', `/api/bindings/%2F/e/events.partition/q/events.log-1/${key}`, undefined);

  const failed = (await probe(config)).filter(({ ok }) => !ok);
  expect(failed.map(({ name }) => name)).toEqual([
    'probe chicago -> us-east-1',
    'probe us-east-1 -> us-east-1',
    'unrouted at us-east-1',
  ]);
  expect(failed[0]?.detail).toContain('did not come out of events.log-1 within');
});
