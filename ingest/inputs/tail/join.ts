// Lines to records: parts of a line that a container runtime split, and lines of one record (a stack trace) by the pattern that starts one.
// Pure: lines go in with where they end; records come out with how far the file is done.
//
// Invariants
// 1. Bytes below `safe` are in records that were handed out; nothing that is open began there.
// 2. Records are handed out in the order in which they ended, and only up to `safe`: a position in a file says all there is to say, so what
//    is open is read again after a crash, and nothing else is.

/** One line as its format read it. */
export interface Line {
  /** Lines of a stream are joined among themselves: `stdout` and `stderr` of a container stand in one file. */
  readonly stream: string;
  readonly text: Buffer;
  /** More of the same line follows. */
  readonly partial: boolean;
  /** Nanoseconds since the epoch; null where the line has none. */
  readonly time: bigint | null;
  /** It was longer than it may be, and is cut. */
  readonly cut: boolean;
}

export interface Joined {
  readonly stream: string;
  readonly text: Buffer;
  readonly time: bigint | null;
  readonly cut: boolean;
}

export interface JoinOptions {
  /** Whether a line begins a record; null where each is one. */
  readonly starts: ((text: string) => boolean) | null;
  /** Milliseconds after which a record is whole, by the times of the lines of other streams. */
  readonly timeout: number;
  /** Bytes of a record. */
  readonly max: number;
}

interface Open {
  readonly stream: string;
  readonly parts: Buffer[];
  bytes: number;
  readonly time: bigint | null;
  latest: bigint | null;
  /** Its last line is not whole. */
  partial: boolean;
  cut: boolean;
}

const FEED = Buffer.from('\n');
const MILLION = 1_000_000n;

export class Joiner {
  readonly #options: JoinOptions;
  readonly #open = new Map<string, Open>();
  /** Ended, but something began before their end that has not. */
  #done: Joined[] = [];
  #ready: Joined[] = [];
  /** Where the last line ended. */
  #end: number;
  safe: number;

  constructor(options: JoinOptions, start: number) {
    this.#options = options;
    this.#end = start;
    this.safe = start;
  }

  /** The line that follows the one before, and ends (with its line feed) at `end`. */
  add(line: Line, end: number): void {
    this.#expire(line);
    const open = this.#open.get(line.stream);
    if (open !== undefined && !open.partial && this.#begins(line)) this.#close(open);
    this.#settle();
    this.#append(this.#open.get(line.stream) ?? this.#begin(line), line);
    this.#end = end;
    this.#settle();
  }

  /** The bytes up to `end` hold no line: a blank one, or the rest of one that was cut. */
  pass(end: number): void {
    this.#end = end;
    this.#settle();
  }

  /** What is open is whole: time has passed, or nothing more comes. */
  flush(): void {
    for (const open of Array.from(this.#open.values())) this.#close(open);
    this.#settle();
  }

  /** Records that end below `safe`, once. */
  take(): readonly Joined[] {
    const ready = this.#ready;
    if (ready.length > 0) this.#ready = [];
    return ready;
  }

  #begins(line: Line): boolean {
    const { starts } = this.#options;
    return starts === null || starts(line.text.toString('utf8'));
  }

  #begin({ stream, time }: Line): Open {
    const open = { stream, parts: [], bytes: 0, time, latest: time, partial: false, cut: false };
    this.#open.set(stream, open);
    return open;
  }

  #append(record: Open, line: Line): void {
    if (record.parts.length > 0 && !record.partial) this.#extend(record, FEED);
    this.#extend(record, line.text);
    record.cut ||= line.cut;
    record.partial = line.partial;
    record.latest = line.time ?? record.latest;
    if (!line.partial && this.#options.starts === null) this.#close(record);
  }

  /** Up to the limit, so that a record of a million short lines is bounded too. */
  #extend(record: Open, text: Buffer): void {
    const room = this.#options.max - record.bytes;
    if (text.length > room) record.cut = true;
    if (room <= 0 && record.parts.length > 0) return;
    record.parts.push(text.length > room ? text.subarray(0, room) : text);
    record.bytes += Math.min(room, text.length);
  }

  /** By the clock of the file: what other streams say later shows that a record is whole. */
  #expire({ stream, time }: Line): void {
    if (time === null || this.#open.size === 0) return;
    const timeout = BigInt(this.#options.timeout) * MILLION;
    for (const open of Array.from(this.#open.values()))
      if (open.stream !== stream && open.latest !== null && time - open.latest > timeout) this.#close(open);
  }

  #close(open: Open): void {
    this.#open.delete(open.stream);
    const [first] = open.parts;
    const text = open.parts.length === 1 && first !== undefined ? first : Buffer.concat(open.parts);
    this.#done.push({ stream: open.stream, text, time: open.time, cut: open.cut });
  }

  #settle(): void {
    if (this.#open.size > 0) return;
    this.safe = this.#end;
    if (this.#done.length === 0) return;
    this.#ready.push(...this.#done);
    this.#done = [];
  }
}
