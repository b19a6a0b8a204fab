// From an outcome to what becomes of each event of its request: settled, dead-lettered, or sent again. Nothing is acked here but by `Hand`.
import { backoff, RETRY } from '../backoff.ts';
import type { Outcome } from './contract.ts';
import type { Hand } from './hand.ts';
import { eventLetter, type Origin } from './letter.ts';
import type { Letters } from './letters.ts';
import type { QueueTelemetry } from './queue-telemetry.ts';
import type { Request } from './request.ts';
import type { Resends } from './resends.ts';
import type { TargetState } from './target-state.ts';

export interface SettleOptions<Body, Receipt> {
  readonly origin: Origin;
  readonly hand: Hand<Receipt>;
  readonly letters: Letters<Receipt>;
  readonly resends: Resends<Body, Receipt>;
  readonly target: TargetState;
  readonly telemetry: QueueTelemetry;
  /** Stops all requests for a time. */
  readonly pause: (code: string, message: string, after: number | null) => void;
  /** Milliseconds since the epoch; of a clock that only goes forward; in [0, 1). */
  readonly now: () => number;
  readonly tick: () => number;
  readonly random: () => number;
}

export class Settlement<Body, Receipt> {
  readonly #options: SettleOptions<Body, Receipt>;

  constructor(options: SettleOptions<Body, Receipt>) {
    this.#options = options;
  }

  /** The outcome fits the request (outcomeFault). */
  settle(request: Request<Body, Receipt>, outcome: Outcome): void {
    const { target, resends, pause } = this.#options;
    const { kind } = outcome;
    switch (kind) {
      case 'done':
        this.#succeeded();
        this.#delivered(request, outcome.repeated);
        return;
      case 'retry':
        this.#retry(request, outcome.code, outcome.message, outcome.after);
        return;
      case 'partly':
        this.#partly(request, outcome);
        return;
      case 'rejected':
        target.answered();
        if (request.events === 1) this.#reject(request, 0, outcome.code, outcome.message);
        else resends.atOnce(...request.halves());
        return;
      case 'paused':
        resends.atOnce(request);
        pause(outcome.code, outcome.message, outcome.after);
        return;
      default:
        kind satisfies never;
    }
  }

  #partly(request: Request<Body, Receipt>, outcome: Outcome & { readonly kind: 'partly' }): void {
    const retry = new Set(outcome.retry);
    const settled = new Set(outcome.rejected.map((rejection) => rejection.index));
    if (retry.size < request.events) this.#succeeded();
    for (const { index, code, message } of outcome.rejected) this.#reject(request, index, code, message);
    const written = request.select((index) => !retry.has(index) && !settled.has(index));
    this.#delivered(written, outcome.repeated);
    if (retry.size === 0) return;
    const left = request.select((index) => retry.has(index));
    this.#retry(left, outcome.code, outcome.message, outcome.after);
  }

  #delivered(request: Request<Body, Receipt>, repeated: number): void {
    const { hand } = this.#options;
    let left = repeated;
    request.runs((held, events) => {
      const before = Math.min(left, events);
      left -= before;
      hand.settle(held, 'repeated', before);
      hand.settle(held, 'delivered', events - before);
    });
  }

  #reject(request: Request<Body, Receipt>, index: number, code: string, message: string): void {
    const line = request.lines[index];
    const held = request.held[index];
    if (line === undefined || held === undefined) return; // outcomeFault has checked the index
    const { origin, letters, telemetry, now } = this.#options;
    const { first, attempts } = request;
    telemetry.refused(code, message);
    letters.put(eventLetter(origin, line, { reason: 'rejected', code, message, first, last: now(), attempts }), held);
  }

  #retry(request: Request<Body, Receipt>, code: string, message: string, after: number | null): void {
    const { telemetry, target, resends, pause, tick, random } = this.#options;
    telemetry.retried(code, message, request.events);
    if (target.failed(after, tick())) {
      resends.atOnce(request);
      pause(code, message, after);
    } else resends.at(tick() + backoff(RETRY, request.attempts, after, random()), request);
  }

  #succeeded(): void {
    const { target, telemetry } = this.#options;
    target.succeeded();
    if (target.kind === 'running') telemetry.targetAnswers();
  }
}
