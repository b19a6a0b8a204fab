// The loop over a simulated queue and a scripted target, on a clock of the test's: `vi.useFakeTimers()` first.
import { randomFillSync } from 'node:crypto';
import { vi } from 'vitest';
import { decodeBatch, encodeBatch, type ReceivedMessage } from '#core/batch.ts';
import type { ModuleSinkConfig } from '#core/config/sink-config.ts';
import type { DeadLetter } from '#core/dead-letter.ts';
import { ownEventLine, parseEventLine } from '#core/event-line.ts';
import { createLog } from '#core/io/log.ts';
import { createTelemetry } from '#core/io/telemetry.ts';
import { uuidGenerator, uuidv7 } from '#core/uuid.ts';
import type { Outcome, QueueSink } from '../../../consumers/queue/contract.ts';
import { QueueDrain } from '../../../consumers/queue/drain.ts';
import { Held, type Channel } from '../../../consumers/queue/hand.ts';
import { QueueTelemetry } from '../../../consumers/queue/queue-telemetry.ts';
import { booksOf, type Books } from './books.ts';

export interface QueuedMessage {
  readonly message: ReceivedMessage;
  readonly ids: readonly string[];
}

export type Script = (ids: readonly string[], signal: AbortSignal, taken: () => void) => Promise<Outcome>;

const ids = uuidGenerator(Date.now, randomFillSync);

const tick = (): number => performance.now();

/** Each event's data is `{"n": its index}`, and `fill` bytes more. */
export function batchOf(count: number, type = 'a.b', fill = 0): QueuedMessage {
  const arrival = { receivedAt: Date.now(), host: 'host', site: 'chicago', source: '/chicago/host/test' };
  const lines = Array.from({ length: count }, (_, n) =>
    ownEventLine(type, arrival, ids, { n, fill: 'x'.repeat(fill) }),
  );
  const identity = uuidv7(Date.now(), randomFillSync(new Uint8Array(16)));
  const batch = encodeBatch(
    { identity, partition: 0, type, count, ranges: [[1, count]], body: Buffer.concat(lines) },
    'identity',
  );
  const { headers, contentType, contentEncoding, messageId, appId, body } = batch;
  const message = { headers, contentType, contentEncoding, messageId, appId, body };
  if (decodeBatch(message).kind === 'invalid') throw new Error('not a batch');
  return { message, ids: lines.map((line) => parseEventLine(line)?.id ?? '') };
}

export class Simulated implements AsyncDisposable {
  readonly queue: QueuedMessage[] = [];
  /** Delivered and neither acked nor given back. */
  readonly unacked = new Set<QueuedMessage>();
  readonly acked: QueuedMessage[] = [];
  readonly letters: DeadLetter[] = [];
  /** Requests as they were sent: when, and the ids. */
  readonly sent: { readonly at: number; readonly ids: readonly string[] }[] = [];
  readonly waits: number[] = [];
  /** What each put of dead letters waits for. */
  deadAway: Promise<void> | null = null;
  script: Script = async () => ({ kind: 'done', repeated: 0 });
  prepare: (() => Promise<Outcome>) | null = null;
  mostUnacked = 0;
  open = 0;
  mostOpen = 0;
  readonly drain: QueueDrain<string, QueuedMessage>;
  readonly #telemetry = createTelemetry('test', createLog('test', { write: () => {} }));
  readonly #told = new QueueTelemetry(this.#telemetry, 'under-test', tick);
  #prefetch = 0;
  #channel: Channel<QueuedMessage>;

  constructor(config: Partial<ModuleSinkConfig> = {}) {
    const whole: ModuleSinkConfig = {
      kind: 'module',
      module: 'test',
      options: {},
      name: 'under-test',
      home: 'chicago',
      match: ['**'],
      mapping: null,
      admin: '',
      memory: 1_048_576,
      connections: 2,
      batch: { size: 65_536, count: 10, age: 100 },
      timeout: 5_000,
      ...config,
    };
    this.#channel = this.#make();
    this.drain = new QueueDrain({
      sink: this.#sink(),
      config: whole,
      concurrency: {
        most: 0,
        get limit() {
          return this.most;
        },
        observe: () => {},
      },
      dead: {
        put: async (_site, letters) => {
          await this.deadAway;
          this.letters.push(...letters);
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      },
      telemetry: this.#told,
      want: (prefetch) => {
        this.#prefetch = prefetch;
        queueMicrotask(() => this.deliver());
      },
      now: Date.now,
      tick,
      random: () => 0.5,
    });
  }

  get wanted(): number {
    return this.#prefetch;
  }

  publish(...messages: readonly QueuedMessage[]): void {
    this.queue.push(...messages);
    this.deliver();
  }

  /** What the broker does: as many as the prefetch lets it. */
  deliver(): void {
    while (this.unacked.size < this.#prefetch) {
      const next = this.queue.shift();
      if (next === undefined) return;
      this.unacked.add(next);
      this.mostUnacked = Math.max(this.mostUnacked, this.unacked.size);
      this.drain.received(new Held(this.#channel, next, next.message.body.length, performance.now()), next.message);
    }
  }

  /** The channel is lost, and all it delivered comes again on another one. */
  loseChannel(): void {
    const former = this.#channel;
    this.#channel = this.#make();
    this.queue.unshift(...this.unacked);
    this.unacked.clear();
    this.drain.lost(former);
    this.deliver();
  }

  async pass(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms);
  }

  async facts(): Promise<ReadonlyMap<string, number>> {
    const { values } = await this.#telemetry.metrics.facts.get();
    return new Map(values.map(({ labels, value }) => [String(labels.fact), value]));
  }

  /** Reasons not to be ready. */
  troubles(): string {
    return [...this.#told.troubles()].join();
  }

  /** Once the gauges are set anew. */
  async books(): Promise<Books> {
    await this.pass(1_000);
    return booksOf(this.#telemetry);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain[Symbol.asyncDispose]();
  }

  #make(): Channel<QueuedMessage> {
    const channel: Channel<QueuedMessage> = {
      ack: (message) => {
        this.#take(channel, message);
        this.acked.push(message);
      },
      nack: (message) => {
        this.#take(channel, message);
        this.queue.unshift(message);
      },
    };
    return channel;
  }

  #take(channel: Channel<QueuedMessage>, message: QueuedMessage): void {
    if (channel !== this.#channel) throw new Error('settled on another channel than it was delivered on');
    if (!this.unacked.delete(message)) throw new Error('settled twice, or never delivered');
    queueMicrotask(() => this.deliver());
  }

  #sink(): QueueSink<string> {
    return {
      limit: { bytes: 1_000_000, events: 1_000 },
      encode: ({ id, line }) => ({ kind: 'encoded', body: id, bytes: line.length }),
      prepare: () => this.prepare?.() ?? Promise.resolve({ kind: 'done', repeated: 0 }),
      connect: () => {
        this.open++;
        this.mostOpen = Math.max(this.mostOpen, this.open);
        return {
          send: (batch, signal, taken) => {
            this.sent.push({ at: performance.now(), ids: [...batch] });
            return this.script(batch, signal, taken);
          },
          [Symbol.asyncDispose]: async () => void this.open--,
        };
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
}
