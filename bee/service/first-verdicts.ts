// First verdicts: an event that is sent again is told what was told before. For a while, in bounded memory, by this Bee alone. Pure.
import { hash } from 'node:crypto';

/** Shared by all events of a request that have it in common, so that remembering one costs an entry of a map and nothing else. */
export interface Told {
  /** When, milliseconds of the caller's clock. */
  readonly at: number;
  readonly kind: 'accepted' | 'rejected';
  /** Members of the verdict, as JSON: of an accepted event those of its rule, of a rejected one all. */
  readonly text: string;
  /** Fingerprint of the rules that gave it: rejected by others, an event is judged anew. */
  readonly rules: string;
  /** `pending`: on its way to the agent, until `settled` resolves. `void`: the agent did not take it, so nothing was told. */
  state: 'pending' | 'told' | 'void';
  readonly settled: Promise<void>;
}

const LONGEST_ID = 64;

/** Long ids are hashed, so that what is kept is bounded. */
const keyOf = (id: string): string => (id.length <= LONGEST_ID ? id : hash('sha256', id, 'base64'));

/** Two generations: when the younger is full, or as old as the window, the older is forgotten as a whole. */
export class FirstVerdicts {
  readonly #window: number;
  readonly #half: number;
  /** By source and id: ids are the sender's. */
  #young = new Map<string, Map<string, Told>>();
  #old = new Map<string, Map<string, Told>>();
  #size = 0;
  #oldSize = 0;
  #since = 0;

  /** `max`: events, some 150 bytes each. */
  constructor(window: number, max: number) {
    this.#window = window;
    this.#half = Math.ceil(max / 2);
  }

  get size(): number {
    return this.#size + this.#oldSize;
  }

  find(source: string, id: string, now: number): Told | null {
    const key = keyOf(id);
    const told = this.#young.get(source)?.get(key) ?? this.#old.get(source)?.get(key);
    return told !== undefined && told.state !== 'void' && now - told.at < this.#window ? told : null;
  }

  put(source: string, id: string, told: Told): void {
    if (this.#size >= this.#half || told.at - this.#since >= this.#window) {
      this.#old = this.#young;
      this.#oldSize = this.#size;
      this.#young = new Map();
      this.#size = 0;
      this.#since = told.at;
    }
    let events = this.#young.get(source);
    if (events === undefined) this.#young.set(source, (events = new Map()));
    const before = events.size;
    events.set(keyOf(id), told);
    this.#size += events.size - before;
  }
}
