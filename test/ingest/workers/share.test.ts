import { expect, test } from 'vitest';
import { configOfWorker, folderOfWorker, workersOf } from '../../../ingest/workers/share.ts';
import { configFor } from '../../site-config.ts';
import { chicago } from '../../topology/sites.ts';

const { agent } = configFor([chicago]);
const spool = { ...agent.spool, path: '/spool', max: 1001, keep: 100 };
const configWith = (workers: number) =>
  configFor([chicago], { agent: { ...agent, workers, spool, route: { ...agent.route, behind: 500 } } });

test('with one worker its configuration is that of the agent', () => {
  expect(configOfWorker(configWith(1), 0)).toEqual(configWith(1));
});

test('several have a folder each, and an equal part of the bytes', () => {
  const parts = [0, 1, 2].map((worker) => configOfWorker(configWith(3), worker).agent);
  expect(parts.map(({ spool: { path } }) => path)).toEqual(['/spool', '/spool/workers/1', '/spool/workers/2']);
  for (const { spool: own, route } of parts) {
    expect(own).toMatchObject({ max: 333, keep: 33, share: spool.share, segment: spool.segment });
    expect(route.behind).toBe(166);
  }
});

test('folders are those that a worker makes, in order', () => {
  expect(workersOf(['10', '2', '1', '0', '01', '-3', 'x', '1.old', '2e3'])).toEqual([1, 2, 10]);
  expect(workersOf(['7']).map((worker) => folderOfWorker('/spool', worker))).toEqual(['/spool/workers/7']);
});
