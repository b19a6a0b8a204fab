// `waggle bee key | test | try | compile | diff | schema`: rules looked at before they serve. What each prints is for the author of a rule.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { EXIT_CONFIG, loadConfig } from '#core/io/config-file.ts';
import { scanEvents } from '#core/json/scan.ts';
import { rejection } from './codes.ts';
import { type CompatibilityChange, compareRules } from './rule/compare.ts';
import type { CompiledRule } from './rule/compile.ts';
import { judgeData } from './rule/examples.ts';
import { ruleFileSchema } from './rule/file-schema.ts';
import { planText } from './rule/plan-text.ts';
import { HIDDEN } from './rule/protect.ts';
import { type Loaded, RuleSetBuilder } from './rule-set.ts';
import { readRuleFiles } from './rules.ts';
import { printKey } from './service/print-key.ts';
import { type Change, RulesInvalid, type RuleSet, type Verdict } from './verdict.ts';

export interface BeeUse {
  readonly what: string;
  readonly names: readonly (string | undefined)[];
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
  /** Path of the configuration. */
  readonly file: string;
}
interface BeeCall {
  readonly what: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly json: boolean;
}
interface Output {
  readonly print: (text: string) => unknown;
  readonly tell: (text: string) => void;
}

/** Hashes are shown, not compared: the service has a key of its own. */
const ANY_KEY = 'waggle bee';

/** How many names each takes. */
const NAMES: Readonly<Record<string, number>> = { key: 1, test: 0, try: 1, compile: 1, diff: 2, schema: 0 };

/** The exit code, or what is wrong with the use. Throws ConfigInvalid where the folder has to be asked of a configuration that is wrong. */
export async function beeCommand({ what, names, options, file }: BeeUse, output: Output): Promise<number | string> {
  const args = names.flatMap((name) => name ?? []);
  const most = NAMES[what] ?? 0;
  if (args.length > most)
    return `bee ${what} takes ${most === 0 ? 'no name' : `${most} at most`}: what is "${args[most]}"?`;
  if (what === 'key') return printKey(args[0] ?? '', output);
  if (what === 'schema') {
    output.print(`${JSON.stringify(ruleFileSchema(), null, 2)}\n`);
    return 0;
  }
  const folder = rulesFolder(options['rules'], file);
  try {
    return await runCommand({ what, args, folder, json: options['json'] === true }, output);
  } catch (error) {
    if (!(error instanceof RulesInvalid)) throw error;
    output.tell(`${error.message}\n`);
    return EXIT_CONFIG;
  }
}

/** `--rules`; else `bee.rules` of the configuration; where there is none in this folder, what that is by default. */
function rulesFolder(given: string | boolean | undefined, file: string): string {
  if (typeof given === 'string') return given;
  const byDefault = 'bee/rules';
  if (file === 'waggle.yaml' && !existsSync(file)) return byDefault;
  const rules = loadConfig(file, ['bee.rules']).bee?.rules ?? byDefault;
  return isAbsolute(rules) ? rules : join(dirname(file), rules);
}

async function runCommand(call: BeeCall, { print, tell }: Output): Promise<number | string> {
  const files = await readRuleFiles(call.folder);
  const built = await new RuleSetBuilder(ANY_KEY).build(files);
  if (built.kind === 'invalid') {
    if (built.tried === null) throw new RulesInvalid(built.problems);
    const { problems, tried } = built;
    for (const problem of problems) tell(`${problem}\n`);
    const count = problems.length === 1 ? '1 example does' : `${problems.length} examples do`;
    tell(`${count} not hold; this set would not be activated\n`);
    if (call.what !== 'test') return look(tried, call, print);
    if (call.json) print(`${JSON.stringify({ problems })}\n`);
    return 1;
  }
  return call.what === 'test' ? test(built, call, print) : look(built, call, print);
}

function look(built: Loaded, call: BeeCall, print: Output['print']): number | string {
  switch (call.what) {
    case 'try':
      return tryEvent(built, call, print);
    case 'compile':
      return compile(built, call, print);
    case 'diff':
      return diff(built, call, print);
    default:
      return `there is no "bee ${call.what}"`;
  }
}

function test({ compiled, set }: Loaded, { json }: BeeCall, print: Output['print']): number {
  const rules = compiled.map(({ rule }) => ({ rule: rule.name, examples: rule.examples.length }));
  if (json) print(`${JSON.stringify({ set: set.fingerprint, rules })}\n`);
  else {
    for (const { rule, examples } of rules) print(`${rule}: ${examples} examples hold\n`);
    print(`${rules.length} rules, set ${set.fingerprint}: may be activated\n`);
  }
  return 0;
}

function named({ compiled }: Loaded, name: string): CompiledRule | string {
  const found = compiled.find(({ rule }) => rule.name === name || `${rule.type}@${rule.version}` === name);
  return found ?? `there is no rule "${name}"; there are ${compiled.map(({ rule }) => rule.name).join(', ')}`;
}

function tryEvent(built: Loaded, { args: [file = '-'], json }: BeeCall, print: Output['print']): number | string {
  let body: Buffer;
  try {
    body = /^[[{]/.test(file) ? Buffer.from(file) : readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    return `the event cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
  const verdict = judged(built.set, body);
  if (json) print(`${JSON.stringify(verdict)}\n`);
  else print(explain(built, verdict));
  return verdict.kind === 'accepted' ? 0 : 1;
}

type Tried =
  | Verdict
  | { readonly kind: 'unread'; readonly code: string; readonly pointer: string; readonly message: string };

function judged(set: RuleSet, body: Buffer): Tried {
  const scanned = scanEvents(body, 'value');
  const refused = scanned.kind === 'refused' ? scanned : scanned.faults.get(0);
  if (scanned.kind === 'refused' || refused !== undefined) {
    const { code, pointer, message } = refused ?? rejection('event-not-object', '');
    return { kind: 'unread', code, pointer, message };
  }
  return set.judge(body, scanned.spans[0] ?? 0, scanned.spans[1] ?? 0);
}

function explain({ compiled }: Loaded, verdict: Tried): string {
  const lines: string[] = [];
  const step = (text: string): number => lines.push(`${lines.length + 1}. ${text}`);
  const why =
    verdict.kind === 'accepted' ? '' : `${verdict.code}${verdict.pointer === '' ? '' : ` at ${verdict.pointer}`}`;
  if (verdict.kind === 'unread') {
    step(`The bytes are no JSON that can be judged: ${why}. ${verdict.message}`);
    return `${lines.join('\n')}\nrejected\n`;
  }
  step('The bytes are JSON, in UTF-8, not too deep.');
  const found = compiled.find(({ rule }) => rule.name === verdict.rule);
  if (found === undefined) {
    step(`No rule answers: ${why}. ${verdict.kind === 'rejected' ? verdict.message : ''}`);
    return `${lines.join('\n')}\nrejected\n`;
  }
  step(`The rule is ${found.rule.name} (version ${found.rule.version}): ${found.rule.about}`);
  if (verdict.kind === 'rejected') {
    step(`It rejects the event: ${why}. ${verdict.message}`);
    if (verdict.copy !== null) step(`To the dead letters goes: ${verdict.copy}`);
    return `${lines.join('\n')}\nrejected\n`;
  }
  const changes = (all: readonly Change[]): void => {
    for (const { pointer, sanitizer, detail } of all) step(`${pointer}: ${sanitizer}: ${detail}.`);
  };
  const hidden = Object.values(HIDDEN);
  changes(verdict.changes.filter(({ detail }) => !hidden.includes(detail)));
  if (verdict.changes.length === 0) step('Nothing has to be changed.');
  step('The schema and the conditions hold.');
  changes(verdict.changes.filter(({ detail }) => hidden.includes(detail)));
  step(`What goes on: ${verdict.data}`);
  return `${lines.join('\n')}\naccepted\n`;
}

function compile(built: Loaded, { args: [name], json }: BeeCall, print: Output['print']): number | string {
  if (name === undefined) return 'compile needs the name of a rule, such as purchase or purchase@2';
  const found = named(built, name);
  if (typeof found === 'string') return found;
  if (json) print(`${JSON.stringify({ schema: found.schema, plan: planText(found.rule) })}\n`);
  else
    print(
      `plan, in this order:\n${planText(found.rule)
        .map((line) => `  ${line}\n`)
        .join('')}\nschema:\n${JSON.stringify(found.schema, null, 2)}\n`,
    );
  return 0;
}

function diff(built: Loaded, { args: [from, to], json }: BeeCall, print: Output['print']): number | string {
  if (from === undefined || to === undefined) return 'diff needs two rules, the old and the new: purchase purchase@2';
  const [before, after] = [named(built, from), named(built, to)];
  if (typeof before === 'string') return before;
  if (typeof after === 'string') return after;
  const changes: CompatibilityChange[] = [...compareRules(before.rule, after.rule)];
  for (const example of before.rule.examples) {
    if (example.kind !== 'accepted') continue;
    const outcome = judgeData(after, example.data);
    if (typeof outcome !== 'string')
      changes.push({
        breaks: 'senders',
        path: outcome.pointer,
        text: `the example "${example.name}" is rejected with ${outcome.code}`,
      });
  }
  const breaking = changes.filter(({ breaks }) => breaks !== 'nobody');
  if (json) print(`${JSON.stringify(changes)}\n`);
  else {
    for (const { breaks, path, text } of changes)
      print(`${breaks === 'nobody' ? 'compatible' : `breaks ${breaks}`}: ${path}: ${text}\n`);
    print(breaking.length === 0 ? `${to} takes what ${from} takes\n` : `${to} is not compatible with ${from}\n`);
  }
  return breaking.length === 0 ? 0 : 1;
}
