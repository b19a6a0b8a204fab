// The machine that figures were taken on, as a reader needs it to compare: what it is, and how long its disk takes for an fdatasync.
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { amount, quantile } from './figure.ts';

const GIB = 1024 ** 3;
const PAGE = Buffer.alloc(4096, 0x78);

/** Names and values. `folder` is on the disk that is measured. */
export function describeMachine(folder: string): (readonly [string, string])[] {
  const [first] = os.cpus();
  const syncs = syncTimes(folder, 500);
  return [
    ['CPU', `${first?.model.trim() ?? 'unknown'}, ${os.availableParallelism()} cores`],
    ['memory', `${amount(os.totalmem() / GIB)} GiB`],
    ['kernel', `${os.type()} ${os.release()} ${os.machine()}`],
    ['Node', process.version],
    ['RabbitMQ', '4.3, a container a site, one node each'],
    ['load before the run', `${os.loadavg()[0]?.toFixed(1)} (average of a minute)`],
    [
      'fdatasync of an appended 4 KiB page',
      `p50 ${amount(quantile(syncs, 0.5))} ms, p99 ${amount(quantile(syncs, 0.99))} ms`,
    ],
  ];
}

/** Milliseconds of each write with its fdatasync, at the end of a file. */
export function syncTimes(folder: string, count: number, bytes: Uint8Array = PAGE): number[] {
  const path = join(folder, `sync-${process.pid}`);
  const fd = openSync(path, 'w');
  try {
    return Array.from({ length: count }, () => {
      const started = performance.now();
      writeSync(fd, bytes);
      fdatasyncSync(fd);
      return performance.now() - started;
    });
  } finally {
    closeSync(fd);
    rmSync(path);
  }
}
