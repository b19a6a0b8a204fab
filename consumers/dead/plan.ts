// What a replay of letters would do: which go where, which are left out and why. Pure.
import type { BeeConfig } from '#core/config/bee-config.ts';
import type { Config } from '#core/config/config.ts';
import { BEE_SINK } from '#core/dead-letter.ts';
import { isQueueSink } from '#core/config/sink-config.ts';
import { SHORT_ID } from './texts.ts';
import type { Letter } from './letters.ts';

/** Where a letter goes: only to the sink that refused it. For a log sink that is the agent, as a new event; what Bee rejected passes through it again. */
export type Target =
  | { readonly kind: 'queue'; readonly sink: string; readonly home: string }
  | { readonly kind: 'agent'; readonly sink: string; readonly listen: string }
  | { readonly kind: 'bee'; readonly sink: string; readonly bee: BeeConfig };

export interface ReplayPlan {
  readonly parts: readonly { readonly target: Target; readonly letters: readonly Letter[] }[];
  /** Why, and how many; a few ids as examples. */
  readonly left: readonly { readonly why: string; readonly letters: readonly Letter[] }[];
}

export function planReplay(letters: Iterable<Letter>, config: Config): ReplayPlan {
  const parts = new Map<string, { target: Target; letters: Letter[] }>();
  const left = new Map<string, Letter[]>();
  for (const letter of letters) {
    const target = targetOf(letter, config);
    if (typeof target === 'string') {
      const others = left.get(target);
      if (others === undefined) left.set(target, [letter]);
      else others.push(letter);
      continue;
    }
    const part = parts.get(target.sink);
    if (part === undefined) parts.set(target.sink, { target, letters: [letter] });
    else part.letters.push(letter);
  }
  return { parts: [...parts.values()], left: Array.from(left, ([why, each]) => ({ why, letters: each })) };
}

function targetOf({ sink, content, resolved }: Letter, config: Config): Target | string {
  if (resolved !== null) return 'resolved already';
  if (sink === '') return 'no sink refused it (waggle dead show prints what it is)';
  if (content === 'message') return 'it is no event (waggle dead show prints it)';
  if (sink === BEE_SINK) return beeTarget(config);
  const found = config.sinks.find(({ name }) => name === sink);
  if (found === undefined) return `the configuration has no sink "${sink}"`;
  if (isQueueSink(found)) return { kind: 'queue', sink, home: found.home };
  const { http } = config.agent.inputs;
  if (http === null)
    return 'its sink reads the log, so it goes through an agent, and agent.inputs.http is not configured';
  return { kind: 'agent', sink, listen: http.listen };
}

function beeTarget({ bee }: Config): Target | string {
  if (bee === null) return 'Bee rejected it, and the configuration has no bee';
  if (bee.token === '') return 'Bee rejected it, and bee.token is not set here';
  return { kind: 'bee', sink: BEE_SINK, bee };
}

const EXAMPLES = 5;

export function planText({ parts, left }: ReplayPlan): string {
  const lines = parts.map(({ target, letters }) => `${letterCount(letters)} ${wayText(target)}\n`);
  const out = left.map(({ why, letters }) => {
    const ids = letters.slice(0, EXAMPLES).map(({ id }) => id.slice(0, SHORT_ID));
    return `${letterCount(letters)} left out: ${why}: ${ids.join(' ')}${letters.length > EXAMPLES ? ' …' : ''}\n`;
  });
  return `${lines.join('')}${out.join('')}${parts.length === 0 ? 'nothing to replay\n' : ''}`;
}

function wayText(target: Target): string {
  switch (target.kind) {
    case 'queue':
      return `to the queue of ${target.sink} at ${target.home}`;
    case 'agent':
      return `for ${target.sink} to the agent at ${target.listen}, as new events (other sinks get them too, and know repeats by source and id)`;
    case 'bee':
      return `through Bee at ${target.bee.listen} again, by the rules that it has now`;
    default:
      return target satisfies never;
  }
}

export const letterCount = ({ length }: readonly Letter[]): string => `${length} letter${length === 1 ? '' : 's'}`;
