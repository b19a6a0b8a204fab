// First verdicts: an event that is sent again is told what was told before. For a while, in bounded memory, by this Bee alone. Pure.
import { hash } from 'node:crypto';

export interface Told {
  /** When, milliseconds of the caller's clock. */
  readonly at: number;
  /** Members of the verdict, as JSON. */
  readonly text: string;
  readonly kind: 'accepted' | 'rejected';
  /** Fingerprint of the rules that gave it: rejected by others, an event is judged anew. */
  readonly rules: string;
}

const LONGEST_ID = 64;

/** By source, since ids are the sender's. Long ids are hashed, so that what is kept is bounded. */
export const eventKey = (source: string, id: string): string =>
  `${source}\n${id.length <= LONGEST_ID ? id : hash('sha256', id, 'base64')}`;

/** Two generations: when the younger is full, or as old as the window, the older is forgotten as a whole. */
export class FirstVerdicts {
  readonly #window: number;
  readonly #half: number;
  #young = new Map<string, Told>();
  #old = new Map<string, Told>();
  #since = 0;

  /** `max`: entries, some 500 bytes each. */
  constructor(window: number, max: number) {
    this.#window = window;
    this.#half = Math.ceil(max / 2);
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  find(key: string, now: number): Told | null {
    const told = this.#young.get(key) ?? this.#old.get(key);
    return told !== undefined && now - told.at < this.#window ? told : null;
  }

  put(key: string, told: Told): void {
    if (this.#window === 0) return;
    if (this.#young.size >= this.#half || told.at - this.#since >= this.#window) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#since = told.at;
    }
    this.#young.set(key, told);
  }
}
