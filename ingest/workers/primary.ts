// Several workers on the same ports: processes of node:cluster. This one takes no events: it starts the workers, starts those again that end, hands
// on a changed configuration, and adds up what they say.
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { AggregatorRegistry } from 'prom-client';
import type { Readiness } from '#core/io/admin.ts';
import type { Telemetry } from '#core/io/telemetry.ts';
import type { InputAddresses } from '../inputs/start.ts';
import type { LiveConfig } from '../reload.ts';
import { addReports, readinessOf, statusOf } from '../report.ts';
import { carriedOver, withCarried } from './counters.ts';
import { configOfWorker } from './share.ts';
import { type FromWorker, type Metrics, type Told, type ToWorker, workerProgram } from './worker.ts';

/** Before a worker is started again, in milliseconds; doubled for each end in a row, as far as the longest. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 30_000;
/** One that ran so long did not end for what it met at its start. */
const STEADY = 60_000;
/** A worker that does not answer within this is shown as it was. */
const PATIENCE = 2_000;

interface Workers extends AsyncDisposable {
  /** Of worker 0, which has all inputs. */
  readonly addresses: InputAddresses;
  readonly ready: () => Promise<Readiness>;
  readonly status: () => Promise<object>;
  /** For Prometheus. */
  readonly metrics: () => Promise<string>;
  /** Never: a worker that cannot go on is started again. */
  readonly failed: Promise<never>;
}

/** Resolves once all of them listen. Rejects with an error for people, and none is left, where one cannot start. */
export async function startWorkers(live: LiveConfig, telemetry: Telemetry): Promise<Workers> {
  const { agent } = live.now;
  // Sent as it is: what is unlimited is Infinity.
  // Whoever is idle takes a connection off the common queue. Handed out in turn by this process, those on the way to a worker that is killed
  // would stay open, and nobody would ever answer them.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({ exec: workerProgram, args: [], serialization: 'advanced' });
  const all = Array.from({ length: agent.workers }, (_, worker) => new Slot(worker, live, telemetry));
  await using started = new AsyncDisposableStack();
  started.defer(async () => {
    await Promise.all(all.map((slot) => slot.stop()));
  });
  const [addresses = {}] = await Promise.all(all.map((slot) => slot.start()));
  live.onChange(() => {
    for (const slot of all) slot.configure();
  });
  const ask = (): Promise<readonly Told[]> =>
    Promise.all(all.map((slot) => slot.ask())).then((told) => told.filter((each) => each !== null));
  const opened = started.move();
  return {
    addresses,
    async ready() {
      await ask();
      const running = all.filter(({ state }) => state === 'running');
      if (running.length === 0) return { ok: false, reasons: ['no worker runs; the log says why'] };
      const reasons = running.flatMap(({ worker, told }) =>
        told === null ? [] : readinessOf(told.report, `worker ${worker}: `).reasons,
      );
      return { ok: reasons.length === 0, reasons };
    },
    async status() {
      const [first, ...others] = (await ask()).map(({ report }) => report);
      if (first === undefined) throw new Error('no worker has said anything');
      return { ...statusOf(agent, addReports([first, ...others])), workers: all.map((slot) => slot.status()) };
    },
    async metrics() {
      await ask();
      const own = await telemetry.metrics.registry.getMetricsAsJSON();
      return AggregatorRegistry.aggregate([own, ...all.map((slot) => slot.metrics())]).metrics();
    },
    failed: new Promise<never>(() => {}),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** The place of one worker: the process that has it now, and what is known of those before. */
class Slot {
  readonly worker: number;
  readonly #live: LiveConfig;
  readonly #telemetry: Telemetry;
  readonly #questions = new Map<number, () => void>();
  #state: 'starting' | 'running' | 'waiting' | 'stopped' = 'starting';
  #child: Worker | null = null;
  #told: Told | null = null;
  #carried: Metrics = [];
  #since = 0;
  #restarts = 0;
  #pause = FIRST_PAUSE;
  #timer: NodeJS.Timeout | null = null;
  #asked = 0;

  constructor(worker: number, live: LiveConfig, telemetry: Telemetry) {
    this.worker = worker;
    this.#live = live;
    this.#telemetry = telemetry;
  }

  get state(): string {
    return this.#state;
  }

  /** The last it said. */
  get told(): Told | null {
    return this.#told;
  }

  /** For the first time: resolves once it listens, rejects where it ends before. */
  async start(): Promise<InputAddresses> {
    const begun = Promise.withResolvers<InputAddresses>();
    this.#fork(begun.resolve, begun.reject);
    return begun.promise;
  }

  configure(): void {
    this.#send({ kind: 'config', config: this.#config });
  }

  /** What it says now, or said at last where it does not answer; null where it never said anything. */
  async ask(): Promise<Told | null> {
    if (this.#state !== 'running') return this.#told;
    const question = ++this.#asked;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, PATIENCE);
      this.#questions.set(question, () => {
        clearTimeout(timer);
        resolve();
      });
      this.#send({ kind: 'ask', question });
    });
    this.#questions.delete(question);
    return this.#told;
  }

  metrics(): Metrics {
    return withCarried(this.#told?.metrics ?? [], this.#carried);
  }

  status(): object {
    const { identity, routes, bytes, refusing } = this.#told?.report.stats ?? {};
    const accepted = routes?.reduce((sum, route) => sum + route.accepted, 0);
    const spooled = routes?.reduce((sum, route) => sum + route.spooled, 0);
    const state = this.#state;
    const pid = this.#child?.process.pid ?? null;
    const { path } = this.#config.agent.spool;
    return {
      worker: this.worker,
      state,
      pid,
      restarts: this.#restarts,
      spool: path,
      identity,
      bytes,
      accepted,
      spooled,
      refusing,
    };
  }

  /** Resolves once its process has ended: with all synced, unless it is killed. */
  async stop(): Promise<void> {
    this.#state = 'stopped';
    if (this.#timer !== null) clearTimeout(this.#timer);
    const child = this.#child;
    if (child === null) return;
    const ended = once(child, 'exit');
    this.#send({ kind: 'stop' });
    await ended;
  }

  get #config(): ReturnType<typeof configOfWorker> {
    return configOfWorker(this.#live.now, this.worker);
  }

  #fork(started: (addresses: InputAddresses) => void, refused: (error: Error) => void): void {
    const child = cluster.fork();
    this.#child = child;
    if (this.#state !== 'stopped') this.#state = 'starting';
    child.on('message', (message: FromWorker) => this.#heard(message, started, refused));
    child.on('error', () => undefined); // a message that could not be sent; `exit` follows
    child.once('exit', (code: number | null, signal: string | null) => {
      this.#child = null;
      for (const resolve of this.#questions.values()) resolve();
      if (this.#state === 'stopped') return;
      const why = signal ?? `code ${code}`;
      // At the first start there is somebody to tell, and nothing is started again.
      if (this.#told === null) return refused(new Error(`worker ${this.worker} ended with ${why}; its log says more`));
      this.#again(why, child.process.pid);
    });
  }

  #heard(message: FromWorker, started: (addresses: InputAddresses) => void, refused: (error: Error) => void): void {
    switch (message.kind) {
      case 'ready':
        // One that is to stop already has nothing to end.
        if (this.#state === 'stopped') return void this.#child?.process.kill('SIGKILL');
        return this.#send({ kind: 'start', worker: this.worker, config: this.#config });
      case 'started': {
        const before = this.metrics();
        this.#carried = carriedOver(before, message.metrics);
        this.#told = message;
        this.#since = performance.now();
        const { pid } = this.#child?.process ?? {};
        this.#telemetry.fact(
          'info',
          'worker.started',
          { worker: this.worker, workerPid: pid },
          `worker ${this.worker} takes events (process ${pid})`,
        );
        // What was said meanwhile it has not heard.
        if (this.#state === 'stopped') return this.#send({ kind: 'stop' });
        this.#state = 'running';
        this.configure();
        return started(message.addresses);
      }
      case 'refused': {
        const { message: why } = message;
        refused(new Error(why));
        this.#telemetry.fact('error', 'worker.refused', { worker: this.worker }, `worker ${this.worker}: ${why}`);
        return void this.#child?.process.kill('SIGKILL');
      }
      case 'answer':
        this.#told = message;
        return this.#questions.get(message.question)?.();
      default:
        return message satisfies never;
    }
  }

  #again(why: string, pid: number | undefined): void {
    const ran = this.#state === 'running' ? performance.now() - this.#since : 0;
    const pause = ran >= STEADY ? FIRST_PAUSE : this.#pause;
    this.#pause = Math.min(LONGEST_PAUSE, pause * 2);
    this.#state = 'waiting';
    this.#restarts++;
    this.#telemetry.fact(
      'error',
      'worker.ended',
      { worker: this.worker, workerPid: pid, why, pause },
      `worker ${this.worker} (process ${pid}) ended with ${why}: it is started again in ${pause} ms; what it had acknowledged is in its spool`,
    );
    this.#timer = setTimeout(
      () =>
        this.#fork(
          () => undefined,
          () => undefined,
        ),
      pause,
    );
  }

  #send(message: ToWorker): void {
    if (this.#child?.isConnected()) this.#child.send(message, () => undefined);
  }
}
