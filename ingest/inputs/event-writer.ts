// What every input makes of what it was sent: lines of events, grouped by type, as the spool takes them. Plain data of a named type get
// what an event needs: an id (UUIDv7), a time, the source `/<site>/<host>/<input>`, and where and when they were taken.
import { ByteWriter } from '#core/bytes.ts';
import type { AgentConfig } from '#core/config/config.ts';
import { refusal, type Refusal } from '#core/errors.ts';
import { DataEnvelope, writeDataEnd, writeDataStart, writeSentEvent, type Arrival } from '#core/event-line.ts';
import { typeNamer, type NamedType, type SentEvent, type TypeNamer } from '#core/event.ts';
import { uuidGenerator, type Clock, type RandomSource, type UuidGenerator } from '#core/uuid.ts';
import { MESSAGE_BYTES } from '../message-limit.ts';
import type { EventGroup } from '../spool/contract.ts';

export interface EventWriterOptions {
  readonly types: AgentConfig['types'];
  readonly site: string;
  readonly host: string;
  readonly clock: Clock;
  readonly random: RandomSource;
}

const SCRATCH = 64 * 1024;
const SCRATCH_KEPT = 2 * 1024 * 1024;
const ENVELOPES = 256;

/** One serves an input: between `begin` and `groups` nothing waits. */
export class EventWriter {
  /** A name (a tag, a type as it was sent) to its type, by `types:` of the configuration. */
  readonly namer: TypeNamer;
  readonly #clock: Clock;
  readonly #ids: UuidGenerator;
  readonly #lines = new Lines();
  #arrival: Arrival;
  /** Of this arrival. */
  readonly #envelopes = new Map<NamedType, DataEnvelope>();
  #last: { readonly named: NamedType; readonly envelope: DataEnvelope } | null = null;

  constructor(options: EventWriterOptions, input: string) {
    const { site, host } = options;
    this.namer = typeNamer(options.types);
    this.#clock = options.clock;
    this.#ids = uuidGenerator(options.clock, options.random);
    const source = `/${encodeURIComponent(site)}/${encodeURIComponent(host)}/${input}`;
    this.#arrival = { receivedAt: Number.NaN, host, site, source };
  }

  /** Milliseconds since the epoch: when what is written now was taken. */
  get receivedAt(): number {
    return this.#arrival.receivedAt;
  }

  /** Lines written since `begin`. */
  get count(): number {
    return this.#lines.count;
  }

  /** Their bytes. */
  get bytes(): number {
    return this.#lines.out.length;
  }

  /** Forgets the lines before; what is written next was taken now. */
  begin(): void {
    const receivedAt = this.#clock();
    this.#lines.reset();
    // Many requests share a millisecond, and what is made of it.
    if (receivedAt === this.#arrival.receivedAt) return;
    this.#arrival = { ...this.#arrival, receivedAt };
    this.#envelopes.clear();
    this.#last = null;
  }

  /** A line for a whole CloudEvent out of `body`; refused, and nothing written, where it is longer than a site takes. */
  sent(event: SentEvent, body: Buffer): Refusal | null {
    writeSentEvent(this.#lines.out, event, this.#arrival, this.#ids, body);
    return this.#lines.end(event.type) ? null : tooLong();
  }

  /** A line for data: the JSON value at start … end of `body`, which was scanned. Time: `DataEnvelope.setTime`. */
  data(named: NamedType, seconds: number, nanos: number, body: Buffer, start: number, end: number): Refusal | null {
    this.open(named, seconds, nanos).copy(body, start, end);
    return this.close(named);
  }

  /** Begins a line; its data, the JSON of an object, are to be written next, and then `close` or `cancel` called. */
  open(named: NamedType, seconds: number, nanos: number): ByteWriter {
    const envelope = this.#envelopeOf(named);
    envelope.setTime(seconds, nanos);
    writeDataStart(this.#lines.out, envelope, this.#ids);
    return this.#lines.out;
  }

  close(named: NamedType): Refusal | null {
    writeDataEnd(this.#lines.out);
    return this.#lines.end(named.type) ? null : tooLong();
  }

  /** What `open` began is taken back. */
  cancel(): void {
    this.#lines.cancel();
  }

  /** One for each type, in the order in which the types first appear; events of a type keep their order. They are the caller’s own. */
  groups(): EventGroup[] {
    return this.#lines.groups();
  }

  #envelopeOf(named: NamedType): DataEnvelope {
    if (this.#last?.named === named) return this.#last.envelope;
    let envelope = this.#envelopes.get(named);
    if (envelope === undefined) {
      if (this.#envelopes.size === ENVELOPES) this.#envelopes.clear();
      this.#envelopes.set(named, (envelope = new DataEnvelope(named, this.#arrival)));
    }
    this.#last = { named, envelope };
    return envelope;
  }
}

/** With what the agent adds to it. */
const tooLong = (): Refusal => refusal('event-too-large', '', MESSAGE_BYTES);

/** Lines of one request, one behind the other, and where runs of one type end. */
class Lines {
  out = new ByteWriter(SCRATCH);
  count = 0;
  /** Where the line that is being written starts. */
  #start = 0;
  #types: string[] = [];
  /** For each run: the end of its bytes, and its events. */
  #ends: number[] = [];
  #counts: number[] = [];

  reset(): void {
    this.out.length = 0;
    if (this.out.bytes.length > SCRATCH_KEPT) this.out = new ByteWriter(SCRATCH);
    this.count = 0;
    this.#start = 0;
    this.#types = [];
    this.#ends = [];
    this.#counts = [];
  }

  cancel(): void {
    this.out.length = this.#start;
  }

  /** A line of this type ends here. False, and it is taken back, where it is longer than a message may be. */
  end(type: string): boolean {
    if (this.out.length - this.#start > MESSAGE_BYTES) {
      this.cancel();
      return false;
    }
    this.#start = this.out.length;
    this.count++;
    const last = this.#types.length - 1;
    if (last >= 0 && this.#types[last] === type) {
      this.#ends[last] = this.out.length;
      (this.#counts[last] as number)++;
    } else {
      this.#types.push(type);
      this.#ends.push(this.out.length);
      this.#counts.push(1);
    }
    return true;
  }

  /** The caller's own: what is written next does not touch them. */
  groups(): EventGroup[] {
    const { bytes, length } = this.out;
    const [first] = this.#types;
    if (first === undefined) return [];
    if (this.#types.length === 1) {
      const payload = bytes.subarray(0, length);
      // Given away where little of it is empty, else copied.
      if (length < bytes.length / 2) return [{ type: first, count: this.count, payload: Buffer.from(payload) }];
      this.out = new ByteWriter(bytes.length);
      return [{ type: first, count: this.count, payload }];
    }
    const byType = new Map<string, { count: number; parts: Buffer[] }>();
    let start = 0;
    for (const [run, type] of this.#types.entries()) {
      const end = this.#ends[run] as number; // one for each run
      let group = byType.get(type);
      if (group === undefined) byType.set(type, (group = { count: 0, parts: [] }));
      group.count += this.#counts[run] as number;
      group.parts.push(bytes.subarray(start, end));
      start = end;
    }
    return Array.from(byType, ([type, { count, parts }]) => ({ type, count, payload: Buffer.concat(parts) }));
  }
}
