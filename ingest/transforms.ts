// What the configuration has done to events between an input and the spool, before they get their numbers: some are kept and some not
// (counted by reason), members are dropped, renamed and set, and a type may ask for a higher level. Data that is not touched keeps its bytes.
import { crc32 } from 'node:zlib';
import type { AgentConfig, Level } from '#core/config/config.ts';
import { compileMapping, valueAt } from '#core/mapping.ts';
import { matcher, memoised } from '#core/patterns.ts';
import type { Accept } from './inputs/contract.ts';
import type { EventGroup } from './spool/contract.ts';

export type FilterReason = 'filtered' | 'sampled';
type LineRule = (line: Buffer) => Buffer | FilterReason;

const LF = Buffer.from('\n');
const HASHES = 2 ** 32;
const ORDER: readonly Level[] = ['memory', 'disk', 'site'];

/** The same accept where nothing is configured. `dropped` is told of each group's. */
export function withTransforms(
  accept: Accept,
  { transforms, levels }: Pick<AgentConfig, 'transforms' | 'levels'>,
  dropped: (reason: FilterReason, events: number) => void,
): Accept {
  if (transforms.length === 0 && levels.length === 0) return accept;
  const compiled = transforms.map((rule) => ({ matches: matcher([rule.match]), apply: compileRule(rule) }));
  const rulesOf = memoised((type) => compiled.filter(({ matches }) => matches(type)).map(({ apply }) => apply));
  const floors = levels.map(({ match, level }) => ({ matches: matcher([match]), level }));
  const floorOf = memoised((type) => floors.find(({ matches }) => matches(type))?.level ?? 'memory');
  const change = (group: EventGroup): EventGroup => {
    const rules = rulesOf(group.type);
    return rules.length === 0 ? group : applyRules(group, rules, dropped);
  };
  return async (groups, level, input, note) => {
    const kept = groups.map(change).filter(({ count }) => count > 0);
    // Taken, and there is nothing of it to keep.
    if (kept.length === 0 && note === undefined) return { kind: 'accepted', level, receipts: [] };
    let asked = kept.length === 0 ? 'disk' : level;
    for (const { type } of kept) if (ORDER.indexOf(floorOf(type)) > ORDER.indexOf(asked)) asked = floorOf(type);
    return accept(kept, asked, input, note);
  };
}

function compileRule({ keep, where, mapping }: AgentConfig['transforms'][number]): LineRule {
  const conditions = Object.entries(where).map(([path, values]) => ({
    path,
    values: values.map((value) => Buffer.from(JSON.stringify(value))),
  }));
  const map = compileMapping(mapping);
  const reason = keep === 0 ? 'filtered' : 'sampled';
  return (line) => {
    for (const { path, values } of conditions) {
      const found = valueAt(line, path);
      if (found === null || !values.some((value) => value.equals(found))) return line;
    }
    // By the event's own bytes, its id among them: even, and without a state.
    if (keep < 1 && crc32(line) >= keep * HASHES) return reason;
    return map(line);
  };
}

function applyRules(
  group: EventGroup,
  rules: readonly LineRule[],
  dropped: (reason: FilterReason, events: number) => void,
): EventGroup {
  const { payload, type } = group;
  const kept: Buffer[] = [];
  const gone = { filtered: 0, sampled: 0 };
  for (let start = 0; start < payload.length;) {
    const end = payload.indexOf(10, start);
    let line: Buffer | FilterReason = payload.subarray(start, end);
    for (const rule of rules) if (typeof line !== 'string') line = rule(line);
    if (typeof line === 'string') gone[line]++;
    else kept.push(line, LF);
    start = end + 1;
  }
  for (const reason of ['filtered', 'sampled'] as const) if (gone[reason] > 0) dropped(reason, gone[reason]);
  return { type, count: kept.length / 2, payload: Buffer.concat(kept) };
}
