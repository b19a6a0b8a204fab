// What a queue sink is: the one contract for Elasticsearch, Splunk, MongoDB and sinks of the user's own (docs/writing-a-sink.md).
//
// The loop (drain.ts) takes batches from the sink's queue, hands each event to `encode`, gathers what that made into requests, and gives
// them to connections, of which each holds a permit. A sink says what became of a request; it never retries, waits, counts, logs or acks:
// the loop does, and it alone. An event is acked once the target has it or the dead letters have it, durably. So each event is delivered
// at least once; exactly once where the target drops a repeat by `SinkEvent.key`.
import type { SinkEvent } from './sink-event.ts';

export type { SinkEvent };

/** What became of a request. A remote no is an outcome, never a throw: what `send` throws is a bug of the sink, and is retried loudly. */
export type Outcome =
  /** The target has all of it. `repeated`: how many of them it had before. */
  | { readonly kind: 'done'; readonly repeated: number }
  /** Nothing is known to be written, or all may be sent again: overload, time-out, connection lost. `after`: as the target asked, milliseconds. */
  | { readonly kind: 'retry'; readonly code: string; readonly message: string; readonly after: number | null }
  /** Item by item; those named in neither list are written. */
  | {
      readonly kind: 'partly';
      readonly rejected: readonly Rejection[];
      /** Indexes of those to be sent again, and why. */
      readonly retry: readonly number[];
      readonly code: string;
      readonly message: string;
      readonly after: number | null;
      readonly repeated: number;
    }
  /**
   * The target refuses the request for something in it, and does not say for which event. One of several events is sent again in halves,
   * at once; one alone goes to the dead letters. Nothing of it is written, or the target drops that as a repeat (`SinkEvent.key`).
   */
  | { readonly kind: 'rejected'; readonly code: string; readonly message: string }
  /** No request can succeed now, whatever is in it: credentials, rights, a block. Alarm; messages are given back; one request tries again later. */
  | { readonly kind: 'paused'; readonly code: string; readonly message: string; readonly after: number | null };

/** One event that the target will never take. `code`: the target's own word, out of few; `message`: for people. */
export interface Rejection {
  readonly index: number;
  readonly code: string;
  readonly message: string;
}

/** One event as it stands in a request. `body` is whatever the sink's own `send` takes; `bytes` what it adds to the request's size. */
export interface Encoded<Body> {
  readonly kind: 'encoded';
  readonly body: Body;
  readonly bytes: number;
}
/** The event cannot be written to this target at all: it goes to the dead letters. */
export interface Refused {
  readonly kind: 'refused';
  readonly code: string;
  readonly message: string;
}

export interface QueueSink<Body = unknown> extends AsyncDisposable {
  /** Most that one request may hold, whatever the configuration says: bytes as `Encoded.bytes` counts them, and events. */
  readonly limit: { readonly bytes: number; readonly events: number };
  /** Pure and synchronous. Called once for each event; what it returns may be sent several times. */
  encode(event: SinkEvent): Encoded<Body> | Refused;
  /**
   * Before the first request of each start, and again after a pause: check the target, install what it needs. Absent: nothing. Its outcome
   * `retry` or `paused` is obeyed as that of a request. `connection` is one opened by `connect`.
   */
  prepare?(connection: Connection<Body>, signal: AbortSignal): Promise<Outcome>;
  /** One connection of the target: at most one socket open at a time. Opens lazily or at once; failures show in `send`. Closed when its permit goes. */
  connect(): Connection<Body>;
}

export interface Connection<Body> extends AsyncDisposable {
  /**
   * Sends one request of 1 or more events. `taken` may be called once the target has the request and works on it without this connection
   * (an indexer acknowledgement that comes later): the connection is then free for the next request, while the outcome is still open.
   * On abort it ends at once; what it answers then is not looked at, the events count as not delivered.
   */
  send(batch: readonly Body[], signal: AbortSignal, taken: () => void): Promise<Outcome>;
  /** Closes the socket; requests still open may fail. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What a module of the user's own exports as `openSink`. Throws SinkConfigInvalid for options it cannot work with. */
export type OpenSink = (
  options: Readonly<Record<string, unknown>>,
  context: SinkContext,
) => QueueSink | Promise<QueueSink>;

export interface SinkContext {
  /** Name of the sink in the configuration. */
  readonly name: string;
  /** Of one request, milliseconds: a sink's own deadline. */
  readonly timeout: number;
}

/** The configuration cannot work: the process ends with exit code 78 and this message. */
export class SinkConfigInvalid extends Error {
  override readonly name = 'SinkConfigInvalid';
}
