// What every queue sink must do, run by each against its real server (or a stub of it): test/consumers/<sink>/conformance.integration.test.ts is
//
//   queueSinkConformance('Elasticsearch', { exactlyOnceById: true, open: async () => ({ config, stored, poison, trouble, … }) });
//
// It starts a RabbitMQ site, declares the topology, publishes batches as agents do, and runs `runQueueSink` itself in this process. The
// same suite serves sinks of the user's own (kind `module`).
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { QueueSinkConfig } from '#core/config/sink-config.ts';
import { freePort } from '../../docker.ts';
import { until } from '../../containers.ts';
import type { openQueueSink } from '../../../consumers/queue/sinks.ts';
import { booksOf, imbalance } from './books.ts';
import { SinkBench, type Running } from './sink-bench.ts';

/**
 * What the target, or something before it, does from now on. `down`: no connection succeeds, those open are cut. `busy`: overloaded, asks to
 * come again in a second (Retry-After where it has that). `forbidden`: refuses the credentials. `slow`: answers 300 ms late. Null: all is well.
 */
export type TargetTrouble = 'down' | 'busy' | 'forbidden' | 'slow' | null;

export interface TargetUnderTest extends AsyncDisposable {
  /** How to reach it; the suite sets name, home, match, mapping, admin, memory, connections, batch and timeout. */
  readonly config: QueueSinkConfig;
  /** For a target that the table of sinks does not name. */
  readonly openSink?: typeof openQueueSink;
  /** How often each event, by its id, can be found there now. */
  stored(): Promise<ReadonlyMap<string, number>>;
  /** `data` of an event that the target refuses for itself; null where it takes everything. Called anew for each. */
  poison(): unknown;
  /** False where this cannot be had of the target: the tests of it are left out. */
  trouble(kind: TargetTrouble): Promise<boolean>;
}

export interface QueueSinkHarness {
  /** Whether the target drops what it has already, by the event's id. */
  readonly exactlyOnceById: boolean;
  /** With nothing in it. Called once. */
  open(): Promise<TargetUnderTest>;
}

const MEMORY = 1024 * 1024;
/** MEMORY / 256 KiB. */
const PREFETCH = 4;
const BATCH_BYTES = 64 * 1024;
const METRICS = [
  'waggle_events_total',
  'waggle_sink_lag_seconds',
  'waggle_sink_held',
  'waggle_sink_queue_messages',
  'waggle_sink_connections',
  'waggle_sink_request_seconds',
  'waggle_link_up',
];

const data = (count: number): object[] => Array.from({ length: count }, (_, n) => ({ n, text: 'some text' }));

export function queueSinkConformance(title: string, harness: QueueSinkHarness): void {
  describe(`${title} as a queue sink`, () => {
    let target: TargetUnderTest;
    let bench: SinkBench;
    let running: Running;
    beforeAll(async () => {
      target = await harness.open();
      bench = await SinkBench.start(
        {
          ...target.config,
          name: 'under-test',
          home: 'chicago',
          match: ['**'],
          mapping: null,
          admin: `127.0.0.1:${await freePort()}`,
          memory: MEMORY,
          connections: 2,
          batch: { size: BATCH_BYTES, count: 200, age: 50 },
          timeout: 5_000,
        },
        target.openSink,
      );
    }, 300_000);
    afterAll(async () => {
      await bench?.[Symbol.asyncDispose]();
      await target?.[Symbol.asyncDispose]();
    });

    const batches = async (count: number, events: number): Promise<string[]> => {
      const all: string[] = [];
      for (let n = 0; n < count; n++) all.push(...(await bench.publish(`suite.kind-${n % 3}`, data(events))));
      return all;
    };
    /** All are stored; where the target tells repeats, once each. */
    const arrived = async (ids: readonly string[]): Promise<void> => {
      await until(
        'the events at the target',
        async () => {
          const stored = await target.stored();
          return ids.every((id) => stored.has(id));
        },
        90_000,
      );
      if (!harness.exactlyOnceById) return;
      const stored = await target.stored();
      expect(ids.filter((id) => stored.get(id) !== 1)).toEqual([]);
    };
    const settled = async (of = running): Promise<void> => {
      await until('nothing in hand, and the books balanced', async () => {
        const books = await booksOf(of.telemetry);
        return books.held === 0 && imbalance(books) === 0 && (await bench.ready()) === 0;
      });
    };
    const readiness = async (): Promise<{ ok: boolean; reasons: string[] }> => {
      const answer = await fetch(`http://${bench.sink.admin}/readyz`);
      return (await answer.json()) as { ok: boolean; reasons: string[] };
    };
    /** One instance for the time of a test. */
    const withSink = async (test: () => Promise<void>): Promise<void> => {
      running = bench.run();
      try {
        await test();
      } finally {
        await target.trouble(null);
        expect(await running.stop()).toBe(0);
      }
    };

    it('delivers every event, acks, is ready and keeps books', () =>
      withSink(async () => {
        const ids = await batches(30, 100);
        await arrived(ids);
        await settled();
        const books = await booksOf(running.telemetry);
        expect(books.read - books.returned).toBe(ids.length);
        expect(books.delivered + books.repeated).toBeGreaterThanOrEqual(ids.length);
        expect(await readiness()).toEqual({ ok: true, reasons: [] });
        for (const name of METRICS) {
          const shown = new RegExp(`^${name}.*(under-test|chicago)`, 'm');
          await until(name, async () => shown.test(await running.telemetry.metrics.registry.metrics()), 10_000);
        }
      }));

    it('puts a lone event through', () =>
      withSink(async () => {
        await arrived(await bench.publish('suite.lone', [{ lone: true }]));
        await settled();
      }));

    it('dead-letters poison with the reason, and delivers what came with it', () =>
      withSink(async () => {
        const bad = [target.poison(), target.poison(), target.poison()].filter((each) => each !== null);
        const large = { text: 'x'.repeat(2 * BATCH_BYTES) };
        const good = data(60);
        const ids = await bench.publish('suite.poison', [...bad, ...good.slice(0, 30), large, ...good.slice(30)]);
        await bench.publishRaw(Buffer.from('no batch at all'));
        const poisoned = new Set([...ids.slice(0, bad.length), ids[bad.length + 30] ?? '']);
        const letters = await bench.letters(poisoned.size + 1);
        const events = letters.filter(({ content }) => content === 'event');
        expect(new Set(events.map(({ event }) => event?.id))).toEqual(poisoned);
        for (const letter of letters) {
          expect(letter.sink).toBe('under-test');
          expect(letter.code).not.toBe('');
          expect(letter.message).not.toBe('');
        }
        expect(events.filter(({ code }) => code === 'too-large')).toHaveLength(1);
        expect(letters.filter(({ reason }) => reason === 'invalid')).toHaveLength(1);
        await arrived(ids.filter((id) => !poisoned.has(id)));
        await settled();
        expect((await booksOf(running.telemetry)).dead).toBe(poisoned.size + 1);
        const stored = await target.stored();
        expect([...poisoned].filter((id) => stored.has(id))).toEqual([]);
      }));

    it('holds no more than its memory while the target is slow', async (context) => {
      await withSink(async () => {
        if (!(await target.trouble('slow'))) context.skip();
        const ids = await batches(40, 20);
        let most = 0;
        await until('the events at the target', async () => {
          const gauges = (await running.telemetry.metrics.sinkHeld.get()).values;
          most = Math.max(most, gauges.find(({ labels }) => labels.unit === 'messages')?.value ?? 0);
          const stored = await target.stored();
          return ids.every((id) => stored.has(id));
        });
        expect(most).toBeLessThanOrEqual(PREFETCH);
        expect(most).toBeGreaterThan(0);
        await settled();
      });
    });

    it('sends again what an overloaded target did not take', async (context) => {
      await withSink(async () => {
        if (!(await target.trouble('busy'))) context.skip();
        const ids = await batches(4, 50);
        await until('requests that are retried, or a pause', async () => {
          const facts = await factsOf(running);
          return (facts.get('request.retried') ?? 0) + (facts.get('target.paused') ?? 0) > 0;
        });
        await target.trouble(null);
        await arrived(ids);
        await settled();
      });
    });

    it('gives its messages back while the target refuses its credentials, tells why, and goes on by itself', async (context) => {
      if (!(await target.trouble('forbidden'))) context.skip();
      const ids = await batches(4, 50);
      await withSink(async () => {
        await until('the pause', async () => ((await factsOf(running)).get('target.paused') ?? 0) > 0);
        await until('the messages back in the queue', async () => (await bench.ready()) === 4);
        await until('the reason at /readyz', async () => {
          const { ok, reasons } = await readiness();
          return !ok && reasons.join().includes('paused');
        });
        await target.trouble(null);
        await arrived(ids);
        await settled();
        expect(await readiness()).toEqual({ ok: true, reasons: [] });
      });
    });

    it('gives its messages back while the target is away for long, and delivers once it is there', async (context) => {
      await withSink(async () => {
        await arrived(await batches(1, 10));
        await settled(); // a target may acknowledge later than it stores
        if (!(await target.trouble('down'))) context.skip();
        const ids = await batches(10, 50);
        await until('the pause', async () => ((await factsOf(running)).get('target.paused') ?? 0) > 0);
        // One at a time is tried now and then.
        await until('the messages back in the queue', async () => (await bench.ready()) === 10);
        await target.trouble(null);
        await arrived(ids);
        await settled();
      });
    });

    it('loses nothing when its connections to the broker are killed', () =>
      withSink(async () => {
        await target.trouble('slow');
        const ids = await batches(20, 50);
        await until('some of it delivered', async () => (await booksOf(running.telemetry)).delivered > 0);
        await bench.killConnections();
        await target.trouble(null);
        await arrived(ids);
        await settled();
      }));

    it('ends in time in mid-flight, and what it had not settled comes again', async () => {
      let ids: string[] = [];
      await withSink(async () => {
        await target.trouble('slow');
        ids = await batches(20, 50);
        await until('some of it delivered', async () => (await booksOf(running.telemetry)).delivered > 0);
        const begun = Date.now();
        expect(await running.stop()).toBe(0);
        expect(Date.now() - begun).toBeLessThan(9_000);
      });
      await withSink(async () => {
        await arrived(ids);
        await settled();
      });
    });
  });
}

async function factsOf({ telemetry }: Running): Promise<ReadonlyMap<string, number>> {
  const { values } = await telemetry.metrics.facts.get();
  return new Map(values.map(({ labels, value }) => [String(labels.fact), value]));
}
