// `npm run bench [-- NAME...]`: measures, prints the table as it grows, and writes docs/performance.md where all was measured. A name stands for
// all that begin with it and a hyphen too: `sinks`.
// `--quick` runs everything small and once, to see that it runs: its figures mean nothing, and are not kept.
// Each benchmark is a process of its own, with a deadline and a temporary folder that goes with it: none disturbs the next, and none hangs the run.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sweep } from '../docker.ts';
import { benchAgent } from './agent.ts';
import { benchBeeHttp } from './bee-http.ts';
import { benchBeeRules } from './bee-rules.ts';
import { type DrainFigure, benchDrain } from './drain.ts';
import { amount, type Figure, figureOf, type Measured, performancePage, tableHead, tableLines } from './figure.ts';
import { benchForward } from './forward.ts';
import { type HttpFigure, benchHttpBatch, benchHttpData, benchHttpSingle } from './http.ts';
import { benchLatency } from './latency.ts';
import { describeMachine } from './machine.ts';
import { benchNumbers } from './numbers.bench.ts';
import { benchPipeline } from './pipeline.ts';
import { benchHdfs, benchS3 } from './sinks-log.ts';
import { benchSinkMemory } from './sinks-memory.ts';
import { benchElasticsearch, benchMongodb, benchSplunk } from './sinks-queue.ts';
import { benchSearch } from './sinks-search.ts';
import { benchCapacity, benchDeclare } from './topology.ts';
import { measureSpool, type ReadPair } from './spool.ts';
import { benchUdp } from './udp.ts';
import { benchWorkers } from './workers.ts';

interface Benchmark {
  readonly name: string;
  /** What is measured, and against what. */
  readonly about: string;
  readonly run: (quick: boolean) => Promise<readonly Figure[]>;
}

const PAGE = 'docs/performance.md';
const PAIRS = 5;
const MIB = 1024 ** 2;
/** Of one benchmark, in milliseconds. */
const DEADLINE = 240_000;

/** 1.2 million events a turn, in objects of 33 MB before compression. */
const LOG_SIZE = { window: 100_000, windows: 6 } as const;
const QUICK_SEARCH = { hundreds: 20, seconds: 2, rounds: 1 } as const;
const LOG_SINK =
  'the process of a log sink, from the first active partition of two to the commit of the last event that lay in the streams, against the same objects compressed and put from memory, two at once.';
const QUEUE_SINK =
  'the process of a queue sink, from the first to the last of the events that lay in its queue, against its target written from memory with the same requests, encoded before, over as many connections (4). Batches and compression are the defaults.';

const benchmarks: readonly Benchmark[] = [
  {
    name: 'http-single',
    about:
      'one event of 330 bytes a request over 128 connections, answered after fdatasync on the machine’s disk, against a bare node:http server that parses the JSON and answers. Server and load generator are processes of their own.',
    run: async (quick) => [
      ofRates('HTTP, one event a request', await benchHttpSingle(quick ? 1 : 4, quick ? 1 : PAIRS)),
    ],
  },
  {
    name: 'http-batch',
    about:
      '100 events of 330 bytes a request over 8 connections, answered after fdatasync, against a loop without HTTP and disk that parses, wraps and stringifies the same events. Once as CloudEvents, whose envelope is checked and kept, once as bare data.',
    run: async (quick) => [
      ofRates('HTTP, batches of 100, CloudEvents', await benchHttpBatch(quick ? 1 : 4, quick ? 1 : PAIRS)),
      ofRates('HTTP, batches of 100, bare data', await benchHttpData(quick ? 1 : 4, quick ? 1 : PAIRS)),
    ],
  },
  {
    name: 'forward',
    about:
      'PackedForward chunks of 200 events of 300 bytes over 4 connections, 8 unanswered each, acknowledged after fdatasync, against a loop that decodes the same chunks with msgpackr and writes their records as JSON lines to a file, without socket, envelope and sync. Then the time to an acknowledgement at half of the rate found.',
    run: (quick) => benchForward(quick ? 1 : 4, quick ? 1 : PAIRS),
  },
  {
    name: 'udp',
    about:
      'one CloudEvent of 330 bytes a datagram, level memory: the highest of a series of rates, each 15% above the last, of which nothing is lost, against a bare dgram socket that counts. Sender and receiver are processes of their own; the receive buffer is the same.',
    run: async (quick) => [await benchUdp(quick ? 0.3 : 1, quick ? 1 : 3)],
  },
  {
    name: 'bee-http',
    about:
      'batches of 50 events of 12 fields and 330 bytes, each with an id, over 8 connections to Bee, with an agent behind it that only answers, against a loop of JSON.parse, ajv.validate and JSON.stringify over the same events. Load and agent share a process. Half load: requests at a steady half of the rate just measured, the time from when each was due.',
    run: (quick) => benchBeeHttp(quick ? 1 : 3, quick ? 1 : PAIRS),
  },
  {
    name: 'spool',
    about:
      'what is spooled, read back, checked and cut into records, against a loop of plain 1 MiB reads of the same files.',
    run: async (quick) => {
      const spool = await measureSpool(tmpdir(), (quick ? 32 : 512) * MIB, quick ? 1 : PAIRS);
      const detail = `appended with fdatasync: ${amount(spool.singleAppends)} lone events/s by 128 callers, ${amount(spool.batchedEvents)} events/s (${amount(spool.batchedMegabytes)} MB/s) in hundreds by 16 callers`;
      return [readBack('off the disk', spool.fromDisk, detail), readBack('out of the page cache', spool.fromCache)];
    },
  },
  {
    name: 'drain',
    about:
      'a filled spool sent to one site until the last confirm, against amqplib that publishes the same batches of 500 events from memory with confirms, to the same broker, with the same window. The spool holds records of 100 events, or of one.',
    run: async (quick) => {
      const [hundreds, ones] = await benchDrain(quick ? 20_000 : 1_200_000, quick ? 1 : PAIRS);
      return [
        ...(hundreds === undefined ? [] : [ofRates('drain to one site', hundreds)]),
        ...(ones === undefined ? [] : [ofRates('drain to one site, appended one by one', ones)]),
      ];
    },
  },
  {
    name: 'pipeline',
    about:
      'from a filled spool at one site over the federation to commits in S3 at the other, all on this machine, against the brokers alone: a publisher from memory, a plain stream consumer that looks at nothing, the same batches over the same federation.',
    run: (quick) => benchPipeline(quick ? 8_000 : 600_000, quick ? 1 : PAIRS),
  },
  {
    name: 'agent',
    about:
      'the command `waggle agent` with a configuration in a file. The backlog is of a killed agent, whose last segment must be scanned. Baseline: a bare node:http server.',
    run: (quick) => benchAgent(quick ? 2e8 : 5e9, quick ? 1 : PAIRS),
  },
  {
    name: 'workers',
    about:
      'the command `waggle agent` with `workers: 2` against `workers: 1`: 100 CloudEvents of 330 bytes a request over 16 connections, answered after fdatasync; no site takes them. The load is a process of its own.',
    run: async (quick) => [await benchWorkers(quick ? 1 : 4, quick ? 1 : PAIRS)],
  },
  {
    name: 'latency',
    about:
      'one event after the other over one connection to an agent that also sends them on; 2,000 to `disk` and 500 to `site` in each of five rounds. Baselines: a write and fdatasync of 660 bytes in the same folder; one message with a confirm by amqplib.',
    run: (quick) => benchLatency(quick ? { disk: 50, site: 20, rounds: 1 } : { disk: 2_000, site: 500, rounds: PAIRS }),
  },
  {
    name: 'numbers',
    about: 'numbers added at random places to a set that starts with 100,000 intervals, in a second of processor time.',
    run: async (quick) => {
      const { perSecond, intervals } = benchNumbers(quick ? 1 : PAIRS);
      const what = 'set of numbers: additions';
      const detail = `the set ends with ${amount(intervals)} intervals`;
      return [
        figureOf({ what, unit: 'a second', target: { kind: 'at-least', value: 1e6 }, detail }, [perSecond], null),
      ];
    },
  },
  {
    name: 'bee-rules',
    about:
      'Bee’s rules on one core, without HTTP: events of 12 fields and 330 bytes from the bytes of an NDJSON body to verdicts with sanitised data, against a loop of JSON.parse, ajv.validate and JSON.stringify over the same events as strings. Processor time. Then the same with 500 rule files, and what reading and compiling them takes, their examples run.',
    run: (quick) => benchBeeRules(quick ? 0.2 : 2, quick ? 1 : PAIRS),
  },
  {
    name: 'sinks-s3',
    about: `${LOG_SINK} Baseline: the SDK’s PutObject.`,
    run: (quick) => benchS3(quick ? { window: 5_000, windows: 2 } : LOG_SIZE, quick ? 1 : PAIRS),
  },
  {
    name: 'sinks-hdfs',
    about: `${LOG_SINK} Baseline: CREATE of WebHDFS by node:http.`,
    run: (quick) => benchHdfs(quick ? { window: 5_000, windows: 2 } : LOG_SIZE, quick ? 1 : PAIRS),
  },
  {
    name: 'sinks-elasticsearch',
    about: `${QUEUE_SINK} Baseline: \`client.bulk\`, into a new index each time.`,
    run: (quick) => benchElasticsearch(quick ? 5_000 : 100_000, quick ? 1 : PAIRS),
  },
  {
    name: 'sinks-splunk',
    about: `${QUEUE_SINK} Baseline: undici. The target is the OpenTelemetry Collector.`,
    run: (quick) => benchSplunk(quick ? 5_000 : 400_000, quick ? 1 : PAIRS),
  },
  {
    name: 'sinks-mongodb',
    about: `${QUEUE_SINK} Baseline: \`collection.bulkWrite\`, unordered upserts, 250 at once: the server may be a stand-in that takes a thousand a second.`,
    run: (quick) => benchMongodb(quick ? 1_000 : 4_000, quick ? 1 : PAIRS),
  },
  {
    name: 'sinks-memory',
    about:
      'the command `waggle consumer`, five times at one site, with the defaults of each kind. They start with their targets up; these are killed, and then a million events of 330 bytes come. The peak of each process from its start until a queue sink has paused twice, and a log sink holds what it may and has tried six times.',
    run: (quick) => benchSinkMemory(quick ? 20_000 : 1_000_000),
  },
  {
    name: 'sinks-search',
    about:
      'the command `waggle agent`, a broker, the Elasticsearch sink and Elasticsearch with a refresh each second, on one machine. Hundreds of events are posted at half the rate that this way takes; one of each hundred is looked for by a search every 20 ms, from its `receivedat` on.',
    run: (quick) => benchSearch(quick ? QUICK_SEARCH : { hundreds: 1_000, seconds: 6, rounds: PAIRS }),
  },
  {
    name: 'topology-declare',
    about: 'the command `waggle topology declare` for two new sites of three nodes, six containers on this machine.',
    run: () => benchDeclare(),
  },
  ...([1, 3] as const).map((nodes) => ({
    name: `topology-capacity-${nodes}`,
    about: `what one site of ${nodes} ${nodes === 1 ? 'node' : 'nodes'} confirms: batches of 100 events of 330 bytes from memory, published as an agent does, against the same bodies into one bare queue. All nodes and the publisher on this machine.`,
    run: (quick: boolean) => benchCapacity(nodes, quick ? 1 : 6, quick ? 1 : PAIRS),
  })),
];

function readBack(what: string, pairs: readonly ReadPair[], detail = ''): Figure {
  const parts = {
    what: `spool: read-back ${what}`,
    unit: 'MB/s',
    target: { kind: 'ratio', atLeast: 0.5 },
    detail,
  } as const;
  return figureOf(
    parts,
    pairs.map((pair) => pair.spool),
    pairs.map((pair) => pair.bare),
  );
}

function ofRates(what: string, figure: HttpFigure | DrainFigure): Figure {
  const { target, perSecond, baselinePerSecond, cpuMicros, baselineCpuMicros, ratios } = figure;
  return {
    what,
    unit: 'events/s',
    target: { kind: 'ratio', atLeast: target },
    ours: perSecond,
    baseline: baselinePerSecond,
    rounds: ratios,
    detail: `CPU for an event ${amount(cpuMicros)} µs, of the baseline ${amount(baselineCpuMicros)} µs (ratio ${amount(baselineCpuMicros / cpuMicros)})`,
  };
}

/** Runs in a process group of its own, so that what it started ends with it. */
async function measure({ name, about }: Benchmark, quick: boolean, signal: AbortSignal): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'waggle-bench-'));
  const child = fork(import.meta.filename, ['--one', name, ...(quick ? ['--quick'] : [])], {
    detached: true,
    env: { ...process.env, TMPDIR: folder },
  });
  const over = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE)]);
  const ended = new AbortController();
  child.once('exit', (code, by) => ended.abort(new Error(`its process ended with ${code ?? by}`)));
  try {
    const [answer] = (await once(child, 'message', { signal: AbortSignal.any([over, ended.signal]) })) as [
      Pick<Measured, 'figures' | 'failure'>,
    ];
    return { benchmark: name, about, ...answer };
  } catch {
    const why = ended.signal.aborted ? String(ended.signal.reason) : `not done within ${DEADLINE / 1000} s`;
    return { benchmark: name, about, figures: [], failure: signal.aborted ? 'interrupted' : why };
  } finally {
    killGroup(child);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

/** With the reason of an abort. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${messageOf(error.cause)}`;
}

/** In the process of one benchmark: answers its figures. */
async function runOne(name: string | undefined, quick: boolean): Promise<void> {
  const answer: Omit<Measured, 'benchmark' | 'about'> = await (
    benchmarks.find((each) => each.name === name)?.run(quick) ?? Promise.reject(new Error(`no benchmark ${name}`))
  ).then(
    (figures) => ({ figures, failure: null }),
    (error: unknown) => ({ figures: [], failure: messageOf(error) }),
  );
  process.send?.(answer);
}

const isMeant =
  ({ name }: Benchmark) =>
  (asked: string): boolean =>
    name === asked || name.startsWith(`${asked}-`);

async function main(args: readonly string[]): Promise<number> {
  const quick = args.includes('--quick');
  const names = args.filter((arg) => arg !== '--quick');
  const unknown = names.filter((name) => !benchmarks.some((each) => isMeant(each)(name)));
  if (unknown.length > 0) {
    console.error(
      `no such benchmark: ${unknown.join(', ')}; there are: ${benchmarks.map(({ name }) => name).join(', ')}`,
    );
    return 64;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const machine = describeMachine(tmpdir());
  for (const [name, value] of machine) console.log(`${name}: ${value}`);
  console.log(`\n${tableHead()}`);
  const chosen = benchmarks.filter((each) => names.length === 0 || names.some(isMeant(each)));
  const measured: Measured[] = [];
  for (const benchmark of chosen) {
    if (stop.signal.aborted) break;
    const started = performance.now();
    const done = await measure(benchmark, quick, stop.signal);
    measured.push(done);
    for (const line of tableLines(done)) console.log(line);
    for (const { what, detail } of done.figures) if (detail !== '') console.log(`    ${what}: ${detail}`);
    console.log(`    (${benchmark.name} took ${amount((performance.now() - started) / 1000)} s)`);
  }
  await sweep();
  if (stop.signal.aborted) return 130;
  if (names.length === 0 && !quick) {
    const notes = readFileSync(join(import.meta.dirname, 'notes.md'), 'utf8');
    const day = new Date().toISOString().slice(0, 10);
    writeFileSync(join(import.meta.dirname, '../..', PAGE), performancePage(measured, { day, machine, notes }));
    console.log(`\nwritten to ${PAGE}`);
  }
  // A target that is missed is no error; a benchmark that does not run is one.
  return measured.some(({ failure }) => failure !== null) ? 1 : 0;
}

if (import.meta.main) {
  const [mode, ...rest] = process.argv.slice(2);
  if (mode === '--one') await runOne(rest[0], rest.includes('--quick'));
  else process.exitCode = await main(process.argv.slice(2));
}
