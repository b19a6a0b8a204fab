// A message of the forward protocol (fluentd wiki, Forward-Protocol-Specification-v1) as event lines. Pure but for zlib.
//   Message        [tag, time, record, option?]
//   Forward        [tag, [[time, record], …], option?]
//   PackedForward  [tag, bin or str of [time, record] one behind the other, option?]; `compressed` in the option: gzip or zstd, several members too
//   time           integer seconds (above 1e11: milliseconds), float seconds, EventTime (ext 0), [time, metadata]; 0, nil and what cannot be
//                  a time: the arrival
// There is no negative answer: what can never be accepted is counted, and acknowledged with the rest.
import type { RefusalCode } from '#core/errors.ts';
import type { NamedType } from '#core/event.ts';
import type { EventWriter } from '../event-writer.ts';
import { inflateBytes } from '#core/inflate.ts';
import { Head, Walk, bytesAt, integerAt, uint32 } from './msgpack.ts';
import { Transcoder } from './transcode.ts';

export interface MessageLimits {
  /** Bytes of the entries, inflated. */
  readonly maxChunk: number;
  /** Bytes of one record, in msgpack. */
  readonly maxEvent: number;
}

/** Events of one message: an entry of 4 bytes becomes a line of 300. */
const MAX_ENTRIES = 250_000;
const MILLISECONDS_FROM = 1e11;
const MAX_SECONDS = 253_402_300_800; // the year 10000

interface Option {
  /** As it came, head and all; null where no acknowledgement is wanted. */
  readonly chunk: Buffer | null;
  readonly compressed: string;
  readonly signal: number;
}
const NO_OPTION: Option = { chunk: null, compressed: 'text', signal: 0 };

/** Text of a str or bin as UTF-8, or null. */
function textAt(buf: Buffer, at: number, end: number): string | null {
  return bytesAt(buf, at, end)?.toString() ?? null;
}

export class MessageReader {
  readonly #writer: EventWriter;
  readonly #limits: MessageLimits;
  /** So many events are refused for good. */
  readonly #refuse: (code: RefusalCode, events: number) => void;
  readonly #transcoder: Transcoder;
  readonly #walk = new Walk();
  readonly #head = new Head();
  readonly #inner = new Head();
  #seconds = 0;
  #nanos = 0;

  constructor(writer: EventWriter, limits: MessageLimits, refuse: (code: RefusalCode, events: number) => void) {
    this.#writer = writer;
    this.#limits = limits;
    this.#refuse = refuse;
    this.#transcoder = new Transcoder();
  }

  /** The whole value at `at` … `end`, walked before. Its events are written; answers the chunk to acknowledge once they are stored, or null. */
  read(buf: Buffer, at: number, end: number): Buffer | null {
    const head = this.#head;
    // nil is a heartbeat; other values mean nothing.
    if (!head.read(buf, at, end) || head.kind !== 'array') return null;
    const count = head.length;
    const tagAt = head.body;
    if (count < 2) return this.#malformed(null);
    const second = this.#skip(buf, tagAt, end);
    const third = this.#skip(buf, second, end);
    const inner = this.#inner;
    inner.read(buf, second, end);
    const { kind, body, length } = inner;
    const isMessage = kind === 'other' || kind === 'map';
    const optionAt = isMessage ? this.#skip(buf, third, end) : third;
    const option = count > (isMessage ? 3 : 2) ? this.#option(buf, optionAt, end) : NO_OPTION;
    const tag = textAt(buf, tagAt, end);
    if (tag === null || kind === 'map' || (isMessage && count < 3)) return this.#malformed(option.chunk);
    if (option.signal !== 0) return this.#all('signal-unsupported', 1, option.chunk);
    const named = this.#writer.namer(tag);
    if (kind === 'other') {
      if (named.kind === 'refused') return this.#all(named.code, 1, option.chunk);
      this.#time(buf, second, end);
      this.#record(buf, third, end, named);
      return option.chunk;
    }
    if (kind === 'array') {
      if (named.kind === 'refused') return this.#all(named.code, length, option.chunk);
      if (length > MAX_ENTRIES) return this.#all('batch-too-many', length, option.chunk);
      this.#entries(buf, body, third, named);
      return option.chunk;
    }
    const packed = this.#packed(buf.subarray(body, body + length), option);
    if (packed === null) return option.chunk;
    const entries = named.kind === 'refused' || packed.length > 4 * MAX_ENTRIES ? this.#count(packed) : 0;
    if (named.kind === 'refused') return this.#all(named.code, entries, option.chunk);
    if (entries > MAX_ENTRIES) return this.#all('batch-too-many', entries, option.chunk);
    this.#entries(packed, 0, packed.length, named);
    return option.chunk;
  }

  #malformed(chunk: Buffer | null): Buffer | null {
    return this.#all('message-malformed', 1, chunk);
  }

  #all(code: RefusalCode, events: number, chunk: Buffer | null): Buffer | null {
    this.#refuse(code, events);
    return chunk;
  }

  #packed(bytes: Buffer, { compressed }: Option): Buffer | null {
    if (compressed === 'text' || compressed === '') return bytes;
    if (compressed !== 'gzip' && compressed !== 'zstd') {
      this.#refuse('encoding-unsupported', 1);
      return null;
    }
    const inflated = inflateBytes(bytes, compressed, this.#limits.maxChunk);
    if (!('kind' in inflated)) return inflated;
    this.#refuse(inflated.code, 1);
    return null;
  }

  /** Every entry from `at` on; the last ends at `end`. */
  #entries(buf: Buffer, at: number, end: number, named: NamedType): void {
    const head = this.#head;
    while (at < end) {
      const entry = at;
      if (head.read(buf, at, end) && head.kind === 'array' && head.length >= 2) {
        const isPlain = head.length === 2;
        const recordAt = this.#time(buf, head.body, end);
        if (recordAt < 0) this.#refuse('message-malformed', 1);
        at = recordAt < 0 ? -1 : this.#record(buf, recordAt, end, named);
        if (at >= 0 && isPlain) continue;
      } else this.#refuse('message-malformed', 1);
      // After a fault: the next entry, where it can be found.
      at = this.#skip(buf, entry, end);
      if (at < 0) return;
    }
  }

  /** Writes the event with this record and the time read before. Behind the record; or -1 where it is not known: refused, and counted. */
  #record(buf: Buffer, at: number, end: number, named: NamedType): number {
    const byte = at < end ? (buf[at] as number) : 0xc1;
    const isMap = (byte >= 0x80 && byte < 0x90) || byte === 0xde || byte === 0xdf;
    if (!isMap) {
      this.#refuse('record-not-object', 1);
      return -1;
    }
    const next = this.#transcoder.write(this.#writer.open(named, this.#seconds, this.#nanos), buf, at, end);
    const tooLarge = next - at > this.#limits.maxEvent;
    if (next < 0 || tooLarge) this.#writer.cancel();
    const fault = next < 0 ? this.#transcoder.fault : tooLarge ? 'event-too-large' : this.#writer.close(named)?.code;
    if (fault !== undefined) this.#refuse(fault, 1);
    return next;
  }

  /** Reads the time at `at`; behind it, or -1. */
  #time(buf: Buffer, at: number, end: number): number {
    const byte = at < end ? (buf[at] as number) : 0xc1;
    const nextAt = byte === 0xd7 ? at + 10 : byte === 0xce ? at + 5 : this.#skip(buf, at, end);
    if (nextAt < 0 || nextAt > end) return -1;
    if ((byte === 0xd7 && buf[at + 1] === 0) || (byte === 0xc7 && buf[at + 1] === 8 && buf[at + 2] === 0))
      this.#setTime(uint32(buf, nextAt - 8), uint32(buf, nextAt - 4));
    else if (byte === 0x92) this.#time(buf, at + 1, nextAt);
    else if (byte === 0xca || byte === 0xcb) {
      const time = byte === 0xca ? buf.readFloatBE(at + 1) : buf.readDoubleBE(at + 1);
      const seconds = time > MILLISECONDS_FROM ? time / 1000 : time;
      this.#setTime(Math.floor(seconds), Math.min(999_999, Math.round((seconds - Math.floor(seconds)) * 1e6)) * 1e3);
    } else {
      const whole = integerAt(buf, at) ?? 0;
      if (whole > MILLISECONDS_FROM) this.#setTime(Math.floor(whole / 1000), (whole % 1000) * 1e6);
      else this.#setTime(whole, 0);
    }
    return nextAt;
  }

  #setTime(seconds: number, nanos: number): void {
    if (seconds > 0 && seconds < MAX_SECONDS && nanos < 1e9) {
      this.#seconds = seconds;
      this.#nanos = nanos;
    } else {
      const { receivedAt } = this.#writer;
      this.#seconds = Math.floor(receivedAt / 1000);
      this.#nanos = (receivedAt % 1000) * 1e6;
    }
  }

  #option(buf: Buffer, at: number, end: number): Option {
    const head = new Head();
    if (!head.read(buf, at, end) || head.kind !== 'map') return NO_OPTION;
    const option = { chunk: null as Buffer | null, compressed: 'text', signal: 0 };
    let keyAt = head.body;
    for (let i = 0; i < head.length; i++) {
      const valueAt = this.#skip(buf, keyAt, end);
      const next = this.#skip(buf, valueAt, end);
      const value = bytesAt(buf, valueAt, next);
      switch (bytesAt(buf, keyAt, valueAt)?.toString('latin1', 0, 16)) {
        case 'chunk':
          // A copy: it waits for the disk, and the buffer does not.
          option.chunk = value === null ? null : Buffer.from(buf.subarray(valueAt, next));
          break;
        case 'compressed':
          if (buf[valueAt] !== 0xc0) option.compressed = value?.toString('latin1', 0, 16) ?? '?';
          break;
        case 'fluent_signal':
          option.signal = integerAt(buf, valueAt) ?? 0;
          break;
        default: // `size` is a hint, and `metadata` tells of the sender
      }
      keyAt = next;
    }
    return option;
  }

  #count(packed: Buffer): number {
    let entries = 0;
    for (let at = 0; at >= 0 && at < packed.length; at = this.#skip(packed, at, packed.length)) entries++;
    return entries;
  }

  /** Behind the value at `at`, or less than 0 where it does not end before `end`. */
  #skip(buf: Buffer, at: number, end: number): number {
    if (at < 0) return at;
    this.#walk.begin(at);
    return this.#walk.end(buf, end, end);
  }
}
