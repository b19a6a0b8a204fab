// `waggle tap`: prints events as they pass a site. The broker keeps a short queue for it and drops the oldest where this end is slow, so that a tap
// costs the system nothing. What passes while it is away, or is dropped, it never shows: a tap is for looking, a sink for keeping.
import { randomBytes } from 'node:crypto';
import { write } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { decodeBatch, linesOf } from '#core/batch.ts';
import type { Config, SiteConfig } from '#core/config/config.ts';
import { openAmqpLink } from '#core/io/amqp.ts';
import { matcher } from '#core/patterns.ts';
import { amqpOptions } from '#topology/credentials.ts';
import { topicPattern } from '#topology/desired.ts';
import { EVENTS_LIVE, liveQueue, USER_TAP } from '#topology/names.ts';

export interface TapOptions {
  /** Patterns for types: Fluentd's `*` and `**`. */
  readonly match: readonly string[];
  readonly site: SiteConfig;
  /** Ends after so many events; null: never. */
  readonly count: number | null;
  /** Takes lines; resolves when they are taken, and answers false where nobody reads on. */
  readonly print: (lines: Buffer) => Promise<boolean>;
  /** For people, beside the events. */
  readonly tell: (text: string) => void;
}

/** Batches (up to 500 events, 256 KiB each) that wait at the broker for a tap that is slow. */
const QUEUE_BATCHES = 500;
const QUEUE_BYTES = 8 * 1024 ** 2;
/** How long the queue of a lost connection lives. */
const EXPIRES = 30_000;
const PREFETCH = 10;
const LOOK = 1_000;

/** Until the signal aborts, the reader is gone or `count` is reached. Resolves to the exit code; reconnects by itself. */
export async function runTap(config: Config, options: TapOptions, signal: AbortSignal): Promise<number> {
  const { site, tell } = options;
  const over = new AbortController();
  const end = (): void => over.abort();
  signal.addEventListener('abort', end, { once: true });
  const printing = printer(options, end);
  let told = '';
  const sayOnce = (text: string): void => {
    if (text !== told) tell(`${text}\n`);
    told = text;
  };
  const link = openAmqpLink(amqpOptions(config, site, USER_TAP, 'waggle tap'), {
    onUp(connection) {
      attach(connection, options.match, printing, sayOnce).then(
        () =>
          sayOnce(`tapping ${options.match.join(' ')} at ${site.name}; what passes too fast for this end is left out`),
        (error: unknown) => link.reconnect(String(error)),
      );
    },
    onDown: (reason) =>
      over.signal.aborted || sayOnce(`the connection to ${site.name} is lost (${reason}): connecting again`),
  });
  const watch = setInterval(() => {
    const { state } = link;
    if (state.kind === 'down') sayOnce(`${state.error}: trying again`);
  }, LOOK);
  await new Promise<void>((resolve) => {
    if (signal.aborted) end();
    if (over.signal.aborted) resolve();
    else over.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  clearInterval(watch);
  await link.close();
  return 0;
}

/** Prints one batch after the other. */
function printer({ match, count, print }: TapOptions, end: () => void): (message: ConsumeMessage) => Promise<void> {
  const isAsked = matcher(match);
  let left = count ?? Infinity;
  let last: Promise<void> = Promise.resolve();
  const one = async ({ properties, content }: ConsumeMessage): Promise<void> => {
    const batch = decodeBatch({ ...properties, headers: properties.headers ?? {}, body: content });
    if (left <= 0 || batch.kind === 'invalid' || !isAsked(batch.type)) return;
    let bytes = batch.body;
    if (batch.count > left) bytes = bytes.subarray(0, [...linesOf(batch)][left - 1]?.end);
    left -= Math.min(left, batch.count);
    if (!(await print(bytes)) || left <= 0) end();
  };
  return (message) => (last = last.then(() => one(message)));
}

/** A queue of its own, gone with the connection, bound by the patterns. */
async function attach(
  connection: ChannelModel,
  match: readonly string[],
  take: (message: ConsumeMessage) => Promise<void>,
  say: (text: string) => void,
): Promise<void> {
  const channel = await connection.createChannel();
  const failed = new Promise<never>((_, reject) => channel.on('error', reject));
  failed.catch(() => {}); // after it is attached, the end of the connection tells
  const queue = liveQueue(`tap-${randomBytes(8).toString('hex')}`);
  const declare = async (): Promise<void> => {
    await channel.prefetch(PREFETCH);
    await channel.assertQueue(queue, {
      exclusive: true,
      autoDelete: true,
      durable: false,
      arguments: {
        'x-max-length': QUEUE_BATCHES,
        'x-max-length-bytes': QUEUE_BYTES,
        'x-overflow': 'drop-head',
        'x-expires': EXPIRES,
      },
    });
    for (const pattern of match) await channel.bindQueue(queue, EVENTS_LIVE, topicPattern(pattern));
    await channel.consume(queue, (message) => {
      // Its acknowledgement may find the channel closed: then the queue is gone with it.
      if (message !== null) void take(message).then(() => acknowledge(channel, message));
    });
  };
  await Promise.race([declare(), failed]);
  lookAfter(channel, queue, say);
}

function acknowledge(channel: Channel, message: ConsumeMessage): void {
  try {
    channel.ack(message);
  } catch {
    // closed
  }
}

/** Says so while the queue is full, since the broker does not. */
function lookAfter(channel: Channel, queue: string, say: (text: string) => void): void {
  let wasFull = false;
  const look = async (): Promise<void> => {
    const { messageCount } = await channel.checkQueue(queue);
    const isFull = messageCount >= QUEUE_BATCHES * 0.9;
    if (isFull !== wasFull)
      say(isFull ? 'events pass faster than this end reads them: the oldest are left out' : 'keeping up again');
    wasFull = isFull;
  };
  const timer = setInterval(() => void look().catch(() => clearInterval(timer)), LOOK);
  channel.on('close', () => clearInterval(timer));
}

/**
 * To a file descriptor without standing still: a terminal that is stopped, or a pipe whose reader is slow, would keep a synchronous write
 * until the broker gives the connection up. False where the reader has gone (`| head`).
 */
export async function printAside(fd: number, bytes: Buffer): Promise<boolean> {
  for (let at = 0; at < bytes.length;) {
    const [code, written] = await new Promise<readonly [string | undefined, number]>((resolve) =>
      write(fd, bytes, at, (error, count) => resolve([error?.code, count])),
    );
    if (code === undefined) at += written;
    else if (code === 'EAGAIN') await delay(5);
    else if (code === 'EPIPE') return false;
    else throw new Error(`standard output cannot be written: ${code}`);
  }
  return true;
}
