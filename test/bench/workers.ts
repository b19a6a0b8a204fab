// Whether a second worker takes a second core: the command `waggle agent` with two workers, against the same with one.
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { configFor, noInputs } from '../site-config.ts';
import { startAgent } from './agent-command.ts';
import { type Figure, figureOf } from './figure.ts';
import { loadBatches } from './http.ts';

const CONNECTIONS = 16;
const CORES = 4;

export async function benchWorkers(seconds: number, pairs: number): Promise<Figure> {
  const one: number[] = [];
  const two: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    two.push(await rateWith(2, seconds));
    one.push(await rateWith(1, seconds));
  }
  const cores = availableParallelism();
  // The load needs a core, too.
  const target = cores >= CORES ? ({ kind: 'ratio', atLeast: 1.6 } as const) : ({ kind: 'beside' } as const);
  const detail = cores >= CORES ? '' : `on ${cores} cores, which the load shares: the figure says nothing of four`;
  return figureOf({ what: 'agent: two workers against one', unit: 'events/s', target, detail }, two, one);
}

/** No site takes what comes, so that a rate is that of taking it. */
async function rateWith(workers: number, seconds: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'waggle-bench-workers-'));
  const away = { name: 'away', nodes: ['amqp://127.0.0.1:1'], stream: [{ host: '127.0.0.1', port: 2 }] };
  const config = configFor([
    { ...away, management: ['http://127.0.0.1:3'], federation: [], tls: null, linkCertificates: '/etc/rabbitmq/tls' },
  ]);
  const { agent } = config;
  const http = { listen: '127.0.0.1:0', level: 'disk', maxBody: 8 * 2 ** 20, maxEvent: 2 ** 20 } as const;
  const spool = { ...agent.spool, path: join(folder, 'spool'), max: 16 * 2 ** 30 };
  try {
    await using running = await startAgent(folder, {
      ...config,
      agent: { ...agent, workers, spool, inputs: { ...noInputs, http } },
    });
    return await loadBatches(Number(new URL(running.http).port), CONNECTIONS, seconds);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
