// The reader against a script of what a broker may do: updates that come twice, late, or not at all.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { encodeBatch } from '#core/batch.ts';
import type { LogMessage, PartitionListener, Position } from '../../../consumers/source/contract.ts';
import { LogReader, type Connected, type ReaderEvent } from '../../../consumers/source/log-reader.ts';
import type { StreamMessage } from '../../../consumers/source/delivery.ts';
import type { Subscription } from '../../../consumers/source/stream-client.ts';
import { identityAt, makeMessage } from '../drain/batches.ts';

const identity = identityAt(Date.now());

/** As the stream client shows it. */
function streamMessage(offset: number, number = offset + 1): StreamMessage {
  const { batch } = makeMessage(offset, { identity, ranges: [[number, number]] });
  if (batch.kind === 'invalid') throw new Error(batch.message);
  const { body, headers, contentType, messageId } = encodeBatch(batch, 'identity');
  return {
    content: body,
    offset: BigInt(offset),
    messageProperties: { contentType, messageId },
    applicationProperties: headers,
    messageAnnotations: {},
  };
}

let subscriptions: Subscription[] = [];
let closed = 0;
/** Chunks that the broker was allowed. */
let credit = 0;
let end: (why: string) => void = () => {};
let reader: LogReader;
let events: ReaderEvent[] = [];
let sink: Sink;

class Sink implements PartitionListener {
  calls: string[] = [];
  answer: () => Promise<Position | 'first' | null> = async () => 'first';
  activated(): Promise<Position | 'first' | null> {
    this.calls.push('activated');
    return this.answer();
  }
  deactivated(): void {
    this.calls.push('deactivated');
  }
  positionLost(): void {
    this.calls.push('lost');
  }
  gap(_partition: number, missing: bigint): void {
    this.calls.push(`gap ${missing}`);
  }
  message({ offset }: LogMessage): void {
    this.calls.push(`message ${offset}`);
  }
  chunkEnd(): void {
    this.calls.push('end');
  }
  get messages(): string[] {
    return this.calls.filter((call) => call.startsWith('message'));
  }
}

beforeEach(async () => {
  subscriptions = [];
  events = [];
  closed = 0;
  credit = 0;
  sink = new Sink();
  const connected: Connected = {
    subscribe: async (subscription) => {
      subscriptions.push(subscription);
      return { credit: (chunks) => void (credit += chunks), close: async () => void closed++ };
    },
    async [Symbol.asyncDispose]() {},
  };
  reader = new LogReader({
    site: {
      name: 'chicago',
      nodes: [],
      stream: [{ host: 'chicago-1', port: 5552 }],
      management: [],
      federation: [],
      tls: null,
      linkCertificates: '',
    },
    vhost: '/',
    username: 's3',
    password: '',
    sink: 's3',
    partitions: [0],
    listener: sink,
    observe: (event) => events.push(event),
    random: () => 0,
    connect: async (_endpoint, _deadline, ended) => {
      end = ended;
      return connected;
    },
  });
  await vi.waitFor(() => expect(subscriptions).toHaveLength(1));
});
afterEach(() => reader[Symbol.asyncDispose]());

const update = (active: boolean, of = 0): Promise<unknown> =>
  subscriptions[of]?.single?.update(active) ?? Promise.reject(new Error('no such subscription'));
const chunk = (...offsets: number[]): void => subscriptions[0]?.chunk(offsets.map((offset) => streamMessage(offset)));

describe('consumer updates', () => {
  test('nothing is delivered before an activation is answered', async () => {
    chunk(0);
    const held = Promise.withResolvers<'first'>();
    sink.answer = () => held.promise;
    const answered = update(true);
    chunk(1);
    held.resolve('first');
    await answered;
    chunk(2);
    expect(sink.messages).toEqual(['message 2']);
  });

  test('an activation that comes twice begins anew: what the first would deliver is dropped', async () => {
    await update(true);
    chunk(0, 1);
    const again = update(true);
    chunk(2); // of the first attachment
    await again;
    chunk(0, 1);
    expect(sink.messages).toEqual(['message 0', 'message 1', 'message 0', 'message 1']);
    expect(sink.calls.filter((call) => call === 'activated')).toHaveLength(2);
  });

  test('of two activations at once the later one counts', async () => {
    const first = Promise.withResolvers<'first'>();
    sink.answer = () => first.promise;
    const early = update(true);
    sink.answer = async () => null;
    await update(true);
    first.resolve('first');
    await early;
    chunk(0);
    expect(sink.messages).toEqual([]);
  });

  test('a deactivation that is missing does no harm, one too many neither', async () => {
    await update(true);
    chunk(0);
    await update(true);
    await update(false);
    await update(false);
    chunk(0);
    expect(sink.messages).toEqual(['message 0']);
    await update(true);
    chunk(0);
    expect(sink.messages).toEqual(['message 0', 'message 0']);
  });

  test('credit is full at each activation, whatever became of what was granted before', async () => {
    expect(credit).toBe(0);
    await update(true);
    const full = credit;
    expect(full).toBeGreaterThan(0);
    chunk(0); // taken, and never given back by the sink
    await update(false);
    chunk(1); // on its way when the partition was taken away
    await update(true);
    expect(credit).toBe(full + 2);
  });

  test('an activation that comes to nothing never sends the broker to the end of the stream', async () => {
    const held = Promise.withResolvers<'first'>();
    sink.answer = () => held.promise;
    const superseded = update(true);
    await update(false);
    held.resolve('first');
    expect(await superseded).toMatchObject({ type: 'first' });
    sink.answer = async () => null;
    expect(await update(true)).toMatchObject({ type: 'first' });
  });

  test('an offset that comes again within an attachment is dropped', async () => {
    await update(true);
    chunk(0, 1, 2);
    chunk(1, 2, 3);
    expect(sink.messages).toEqual(['message 0', 'message 1', 'message 2', 'message 3']);
  });

  test('a partition whose place cannot be told is asked for again', async () => {
    vi.useFakeTimers();
    try {
      sink.answer = () => Promise.reject(new Error('this record is not ours'));
      await update(true);
      expect(events).toContainEqual({
        kind: 'activation-failed',
        site: 'chicago',
        partition: 0,
        why: 'this record is not ours',
      });
      chunk(0);
      expect(sink.messages).toEqual([]);
      await vi.advanceTimersByTimeAsync(10_000);
      expect(subscriptions).toHaveLength(2);
      expect(closed).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('the committed position', () => {
  const wanted = { offset: 5n, identity, first: 6 };
  /** Activates at `wanted`; the plain reader that looks there is given these messages. */
  async function attach(found: readonly StreamMessage[]): Promise<void> {
    sink.answer = async () => wanted;
    const answered = update(true);
    await vi.waitFor(() => expect(subscriptions).toHaveLength(2));
    subscriptions[1]?.chunk(found);
    await answered;
  }

  test('is gone on behind where its message is the one known', async () => {
    await attach([streamMessage(4), streamMessage(5), streamMessage(6)]);
    chunk(4, 5, 6);
    expect(sink.calls).not.toContain('lost');
    expect(sink.messages).toEqual(['message 6']);
  });

  test.each([
    ['another message stands there', [streamMessage(5, 77)]],
    ['the stream is shorter, and a new message comes', [streamMessage(2)]],
  ])('is given up where %s', async (_how, found) => {
    await attach(found);
    chunk(0, 1);
    expect(sink.calls).toContain('lost');
    expect(sink.messages).toEqual(['message 0', 'message 1']);
  });

  test('counts what retention deleted between two chunks, and not what the stream itself takes', async () => {
    await update(true);
    chunk(3, 4); // the first chunk may begin anywhere
    chunk(6); // bookkeeping
    expect(sink.calls.some((call) => call.startsWith('gap'))).toBe(false);
    chunk(20);
    expect(sink.calls).toContain('gap 13');
  });

  test('is looked for no longer when the partition is taken away meanwhile', async () => {
    sink.answer = async () => wanted;
    const answered = update(true);
    await vi.waitFor(() => expect(subscriptions).toHaveLength(2));
    await update(false);
    expect(await answered).toMatchObject({ type: 'first' });
    await vi.waitFor(() => expect(closed).toBe(1));
  });

  test('counts what retention deleted before it was read', async () => {
    await attach([streamMessage(9)]);
    chunk(9);
    expect(sink.calls).toContain('gap 3');
    expect(sink.messages).toEqual(['message 9']);
  });
});

describe('a connection that ends', () => {
  test('takes its attachments with it, and a new one is made', async () => {
    await update(true);
    chunk(0);
    end('the broker closed the connection');
    await vi.waitFor(() => expect(subscriptions).toHaveLength(2));
    chunk(1);
    expect(sink.messages).toEqual(['message 0']);
    expect(sink.calls.at(-1)).toBe('deactivated');
    expect(closed).toBe(0); // what went with its connection cannot be closed on the next
    expect(events).toMatchObject([
      { kind: 'connected' },
      { kind: 'stream-there' },
      { kind: 'disconnected', why: 'the broker closed the connection' },
      { kind: 'connected' },
      { kind: 'stream-there' },
    ]);
  });
});
