// What an input hands on, and what it tells of itself, kept in memory; and an `accept` that a test may hold back or make refuse.
import { randomFillSync } from 'node:crypto';
import type { Level } from '#core/config/config.ts';
import { type EventLine, parseEventLine } from '#core/event-line.ts';
import type { Accepted, InputContext } from '../../../ingest/inputs/contract.ts';
import type { EventGroup } from '../../../ingest/spool/contract.ts';

const IDENTITY = '01890000-0000-7000-8000-000000000000';

export interface Recorder {
  readonly context: InputContext;
  readonly groups: EventGroup[];
  readonly levels: Level[];
  accepted: number;
  readonly refused: Record<string, number>;
  readonly lost: Record<string, number>;
  readonly closed: Record<string, number>;
  readonly faults: unknown[];
  /** What `accept` answers instead, or waits for; null: it takes all at once. */
  outcome: (() => Promise<Accepted | null>) | null;
  /** From now on `accept` waits. `asked`: it has been called; `release`: it takes all. */
  hold(): { readonly asked: Promise<void>; readonly release: () => void };
  /** Lines taken so far, in the order in which they were taken. */
  lines(): readonly string[];
  events(): readonly (EventLine & { readonly payload: unknown })[];
}

function bump(table: Record<string, number>, key: string, by: number): void {
  table[key] = (table[key] ?? 0) + by;
}

export function createRecorder(over: Partial<InputContext> = {}): Recorder {
  let number = 0;
  const recorder: Recorder = {
    groups: [],
    levels: [],
    accepted: 0,
    refused: {},
    lost: {},
    closed: {},
    faults: [],
    outcome: null,
    context: {
      accept: async (groups, level) => {
        const result = await recorder.outcome?.();
        if (result?.kind === 'refused') return result;
        recorder.groups.push(...groups);
        recorder.levels.push(level);
        const first = number + 1;
        for (const { count } of groups) number += count;
        return result ?? { kind: 'accepted', level, receipts: [{ identity: IDENTITY, first, last: number }] };
      },
      types: [],
      site: 'chicago',
      host: 'web-1',
      clock: Date.now,
      random: randomFillSync,
      observe: {
        accepted: (events) => (recorder.accepted += events),
        refused: (code, events = 1) => bump(recorder.refused, code, events),
        lost: (reason, events) => bump(recorder.lost, reason, events),
        closed: (reason) => bump(recorder.closed, reason, 1),
        fault: (error) => recorder.faults.push(error),
      },
      ...over,
    },
    hold: () => {
      const asked = Promise.withResolvers<void>();
      const released = Promise.withResolvers<null>();
      recorder.outcome = () => {
        asked.resolve();
        return released.promise;
      };
      return { asked: asked.promise, release: () => released.resolve(null) };
    },
    lines: () =>
      recorder.groups.flatMap(({ payload, count }) => {
        const lines = payload.toString().split('\n');
        if (lines.pop() !== '' || lines.length !== count)
          throw new Error('a group must hold `count` lines, each ended by a line feed');
        return lines;
      }),
    events: () =>
      recorder.lines().map((line) => {
        const event = parseEventLine(line);
        if (event === null) throw new Error(`no event: ${line}`);
        const [start, end] = event.data ?? [0, 0];
        return { ...event, payload: JSON.parse(Buffer.from(line).toString('utf8', start, end)) as unknown };
      }),
  };
  return recorder;
}
