// A service of a few lines for process.test.ts, which sends it signals. Argument: how it behaves.
import { setTimeout as delay } from 'node:timers/promises';
import { ListenRefused } from '#core/io/admin.ts';
import { createLog } from '#core/io/log.ts';
import { runProcess } from '#core/io/process.ts';

const behaviour = process.argv[2];

await runProcess(
  createLog('small'),
  async (signal) => {
    if (behaviour === 'cannot listen') throw new ListenRefused('127.0.0.1:1 is taken');
    if (behaviour === 'throws') throw new Error('broken');
    if (behaviour === 'floats') void Promise.reject(new Error('nobody waits for this'));
    process.stdout.write('started\n');
    const forever = setInterval(() => undefined, 1000);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    if (behaviour === 'hangs') await new Promise(() => undefined);
    await delay(1);
    process.stdout.write('drained\n');
    clearInterval(forever);
    return 0;
  },
  process.argv[3] === undefined ? undefined : Number(process.argv[3]),
);
