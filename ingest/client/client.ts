// Events out of a TypeScript or JavaScript application to the agent of its host: `import { createClient } from 'waggle/client'`.
// Nothing here waits, throws or grows without bound: what cannot be delivered is dropped, counted by reason, and told.
import { hostname } from 'node:os';
import { Sender, type DropReason, type SenderStats } from './sender.ts';

export type { DropReason };
export type ClientStats = SenderStats;

export interface ClientOptions {
  /** The agent's HTTP input; http://127.0.0.1:9880 unless given. */
  readonly url?: string;
  /** A URI reference that says where the events come from; `/<host>/<pid>` unless given. With the id it makes an event known again. */
  readonly source?: string;
  /** Where an event must be before the agent answers; what the agent is configured for unless given. */
  readonly level?: 'memory' | 'disk' | 'site';
  /** Bytes that wait at most; 16 MiB unless given. */
  readonly maxBytes?: number;
  /** Milliseconds that an event waits for others; 50 unless given. */
  readonly linger?: number;
  /** Milliseconds for the agent's answer; 30,000 unless given. */
  readonly timeout?: number;
  /** Told of events that are dropped. What it throws is swallowed. */
  readonly onDrop?: (reason: DropReason, count: number, message: string) => void;
}

export interface Client extends AsyncDisposable {
  /** Data are an object that has JSON; they are read at once. `time`: when it happened; now unless given. */
  log(type: string, data: object, time?: Date): void;
  /** True once all that was logged before is with the agent or dropped; false after so many milliseconds (10,000 unless given). */
  flush(milliseconds?: number): Promise<boolean>;
  /** Flushes, and takes no more. False where something was left; it is dropped as `closed`. */
  close(milliseconds?: number): Promise<boolean>;
  stats(): ClientStats;
}

const MEBI = 1024 * 1024;
const PATIENCE = 10_000;

/** Throws for a URL that is none: a wrong configuration shows at the start, and nothing later throws. */
export function createClient(options: ClientOptions = {}): Client {
  const url = new URL('/events', options.url ?? 'http://127.0.0.1:9880');
  if (options.level !== undefined) url.searchParams.set('level', options.level);
  const source = options.source ?? `/${encodeURIComponent(hostname())}/${process.pid}`;
  const sender = new Sender({
    url: url.href,
    maxBytes: options.maxBytes ?? 16 * MEBI,
    batchBytes: 512 * 1024,
    batchEvents: 500,
    linger: options.linger ?? 50,
    timeout: options.timeout ?? 30_000,
    dropped: (reason, count, message) => {
      try {
        options.onDrop?.(reason, count, message);
      } catch {
        // The application's own; it must not end what logs.
      }
    },
  });
  let closing: Promise<boolean> | null = null;
  const close = async (milliseconds: number): Promise<boolean> => {
    const flushed = await sender.flush(milliseconds);
    sender.end();
    return flushed;
  };
  return {
    log(type, data, time) {
      const json = eventJson(source, type, data, time);
      if (closing !== null) sender.drop('closed', 1, '');
      else if (json === null) sender.drop('unserialisable', 1, type);
      else sender.add(json);
    },
    flush: (milliseconds = PATIENCE) => sender.flush(milliseconds),
    close: (milliseconds = PATIENCE) => (closing ??= close(milliseconds)),
    stats: () => sender.stats(),
    async [Symbol.asyncDispose]() {
      await (closing ??= close(PATIENCE));
    },
  };
}

/** A CloudEvent whose id is made once; null where there is no JSON object of the data. */
function eventJson(source: string, type: string, data: object, time: Date | undefined): string | null {
  try {
    const json = JSON.stringify(data) as string | undefined;
    if (json === undefined || json[0] !== '{') return null;
    const moment = (time ?? new Date()).toISOString();
    const head = JSON.stringify({ specversion: '1.0', id: crypto.randomUUID(), source, type, time: moment });
    return `${head.slice(0, -1)},"data":${json}}`;
  } catch {
    return null; // a cycle, a BigInt, a getter that throws
  }
}
