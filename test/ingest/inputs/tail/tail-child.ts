// Tails the logs of a folder into its spool until it is killed. Says when it has begun.
import { join } from 'node:path';
import { entry, tailing } from './tailing.ts';

const [folder = ''] = process.argv.slice(2);
await tailing(folder, [entry({ paths: [join(folder, 'logs', '*.log')] })], { segment: 256 * 1024 });
process.stdout.write('tailing\n');
