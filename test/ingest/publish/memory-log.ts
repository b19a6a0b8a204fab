// A log of numbered events in memory, for tests and figures of the publisher alone: no disk, everything is there from the beginning.
import type { SpoolReader, SpoolRecord } from '../../../ingest/spool/contract.ts';

const TIME = '2026-11-23T14:00:00.000Z';

export interface MemoryLog extends SpoolReader {
  readonly identity: string;
  /** Numbers that may be read; grows by `offer`. `size`: bytes of each of these events' lines, where it is not the log's. */
  offer(events: number, size?: number): void;
  /** How many numbers are confirmed, each once. */
  readonly confirmed: number;
  readonly dropped: readonly (readonly [reason: string, first: number, last: number])[];
  /** Resolves once all that was offered is confirmed or dropped; rejects after a minute, with how much was. */
  drained(): Promise<void>;
}

/** A line is a CloudEvent whose data is `{"n": number}`, padded to `size` bytes; records hold `count` lines. */
export function memoryLog(identity: string, partition: number, size = 330, count = 10): MemoryLog {
  let offered = 0;
  let next = 1;
  const sizes: { readonly last: number; readonly size: number }[] = [];
  const confirmed = new Set<number>();
  const dropped: [reason: string, first: number, last: number][] = [];
  let given = 0;
  let wake: (() => void) | null = null;
  let drained: (() => void) | null = null;
  const line = (number: number): string => {
    const bare = `{"specversion":"1.0","type":"test.numbered","receivedat":"${TIME}","time":"${TIME}","id":"${number}","source":"/test","host":"h","site":"s","datacontenttype":"application/json","data":{"n":${number},"pad":""}}\n`;
    const wanted = sizes.find(({ last }) => last >= number)?.size ?? size;
    return bare.replace('"pad":"', `"pad":"${'x'.repeat(Math.max(0, wanted - bare.length))}`);
  };
  return {
    identity,
    get confirmed() {
      return confirmed.size;
    },
    get dropped() {
      return dropped;
    },
    offer(events, each = size) {
      offered += events;
      sizes.push({ last: offered, size: each });
      wake?.();
    },
    read(maxBytes) {
      const records: SpoolRecord[] = [];
      for (let bytes = 0; bytes < maxBytes && next <= offered; next += count) {
        const events = Math.min(count, offered - next + 1);
        const payload = Buffer.from(Array.from({ length: events }, (_, index) => line(next + index)).join(''));
        bytes += payload.length;
        records.push({ identity, partition, first: next, count: events, type: 'test.numbered', payload });
      }
      return Promise.resolve(records);
    },
    readable: (signal) =>
      new Promise((resolve) => {
        if (signal.aborted || next <= offered) return resolve();
        wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      }),
    confirm(_identity, ranges) {
      for (const [first, last] of ranges) for (let number = first; number <= last; number++) confirmed.add(number);
      if (confirmed.size + given === offered) drained?.();
    },
    drop(_identity, ranges, reason) {
      for (const [first, last] of ranges) {
        dropped.push([reason, first, last]);
        given += last - first + 1;
      }
      if (confirmed.size + given === offered) drained?.();
    },
    drained: () =>
      new Promise((resolve, reject) => {
        if (confirmed.size + given === offered) return resolve();
        const timer = setTimeout(
          () => reject(new Error(`${confirmed.size} of ${offered} are confirmed, and no more within a minute`)),
          60_000,
        );
        drained = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
  };
}
