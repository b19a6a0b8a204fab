// Dead letters on their way: put together, one put at a time, and each event settled once its letter is durable.
import type { DeadLetter } from '#core/dead-letter.ts';
import type { DeadLetters } from '../dead/write.ts';
import type { Hand, Held } from './hand.ts';

/** Letters of one put. */
const TOGETHER = 500;

interface Pending<Receipt> {
  readonly letter: DeadLetter;
  readonly held: Held<Receipt>;
}

export class Letters<Receipt> {
  readonly #dead: DeadLetters;
  readonly #site: string;
  readonly #hand: Hand<Receipt>;
  readonly #signal: AbortSignal;
  readonly #settled: () => void;
  #pending: Pending<Receipt>[] = [];
  #writing = false;

  /** `settled` is called after each put. The signal ends the waiting; what is not put then is not settled. */
  constructor(dead: DeadLetters, site: string, hand: Hand<Receipt>, signal: AbortSignal, settled: () => void) {
    this.#dead = dead;
    this.#site = site;
    this.#hand = hand;
    this.#signal = signal;
    this.#settled = settled;
  }

  put(letter: DeadLetter, held: Held<Receipt>): void {
    this.#pending.push({ letter, held });
    if (!this.#writing) void this.#write();
  }

  /** Letters that are not being put yet. */
  get waiting(): number {
    return this.#pending.length;
  }

  /** Drops those whose messages are gone: they come again, and with them their letters, as long as no letter can be put. */
  prune(): void {
    this.#pending = this.#pending.filter(({ held }) => !held.gone);
  }

  async #write(): Promise<void> {
    this.#writing = true;
    // What one message brings is refused in one go: let all of it come together.
    await Promise.resolve();
    while (this.#pending.length > 0 && !this.#signal.aborted) {
      // A message that is gone comes again, and its letters with it.
      const batch = this.#pending.splice(0, TOGETHER).filter(({ held }) => !held.gone);
      if (batch.length === 0) continue;
      try {
        await this.#dead.put(
          this.#site,
          batch.map(({ letter }) => letter),
          this.#signal,
        );
      } catch (error) {
        if (this.#signal.aborted) break;
        throw error; // put rejects on its signal alone
      }
      for (const { held } of batch) this.#hand.settle(held, 'dead', 1);
      this.#settled();
    }
    this.#writing = false;
  }
}
