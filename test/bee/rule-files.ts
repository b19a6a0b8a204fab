// Rules for tests: written as files are, judged as events are.
import { scanEvents } from '#core/json/scan.ts';
import { RuleSetBuilder, type RuleFile } from '../../bee/rule-set.ts';
import type { Accepted, Rejected, RuleSet, Verdict } from '../../bee/verdict.ts';

export const HASH_KEY = 'a key for tests';

/** A rule file of these fields and what else stands in it; with examples that hold for any rule without required fields. */
export function ruleText(fields: string, more = '', type = 'thing.happened'): string {
  const indented = fields.replace(/^/gm, '  ');
  return `type: ${type}\nabout: A thing happened.\n${more}\nfields:\n${indented}\n${NO_EXAMPLES}`;
}
const NO_EXAMPLES =
  'examples:\n  accepted: [{ name: nothing, data: {}, result: {} }]\n  rejected: [{ name: none, json: "1", code: data-not-object }]\n';

export const ruleFile = (text: string, name = 'thing.happened'): RuleFile => ({ path: `${name}.yaml`, name, text });

/** The set of these files; throws with the problems where there is none. */
export async function ruleSet(files: readonly RuleFile[], hashKey: string | null = HASH_KEY): Promise<RuleSet> {
  const built = await new RuleSetBuilder(hashKey).build(files);
  if (built.kind === 'invalid') throw new Error(built.problems.join('\n'));
  return built.set;
}

export const setOf = (fields: string, more = ''): Promise<RuleSet> => ruleSet([ruleFile(ruleText(fields, more))]);

/** An event's verdict, from its text as Bee gets it; the scanner's refusals are for it to tell. */
export function judgeText(set: RuleSet, text: string | Buffer): Verdict {
  const body = Buffer.from(text);
  const scanned = scanEvents(body, 'value');
  const refused = scanned.kind === 'refused' ? scanned : scanned.faults.get(0);
  if (refused !== undefined) throw new Error(`the scanner refuses this: ${refused.code}`);
  if (scanned.kind === 'refused') throw new Error('unreachable');
  return set.judge(body, scanned.spans[0] ?? 0, scanned.spans[1] ?? 0);
}

export const judgeData = (set: RuleSet, data: unknown, type = 'thing.happened'): Verdict =>
  judgeText(set, JSON.stringify({ type, data }));

export function accepted(verdict: Verdict): Accepted {
  if (verdict.kind !== 'accepted') throw new Error(`rejected with ${verdict.code} at ${verdict.pointer}`);
  return verdict;
}

export function rejected(verdict: Verdict): Rejected {
  if (verdict.kind !== 'rejected') throw new Error(`accepted: ${verdict.data}`);
  return verdict;
}

export const dataOf = (verdict: Verdict): unknown => JSON.parse(accepted(verdict).data);
/** `code pointer`. */
export const whyOf = (verdict: Verdict): string => `${rejected(verdict).code} ${rejected(verdict).pointer}`;
