// What an agent costs its host: how soon it takes events, and how much memory it holds, with a backlog of 5 GB and with nothing to do.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '#core/config/config.ts';
import { topologyReport } from '#topology/main.ts';
import { configFor, startSite } from '../containers.ts';
import { end, memoryOf, startAgent } from './agent-command.ts';
import { EVENT_BYTES, fillSpool } from './backlog.ts';
import { amount, type Figure, figureOf, median } from './figure.ts';

const MB = 1e6;
/** How long the agent rests, or drains, before its memory is read. */
const SETTLE = 3_000;

/** The smallest server: what of the start and of the memory is Node's own. */
const BARE =
  "import { createServer } from 'node:http'; const s = createServer((q, r) => r.end()); s.listen(0, '127.0.0.1', () => console.log(s.address().port));";

interface Bare {
  readonly milliseconds: number;
  readonly resident: number;
}

async function startBare(): Promise<Bare> {
  const started = performance.now();
  const child = spawn(process.execPath, ['--input-type=module', '-e', BARE], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const milliseconds = performance.now() - started;
  await delay(SETTLE / 3);
  const { resident } = memoryOf(child.pid ?? 0);
  await end(child, 'SIGKILL');
  return { milliseconds, resident };
}

/** A configuration whose agent keeps its spool there. `reach` false: no site answers, the backlog stays. */
function withSpool(config: Config, path: string, reach: boolean): Config {
  const { agent } = config;
  const sites = reach ? config.sites : config.sites.map((site) => ({ ...site, nodes: ['amqp://127.0.0.1:1'] }));
  return { ...config, sites, agent: { ...agent, spool: { ...agent.spool, path, max: 64 * 1024 ** 3 } } };
}

export async function benchAgent(backlog: number, pairs: number): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'waggle-bench-agent-'));
  await using site = await startSite('bench');
  const config = configFor([site.config]);
  const declared = await topologyReport('declare', config);
  if (declared.sites.some(({ error }) => error !== null)) throw new Error(JSON.stringify(declared));
  try {
    const full = join(folder, 'full');
    await fillSpool({ path: full, events: Math.ceil(backlog / EVENT_BYTES / 100) * 100, identities: 1 });
    const bare: Bare[] = [];
    const starts: number[] = [];
    const held: number[] = [];
    const idle: number[] = [];
    const first = await startAgent(folder, withSpool(config, join(folder, 'empty'), true));
    await first.stop(); // Node keeps what it compiled.
    for (let pair = 0; pair < pairs; pair++) {
      bare.push(await startBare());
      {
        await using agent = await startAgent(folder, withSpool(config, full, false));
        starts.push(agent.startMilliseconds);
        await delay(SETTLE);
        held.push(memoryOf(agent.pid).resident / MB);
      }
      await using agent = await startAgent(folder, withSpool(config, join(folder, 'empty'), true));
      await agent.linked;
      await delay(SETTLE);
      idle.push(memoryOf(agent.pid).resident / MB);
    }
    // Last, since it takes away from the backlog.
    const draining: number[] = [];
    for (let round = 0; round < pairs; round++) {
      await using agent = await startAgent(folder, withSpool(config, full, true));
      await agent.linked;
      await delay(SETTLE);
      draining.push(memoryOf(agent.pid).peak / MB);
    }
    const bareMemory = bare.map(({ resident }) => resident / MB);
    const bareStarts = bare.map(({ milliseconds }) => milliseconds);
    const gb = amount(backlog / 1e9);
    return [
      figureOf(
        {
          what: `agent: start with a backlog of ${gb} GB`,
          unit: 'ms',
          target: { kind: 'below', value: 1000 },
          detail: `from the spawn to listening; without what a bare node:http server takes for that ${amount(median(starts) - median(bareStarts))} ms; a first start ever, with nothing compiled and nothing spooled, ${amount(first.startMilliseconds)} ms`,
        },
        starts,
        bareStarts,
      ),
      figureOf(
        { what: `agent: memory with a backlog of ${gb} GB`, unit: 'MB', target: { kind: 'below', value: 150 } },
        held,
        bareMemory,
      ),
      figureOf(
        {
          what: 'agent: peak of memory while it drains',
          unit: 'MB',
          target: { kind: 'below', value: 150 },
          detail: `the peak of the first ${SETTLE / 1000} s of draining that backlog, the start included`,
        },
        draining,
        bareMemory,
      ),
      figureOf({ what: 'agent: memory, idle', unit: 'MB', target: { kind: 'below', value: 120 } }, idle, bareMemory),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
