// Rule files' texts to a set of rules that may be activated, or to everything that speaks against it: problems of the files, examples that do
// not hold, rules that do not fit together.
import { hash as digest } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';
import { formatProblem } from '#core/config/problem.ts';
import { Judge, type Versions } from './judge.ts';
import { type CompiledRule, ruleCompiler } from './rule/compile.ts';
import { documentOf } from './rule/document.ts';
import { exampleFault } from './rule/examples.ts';
import type { Field, Fields } from './rule/model.ts';
import { hasher } from './rule/protect.ts';
import { readRule, ruleName } from './rule/read.ts';
import { Shadow } from './shadow.ts';
import type { RuleSet, Verdict } from './verdict.ts';

/** A rule file. `name` is that of the file without `.yaml`. */
export interface RuleFile {
  /** For messages. */
  readonly path: string;
  readonly name: string;
  readonly text: string;
}

/** What is known of a file's text; kept from set to set, so that a reload compiles what has changed alone. */
export interface ReadFile {
  readonly text: string;
  readonly compiled: CompiledRule | null;
  readonly problems: readonly string[];
  /** Examples that do not hold. */
  readonly failing: readonly string[];
}

export interface Loaded {
  readonly set: RuleSet;
  readonly compiled: readonly CompiledRule[];
}
export type BuiltSet =
  | ({ readonly kind: 'set' } & Loaded)
  /** Never activated. `tried`: what it would be, where only examples speak against it, for their author to look into. */
  | { readonly kind: 'invalid'; readonly problems: readonly string[]; readonly tried: Loaded | null };

const MAX_RULES = 1000;

export class RuleSetBuilder {
  readonly #compile: ReturnType<typeof ruleCompiler>;
  readonly #hashKey: string | null;
  #read = new Map<string, ReadFile>();

  constructor(hashKey: string | null) {
    this.#hashKey = hashKey;
    this.#compile = ruleCompiler(hashKey === null ? null : hasher(hashKey));
  }

  /** Lets other work in between files: a reload disturbs no request. */
  async build(files: readonly RuleFile[]): Promise<BuiltSet> {
    const read = new Map<string, ReadFile>();
    for (const file of files) {
      const before = this.#read.get(file.path);
      if (before?.text === file.text) read.set(file.path, before);
      else {
        read.set(file.path, this.#readFile(file));
        await breathe();
      }
    }
    this.#read = read;
    const compiled = [...read.values()].flatMap((file) => file.compiled ?? []);
    const problems = [...[...read.values()].flatMap((file) => file.problems), ...setProblems(files, compiled)];
    if (problems.length > 0) return { kind: 'invalid', problems, tried: null };
    const loaded = { set: new ActiveSet(compiled, fingerprintOf(files), this.#hashKey), compiled };
    const failing = [...read.values()].flatMap((file) => file.failing);
    return failing.length > 0 ? { kind: 'invalid', problems: failing, tried: loaded } : { kind: 'set', ...loaded };
  }

  #readFile({ path, name, text }: RuleFile): ReadFile {
    const answer = readRule(text, name);
    if (answer.kind === 'invalid')
      return invalid(
        text,
        answer.problems.map((problem) => formatProblem(path, problem)),
      );
    const { rule } = answer;
    if (this.#hashKey === null && hashes(rule.fields))
      return invalid(text, [`${path}:1:1: hashes a field, and there is no key for that`]);
    const compiled = this.#compile(rule);
    const failing = rule.examples.flatMap((example) => {
      const fault = exampleFault(compiled, example);
      return fault === null ? [] : [`${path}:${example.line}: example "${example.name}" ${fault}`];
    });
    return { text, compiled, problems: [], failing };
  }
}

const invalid = (text: string, problems: readonly string[]): ReadFile => ({
  text,
  compiled: null,
  problems,
  failing: [],
});

function hashes(fields: Fields): boolean {
  const inField = (field: Field): boolean => {
    if (field.sanitize.includes('hash')) return true;
    if (field.type === 'list') return inField(field.items);
    if (field.type === 'map') return inField(field.values);
    if (field.type === 'nested') return hashes(field.fields);
    return field.type === 'one-of' && [...field.kinds.values()].some(hashes);
  };
  return [...fields.values()].some(inField);
}

function setProblems(files: readonly RuleFile[], compiled: readonly CompiledRule[]): readonly string[] {
  if (files.length === 0) return ['there is no rule file (*.yaml): without rules every event would be rejected'];
  if (files.length > MAX_RULES) return [`there are more than ${MAX_RULES} rule files`];
  return compiled.flatMap(({ rule }) => {
    const at = `${files.find(({ name }) => name === rule.name)?.path ?? rule.name}:1:1: shadow: `;
    if (!rule.shadow) return [];
    const others = compiled.filter((other) => other.rule.type === rule.type && other.rule !== rule);
    if (!others.some((other) => !other.rule.shadow && other.rule.version < rule.version))
      return [`${at}there is no earlier version of ${rule.type} beside which it could run`];
    return others.some((other) => other.rule.shadow)
      ? [`${at}there is another shadow of ${rule.type}; one at a time`]
      : [];
  });
}

/** 16 hexadecimal digits. */
function fingerprintOf(files: readonly RuleFile[]): string {
  return digest('sha256', files.map(({ name, text }) => `${name}\0${text}`).join('\0')).slice(0, 16);
}

class ActiveSet implements RuleSet {
  readonly fingerprint: string;
  readonly rules: RuleSet['rules'];
  readonly #judge: Judge;
  readonly #shadows: ReadonlyMap<CompiledRule, Shadow>;

  constructor(compiled: readonly CompiledRule[], fingerprint: string, hashKey: string | null) {
    this.fingerprint = fingerprint;
    this.rules = compiled.map(documentOf).toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const serving = compiled.filter(({ rule }) => !rule.shadow);
    const types = Map.groupBy(serving, ({ rule }) => rule.type);
    const versions = new Map<string, Versions>(
      [...types].map(([type, rules]) => [type, new Map(rules.map((each) => [each.rule.version, each]))]),
    );
    this.#judge = new Judge(versions, hashKey === null ? null : hasher(hashKey));
    this.#shadows = new Map(
      compiled
        .filter(({ rule }) => rule.shadow)
        .flatMap((shadow) => {
          const beside = serving
            .filter(({ rule }) => rule.type === shadow.rule.type && rule.version < shadow.rule.version)
            .toSorted((a, b) => b.rule.version - a.rule.version)[0];
          if (beside === undefined) return [];
          return [[beside, new Shadow(shadow, ruleName(beside.rule.type, beside.rule.version))] as const];
        }),
    );
  }

  judge(buf: Buffer, start: number, end: number): Verdict {
    const { verdict, data, compiled } = this.#judge.judge(buf, start, end);
    if (this.#shadows.size > 0 && data !== null && compiled !== null) this.#shadows.get(compiled)?.run(data, verdict);
    return verdict;
  }

  shadows(): ReturnType<RuleSet['shadows']> {
    return [...this.#shadows.values()].map((shadow) => shadow.report());
  }
}
