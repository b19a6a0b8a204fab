// Events that a target refuses, among others in one batch, and a message that holds no event: published as an agent does, followed into the
// targets and the dead letters.
import { randomFillSync } from 'node:crypto';
import type { Batch } from '#core/batch.ts';
import type { Config } from '#core/config/config.ts';
import { ownEventLine } from '#core/event-line.ts';
import { uuidGenerator, uuidv7 } from '#core/uuid.ts';
import { connectAdmin, dead, publishBatches } from '../consumers/operator-bench.ts';
import { until } from '../containers.ts';
import type { AllSinks, QueueSinkName, SinkName } from './all-sinks.ts';

const TYPE = 'test.poison';
const NAME = 'poison';
const LARGE = 100 * 1024;

interface Sample {
  readonly data: object;
  /** Who refuses it, with which code. */
  readonly codes: Readonly<Partial<Record<QueueSinkName, string>>>;
}

const good: Sample = { data: {}, codes: {} };
const SAMPLES: readonly Sample[] = [
  { data: { user: { name: 'ann' } }, codes: {} },
  good,
  {
    data: { text: 'x'.repeat(LARGE) },
    codes: { search: 'too-large', splunk: 'too-large', documents: 'too-large' },
  },
  good,
  { data: { user: 7 }, codes: { search: 'conflict' } },
  good,
  { data: { 'a\0b': 1 }, codes: { documents: 'name-with-nul' } },
  good,
];

/** As `dead list --json` prints it, as far as it is looked at. */
export interface ListedLetter {
  readonly id: string;
  readonly sink: string;
  readonly reason: string;
  readonly code: string;
  readonly message: string;
  readonly content: string;
  readonly state: string;
  readonly resolution: { readonly reason: string } | null;
}

export async function listLetters(config: Config, state: 'open' | 'all'): Promise<ListedLetter[]> {
  const { code, out, err } = await dead(config, ['list'], { json: true, state });
  if (code !== 0) throw new Error(err);
  const lines = out.split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as ListedLetter);
}

const batchOf = (body: Buffer, count: number): Batch => ({
  kind: 'batch',
  identity: uuidv7(Date.now(), randomFillSync(new Uint8Array(16))),
  partition: 0,
  type: TYPE,
  count,
  ranges: [[1, count]],
  body,
});

/** One batch with all samples, and a message that claims to be a batch and holds no event. */
export async function publishPoison(system: AllSinks): Promise<void> {
  const ids = uuidGenerator(Date.now, randomFillSync);
  const arrival = { receivedAt: Date.now(), host: 'host', site: 'chicago', source: '/chicago/host/test' };
  const lines = SAMPLES.map(({ data }, n) => ownEventLine(TYPE, arrival, ids, { g: NAME, n, ...data }));
  const connection = await connectAdmin(system.chicago);
  await publishBatches(connection, [
    batchOf(Buffer.concat(lines), lines.length),
    batchOf(Buffer.from('{"this is":"no event"}\n'), 1),
  ]);
  await connection.close();
}

/** `sink code` of every letter that there must be. */
export function expectedLetters(sinks: readonly SinkName[]): string[] {
  const refused = SAMPLES.flatMap(({ codes }) => Object.entries(codes).map(([sink, code]) => `${sink} ${code}`));
  return [...refused, ...sinks.map((sink) => `${sink} no-batch`)].toSorted();
}

/** Waits until a target holds the samples, with or without those that it refuses, each once; and no other. */
export async function holdsSamples(system: AllSinks, sink: SinkName, mended: boolean): Promise<void> {
  const wanted = SAMPLES.flatMap(({ codes }, n) => (mended || !(sink in codes) ? [`${NAME}:${n} once`] : []));
  let found: string[] = [];
  try {
    await until(`the samples in ${sink}`, async () => {
      const stored = await system.targets[sink].stored();
      const ours = [...stored].filter(([name]) => name.startsWith(`${NAME}:`));
      found = ours.map(([name, times]) => `${name} ${times === 1 ? 'once' : `${times} times`}`).toSorted();
      return found.join() === wanted.join();
    });
  } catch (error) {
    throw new Error(`${sink}: ${found.join()}`, { cause: error });
  }
}
