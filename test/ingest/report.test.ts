import { expect, test } from 'vitest';
import { addReports, addStats, type AgentReport, readinessOf, statusOf } from '../../ingest/report.ts';
import type { RouteLedger, SpoolStats } from '../../ingest/spool/contract.ts';

const ledger = (parts: Partial<RouteLedger>): RouteLedger => ({
  route: 'sites',
  accepted: 0,
  spooled: 0,
  confirmed: 0,
  quarantined: 0,
  dropped: {},
  bytes: 0,
  oldestUnconfirmed: 0,
  ...parts,
});
const stats = (parts: Partial<SpoolStats>): SpoolStats => ({
  identity: 'a',
  routes: [],
  bytes: 10,
  kept: 1,
  max: 100,
  segments: 1,
  most: [],
  pendingEvents: 2,
  pendingBytes: 3,
  refusing: null,
  refusingSince: null,
  ...parts,
});
const most = (...pairs: [string, number][]): SpoolStats =>
  stats({ most: pairs.map(([type, bytes]) => ({ type, bytes })) });
const report = (parts: Partial<AgentReport>): AgentReport => ({
  inputs: [],
  stats: stats({}),
  sites: [],
  isLinked: true,
  drainRate: 5,
  ...parts,
});
const site = { site: 'chicago', state: 'ready', unconfirmedBytes: 7, trouble: null } as const;

test('ledgers of one route become one; the age is that of the oldest', () => {
  const one = ledger({ accepted: 10, spooled: 4, confirmed: 5, dropped: { limit: 1 }, oldestUnconfirmed: 100 });
  const other = ledger({ accepted: 3, confirmed: 1, dropped: { limit: 1, skipped: 1 }, oldestUnconfirmed: 900 });
  const dead = ledger({ route: 'dead', accepted: 2, spooled: 2 });
  const sum = addStats([stats({ routes: [one] }), stats({ routes: [other, dead], identity: 'b', refusing: 'full' })]);
  expect(sum).toMatchObject({ identity: 'a', bytes: 20, kept: 2, max: 200, pendingEvents: 4, refusing: 'full' });
  expect(sum.routes).toEqual([
    ledger({ accepted: 13, spooled: 4, confirmed: 6, dropped: { limit: 2, skipped: 1 }, oldestUnconfirmed: 900 }),
    dead,
  ]);
});

test('the types that have most are those of all', () => {
  expect(addStats([most(['a', 5], ['b', 4]), most(['b', 3], ['c', 1])]).most).toEqual([
    { type: 'b', bytes: 7 },
    { type: 'a', bytes: 5 },
    { type: 'c', bytes: 1 },
  ]);
});

test('books of an input are added, and an input of one worker alone is shown', () => {
  const http = { input: 'http', address: 'http://h:1', accepted: 3, refused: { full: 1 }, lost: {} };
  const udp = { input: 'udp', address: 'udp://h:2', accepted: 1, kernelDropped: null };
  const sum = addReports([report({ inputs: [http, udp], sites: [site] }), report({ inputs: [http], sites: [site] })]);
  expect(sum.inputs).toEqual([{ ...http, accepted: 6, refused: { full: 2 } }, udp]);
  expect(sum.sites).toEqual([{ ...site, unconfirmedBytes: 14 }]);
  expect(statusOf({ site: 's', host: 'h', route: { mode: 'balance' } }, sum)).toMatchObject({
    route: { mode: 'balance', bytesPerSecond: 10 },
    spool: { bytes: 20 },
  });
});

test('a site is in trouble where one worker has trouble with it, and then it is said which', () => {
  const away = { ...site, state: 'away', trouble: 'refused' } as const;
  const bad = report({ sites: [away], isLinked: false });
  expect(addReports([report({ sites: [site] }), bad])).toMatchObject({
    isLinked: false,
    sites: [{ state: 'away', trouble: 'refused', unconfirmedBytes: 14 }],
  });
  expect(readinessOf(bad, 'worker 1: ')).toEqual({
    ok: false,
    reasons: ['worker 1: no site takes events, they are only spooled: refused'],
  });
  expect(readinessOf(report({}))).toEqual({ ok: true, reasons: [] });
});
