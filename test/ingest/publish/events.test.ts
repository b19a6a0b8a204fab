import { expect, test } from 'vitest';
import { createLog } from '#core/io/log.ts';
import { createTelemetry } from '#core/io/telemetry.ts';
import { publisherEvents } from '../../../ingest/publish/events.ts';
import { SiteWaiters } from '../../../ingest/publish/waiters.ts';

test('an event that is given up is an alarm that names it', async () => {
  const lines: Record<string, unknown>[] = [];
  const log = createLog('test', { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  const telemetry = createTelemetry('test', log);
  const events = publisherEvents(telemetry, new SiteWaiters(1));
  const body = Buffer.alloc(100);
  events.dropped(
    { kind: 'batch', identity: 'i', partition: 0, type: 't', count: 1, ranges: [[7, 7]], body },
    'too-large',
  );
  expect(lines).toMatchObject([{ level: 'error', fact: 'event.dropped', identity: 'i', numbers: '7', bytes: 100 }]);
  expect(await telemetry.metrics.registry.metrics()).toMatch(/waggle_facts_total\{fact="event.dropped".*\} 1\n/);
});
