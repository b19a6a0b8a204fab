// A spool that takes, reads, confirms and removes until WAGGLE_CRASH_AT kills it. Tells by lines: `a N` acknowledged, `d IDENTITY FIRST JSON` handed out.
import { writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { crashDisk } from '../../../ingest/spool/crash-disk.ts';
import { nodeDisk, systemClock } from '../../../ingest/spool/node-disk.ts';
import { openSpool } from '../../../ingest/spool/spool.ts';
import { spoolOptions } from './options.ts';

const [folder = '', start = '1'] = process.argv.slice(2);
const EVENTS = 5_000;
const FASTER = 100;

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  for (;;);
}

const spool = await openSpool({
  ...spoolOptions(folder),
  max: 2048 * 1024,
  keep: 0,
  segment: 64 * 1024,
  disk: crashDisk(nodeDisk, process.env['WAGGLE_CRASH_AT'], die),
  clock: { ...systemClock, after: (milliseconds, run) => systemClock.after(milliseconds / FASTER, run) },
});
const reader = spool.reader('sites');
for (let n = Number(start); n < Number(start) + EVENTS; n++) {
  const payload = Buffer.from(`{"n":${n},"pad":"${'x'.repeat(2000)}"}\n`);
  const appended = spool.append([{ type: `t${n % 3}`, count: 1, payload }], 'disk', { key: 'file', value: `${n}` });
  if (appended.kind === 'appended' && (await appended.synced).kind === 'synced') writeSync(1, `a ${n}\n`);
  else n--; // full: it drains below
  await turn(); // timers and the janitor get theirs, whatever is read
  for (const { identity, first, payload: lines } of await reader.read(64 * 1024)) {
    const numbers = Array.from(lines.toString().matchAll(/"n":(\d+)/g), ([, text]) => Number(text));
    writeSync(1, `d ${identity} ${first} ${JSON.stringify(numbers)}\n`);
    reader.confirm(identity, [[first, first + numbers.length - 1]]);
  }
}
await spool[Symbol.asyncDispose]();
