// The drain of the model: from a stream's messages to a window, over a state and perhaps a window that is being written.
import { NumberSet } from '#core/numbers.ts';
import type { admit } from '../../../consumers/chain/admit.ts';
import type { Window, WindowObject } from '../../../consumers/chain/machine.ts';
import type { Numbers } from '../../../consumers/chain/records.ts';
import type { ChainState } from '../../../consumers/chain/state.ts';
import { each, isFiltered, type Message, type Site } from './model-streams.ts';

interface Group {
  readonly type: string;
  readonly hour: number;
  readonly lines: string[];
  readonly numbers: Map<string, NumberSet>;
}

export interface Gathered {
  readonly window: Window;
  readonly taken: Numbers;
}

export interface GatherOptions {
  readonly admit: typeof admit;
  readonly site: Site;
  readonly stream: readonly Message[];
  /** Messages in a window. */
  readonly most: number;
  /** The world's time: later messages are not there yet. */
  readonly clock: number;
  readonly name: string;
  /** The writer's time. */
  readonly at: number;
  /** An event, by identity and number, goes to the dead letters. */
  readonly dead: (event: string) => void;
}

/** Null where there is nothing to read. `flight`: the window that is being written, which the state does not know yet. */
export function gather(state: ChainState, flight: Gathered | null, options: GatherOptions): Gathered | null {
  const { site, stream, most, name, at: now } = options;
  const position = flight?.window.position ?? state.positions.get(site);
  const from = position === undefined ? 0 : Number(position.offset) + 1;
  const end = Math.min(from + most, stream.length);
  const taken = new Map<string, NumberSet>();
  const skipped = new Map<string, NumberSet>();
  const groups = new Map<string, Group>();
  let last: Message | null = null;
  let at = from;
  for (; at < end; at++) {
    const message = stream[at];
    if (message === undefined || message.time > options.clock) break;
    last = message;
    const { identity } = message;
    const admission = options.admit(state, taken, identity, [[message.first, message.last]]);
    const fresh = NumberSet.of(flight?.taken.get(identity)?.missing(admission.ranges) ?? admission.ranges);
    addTo(taken, identity, fresh);
    for (const number of each(fresh)) {
      if (admission.kind === 'forgotten') {
        options.dead(`${identity}:${number}`);
        addTo(skipped, identity, NumberSet.of([[number, number]]));
      } else if (isFiltered(identity, number)) addTo(skipped, identity, NumberSet.of([[number, number]]));
      else {
        const type = `t${number % 2}`;
        const hour = (number >> 1) % 2;
        const group: Group = groups.get(`${type}/${hour}`) ?? { type, hour, lines: [], numbers: new Map() };
        groups.set(`${type}/${hour}`, group);
        group.lines.push(`${identity}:${number}`);
        addTo(group.numbers, identity, NumberSet.of([[number, number]]));
      }
    }
  }
  if (last === null) return null;
  const objects = [...groups.values()].map(({ type, hour, lines, numbers }): WindowObject => ({
    type,
    hour,
    count: lines.length,
    numbers,
    bytes: Buffer.from(lines.join('\n')),
  }));
  const read = { offset: BigInt(at - 1), identity: last.identity, first: last.first };
  return { taken, window: { site, position: read, objects, skipped, name, at: now } };
}

function addTo(map: Map<string, NumberSet>, identity: string, numbers: NumberSet): void {
  const known = map.get(identity);
  if (known === undefined) map.set(identity, numbers.copy());
  else known.merge(numbers);
}
