// `waggle replay`, as its data flows: the log streams of the sink's home site -> events that arrived within a time -> the sink's queue, with
// confirms, at a bounded rate beside live traffic. Events keep the identity and the numbers they have in the log.
import { decodeBatch, encodeBatch } from '#core/batch.ts';
import type { Config } from '#core/config/config.ts';
import type { QueueSinkConfig } from '#core/config/sink-config.ts';
import { lineArrival } from '#core/event-line.ts';
import { matcher, type TypeMatcher } from '#core/patterns.ts';
import { logStream } from '#topology/names.ts';
import { oldPartitionsAt } from '../old-partitions.ts';
import { operatorAccess, operatorLink } from '../operator.ts';
import { fingerprint } from '../source/contract.ts';
import { receivedOf } from '../source/received.ts';
import { SiteStreams } from '../source/site-streams.ts';
import type { StreamMessage } from '../source/delivery.ts';
import { arrivedWithin } from './batches.ts';
import { Pace } from './pace.ts';
import {
  loadProgress,
  removeProgress,
  saveProgress,
  type PartitionProgress,
  type Progress,
  type ReplayAsked,
} from './progress.ts';
import { messagesOf, progressLine } from './report.ts';
import { SinkPublisher } from './sink-publisher.ts';

export interface HistoryRequest {
  readonly sink: QueueSinkConfig;
  /** Arrival of the events, milliseconds since the epoch: from ≤ arrival < to. */
  readonly from: number;
  readonly to: number;
  /** Patterns for types; none: all that the sink takes. */
  readonly match: readonly string[];
  /** Events a second. */
  readonly rate: number;
  /** The progress file. */
  readonly file: string;
  /** Without it only the plan is told. */
  readonly yes: boolean;
  readonly json: boolean;
}

/** Readers attach so much before: the clock of a broker may be behind that of an agent. */
const SKEW_MS = 3_600_000;
const REPORT_MS = 5_000;
/** How often progress is saved: so much is published twice where the process is killed. */
const SAVE_MS = 1_000;
/** Bytes published and not yet confirmed. */
const WINDOW_BYTES = 8 * 1024 * 1024;
const OLD_PARTITIONS_MS = 30_000;

/** `tell`: standard error. Resolves to the exit code; rejects with an error for people where it was broken off. */
export async function replayHistory(
  config: Config,
  request: HistoryRequest,
  tell: (text: string) => unknown,
): Promise<number> {
  const { sink } = request;
  const asked: ReplayAsked = {
    sink: sink.name,
    site: sink.home,
    from: new Date(request.from).toISOString(),
    to: new Date(request.to).toISOString(),
    match: request.match,
  };
  const known = await loadProgress(request.file);
  if (known !== null && JSON.stringify(known.asked) !== JSON.stringify(asked)) {
    tell(
      `${request.file} holds the progress of another replay: ${JSON.stringify(known.asked)}; repeat that one to its end, delete the file, or name another with --progress\n`,
    );
    return 1;
  }
  const progress = known ?? { asked, partitions: await planPartitions(config, sink, request.from), events: 0 };
  if (known !== null) await checkStreams(config, known);
  tell(planText(config, request, progress, known !== null));
  if (!request.yes) {
    tell('nothing was published; add --yes to do it\n');
    return 0;
  }
  await saveProgress(request.file, progress);
  await run(config, request, progress, tell);
  await removeProgress(request.file);
  return 0;
}

/** The range of each partition that can hold events that arrived since then. An event that was spooled is published later, so each is read to its end. */
async function planPartitions(
  config: Config,
  sink: QueueSinkConfig,
  from: number,
): Promise<readonly PartitionProgress[]> {
  const link = operatorLink(config, sink.home, 'replay');
  const old = await oldPartitionsAt(link, config.log.partitions, [], AbortSignal.timeout(OLD_PARTITIONS_MS));
  const partitions: PartitionProgress[] = [];
  for (const partition of [...Array(config.log.partitions).keys(), ...old]) {
    await using streams = await SiteStreams.connect(operatorAccess(config, sink.home));
    const stream = logStream(partition);
    const last = await streams.last(stream);
    if (last === null) continue;
    // A reader that attaches at a time after the last message would wait for the next one: that was published after its events arrived.
    const since = Math.min(from, arrivalOf(last) ?? 0) - SKEW_MS;
    const first = await streams.offsetAt(stream, Math.max(since, 1), last.offset);
    partitions.push({ partition, first, next: first, end: last.offset, mark: markOf(last) });
  }
  return partitions;
}

function arrivalOf(message: StreamMessage): number | null {
  const batch = decodeBatch(receivedOf(message));
  return batch.kind === 'invalid' ? null : lineArrival(batch.body);
}

/** By what a message of the log is known again. */
function markOf(message: StreamMessage): string {
  const { identity, first } = fingerprint(decodeBatch(receivedOf(message)));
  return `${identity}:${first}`;
}

/** Offsets are those of the streams that were read: of others nothing can be said, also where they are as long by now. */
async function checkStreams(config: Config, { asked, partitions }: Progress): Promise<void> {
  for (const { partition, end, mark } of partitions) {
    await using streams = await SiteStreams.connect(operatorAccess(config, asked.site));
    const stream = logStream(partition);
    const last = await streams.last(stream);
    let found = last === null || last.offset < end ? 'it is shorter' : 'the message at the end is gone';
    if (last !== null && last.offset >= end) {
      for await (const messages of streams.read(stream, end, end)) {
        const there = messages.find(({ offset }) => offset === end);
        if (there !== undefined) found = markOf(there) === mark ? '' : 'it holds other messages';
      }
    }
    if (found !== '')
      throw new Error(
        `the log at ${asked.site} is not the one that was read (${stream}: ${found}): begin anew, without the progress file`,
      );
  }
}

async function run(
  config: Config,
  request: HistoryRequest,
  progress: Progress,
  tell: (text: string) => unknown,
): Promise<void> {
  const { sink } = request;
  await using publisher = await SinkPublisher.open(
    operatorLink(config, sink.home, `replay for ${sink.name}`),
    sink.name,
  );
  const began = performance.now();
  const { read } = messagesOf(progress);
  const { events } = progress;
  const report = (): unknown =>
    tell(progressLine(progress, { read, events, ms: performance.now() - began }, request.json));
  const timer = setInterval(report, REPORT_MS);
  try {
    const replay = new PartitionReplay(request, publisher, progress);
    for (const partition of progress.partitions) {
      await using streams = await SiteStreams.connect(operatorAccess(config, sink.home));
      await replay.run(streams, partition, tell);
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${why}; the same command goes on from ${request.file}`, { cause: error });
  } finally {
    clearInterval(timer);
    report();
  }
}

class PartitionReplay {
  readonly #request: HistoryRequest;
  readonly #publisher: SinkPublisher;
  readonly #progress: Progress;
  readonly #pace: Pace;
  readonly #matches: TypeMatcher;
  #saved = performance.now();

  constructor(request: HistoryRequest, publisher: SinkPublisher, progress: Progress) {
    this.#request = request;
    this.#publisher = publisher;
    this.#progress = progress;
    this.#pace = new Pace(request.rate);
    const takes = matcher(request.sink.match);
    const asked = request.match.length === 0 ? takes : matcher(request.match);
    this.#matches = (type) => takes(type) && asked(type);
  }

  async run(streams: SiteStreams, partition: PartitionProgress, tell: (text: string) => unknown): Promise<void> {
    const stream = logStream(partition.partition);
    const { from, to } = this.#request;
    let reached = partition.next;
    let events = 0;
    let bytes = 0;
    const confirmed = async (): Promise<void> => {
      if (bytes > 0) await this.#publisher.confirmed();
      partition.next = reached;
      this.#progress.events += events;
      events = 0;
      bytes = 0;
      if (!this.#isDue()) return;
      this.#saved = performance.now();
      await saveProgress(this.#request.file, this.#progress);
    };
    for await (const chunk of streams.read(stream, partition.next, partition.end)) {
      for (const message of chunk) {
        if (message.offset > reached + OWN_OFFSETS)
          tell(`${stream}: retention has deleted about ${message.offset - reached} messages before they were read\n`);
        const batch = decodeBatch(receivedOf(message));
        const parts = batch.kind === 'batch' && this.#matches(batch.type) ? arrivedWithin(batch, from, to) : [];
        for (const part of parts) {
          await this.#pace.take(part.count);
          this.#publisher.publish(encodeBatch(part, 'identity'));
          events += part.count;
          bytes += part.body.length;
        }
        reached = message.offset + 1n;
        if (bytes >= WINDOW_BYTES || this.#isDue()) await confirmed();
      }
      await confirmed();
    }
    reached = partition.end + 1n;
    this.#saved = Number.NEGATIVE_INFINITY;
    await confirmed();
  }

  #isDue(): boolean {
    return performance.now() - this.#saved >= SAVE_MS;
  }
}

/** Offsets that a stream's own bookkeeping may take between two messages. */
const OWN_OFFSETS = 2n;

function planText(config: Config, request: HistoryRequest, progress: Progress, resumed: boolean): string {
  const { asked, partitions } = progress;
  const { read, all } = messagesOf(progress);
  const types = request.match.length === 0 ? 'all types that it takes' : request.match.join(' ');
  const begins = resumed
    ? `goes on from ${request.file}: ${read} of ${all} messages are read, ${progress.events} events published\n`
    : '';
  const late =
    request.from < Date.now() - config.log.retention
      ? 'note: part of that time is longer ago than log.retention; what was deleted cannot be replayed\n'
      : '';
  return `replay to the queue of ${asked.sink} at ${asked.site}: events that arrived from ${asked.from} to ${asked.to}, ${types}; out of ${all} messages in ${partitions.length} partitions, at ${request.rate} events a second at most\n${begins}${late}`;
}
