// A model of the chain's world: writers, movers and pruners over one store and two streams, in random interleavings of single store
// operations, with crashes, pauses, lost answers, requests that arrive late, clocks that differ, filtered and forgotten events. One seed is
// one schedule. After the chaos one writer reads to the end; then `judge` looks at every object ever written.
import { admit } from '../../../consumers/chain/admit.ts';
import { parseDataKey, parseRecordKey, recordKey } from '../../../consumers/chain/keys.ts';
import { append, move, prune, recover } from '../../../consumers/chain/machine.ts';
import type { Answer, Operation, Steps } from '../../../consumers/chain/operations.ts';
import { SEAL } from '../../../consumers/chain/seal.ts';
import type { ChainSettings, ChainState } from '../../../consumers/chain/state.ts';
import { gather, type Gathered } from './model-drain.ts';
import { judge } from './model-judge.ts';
import { END, HORIZON, KEPT, makeStreams, randomOf, SITES, SKEW, type Site, type Streams } from './model-streams.ts';

const STEPS = 6000;
/** Whoever knows the chain from so long ago may meet a number that is pruned. */
const OUTLIVED = KEPT - 4 * SKEW;

interface Actor {
  readonly steps: Steps<void>;
  operations: readonly Operation[];
  answers: Answer[];
  /** Indices of operations not performed yet. */
  open: number[];
  /** When its knowledge of the chain began, by the world's clock. */
  since: number;
  /** Asleep until this step. */
  wakes: number;
}

/** What a mutation changes: the model must find each. */
export interface Mutation {
  readonly recover?: typeof recover;
  readonly prune?: typeof prune;
  readonly admit?: typeof admit;
  /** The store overwrites. */
  readonly overwrites?: boolean;
  /** What the writer is told instead of the truth. */
  readonly lie?: (operation: Operation, answer: Answer) => Answer;
}

/** How often things go wrong; chosen anew for each schedule, so that some are calm and some are wild. */
interface Weather {
  readonly writers: number;
  readonly crash: number;
  readonly sleep: number;
  readonly lost: number;
  readonly never: number;
  readonly late: number;
  readonly twice: number;
  readonly stale: number;
  readonly move: number;
  readonly leap: number;
  readonly pace: number;
  readonly chaos: number;
}

export class World {
  readonly #random: () => number;
  readonly #weather: Weather;
  readonly #mutation: Mutation;
  readonly settings: ChainSettings;
  readonly streams: Streams['streams'];
  readonly births: ReadonlyMap<string, number>;
  /** What the store holds. */
  readonly objects = new Map<string, Buffer>();
  /** What it ever held: nothing is pruned from it. */
  readonly history = new Map<string, Buffer>();
  readonly faults: string[] = [];
  readonly dead = new Set<string>();
  readonly counts = { steps: 0, crashes: 0, seals: 0, moves: 0, pruned: 0, forgotten: 0, snapshots: 0 };
  #sorted: string[] | null = null;
  /** A listing of some time ago, which a store may still answer with. */
  #stale: { readonly keys: string[]; readonly time: number } = { keys: [], time: 0 };
  #actors: Actor[] = [];
  /** Requests under way, and since when their sender knew the chain: a crash or a lost answer does not call them back. */
  #late: { readonly operation: Extract<Operation, { kind: 'create' }>; readonly since: number }[] = [];
  #clock = 0;
  #names = 0;

  constructor(seed: number, mutation: Mutation = {}) {
    const random = randomOf(seed);
    this.#random = random;
    this.#mutation = mutation;
    const often = (most: number): number => (random() < 0.4 ? 0 : random() * most);
    this.#weather = {
      writers: 1 + this.#below(3),
      crash: often(0.12),
      sleep: often(0.1),
      lost: often(0.2),
      never: often(0.1),
      late: often(0.1),
      twice: often(0.1),
      stale: often(0.1),
      move: often(0.01),
      leap: often(0.05),
      pace: random(),
      chaos: this.#below(300),
    };
    this.settings = {
      sink: 's3',
      partition: 0,
      home: 'a',
      horizon: HORIZON,
      snapshotEvery: 1 + this.#below(5),
      recordsKept: KEPT,
    };
    ({ streams: this.streams, births: this.births } = makeStreams(random));
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #now(skew: number): number {
    return Math.max(0, this.#clock + skew);
  }

  #name(): string {
    return `random${String(this.#names++).padStart(12, '0')}`;
  }

  /** The drain loop, in short: recover where at home, gather, append, begin again where superseded. */
  *#writer(site: Site, most: number, skew: number, actor: { since: number }): Steps<void> {
    for (;;) {
      actor.since = this.#clock;
      let state = yield* (this.#mutation.recover ?? recover)(this.settings, this.#now(skew));
      if (state.home !== site) return;
      let gathered = this.#gather(state, site, most, skew, null);
      while (gathered !== null) {
        // As the drain does, the next window is sometimes gathered while this one is written, over a state that does not know it.
        const ahead = this.#chance(0.5) ? this.#gather(state, site, most, skew, gathered) : null;
        const appended = yield* append(this.settings, state, gathered.window);
        if (appended.kind === 'superseded') break;
        state = appended.state;
        gathered = ahead ?? this.#gather(state, site, most, skew, null);
        actor.since = this.#clock;
        if (state.n % this.settings.snapshotEvery === 0)
          this.counts.pruned += yield* (this.#mutation.prune ?? prune)(this.settings, state, this.#now(skew));
      }
      if (gathered === null) return;
    }
  }

  *#mover(to: Site, skew: number): Steps<void> {
    yield* move(this.settings, to, this.#name(), this.#now(skew));
    this.counts.moves++;
  }

  #gather(state: ChainState, site: Site, most: number, skew: number, flight: Gathered | null): Gathered | null {
    return gather(state, flight, {
      admit: this.#mutation.admit ?? admit,
      site,
      stream: this.streams[site],
      most,
      clock: this.#clock,
      name: this.#name(),
      at: this.#now(skew),
      dead: (event) => {
        this.dead.add(event);
        this.counts.forgotten++;
      },
    });
  }

  #start(make: (actor: { since: number }) => Steps<void>): void {
    const actor = { operations: [], answers: [], open: [], since: this.#clock, wakes: 0 } as unknown as Actor & {
      steps: Steps<void>;
    };
    Object.assign(actor, { steps: make(actor) });
    if (this.#advance(actor)) this.#actors.push(actor);
  }

  #startWriter(site: Site): void {
    const most = 1 + this.#below(5);
    const skew = this.#below(2 * SKEW + 1) - SKEW;
    this.#start((actor) => this.#writer(site, most, skew, actor));
  }

  /** False where its steps are done. */
  #advance(actor: Actor): boolean {
    const next = actor.steps.next(actor.answers);
    if (next.done === true) return false;
    actor.operations = next.value;
    actor.answers = [];
    actor.open = next.value.map((_, i) => i);
    return true;
  }

  #keys(): string[] {
    this.#sorted ??= [...this.objects.keys()].toSorted((x, y) => (x < y ? -1 : 1));
    return this.#sorted;
  }

  #create(key: string, bytes: Buffer): Answer {
    if (this.objects.has(key) && this.#mutation.overwrites !== true) return { kind: 'exists' };
    if (this.history.has(key) && !this.objects.has(key))
      this.faults.push(`${key} was created again after it was pruned`);
    if (this.#sorted !== null && this.#chance(0.5)) this.#stale = { keys: this.#sorted, time: this.#clock };
    this.objects.set(key, bytes);
    this.history.set(key, bytes);
    this.#sorted = null;
    if (bytes === SEAL) this.counts.seals++;
    return { kind: 'created' };
  }

  #perform(operation: Operation, since: number, calm: boolean): Answer {
    const { lost, never, late, twice, stale } = this.#weather;
    switch (operation.kind) {
      case 'create': {
        if (calm) return this.#create(operation.key, operation.bytes);
        if (this.#chance(never)) return UNKNOWN;
        if (this.#chance(late)) {
          this.#late.push({ operation, since });
          return UNKNOWN;
        }
        const answer = this.#create(operation.key, operation.bytes);
        if (this.#chance(lost)) return UNKNOWN;
        return this.#chance(twice) ? { kind: 'exists' } : answer; // the client's own retry lost to its first try
      }
      case 'head':
        return { kind: 'length', length: this.objects.get(operation.key)?.length ?? null };
      case 'get':
        return { kind: 'bytes', bytes: this.objects.get(operation.key) ?? null };
      case 'list': {
        const old = !calm && this.#clock - this.#stale.time < 10 && this.#chance(stale);
        const keys = old ? this.#stale.keys : this.#keys();
        const { prefix, after, limit } = operation;
        return { kind: 'keys', keys: keys.filter((key) => key.startsWith(prefix) && key > after).slice(0, limit) };
      }
      case 'remove':
        if (this.objects.delete(operation.key)) this.#sorted = null;
        return { kind: 'removed' };
      default:
        return operation satisfies never;
    }
  }

  /** One operation of one actor, or its crash. False where it is gone. */
  #step(actor: Actor, calm: boolean): boolean {
    // Whoever slept longer than records are kept is outside the contract; so is a request as old.
    if (this.#clock - actor.since > OUTLIVED) return false;
    if (!calm && this.#chance(this.#weather.crash)) {
      this.counts.crashes++;
      for (const i of actor.open) {
        const operation = actor.operations[i];
        if (operation?.kind === 'create' && this.#chance(0.5)) this.#late.push({ operation, since: actor.since });
      }
      return false;
    }
    const pick = this.#below(actor.open.length);
    const [i = 0] = actor.open.splice(pick, 1);
    const operation = actor.operations[i];
    if (operation === undefined) throw new Error('an actor without operations');
    const answer = this.#perform(operation, actor.since, calm);
    actor.answers[i] = this.#mutation.lie?.(operation, answer) ?? answer;
    return actor.open.length > 0 || this.#advance(actor);
  }

  #leap(by: number): void {
    this.#clock = Math.min(END, this.#clock + by);
    if (by > 10) this.#late = [];
    // A request that was under way for longer than records are kept is outside the contract, as its sender would be.
    this.#late = this.#late.filter(({ since }) => this.#clock - since <= OUTLIVED);
  }

  /** Runs the schedule; `stuck` where the last writer does not come to its end. */
  run(): 'done' | 'stuck' {
    const { writers, chaos, leap, pace, sleep, move: moving } = this.#weather;
    for (let step = 0; step < chaos; step++) {
      this.counts.steps++;
      if (this.#chance(leap)) this.#leap(this.#chance(0.2) ? this.#below(100) : this.#below(5));
      else if (this.#chance(pace)) this.#leap(2);
      const awake = this.#actors.filter((one) => one.wakes <= step);
      if (awake.length < writers && this.#chance(0.3)) this.#startWriter(this.#chance(0.5) ? 'a' : 'b');
      if (this.#chance(moving)) {
        const to = this.#chance(0.5) ? 'a' : 'b';
        this.#start(() => this.#mover(to, 0));
      }
      const late =
        this.#late.length > 0 && this.#chance(0.1)
          ? this.#late.splice(this.#below(this.#late.length), 1)[0]
          : undefined;
      if (late !== undefined) this.#create(late.operation.key, late.operation.bytes);
      const actor = awake[this.#below(awake.length)];
      if (actor === undefined) continue;
      if (this.#chance(sleep)) actor.wakes = step + this.#below(200);
      else if (!this.#step(actor, false)) this.#actors.splice(this.#actors.indexOf(actor), 1);
    }
    // Now those that are awake die, the requests that are under way arrive, and others read to the end; then the sleepers wake and try to go on.
    const sleepers = this.#actors.filter((one) => one.wakes > chaos);
    this.#actors = [];
    for (const { operation } of this.#late) this.#create(operation.key, operation.bytes);
    for (this.#late = []; ; this.#leap(50 + this.#below(END))) {
      for (const site of SITES) this.#startWriter(site);
      for (const actor of [...this.#actors.splice(0), ...sleepers.splice(0)])
        do if (++this.counts.steps > STEPS) return 'stuck';
        while (this.#step(actor, true));
      if (this.#clock === END && this.#finished()) return 'done';
      if (++this.counts.steps > STEPS) return 'stuck';
    }
  }

  /** Nothing is pending and nothing is left to read. */
  #finished(): boolean {
    let open = 0;
    for (const key of this.objects.keys()) {
      const record = parseRecordKey(this.settings, key);
      if (record?.kind === 'intent' && !this.history.has(recordKey(this.settings, record.n, 'commit'))) open++;
    }
    const size = this.objects.size;
    for (const site of SITES) this.#startWriter(site);
    for (const actor of this.#actors.splice(0)) while (this.counts.steps++ < STEPS && this.#step(actor, true));
    return open === 0 && size === this.objects.size;
  }

  /** Data objects that are no seals, in the order in which they list. */
  dataKeys(): string[] {
    return this.#keys().filter((key) => parseDataKey(key) !== null && this.objects.get(key)?.length !== SEAL.length);
  }
}

const UNKNOWN: Answer = { kind: 'unknown', message: 'no answer' };

export type Verdict =
  | { readonly kind: 'ok' }
  | { readonly kind: 'bad'; readonly seed: number; readonly faults: readonly string[] };

/** One schedule. An error of the machine (a record it cannot read) is a fault too. */
export function tryWorld(seed: number, mutation: Mutation = {}): { readonly verdict: Verdict; readonly world: World } {
  const world = new World(seed, mutation);
  const faults: string[] = [];
  try {
    if (world.run() === 'stuck') faults.push('no progress');
    faults.push(...judge(world));
  } catch (error) {
    faults.push(error instanceof Error ? error.message : String(error));
  }
  return { verdict: faults.length === 0 ? { kind: 'ok' } : { kind: 'bad', seed, faults }, world };
}
