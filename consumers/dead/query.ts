// What `waggle dead` is asked, out of its options. Pure.
import { didYouMean } from '#core/config/problem.ts';
import { patternFault } from '#core/patterns.ts';
import { parseMoment } from '#core/time.ts';
import { MOMENT_HELP, type CommandOptions } from '../operator-command.ts';
import type { LetterQuery } from './letters.ts';

const SHORTEST_ID = 4;
const STATES = ['open', 'resolved', 'all'] as const;

/** The query, or what is wrong with the options, for people. Letters that are named are taken in any state unless one is asked for. */
export function parseQuery(ids: readonly string[], options: CommandOptions): LetterQuery | string {
  const text = (name: string): string | null => (typeof options[name] === 'string' ? options[name] : null);
  for (const id of ids)
    if (!/^[0-9a-f]*$/.test(id) || id.length < SHORTEST_ID || id.length > 32)
      return `"${id}" is no letter's id: its first digits, ${SHORTEST_ID} or more of 0-9 and a-f, as waggle dead list prints them`;
  const asked = text('state') ?? (ids.length > 0 ? 'all' : 'open');
  const state = STATES.find((each) => each === asked);
  if (state === undefined) return `--state: it is one of ${STATES.join(', ')}${didYouMean(asked, STATES)}`;
  const type = text('type');
  const fault = type === null ? null : patternFault(type);
  if (fault !== null) return `--type: ${fault}`;
  const [from, to] = ['from', 'to'].map((name) => {
    const moment = text(name);
    return moment === null ? null : (parseMoment(moment) ?? Number.NaN);
  });
  if (Number.isNaN(from) || Number.isNaN(to)) return `--${Number.isNaN(from) ? 'from' : 'to'}: ${MOMENT_HELP}`;
  return {
    ids,
    sink: text('sink'),
    reason: text('reason'),
    code: text('code'),
    type,
    from: from ?? null,
    to: to ?? null,
    state,
  };
}
