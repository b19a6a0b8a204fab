// A process that appends numbered events until it is killed, and tells its parent which were acknowledged.
import { openSpool } from '../../../ingest/spool/spool.ts';
import { spoolOptions } from './options.ts';

const [, , folder = '', start = '0'] = process.argv;
const spool = await openSpool({ ...spoolOptions(folder), segment: 256 * 1024 });
let next = Number(start);

async function connection(): Promise<never> {
  for (;;) {
    const numbers = Array.from({ length: 1 + (next % 5) }, () => ++next);
    const payload = Buffer.from(numbers.map((n) => `{"n":${n},"pad":"${'y'.repeat(n % 300)}"}\n`).join(''));
    const appended = spool.append([{ type: `test.t${next % 3}`, count: numbers.length, payload }], 'disk');
    if (appended.kind === 'refused') throw new Error(appended.message);
    if ((await appended.synced).kind === 'synced') process.send?.(numbers);
  }
}

await Promise.all(Array.from({ length: 16 }, connection));
