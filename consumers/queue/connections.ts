// The open connections of a queue sink, one for each permit held, and the requests on them.
import type { Connection, Outcome, QueueSink } from './contract.ts';
import { outcomeFault } from './outcome.ts';
import type { Request } from './request.ts';

export interface Flight<Body, Receipt> {
  readonly request: Request<Body, Receipt>;
  /** When it was sent, by a clock that only goes forward, milliseconds. */
  readonly started: number;
  /** The target has it, and its connection is free for the next; its outcome is still open. */
  taken: boolean;
}

export interface ConnectionsOptions<Body, Receipt> {
  readonly sink: QueueSink<Body>;
  readonly tick: () => number;
  /** Once for each request, unless its connection was closed before. */
  readonly landed: (flight: Flight<Body, Receipt>, outcome: Outcome) => void;
  /** Its connection is free. */
  readonly taken: (flight: Flight<Body, Receipt>) => void;
  readonly bug: (where: string, error: unknown) => void;
}

interface Slot<Body, Receipt> {
  readonly connection: Connection<Body>;
  readonly abort: AbortController;
  readonly flights: Set<Flight<Body, Receipt>>;
  busy: boolean;
}

export class Connections<Body, Receipt> implements AsyncDisposable {
  readonly #options: ConnectionsOptions<Body, Receipt>;
  readonly #slots = new Map<number, Slot<Body, Receipt>>();
  /** The one that was free the shortest time is taken first, so that few stay warm. */
  #idle: Slot<Body, Receipt>[] = [];
  #flights = 0;
  #bytes = 0;

  constructor(options: ConnectionsOptions<Body, Receipt>) {
    this.#options = options;
  }

  get size(): number {
    return this.#slots.size;
  }
  get hasIdle(): boolean {
    return this.#idle.length > 0;
  }
  /** Connections that have a request now. */
  get busy(): number {
    return this.#slots.size - this.#idle.length;
  }
  /** Requests without an outcome. */
  get flights(): number {
    return this.#flights;
  }
  /** Of those requests, as the sink counts bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  open(permit: number): void {
    if (this.#slots.has(permit)) return;
    const slot = {
      connection: this.#connect(),
      abort: new AbortController(),
      flights: new Set<Flight<Body, Receipt>>(),
      busy: false,
    };
    this.#slots.set(permit, slot);
    this.#idle.push(slot);
  }

  /** `giveBack` gets its requests at once; resolves when it is closed. */
  async close(permit: number, giveBack: (request: Request<Body, Receipt>) => void): Promise<void> {
    const slot = this.#slots.get(permit);
    if (slot === undefined) return;
    this.#slots.delete(permit);
    this.#idle = this.#idle.filter((each) => each !== slot);
    for (const flight of slot.flights) {
      this.#flights--;
      this.#bytes -= flight.request.bytes;
      giveBack(flight.request);
    }
    slot.flights.clear();
    slot.abort.abort();
    await slot.connection[Symbol.asyncDispose]().catch((error: unknown) => this.#options.bug('close', error));
  }

  /** Only while `hasIdle`. */
  send(request: Request<Body, Receipt>): void {
    const slot = this.#idle.pop();
    if (slot === undefined) throw new RangeError('no connection is idle');
    slot.busy = true;
    const flight: Flight<Body, Receipt> = { request, started: this.#options.tick(), taken: false };
    slot.flights.add(flight);
    this.#flights++;
    this.#bytes += request.bytes;
    void this.#fly(slot, flight);
  }

  /** Null where the connection was closed meanwhile. Only while there is one. */
  async prepare(): Promise<Outcome | null> {
    const { sink } = this.#options;
    const [slot] = this.#slots.values();
    if (slot === undefined || sink.prepare === undefined) return null;
    const outcome = await this.#outcome(
      'prepare',
      0,
      slot,
      (signal) => sink.prepare?.(slot.connection, signal) ?? Promise.resolve({ kind: 'done', repeated: 0 }),
    );
    return slot.abort.signal.aborted ? null : outcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#slots.keys()].map((permit) => this.close(permit, () => {})));
  }

  async #fly(slot: Slot<Body, Receipt>, flight: Flight<Body, Receipt>): Promise<void> {
    const { request } = flight;
    const outcome = await this.#outcome('send', request.events, slot, (signal) =>
      slot.connection.send(request.bodies, signal, () => this.#taken(slot, flight)),
    );
    // Not there any more: the connection was closed, and the request went back.
    if (!slot.flights.delete(flight)) return;
    this.#flights--;
    this.#bytes -= request.bytes;
    if (!flight.taken) this.#free(slot);
    this.#options.landed(flight, outcome);
  }

  #taken(slot: Slot<Body, Receipt>, flight: Flight<Body, Receipt>): void {
    if (flight.taken || !slot.flights.has(flight)) return;
    flight.taken = true;
    this.#free(slot);
    this.#options.taken(flight);
  }

  #free(slot: Slot<Body, Receipt>): void {
    slot.busy = false;
    this.#idle.push(slot);
  }

  async #outcome(
    where: string,
    events: number,
    { abort }: Slot<Body, Receipt>,
    ask: (signal: AbortSignal) => Promise<Outcome>,
  ): Promise<Outcome> {
    try {
      const outcome = await ask(abort.signal);
      const fault = outcomeFault(outcome, events);
      if (fault === null) return outcome;
      throw new TypeError(`${where} answered ${fault}`);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      // What a closed connection throws is nobody's fault.
      if (!abort.signal.aborted) this.#options.bug(where, error);
      return { kind: 'retry', code: 'sink-bug', message, after: null };
    }
  }

  #connect(): Connection<Body> {
    try {
      return this.#options.sink.connect();
    } catch (error) {
      this.#options.bug('connect', error);
      return { send: () => Promise.reject(error), [Symbol.asyncDispose]: () => Promise.resolve() };
    }
  }
}
