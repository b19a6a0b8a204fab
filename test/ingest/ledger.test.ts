import { expect, test } from 'vitest';
import { createLog } from '#core/io/log.ts';
import { createTelemetry } from '#core/io/telemetry.ts';
import { createLedger, imbalance } from '../../ingest/ledger.ts';
import type { RouteLedger, SpoolStats } from '../../ingest/spool/contract.ts';

const route = (parts: Partial<RouteLedger>): RouteLedger => ({
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
const stats = (ledger: RouteLedger): SpoolStats => ({
  identity: 'a',
  routes: [ledger],
  bytes: 4096,
  kept: 0,
  most: [],
  max: 1,
  segments: 1,
  pendingEvents: 0,
  pendingBytes: 0,
  refusing: null,
  refusingSince: null,
});

function silent(): { lines: Record<string, unknown>[]; telemetry: ReturnType<typeof createTelemetry> } {
  const lines: Record<string, unknown>[] = [];
  const log = createLog('test', { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  return { lines, telemetry: createTelemetry('test', log) };
}

test('accepted is confirmed, spooled, quarantined or dropped', () => {
  const books = { accepted: 100, confirmed: 60, spooled: 25, quarantined: 5, dropped: { limit: 7, expired: 3 } };
  expect(imbalance(route(books))).toBe(0);
  expect(imbalance(route({ ...books, confirmed: 59 }))).toBe(1);
});

test('the metrics follow the log, and a counter never counts twice', async () => {
  const { telemetry } = silent();
  const show = createLedger(telemetry);
  show(stats(route({ accepted: 10, spooled: 10, oldestUnconfirmed: 2_500 })));
  show(stats(route({ accepted: 12, confirmed: 11, dropped: { limit: 1 } })));
  show(stats(route({ accepted: 12, confirmed: 11, dropped: { limit: 1 } })));
  const metrics = await telemetry.metrics.registry.metrics();
  expect(metrics).toMatch(/waggle_events_total\{stage="accept",route="sites",reason="accepted".*\} 12\n/);
  expect(metrics).toMatch(/waggle_events_total\{stage="publish",route="sites",reason="confirmed".*\} 11\n/);
  expect(metrics).toMatch(/waggle_events_total\{stage="spool",route="sites",reason="dropped-limit".*\} 1\n/);
  expect(metrics).toMatch(/waggle_ledger_imbalance\{route="sites".*\} 0\n/);
  expect(metrics).toMatch(/waggle_spool_bytes\{.*\} 4096\n/);
});

test('books that do not balance are an alarm, once', async () => {
  const { telemetry, lines } = silent();
  const show = createLedger(telemetry);
  for (let i = 0; i < 3; i++) show(stats(route({ accepted: 10, confirmed: 8 })));
  expect(lines.filter(({ fact }) => fact === 'ledger.imbalance')).toHaveLength(1);
  expect(await telemetry.metrics.registry.metrics()).toMatch(/waggle_ledger_imbalance\{route="sites".*\} 2\n/);
  show(stats(route({ accepted: 10, confirmed: 10 })));
  show(stats(route({ accepted: 10, confirmed: 8 })));
  expect(lines.filter(({ fact }) => fact === 'ledger.imbalance')).toHaveLength(2);
});
