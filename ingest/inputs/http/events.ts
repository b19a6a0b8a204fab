// From a body to events as the spool takes them: framed, checked one by one, written as lines, grouped by type. One bad event does not spoil
// its neighbours; a body that cannot be framed is refused as a whole. Pure but for the clock and the random ids that it is given.
import { refusal, type Refusal } from '#core/errors.ts';
import { readEvent, type NamedType } from '#core/event.ts';
import { scanEvents, type Scanned } from '#core/json/scan.ts';
import type { EventGroup } from '../../spool/contract.ts';
import { EventWriter, type EventWriterOptions } from '../event-writer.ts';
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

export interface TakerOptions extends EventWriterOptions {
  /** Bytes of one event as it was sent. */
  readonly maxEvent: number;
}

/** The body is changed in place: line breaks between its tokens become blanks. */
export type Taker = (body: Buffer, asked: Asked, headers: RequestHead['headers']) => Taken | Refusal;

/** Calls are synchronous, so one writer serves them all. */
export function createTaker(options: TakerOptions): Taker {
  const state: State = { writer: new EventWriter(options, 'http'), maxEvent: options.maxEvent };
  return (body, asked, headers) => {
    state.writer.begin();
    switch (asked.framing) {
      case 'json':
        return take(state, asked, body, scanEvents(body, 'array'));
      case 'ndjson':
        return take(state, asked, body, scanEvents(body, 'lines'));
      case 'binary': {
        const made = structuredOf(headers, body, checkJson);
        return made.kind === 'refused' ? made : take(state, asked, made.bytes, scanEvents(made.bytes, 'value'));
      }
      case 'form': {
        const form = readForm(body);
        return form.kind === 'refused'
          ? form
          : take(state, { ...asked, time: form.time ?? asked.time }, form.json, scanEvents(form.json, 'array'));
      }
      default:
        return asked.framing satisfies never;
    }
  };
}

interface State {
  readonly writer: EventWriter;
  readonly maxEvent: number;
}

/** The one JSON value of binary mode, before it is put into an envelope. */
function checkJson(body: Buffer): Refusal | null {
  const scanned = scanEvents(body, 'value');
  const fault = scanned.kind === 'refused' ? scanned : scanned.faults.get(0);
  return fault === undefined ? null : { ...fault, pointer: `/data${fault.pointer}` };
}

function take(state: State, asked: Asked, body: Buffer, scanned: Scanned | Refusal): Taken | Refusal {
  if (scanned.kind === 'refused') return scanned;
  if (asked.type === null) return takeEvents(state, body, scanned);
  const named = state.writer.namer(asked.type);
  return named.kind === 'refused' ? named : takeData(state, named, asked.time, body, scanned);
}

function takeEvents({ writer, maxEvent }: State, body: Buffer, { spans, faults }: Scanned): Taken {
  const errors: EventError[] = [];
  for (let i = 0; i < spans.length; i += 2) {
    const start = spans[i] as number; // two spans for each event
    const end = spans[i + 1] as number;
    const event = fault(faults, i / 2, end - start, maxEvent) ?? readEvent(body, start, end, writer.namer);
    const wrong = event.kind === 'refused' ? event : writer.sent(event, body);
    if (wrong !== null) errors.push({ index: i / 2, refusal: wrong });
  }
  return { kind: 'taken', groups: writer.groups(), count: writer.count, errors };
}

const OPEN_OBJECT = 0x7b;

function takeData(
  { writer, maxEvent }: State,
  named: NamedType,
  time: number | null,
  body: Buffer,
  { spans, faults }: Scanned,
): Taken {
  const errors: EventError[] = [];
  const seconds = Math.floor((time ?? writer.receivedAt) / 1000);
  const nanos = Math.floor((time ?? writer.receivedAt) - seconds * 1000) * 1e6;
  for (let i = 0; i < spans.length; i += 2) {
    const start = spans[i] as number; // two spans for each event
    const end = spans[i + 1] as number;
    const wrong =
      fault(faults, i / 2, end - start, maxEvent) ??
      (body[start] === OPEN_OBJECT ? null : refusal('record-not-object')) ??
      writer.data(named, seconds, nanos, body, start, end);
    if (wrong !== null) errors.push({ index: i / 2, refusal: wrong });
  }
  return { kind: 'taken', groups: writer.groups(), count: writer.count, errors };
}

const fault = (faults: Scanned['faults'], index: number, length: number, maxEvent: number): Refusal | null =>
  (faults.size === 0 ? undefined : faults.get(index)) ??
  (length > maxEvent ? refusal('event-too-large', '', maxEvent) : null);
