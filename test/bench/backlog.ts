// A spool filled as an agent would leave it that was killed: written by the spool's own code, at speed (nothing waits for the disk), never closed.
import { fork } from 'node:child_process';
import { randomBytes, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { BATCH_EVENTS } from '#core/batch.ts';
import type { Disk } from '../../ingest/spool/disk.ts';
import { nodeDisk, systemClock } from '../../ingest/spool/node-disk.ts';
import { openSpool } from '../../ingest/spool/spool.ts';

export const TYPE = 'bench.event';
export const EVENT_BYTES = 330;
const RECORD_EVENTS = 100;
/** Different bodies of a batch: 6.6 MB, so that no compressor sees them again within its window. */
const BODIES = 40;
const AT_ONCE = 32;

/** A line as the agent writes it (core/event-line.ts), of 330 bytes, with data that compress as events do. */
function line(n: number): string {
  const time = '2026-11-23T14:00:00.000Z';
  const head = `{"specversion":"1.0","type":"${TYPE}","receivedat":"${time}","time":"${time}","id":"e-${String(n).padStart(10, '0')}","source":"/shop","host":"api-1","site":"chicago","datacontenttype":"application/json","data":`;
  const data = `{"user":${n * 7919},"venue":"The Map Room","tags":["bar"],"note":"`;
  const rest = EVENT_BYTES - head.length - data.length - 4;
  return `${head}${data}${randomBytes(rest).toString('base64').slice(0, rest)}"}}\n`;
}

/** Bodies of full batches; no event stands twice in them. */
export const batchBodies = (bodies = BODIES): Buffer[] =>
  Array.from({ length: bodies }, (_, body) =>
    Buffer.from(Array.from({ length: BATCH_EVENTS }, (__, i) => line(body * BATCH_EVENTS + i)).join('')),
  );

/** Each identity with so many events, in a partition of its own: 0, 1, … */
export interface Backlog {
  readonly path: string;
  readonly events: number;
  readonly identities: number;
}

/** In a process of its own, which is killed when all is written. */
export async function fillSpool(backlog: Backlog): Promise<void> {
  const child = fork(import.meta.filename);
  child.send(backlog);
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (signal !== 'SIGKILL') throw new Error(`the spool was not filled: the process ended with ${code ?? signal}`);
}

const unsynced: Disk = {
  ...nodeDisk,
  syncFolder: () => Promise.resolve(),
  create: async (path) => {
    const file = await nodeDisk.create(path);
    return {
      write: file.write.bind(file),
      sync: (done) => void setImmediate(done, null),
      read: file.read.bind(file),
      close: file.close.bind(file),
    };
  },
};

async function fill({ path, events, identities }: Backlog): Promise<void> {
  const payloads = batchBodies().flatMap((body) =>
    Array.from({ length: BATCH_EVENTS / RECORD_EVENTS }, (_, i) =>
      body.subarray(i * RECORD_EVENTS * EVENT_BYTES, (i + 1) * RECORD_EVENTS * EVENT_BYTES),
    ),
  );
  for (let partition = 0; partition < identities;) {
    let drawn = -1;
    const spool = await openSpool({
      path,
      max: 64 * 1024 ** 3,
      keep: 0,
      behind: Infinity,
      segment: 64 * 1024 ** 2,
      partitions: identities,
      routes: ['sites'],
      disk: unsynced,
      clock: systemClock,
      random: randomFillSync,
      observe: (event) => {
        if (event.kind === 'opened') drawn = event.partition;
      },
      holder: 'the benchmark',
    });
    if (drawn === partition) {
      for (let at = 0; at < events;) {
        let written: Promise<unknown> = Promise.resolve();
        for (let i = 0; i < AT_ONCE && at < events; i++, at += RECORD_EVENTS) {
          const payload = payloads[(at / RECORD_EVENTS) % payloads.length] ?? Buffer.alloc(0);
          const appended = spool.append([{ type: TYPE, count: RECORD_EVENTS, payload }], 'disk');
          if (appended.kind === 'refused') throw new Error(appended.message);
          written = appended.synced;
        }
        await written;
      }
      partition++;
    }
    if (partition < identities) await spool[Symbol.asyncDispose]();
  }
  process.kill(process.pid, 'SIGKILL');
}

if (import.meta.main) process.once('message', (backlog: Backlog) => void fill(backlog));
