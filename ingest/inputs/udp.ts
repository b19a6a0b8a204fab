// The UDP input: best effort, and honest. Nobody is answered, and nobody sends again: what is refused, or dropped by the kernel, is counted as lost.
//   datagram = CloudEvent (JSON), or several, one a line; where a type is configured, objects that are no CloudEvents are data of that type
import type { UdpInputConfig } from '#core/config/input-config.ts';
import { refusal, type Refusal } from '#core/errors.ts';
import { readEvent, type NamedType } from '#core/event.ts';
import { scanMembers } from '#core/json/members.ts';
import { type Scanned, scanEvents } from '#core/json/scan.ts';
import { createBestEffort } from './best-effort.ts';
import type { Input, InputContext } from './contract.ts';
import { listenDatagrams } from './datagrams.ts';
import { EventWriter } from './event-writer.ts';

export interface UdpInputOptions extends UdpInputConfig, InputContext {}

const OPEN_OBJECT = 0x7b;
const VERSION = '"specversion"';

/** Resolves once it listens. */
export async function createUdpInput(options: UdpInputOptions): Promise<Input> {
  const { observe } = options;
  const taker = new Taker(options);
  const store = createBestEffort(options, options.level, 'udp');
  const receive = (messages: readonly Buffer[]): Promise<void> => {
    taker.writer.begin();
    for (const message of messages) taker.take(message);
    return store(taker.writer);
  };
  const { listen, receiveBuffer } = options;
  const datagrams = await listenDatagrams({ listen, receiveBuffer, where: 'agent.inputs.udp', observe, receive });
  return {
    address: `udp://${datagrams.address}`,
    status: datagrams.status,
    [Symbol.asyncDispose]: () => datagrams[Symbol.asyncDispose](),
  };
}

class Taker {
  readonly writer: EventWriter;
  readonly #options: UdpInputOptions;
  readonly #named: NamedType | null;

  constructor(options: UdpInputOptions) {
    this.#options = options;
    this.writer = new EventWriter(options, 'udp');
    const named = options.type === null ? null : this.writer.namer(options.type);
    this.#named = named?.kind === 'named' ? named : null;
  }

  /** Writes the events of one datagram, which is changed in place; those that are none are counted. */
  take(message: Buffer): void {
    const scanned = scan(message);
    if (scanned.kind === 'refused') return this.#options.observe.lost(scanned.code, 1);
    const { spans, faults } = scanned;
    for (let i = 0; i < spans.length; i += 2) {
      const start = spans[i] as number; // two spans for each event
      const end = spans[i + 1] as number;
      const wrong = faults.get(i / 2) ?? this.#event(message, start, end);
      if (wrong !== null) this.#options.observe.lost(wrong.code, 1);
    }
  }

  #event(message: Buffer, start: number, end: number): Refusal | null {
    const { maxEvent } = this.#options;
    if (end - start > maxEvent) return refusal('event-too-large', '', maxEvent);
    const named = this.#named;
    if (named !== null && !isCloudEvent(message, start, end)) {
      if (message[start] !== OPEN_OBJECT) return refusal('record-not-object');
      const { receivedAt } = this.writer;
      return this.writer.data(named, Math.floor(receivedAt / 1000), (receivedAt % 1000) * 1e6, message, start, end);
    }
    const event = readEvent(message, start, end, this.writer.namer);
    return event.kind === 'refused' ? event : this.writer.sent(event, message);
  }
}

/** A line an event; or one event over several lines. */
function scan(message: Buffer): Scanned | Refusal {
  const lines = scanEvents(message, 'lines');
  if (lines.kind === 'refused' || lines.faults.size === 0 || lines.spans.length === 2) return lines;
  const whole = scanEvents(message, 'value');
  return whole.kind === 'refused' ? lines : whole;
}

function isCloudEvent(message: Buffer, start: number, end: number): boolean {
  const at = message.indexOf(VERSION, start, 'latin1');
  if (at < 0 || at >= end || message[start] !== OPEN_OBJECT) return false;
  return scanMembers(message, start, end).names.includes('specversion');
}
