// A baseline as a process of its own: it gets an order, says when it is ready, and does the work when told to.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { end, processorTime } from './agent-command.ts';
import { amount, type Figure, figureOf, median, type Target } from './figure.ts';

const DEADLINE = 120_000;

/** Events a second, and microseconds of processor time for an event. */
export interface Turn {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

export interface TurnPair {
  readonly ours: Turn;
  readonly bare: Turn;
}

const micros = (turns: readonly Turn[]): string => `${amount(median(turns.map((turn) => turn.cpuMicros)))} µs`;

/** Of turns of the same pairs. */
export function rateFigure(what: string, target: Target, pairs: readonly TurnPair[]): Figure {
  const [ours, bare] = [pairs.map((pair) => pair.ours), pairs.map((pair) => pair.bare)];
  const detail = `CPU for an event ${micros(ours)}, of the bare client ${micros(bare)}; the rest is the broker’s and the target’s`;
  return figureOf(
    { what, unit: 'events/s', target, detail },
    ours.map((turn) => turn.perSecond),
    bare.map((turn) => turn.perSecond),
  );
}

/** Runs the module with the order, and times what it does between "go" and its end. */
export async function bareTurn(module: string, order: object, events: number): Promise<Turn> {
  const child = fork(module);
  try {
    await ask(child, order);
    const before = processorTime(child);
    const started = performance.now();
    await ask(child, 'go');
    const seconds = (performance.now() - started) / 1000;
    return { perSecond: events / seconds, cpuMicros: (processorTime(child) - before) / events };
  } finally {
    await end(child, 'SIGKILL');
  }
}

/** In the child: what it is to do. */
export async function takeOrder(): Promise<unknown> {
  const [order] = (await once(process, 'message')) as [unknown];
  return order;
}

/** In the child, once all is prepared: waits until it is told to go. */
export async function workWhenTold(work: () => Promise<void>): Promise<void> {
  const told = once(process, 'message');
  process.send?.('ready');
  await told;
  await work();
  process.send?.('done');
}

/** So many workers take one item after the other. */
export async function share<T>(items: readonly T[], workers: number, work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}

/** Rejects where the child ends instead. */
async function ask(child: ChildProcess, what: object | 'go'): Promise<void> {
  const ended = new AbortController();
  const exit = (code: number | null): void => ended.abort(new Error(`a baseline's process ended with ${code}`));
  child.once('exit', exit);
  try {
    const answered = once(child, 'message', { signal: AbortSignal.any([ended.signal, AbortSignal.timeout(DEADLINE)]) });
    child.send(what);
    await answered;
  } finally {
    child.off('exit', exit);
  }
}
