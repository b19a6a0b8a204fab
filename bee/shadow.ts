// A new version of a rule beside the one that answers: what it would have changed, counted. It never changes an answer.
import { sanitise } from './judge.ts';
import { Run } from './rule/clean.ts';
import type { CompiledRule } from './rule/compile.ts';
import { difference } from './rule/examples.ts';
import type { Json } from './rule/model.ts';
import type { ShadowReport, Verdict } from './verdict.ts';

/** Pointers hold indexes and keys of senders: more than these are counted as one. */
const MAX_PLACES = 200;

class Counts {
  readonly #counts = new Map<string, number>();

  add(place: string): void {
    const key = this.#counts.has(place) || this.#counts.size < MAX_PLACES ? place : 'elsewhere';
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  report(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].toSorted(([, a], [, b]) => b - a));
  }
}

export class Shadow {
  readonly compiled: CompiledRule;
  readonly #beside: string;
  #judged = 0;
  #same = 0;
  readonly #changed = new Counts();
  readonly #newlyRejected = new Counts();
  readonly #newlyAccepted = new Counts();

  constructor(compiled: CompiledRule, beside: string) {
    this.compiled = compiled;
    this.#beside = beside;
  }

  /** `data` as they were sent; they are not changed. */
  run(data: Readonly<Record<string, unknown>>, verdict: Verdict): void {
    this.#judged++;
    const answer = sanitise(this.compiled, data, new Run());
    if (typeof answer !== 'string') {
      if (verdict.kind === 'accepted') this.#newlyRejected.add(`${answer.code} ${placeOf(answer.pointer)}`);
      else if (verdict.code === answer.code && verdict.pointer === answer.pointer) this.#same++;
      else this.#changed.add(placeOf(answer.pointer));
    } else if (verdict.kind === 'rejected') this.#newlyAccepted.add(verdict.code);
    else if (verdict.data === answer) this.#same++;
    else {
      const place = difference(JSON.parse(answer) as Json, JSON.parse(verdict.data) as Json, '/data');
      if (place === null) this.#same++;
      else this.#changed.add(placeOf(place));
    }
  }

  report(): ShadowReport {
    return {
      rule: this.compiled.rule.name,
      beside: this.#beside,
      judged: this.#judged,
      same: this.#same,
      changed: this.#changed.report(),
      newlyRejected: this.#newlyRejected.report(),
      newlyAccepted: this.#newlyAccepted.report(),
    };
  }
}

/** An index says which of many: `/data/items/3/sku` is `/data/items/-/sku`. */
const placeOf = (pointer: string): string => pointer.replace(/\/[0-9]+(?=\/|$)/g, '/-');
