// From a body to events as the spool takes them: framed, checked one by one, written as lines, grouped by type. One bad event does not spoil
// its neighbours; a body that cannot be framed is refused as a whole. Pure but for the clock and the random ids that it is given.
import { ByteWriter } from '#core/bytes.ts';
import type { AgentConfig } from '#core/config/config.ts';
import { refusal, type Refusal } from '#core/errors.ts';
import { dataEnvelope, writeDataLine, writeSentEvent, type Arrival, type DataEnvelope } from '#core/event-line.ts';
import { readEvent, typeNamer, type NamedType, type TypeNamer } from '#core/event.ts';
import { scanEvents, type Scanned } from '#core/json/scan.ts';
import { uuidGenerator, type Clock, type RandomSource, type UuidGenerator } from '#core/uuid.ts';
import { MESSAGE_BYTES } from '../../message-limit.ts';
import type { EventGroup } from '../../spool/contract.ts';
import type { EventError } from './answer.ts';
import { structuredOf } from './binary.ts';
import { readForm } from './form.ts';
import type { Asked, RequestHead } from './request.ts';

export interface Taken {
  readonly kind: 'taken';
  /** One for each type, in the order in which the types first appear; events of a type keep their order. */
  readonly groups: readonly EventGroup[];
  /** Events in the groups; `count` and `errors` together are the events of the request. */
  readonly count: number;
  readonly errors: readonly EventError[];
}

export interface TakerOptions {
  readonly types: AgentConfig['types'];
  readonly site: string;
  readonly host: string;
  /** Bytes of one event as it was sent. */
  readonly maxEvent: number;
  readonly clock: Clock;
  readonly random: RandomSource;
}

/** The body is changed in place: line breaks between its tokens become blanks. */
export type Taker = (body: Buffer, asked: Asked, headers: RequestHead['headers']) => Taken | Refusal;

/** Calls are synchronous, so one scratch buffer serves them all. */
export function createTaker(options: TakerOptions): Taker {
  const state: State = {
    namer: typeNamer(options.types),
    ids: uuidGenerator(options.clock, options.random),
    lines: new Lines(),
    maxEvent: options.maxEvent,
    last: null,
  };
  const { site, host, clock } = options;
  const source = `/${encodeURIComponent(site)}/${encodeURIComponent(host)}/http`;
  let arrival: Arrival = { receivedAt: Number.NaN, host, site, source };
  return (body, asked, headers) => {
    const receivedAt = clock();
    // Many requests share a millisecond, and what is made of it.
    if (receivedAt !== arrival.receivedAt) arrival = { receivedAt, host, site, source };
    state.lines.reset();
    switch (asked.framing) {
      case 'json':
        return take(state, asked, arrival, body, scanEvents(body, 'array'));
      case 'ndjson':
        return take(state, asked, arrival, body, scanEvents(body, 'lines'));
      case 'binary': {
        const made = structuredOf(headers, body, checkJson);
        return made.kind === 'refused'
          ? made
          : take(state, asked, arrival, made.bytes, scanEvents(made.bytes, 'value'));
      }
      case 'form': {
        const form = readForm(body);
        return form.kind === 'refused'
          ? form
          : take(
              state,
              { ...asked, time: form.time ?? asked.time },
              arrival,
              form.json,
              scanEvents(form.json, 'array'),
            );
      }
      default:
        return asked.framing satisfies never;
    }
  };
}

interface State {
  readonly namer: TypeNamer;
  readonly ids: UuidGenerator;
  readonly lines: Lines;
  readonly maxEvent: number;
  last: {
    readonly named: NamedType;
    readonly arrival: Arrival;
    readonly time: number;
    readonly envelope: DataEnvelope;
  } | null;
}

/** The one JSON value of binary mode, before it is put into an envelope. */
function checkJson(body: Buffer): Refusal | null {
  const scanned = scanEvents(body, 'value');
  const fault = scanned.kind === 'refused' ? scanned : scanned.faults.get(0);
  return fault === undefined ? null : { ...fault, pointer: `/data${fault.pointer}` };
}

function take(state: State, asked: Asked, arrival: Arrival, body: Buffer, scanned: Scanned | Refusal): Taken | Refusal {
  if (scanned.kind === 'refused') return scanned;
  if (asked.type === null) return takeEvents(state, arrival, body, scanned);
  const named = state.namer(asked.type);
  return named.kind === 'refused'
    ? named
    : takeData(state, named, asked.time ?? arrival.receivedAt, arrival, body, scanned);
}

function takeEvents(state: State, arrival: Arrival, body: Buffer, { spans, faults }: Scanned): Taken {
  const { lines, namer, ids, maxEvent } = state;
  const errors: EventError[] = [];
  for (let i = 0; i < spans.length; i += 2) {
    const start = spans[i] as number; // two spans for each event
    const end = spans[i + 1] as number;
    const event = fault(faults, i / 2, end - start, maxEvent) ?? readEvent(body, start, end, namer);
    if (event.kind === 'refused') {
      errors.push({ index: i / 2, refusal: event });
      continue;
    }
    writeSentEvent(lines.out, event, arrival, ids, body);
    if (!lines.end(event.type)) errors.push({ index: i / 2, refusal: lineTooLong() });
  }
  return { kind: 'taken', groups: lines.groups(), count: lines.count, errors };
}

const OPEN_OBJECT = 0x7b;

function takeData(
  state: State,
  named: NamedType,
  time: number,
  arrival: Arrival,
  body: Buffer,
  { spans, faults }: Scanned,
): Taken {
  const { lines, ids, maxEvent } = state;
  const errors: EventError[] = [];
  const envelope = envelopeOf(state, named, arrival, time);
  for (let i = 0; i < spans.length; i += 2) {
    const start = spans[i] as number; // two spans for each event
    const end = spans[i + 1] as number;
    const wrong =
      fault(faults, i / 2, end - start, maxEvent) ??
      (body[start] === OPEN_OBJECT ? null : refusal('record-not-object'));
    if (wrong !== null) {
      errors.push({ index: i / 2, refusal: wrong });
      continue;
    }
    writeDataLine(lines.out, envelope, ids, body, start, end);
    if (!lines.end(named.type)) errors.push({ index: i / 2, refusal: lineTooLong() });
  }
  return { kind: 'taken', groups: lines.groups(), count: lines.count, errors };
}

/** Requests of one type within a millisecond share it. */
function envelopeOf(state: State, named: NamedType, arrival: Arrival, time: number): DataEnvelope {
  const { last } = state;
  if (last !== null && last.named === named && last.arrival === arrival && last.time === time) return last.envelope;
  const envelope = dataEnvelope(named, arrival, time);
  state.last = { named, arrival, time, envelope };
  return envelope;
}

const fault = (faults: Scanned['faults'], index: number, length: number, maxEvent: number): Refusal | null =>
  (faults.size === 0 ? undefined : faults.get(index)) ??
  (length > maxEvent ? refusal('event-too-large', '', maxEvent) : null);

/** With what the agent adds to it. */
const lineTooLong = (): Refusal => refusal('event-too-large', '', MESSAGE_BYTES);

const SCRATCH = 64 * 1024;
const SCRATCH_KEPT = 2 * 1024 * 1024;

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

  /** A line of this type ends here. False, and it is taken back, where it is longer than a message may be. */
  end(type: string): boolean {
    if (this.out.length - this.#start > MESSAGE_BYTES) {
      this.out.length = this.#start;
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

  /** Copies, so that the scratch buffer is free again. */
  groups(): EventGroup[] {
    const { bytes, length } = this.out;
    const [first] = this.#types;
    if (first === undefined) return [];
    if (this.#types.length === 1)
      return [{ type: first, count: this.count, payload: Buffer.from(bytes.subarray(0, length)) }];
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
