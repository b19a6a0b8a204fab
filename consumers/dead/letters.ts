// The letters of a dead-letter stream, folded out of its records: which are open, which are resolved, and which of them are asked for. Pure.
// A letter is open unless a resolution answers its last record (core/dead-letter.ts, `upto`): one that was refused again is open again.
import type { DeadContent, DeadRecord, ResolutionReason, StoredLetter } from '#core/dead-letter.ts';
import { compilePattern } from '#core/patterns.ts';

/** What is kept of a letter: no body, and no text longer than a line. */
export interface Letter {
  readonly id: string;
  /** The site in whose dead letters it lies. */
  readonly lies: string;
  readonly sink: string;
  readonly type: string;
  readonly reason: StoredLetter['reason'];
  readonly code: string;
  readonly message: string;
  readonly content: DeadContent;
  /** Milliseconds since the epoch, 0 where it is unknown; over all its records. */
  readonly first: number;
  readonly last: number;
  /** Over all its records. */
  readonly attempts: number;
  /** Of its last record in the dead-letter stream. */
  readonly offset: bigint;
  readonly resolved: { readonly reason: ResolutionReason; readonly at: number } | null;
}

export interface LetterQuery {
  /** Beginnings of letters' ids; none: all letters. */
  readonly ids: readonly string[];
  readonly sink: string | null;
  readonly reason: string | null;
  readonly code: string | null;
  /** A pattern for types. */
  readonly type: string | null;
  /** When it was refused last, milliseconds since the epoch: from ≤ time < to. */
  readonly from: number | null;
  readonly to: number | null;
  readonly state: 'open' | 'resolved' | 'all';
}

const MESSAGE_KEPT = 120;

/** Memory: some 500 bytes a letter (a million letters: 0.5 GB), whatever their bodies; sinks, types and codes are kept once. */
export class LetterFold {
  readonly #lies: string;
  readonly #letters = new Map<string, Letter>();
  readonly #texts = new Map<string, string>();

  constructor(lies: string) {
    this.#lies = lies;
  }

  add(record: DeadRecord, offset: bigint): void {
    const known = this.#letters.get(record.letter);
    if (record.kind === 'resolution') {
      if (known !== undefined && record.upto >= known.offset)
        this.#letters.set(known.id, { ...known, resolved: { reason: record.reason, at: record.at } });
      return; // of a letter that retention has deleted, or that was refused again since
    }
    this.#letters.set(record.letter, {
      id: record.letter,
      lies: this.#lies,
      sink: this.#once(record.sink),
      type: this.#once(record.type),
      reason: record.reason,
      code: this.#once(record.code),
      message: copyOf(record.message.slice(0, MESSAGE_KEPT)),
      content: record.content,
      first: known === undefined ? record.first : Math.min(known.first, record.first),
      last: Math.max(known?.last ?? 0, record.last),
      attempts: (known?.attempts ?? 0) + record.attempts,
      offset,
      resolved: null,
    });
  }

  /** In the order in which they were refused first. */
  letters(): MapIterator<Letter> {
    return this.#letters.values();
  }

  #once(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const copy = copyOf(text);
    this.#texts.set(copy, copy);
    return copy;
  }
}

/** A part of a string keeps the whole of it in memory. */
const copyOf = (text: string): string => Buffer.from(text).toString();

/** Throws TypeError for a pattern that is none. */
export function queryFilter(query: LetterQuery): (letter: Letter) => boolean {
  const { ids, sink, reason, code, from, to, state } = query;
  const type = query.type === null ? null : compilePattern(query.type);
  return (letter) =>
    (ids.length === 0 || ids.some((id) => letter.id.startsWith(id))) &&
    (sink === null || letter.sink === sink) &&
    (reason === null || letter.reason === reason) &&
    (code === null || letter.code === code) &&
    (type === null || type(letter.type)) &&
    (from === null || letter.last >= from) &&
    (to === null || letter.last < to) &&
    (state === 'all' || (state === 'open') === (letter.resolved === null));
}
