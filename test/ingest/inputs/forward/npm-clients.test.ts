// The fluent-loggers that applications on Node have, unchanged, in every mode that they know.
import { FluentClient } from '@fluent-org/logger';
import fluentLogger from 'fluent-logger';
import { describe, expect, test, vi } from 'vitest';
import { serveForward } from './forward-client.ts';

const MODES = ['Message', 'Forward', 'PackedForward', 'CompressedPackedForward'] as const;
const security = { clientHostname: 'client-1', sharedKey: 'secret', username: 'ada', password: 'lovelace' };
const secured = { sharedKey: 'secret', users: [{ name: 'ada', password: 'lovelace' }] };
const silent = { info: () => undefined, error: () => undefined };
const records = Array.from({ length: 30 }, (_, n) => ({ n, text: `é ${'x'.repeat(n)}` }));

describe('fluent-logger', () => {
  test.each([
    ...MODES.filter((mode) => mode !== 'Forward').map((eventMode) => [eventMode, { eventMode }, {}] as const), // it has no Forward
    ['milliseconds', { milliseconds: 1 }, {}],
    ['a shared key and a user', { security }, secured],
  ] as const)('%s', async (_, options, server) => {
    await using served = await serveForward(server);
    const sender = fluentLogger.createFluentSender<object>('app', {
      host: '127.0.0.1',
      port: served.port,
      timeout: 3,
      flushInterval: 5,
      requireAckResponse: true,
      ackResponseTimeout: 3_000,
      internalLogger: silent,
      ...options,
    });
    // The callback comes with the acknowledgement; what fails is told to it.
    await Promise.all(
      records.map(
        (record) =>
          new Promise<void>((resolve, reject) =>
            sender.emit('log', record, (error) => (error ? reject(error) : resolve())),
          ),
      ),
    );
    await new Promise<void>((resolve) => sender.end('log', { n: 'end' }, () => resolve()));
    await vi.waitFor(() => expect(served.recorder.accepted).toBe(31));
    const events = served.recorder.events();
    expect(events.map(({ payload }) => payload)).toEqual([...records, { n: 'end' }]);
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['app.log']));
    for (const { time } of events) expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(20_000);
    expect(served.recorder).toMatchObject({ lost: {}, refused: {}, faults: [] });
  });

  test('it sends again, on a new connection, what could not be stored', async () => {
    await using served = await serveForward();
    let refusals = 0;
    served.recorder.outcome = () =>
      Promise.resolve(refusals++ < 1 ? { kind: 'refused', reason: 'full', message: '', retryAfter: 1 } : null);
    const sender = fluentLogger.createFluentSender<object>('app', {
      host: '127.0.0.1',
      port: served.port,
      requireAckResponse: true,
      ackResponseTimeout: 300,
      reconnectInterval: 50,
      internalLogger: silent,
    });
    sender.emit('log', { n: 1 }, () => undefined); // told of the lost answer
    await vi.waitFor(() => expect(served.recorder.refused).toEqual({ full: 1 }), { timeout: 5_000 });
    await vi.waitFor(
      async () => {
        await new Promise<void>((resolve) => sender.emit('log', { n: 2 }, () => resolve()));
        expect(served.recorder.accepted).toBeGreaterThan(0);
      },
      { timeout: 10_000 },
    );
  });
});

describe('@fluent-org/logger', () => {
  test.each([
    ...MODES.map((eventMode) => [eventMode, { eventMode }, {}] as const),
    ['a shared key and a user', { security }, secured],
  ] as const)('%s', async (_, options, server) => {
    await using served = await serveForward(server);
    // The default: it gives up on an answer after 500 ms.
    const client = new FluentClient('app', {
      socket: { host: '127.0.0.1', port: served.port },
      ack: {},
      ...options,
    });
    await Promise.all(records.map((record) => client.emit('log', record)));
    await client.shutdown();
    expect(served.recorder.accepted).toBe(records.length);
    expect(served.recorder.events().map(({ payload }) => payload)).toEqual(records);
    expect(served.recorder).toMatchObject({ lost: {}, refused: {}, faults: [] });
  });
});
