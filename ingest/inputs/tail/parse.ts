// The bytes of a file from a place on, as events: lines, records, data. Pure but for the writer that it is given.
// What it leaves is read again with more behind it: it keeps nothing from one call to the next.
import { isUtf8 } from 'node:buffer';
import type { RE2JS } from 're2js';
import type { ByteWriter } from '#core/bytes.ts';
import type { TailFileConfig } from '#core/config/input-config.ts';
import type { NamedType } from '#core/event.ts';
import { scanEvents } from '#core/json/scan.ts';
import type { EventWriter } from '../event-writer.ts';
import { compileRegexp, containerOf, nanoseconds, readCri, readDocker, readGroups } from './formats.ts';
import { Joiner, type Joined } from './join.ts';
import { writeJsonText } from './json-text.ts';

/** `none`: more may come. `idle`: nothing came for the time-out of a record. `end`: nothing more comes, so the last line needs no line feed. */
export type Ended = 'none' | 'idle' | 'end';

export interface Parsed {
  /** Bytes that are done; below the length, what is left needs more behind it. */
  readonly consumed: number;
  /** The last line that is done was cut, and goes on. */
  readonly skip: boolean;
}

export interface ParseFigures {
  /** Longer than `max_line`: what is beyond is left out. */
  long: number;
  /** Not what the format says: taken as {"message": …}. */
  unparsed: number;
  /** With bytes that are not UTF-8: each became U+FFFD. */
  invalidUtf8: number;
}

const newFigures = (): ParseFigures => ({ long: 0, unparsed: 0, invalidUtf8: 0 });

export function sumFigures(entries: readonly { readonly parser: Parser }[]): ParseFigures {
  const sum = newFigures();
  for (const { parser } of entries)
    for (const name of Object.keys(sum) as (keyof ParseFigures)[]) sum[name] += parser.figures[name];
  return sum;
}

const LF = 0x0a;
const CR = 0x0d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const ALL = { depth: 64, events: Number.MAX_SAFE_INTEGER };

/** One for each entry of the configuration. */
export class Parser {
  readonly #config: TailFileConfig;
  readonly #writer: EventWriter;
  readonly #named: NamedType;
  readonly #starts: ((text: string) => boolean) | null;
  readonly #pattern: RE2JS | null;
  /** An event is left out, since a site would not take it. */
  readonly #tooLarge: () => void;
  readonly figures: ParseFigures = newFigures();

  /** Throws an error for people: a type or a pattern that is none. */
  constructor(config: TailFileConfig, writer: EventWriter, tooLarge: () => void) {
    this.#tooLarge = tooLarge;
    const named = writer.namer(config.type);
    if (named.kind === 'refused') throw new Error(named.message);
    if (config.pattern === '') throw new Error('format regexp needs a pattern');
    if (config.format === 'json' && config.multiline !== null)
      throw new Error('multiline does not go with format json');
    const start = config.multiline === null ? null : compileRegexp(config.multiline.start);
    this.#config = config;
    this.#writer = writer;
    this.#named = named;
    this.#starts = start === null ? null : (text) => start.matcher(text).find();
    this.#pattern = config.pattern === null ? null : compileRegexp(config.pattern);
  }

  /**
   * Writes events for `bytes` up to `length`, of which the first belong to a line that was cut where `skip`; of several, no more than about
   * `limit` bytes of events.
   */
  parse(bytes: Buffer, length: number, skip: boolean, ended: Ended, fields: Fields, limit: number): Parsed {
    if (length === 0) return { consumed: 0, skip };
    let from = skip ? afterLine(bytes, length) : 0;
    if (from < 0) return { consumed: length, skip: ended !== 'end' };
    // A program that goes on where it was before its log was truncated leaves a hole.
    while (from < length && bytes[from] === 0) from++;
    const lastFeed = bytes.lastIndexOf(LF, length - 1);
    const end = lastFeed < from ? from : lastFeed + 1;
    const { format, multiline } = this.#config;
    const joins = multiline !== null || format === 'cri' || format === 'docker';
    const done = joins
      ? this.#join(bytes, from, end, length, ended, fields, limit)
      : this.#lines(bytes, from, end, format, fields, limit);
    if (done !== end) return { consumed: done, skip: false };
    return this.#rest(bytes, end, length, ended, fields, joins);
  }

  /** The last line, which has no line feed yet. */
  #rest(bytes: Buffer, start: number, length: number, ended: Ended, fields: Fields, joins: boolean): Parsed {
    const { maxLine } = this.#config;
    const isLong = length - start > maxLine;
    if (start === length || (!isLong && ended !== 'end')) return { consumed: start, skip: false };
    if (joins) {
      const joiner = this.#joiner(start);
      this.#addLine(joiner, bytes, start, length, length);
      joiner.flush();
      for (const joined of joiner.take()) this.#record(joined, fields);
    } else this.#line(bytes, start, length, this.#config.format, fields);
    return { consumed: length, skip: isLong && ended !== 'end' };
  }

  #lines(bytes: Buffer, start: number, end: number, format: string, fields: Fields, limit: number): number {
    if (format === 'json' && fields.prefix === '') return this.#json(bytes, start, end, fields, limit);
    return this.#each(bytes, start, end, format, fields, limit);
  }

  #each(bytes: Buffer, start: number, end: number, format: string, fields: Fields, limit: number): number {
    for (let at = start; at < end;) {
      if (this.#writer.bytes >= limit) return at;
      const feed = bytes.indexOf(LF, at);
      this.#line(bytes, at, feed, format, fields);
      at = feed + 1;
    }
    return end;
  }

  /** All lines in one scan. */
  #json(bytes: Buffer, start: number, end: number, fields: Fields, limit: number): number {
    // The scan makes blanks of carriage returns; the reader compares what was read with what stands in the file.
    const body = own(bytes.subarray(start, end));
    const scanned = scanEvents(body, 'lines', ALL);
    if (scanned.kind === 'refused') return this.#each(bytes, start, end, 'json', fields, limit);
    const { spans, faults } = scanned;
    const { maxLine } = this.#config;
    for (let i = 0; i < spans.length; i += 2) {
      const from = spans[i] as number; // two for each line
      const to = spans[i + 1] as number;
      if (this.#writer.bytes >= limit) return start + from;
      if (to - from > maxLine || body[from] !== OPEN_OBJECT || (faults.size > 0 && faults.has(i / 2))) {
        const feed = body.indexOf(LF, from);
        this.#message(body, from, feed < 0 ? body.length : feed, fields, true);
      } else {
        this.#open(null).copy(body, from, to);
        this.#close();
      }
    }
    return end;
  }

  #line(bytes: Buffer, start: number, feed: number, format: string, fields: Fields): void {
    const end = feed > start && bytes[feed - 1] === CR ? feed - 1 : feed;
    if (end === start) return;
    if (format === 'json' && end - start <= this.#config.maxLine) {
      const line = own(bytes.subarray(start, end));
      const scanned = scanEvents(line, 'value', ALL);
      if (scanned.kind === 'scanned' && scanned.faults.size === 0 && line[scanned.spans[0] ?? 0] === OPEN_OBJECT)
        return this.#object(line, scanned.spans[0] ?? 0, scanned.spans[1] ?? 0, fields);
    }
    if (this.#pattern !== null && format === 'regexp') return this.#groups(bytes, start, end, fields);
    this.#message(bytes, start, end, fields, format === 'json');
  }

  #object(line: Buffer, start: number, end: number, fields: Fields): void {
    const out = this.#open(null);
    const isEmpty = line[start + 1] === CLOSE_OBJECT;
    out.byte(OPEN_OBJECT);
    out.text(isEmpty ? fields.prefix.slice(0, -1) : fields.prefix);
    out.copy(line, start + 1, end);
    this.#close();
  }

  #groups(bytes: Buffer, start: number, end: number, fields: Fields): void {
    const groups =
      this.#pattern && readGroups(this.#pattern, bytes.toString('utf8', start, this.#cutAt(bytes, start, end)));
    if (groups === null) return this.#message(bytes, start, end, fields, true);
    if (!isUtf8(bytes.subarray(start, end))) this.figures.invalidUtf8++;
    const out = this.#open(nanoseconds(groups['time'] ?? ''));
    const json = JSON.stringify(groups);
    out.byte(OPEN_OBJECT);
    out.text(json === '{}' ? fields.prefix.slice(0, -1) : fields.prefix);
    out.text(json.slice(1));
    this.#close();
  }

  #message(bytes: Buffer, start: number, end: number, fields: Fields, unparsed: boolean): void {
    const cut = this.#cutAt(bytes, start, end);
    if (unparsed) this.figures.unparsed++;
    this.#text(bytes, start, cut, cut < end, null, fields.prefix, '');
  }

  #text(
    bytes: Buffer,
    start: number,
    end: number,
    cut: boolean,
    time: bigint | null,
    prefix: string,
    stream: string,
  ): void {
    const out = this.#open(time);
    out.byte(OPEN_OBJECT);
    if (prefix !== '') out.text(prefix);
    out.copy(MESSAGE);
    if (!writeJsonText(out, bytes, start, end)) this.figures.invalidUtf8++;
    if (stream !== '') out.text(`,"stream":${JSON.stringify(stream)}`);
    if (cut) out.copy(CUT);
    out.byte(CLOSE_OBJECT);
    this.#close();
  }

  #join(
    bytes: Buffer,
    start: number,
    end: number,
    length: number,
    ended: Ended,
    fields: Fields,
    limit: number,
  ): number {
    const joiner = this.#joiner(start);
    for (let at = start; at < end;) {
      const feed = bytes.indexOf(LF, at);
      this.#addLine(joiner, bytes, at, feed, feed + 1);
      at = feed + 1;
      for (const joined of joiner.take()) this.#record(joined, fields);
      if (this.#writer.bytes >= limit) return joiner.safe;
    }
    // The last line may belong to the record that is open: at the end, both are taken together by the next call.
    const whole = ended === 'idle' || (ended === 'end' && end === length);
    if (whole || (joiner.safe === start && length - start >= this.#config.maxLine)) joiner.flush();
    for (const joined of joiner.take()) this.#record(joined, fields);
    return ended === 'end' && joiner.safe < end ? this.#atEnd(joiner, bytes, end, length, fields) : joiner.safe;
  }

  /** The file ends without a line feed, within an open record. */
  #atEnd(joiner: Joiner, bytes: Buffer, start: number, length: number, fields: Fields): number {
    this.#addLine(joiner, bytes, start, length, length);
    joiner.flush();
    for (const joined of joiner.take()) this.#record(joined, fields);
    return length;
  }

  #joiner(start: number): Joiner {
    const { multiline, maxLine } = this.#config;
    return new Joiner({ starts: this.#starts, timeout: multiline?.timeout ?? PART_TIMEOUT, max: maxLine }, start);
  }

  #addLine(joiner: Joiner, bytes: Buffer, start: number, feed: number, next: number): void {
    const end = feed > start && bytes[feed - 1] === CR ? feed - 1 : feed;
    const { format } = this.#config;
    if (end === start && format !== 'plain') return joiner.pass(next);
    const stop = this.#cutAt(bytes, start, end);
    const read = format === 'cri' ? readCri : format === 'docker' ? readDocker : null;
    const line = read === null ? null : read(bytes, start, stop, stop < end);
    if (read !== null && line === null) this.figures.unparsed++;
    const text = Buffer.from(bytes.subarray(start, stop));
    joiner.add(line ?? { stream: '', text, partial: false, time: null, cut: stop < end }, next);
  }

  #record({ stream, text, time, cut }: Joined, fields: Fields): void {
    if (text.length === 0) return;
    if (this.#pattern !== null) return this.#groups(text, 0, text.length, fields);
    this.#text(text, 0, text.length, cut, time, fields.prefix, stream);
  }

  /** Where a line that is too long is cut: not within a character. */
  #cutAt(bytes: Buffer, start: number, end: number): number {
    const { maxLine } = this.#config;
    if (end - start <= maxLine) return end;
    this.figures.long++;
    let cut = start + maxLine;
    for (let i = 0; i < 3 && ((bytes[cut] ?? 0) & 0xc0) === 0x80; i++) cut--;
    return cut;
  }

  #open(time: bigint | null): ByteWriter {
    const { receivedAt } = this.#writer;
    if (time !== null && time >= 0n)
      return this.#writer.open(this.#named, Number(time / 1_000_000_000n), Number(time % 1_000_000_000n));
    const seconds = Math.floor(receivedAt / 1000);
    return this.#writer.open(this.#named, seconds, (receivedAt - seconds * 1000) * 1_000_000);
  }

  #close(): void {
    if (this.#writer.close(this.#named) !== null) this.#tooLarge();
  }
}

/** A part whose rest does not come is taken as a line, by the times of other streams. */
const PART_TIMEOUT = 5000;
const MESSAGE = Buffer.from('"message":');
const CUT = Buffer.from(',"truncated":true');

/** What every event of a file says beside its line: JSON members, each followed by a comma; empty where there are none. */
export interface Fields {
  readonly prefix: string;
}

export function fieldsOf(config: TailFileConfig, path: string): Fields {
  const fields: Record<string, string> = config.format === 'cri' || config.format === 'docker' ? containerOf(path) : {};
  if (config.pathField !== '') fields[config.pathField] = path;
  const json = JSON.stringify(fields).slice(1, -1);
  return { prefix: json === '' ? '' : `${json},` };
}

const own = (bytes: Buffer): Buffer => (bytes.includes(CR) ? Buffer.from(bytes) : bytes);

/** Where the next line starts, or -1. */
function afterLine(bytes: Buffer, length: number): number {
  const feed = bytes.indexOf(LF);
  return feed < 0 || feed >= length ? -1 : feed + 1;
}
