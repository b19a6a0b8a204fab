// The messages that one process holds unacknowledged, and what became of the events in them: the books of a queue sink.
//
//   read = delivered + repeated + dead + filtered + returned + in hand
//
// A message is acked once each of its events is settled. One that is given back, or lost with its channel, comes again: what was open in it
// counts as returned, and what is still told about it is dropped. A message that is no batch counts as one event.

/** The channel on which messages were delivered: they can be settled there and nowhere else. */
export interface Channel<Receipt> {
  ack(receipt: Receipt): void;
  /** Back to the queue; other instances may have it. */
  nack(receipt: Receipt): void;
}

export type Settled = 'delivered' | 'repeated' | 'dead' | 'filtered';
export type Booked = Settled | 'returned';

export class Held<Receipt> {
  readonly channel: Channel<Receipt>;
  readonly receipt: Receipt;
  /** Bytes of the message's body. */
  readonly bytes: number;
  /** When it was delivered, by a clock that only goes forward, milliseconds. */
  readonly since: number;
  /** When an agent took the oldest event, milliseconds since the epoch; null until the message was opened. */
  arrival: number | null = null;
  /** Events not settled; 0 until the message was opened. */
  open = 0;
  /** Events in requests that a connection has now. */
  flying = 0;
  /** Goes back to the queue as soon as nothing of it flies. */
  leaving = false;
  /** Settled, given back or lost: nothing that happens to its events is booked any more. */
  gone = false;

  constructor(channel: Channel<Receipt>, receipt: Receipt, bytes: number, since: number) {
    this.channel = channel;
    this.receipt = receipt;
    this.bytes = bytes;
    this.since = since;
  }

  /** Whether its events may still be sent. */
  get wanted(): boolean {
    return !this.gone && !this.leaving;
  }
}

export class Hand<Receipt> {
  readonly #messages = new Set<Held<Receipt>>();
  readonly #book: (reason: Booked | 'read', events: number) => void;
  #bytes = 0;
  #open = 0;
  #givenBack: number | null = null;

  /** `book` is told of every change, so that counters can follow. */
  constructor(book: (reason: Booked | 'read', events: number) => void) {
    this.#book = book;
  }

  get messages(): number {
    return this.#messages.size;
  }
  /** Of the bodies as they came. */
  get bytes(): number {
    return this.#bytes;
  }
  /** Events read and not settled. */
  get events(): number {
    return this.#open;
  }

  /** In the order of their delivery. */
  held(): Iterable<Held<Receipt>> {
    return this.#messages;
  }

  /** When an agent took the oldest event in hand; null where there is none. */
  oldest(): number | null {
    let oldest: number | null = null;
    for (const { arrival } of this.#messages) {
      if (arrival !== null && (oldest === null || arrival < oldest)) oldest = arrival;
    }
    return oldest;
  }

  /** As `oldest`, of what was given back or lost and has not come again since a message was opened. */
  get givenBack(): number | null {
    return this.#givenBack;
  }

  take(message: Held<Receipt>): void {
    this.#messages.add(message);
    this.#bytes += message.bytes;
  }

  /** Before any of its events is settled. */
  opened(message: Held<Receipt>, events: number, arrival: number | null): void {
    if (message.gone) return;
    message.open = events;
    message.arrival = arrival;
    this.#givenBack = null;
    this.#open += events;
    this.#book('read', events);
  }

  /** Acks the message with its last event: call it once the target, or the dead letters, have them durably. */
  settle(message: Held<Receipt>, reason: Settled, events: number): void {
    if (message.gone || events === 0) return;
    message.open -= events;
    this.#open -= events;
    this.#book(reason, events);
    if (message.open > 0) return;
    this.#forget(message);
    message.channel.ack(message.receipt);
  }

  /** A connection has `events` of it more (or, negative, fewer). A message that was to leave goes back once the last is down. */
  fly(message: Held<Receipt>, events: number): void {
    message.flying += events;
    if (message.flying === 0 && message.leaving) this.#giveBack(message);
  }

  /** Gives the message back: at once, or as soon as nothing of it flies, since what flies may still be settled. */
  leave(message: Held<Receipt>): void {
    message.leaving = true;
    if (message.flying === 0) this.#giveBack(message);
  }

  /** Gives the message back although something of it flies: what becomes of that is not waited for. */
  surrender(message: Held<Receipt>): void {
    message.leaving = true;
    this.#giveBack(message);
  }

  /** The channel is gone, and every message of it comes again. */
  lose(channel: Channel<Receipt>): void {
    for (const message of this.#messages) if (message.channel === channel) this.#return(message);
  }

  #giveBack(message: Held<Receipt>): void {
    if (message.gone) return;
    this.#return(message);
    message.channel.nack(message.receipt);
  }

  #return(message: Held<Receipt>): void {
    const { open, arrival } = message;
    if (arrival !== null) this.#givenBack = Math.min(arrival, this.#givenBack ?? arrival);
    this.#forget(message);
    this.#open -= open;
    message.open = 0;
    if (open > 0) this.#book('returned', open);
  }

  #forget(message: Held<Receipt>): void {
    message.gone = true;
    this.#messages.delete(message);
    this.#bytes -= message.bytes;
  }
}
