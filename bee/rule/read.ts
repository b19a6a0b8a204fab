// A rule file's text to a rule, or to everything that is wrong with it, with line and column.
import { offsetOf, parseDocument, scalarValue, type MappingNode, type Node } from '#core/config/document.ts';
import { byPosition, didYouMean, formatPath, positionOf, type PathStep, type Problem } from '#core/config/problem.ts';
import { typeFault } from '#core/event.ts';
import { type RejectionCode, rejectionCodes } from '../codes.ts';
import { readConditions } from './conditions.ts';
import { readFields } from './read-field.ts';
import type { Example, Json, Rule, Unknown } from './model.ts';

export type ReadRule =
  | { readonly kind: 'rule'; readonly rule: Rule }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] };

/** Characters beyond which a rule file is refused unread. */
const MAX_RULE_FILE = 131_072;
const MAX_VERSION = 999;
export const RULE_NAME = /^([A-Za-z0-9_.-]+?)(?:@([1-9][0-9]{0,2}))?$/;
export const UNKNOWN: readonly Unknown[] = ['drop', 'keep', 'reject'];

const RULE_KEYS = ['type', 'about', 'unknown', 'shadow', 'fields', 'conditions', 'examples'] as const;

/** `purchase@2` as type and version; a name without one is version 1. Null where it is neither. */
export function parseRuleName(name: string): { readonly type: string; readonly version: number } | null {
  const [, type = '', version = '1'] = RULE_NAME.exec(name) ?? [];
  return type !== '' && typeFault(type) === null && Number(version) <= MAX_VERSION
    ? { type, version: Number(version) }
    : null;
}

export const ruleName = (type: string, version: number): string => (version === 1 ? type : `${type}@${version}`);

/** Reads nodes and notes what is wrong, where. */
export class RuleReader {
  readonly problems: Problem[] = [];
  readonly #text: string;
  readonly #root: Node;

  constructor(text: string, root: Node) {
    this.#text = text;
    this.#root = root;
  }

  problem(path: readonly PathStep[], message: string, at: 'key' | 'value' = 'value'): void {
    this.problems.push({ ...positionOf(this.#text, offsetOf(this.#root, path, at)), path: formatPath(path), message });
  }

  line(path: readonly PathStep[]): number {
    return positionOf(this.#text, offsetOf(this.#root, path, 'value')).line;
  }

  /** The mapping, or null and a problem. */
  mapping(node: Node | undefined, path: readonly PathStep[], what: string): MappingNode | null {
    if (node?.kind === 'mapping') return node;
    this.problem(path, `must be ${what}`);
    return null;
  }

  /** Notes every key that is not known. */
  knownKeys(node: MappingNode, path: readonly PathStep[], known: readonly string[]): void {
    for (const key of node.entries.keys())
      if (!known.includes(key)) {
        const near = didYouMean(key, known);
        this.problem([...path, key], `unknown key${near === '' ? `; known here: ${known.join(', ')}` : near}`, 'key');
      }
  }

  /** A text that is not empty, or '' and a problem. */
  text(node: Node | undefined, path: readonly PathStep[], what: string): string {
    if (node?.kind === 'scalar' && node.text !== '') return node.text;
    if (node === undefined) this.problem(path, `is missing (${what})`);
    else this.problem(path, `must be ${what}`);
    return '';
  }

  flag(node: Node | undefined, path: readonly PathStep[]): boolean {
    if (node === undefined) return false;
    const value = node.kind === 'scalar' ? scalarValue(node) : null;
    if (typeof value === 'boolean') return value;
    this.problem(path, 'must be true or false');
    return false;
  }

  /** A list of names, each of which is known; one alone needs no brackets. */
  names(node: Node | undefined, path: readonly PathStep[], known: readonly string[], what: string): readonly string[] {
    if (node === undefined) return [];
    const nodes = node.kind === 'list' ? node.items : [node];
    return nodes.flatMap((item, index) => {
      const at = node.kind === 'list' ? [...path, index] : path;
      const name = this.text(item, at, what);
      if (name === '') return [];
      if (known.includes(name)) return [name];
      this.problem(at, `"${name}" is not ${what}${didYouMean(name, known) || `; there are ${known.join(', ')}`}`);
      return [];
    });
  }
}

/** A node as JSON; numbers of the file beyond 2^53 are a matter of `json:`. */
function jsonOf(node: Node): Json {
  switch (node.kind) {
    case 'scalar':
      return scalarValue(node);
    case 'list':
      return node.items.map(jsonOf);
    case 'mapping': {
      const made = Object.create(null) as Record<string, Json>;
      for (const [key, { value }] of node.entries) made[key] = jsonOf(value);
      return made;
    }
    default:
      return node satisfies never;
  }
}

/** Total. `name`: of the file, without `.yaml`; the rule's type must be the same. Null where the text comes from elsewhere. */
export function readRule(text: string, name: string | null): ReadRule {
  if (text.length > MAX_RULE_FILE)
    return { kind: 'invalid', problems: [{ line: 1, column: 1, path: '', message: 'is larger than 128 KiB' }] };
  const parsed = parseDocument(text);
  if (parsed.kind === 'invalid') return parsed;
  const { root } = parsed;
  const reader = new RuleReader(text, root);
  const top = reader.mapping(root, [], 'a mapping (key: value) with type, about, fields and examples');
  const rule = top === null ? null : readTop(reader, top, name);
  if (rule === null || reader.problems.length > 0)
    return { kind: 'invalid', problems: reader.problems.toSorted(byPosition) };
  return { kind: 'rule', rule };
}

function readTop(reader: RuleReader, top: MappingNode, fileName: string | null): Rule {
  const of = (key: (typeof RULE_KEYS)[number]): Node | undefined => top.entries.get(key)?.value;
  reader.knownKeys(top, [], RULE_KEYS);
  const text = reader.text(of('type'), ['type'], 'the event type, such as checkin.created or purchase@2');
  const named = parseRuleName(text);
  if (text !== '' && named === null)
    reader.problem(['type'], 'must be words of A-Z a-z 0-9 _ - joined by dots, with a version behind an @ from 2 on');
  const { type, version } = named ?? { type: 'unnamed', version: 1 };
  const name = ruleName(type, version);
  if (named !== null && fileName !== null && fileName !== name)
    reader.problem(['type'], `must be the name of its file: rename it to ${name}.yaml`);
  const unknown = of('unknown') === undefined ? 'drop' : reader.text(of('unknown'), ['unknown'], UNKNOWN.join(' or '));
  if (!UNKNOWN.includes(unknown as Unknown)) reader.problem(['unknown'], 'must be drop, keep or reject');
  const shadow = reader.flag(of('shadow'), ['shadow']);
  if (shadow && version === 1) reader.problem(['shadow'], 'a shadow runs beside an earlier version: name it TYPE@2');
  const fields = readFields(reader, of('fields'), ['fields']);
  return {
    name,
    type,
    version,
    about: reader.text(of('about'), ['about'], 'what the event says, in a sentence'),
    shadow,
    unknown: unknown as Unknown,
    fields,
    conditions: readConditions(reader, of('conditions'), fields),
    examples: readExamples(reader, of('examples')),
  };
}

function readExamples(reader: RuleReader, node: Node | undefined): readonly Example[] {
  if (node === undefined) {
    reader.problem(['examples'], 'is missing (events that must be accepted and events that must be rejected)');
    return [];
  }
  const groups = reader.mapping(node, ['examples'], 'a mapping with accepted and rejected');
  if (groups === null) return [];
  reader.knownKeys(groups, ['examples'], ['accepted', 'rejected']);
  return (['accepted', 'rejected'] as const).flatMap((kind) => {
    const list = groups.entries.get(kind)?.value;
    if (list?.kind !== 'list' || list.items.length === 0) {
      reader.problem(['examples', kind], `must be a list with one example at least of an event that is ${kind}`);
      return [];
    }
    return list.items.flatMap((item, index) => readExample(reader, item, ['examples', kind, index], kind));
  });
}

const EXAMPLE_KEYS = {
  accepted: ['name', 'data', 'json', 'result'],
  rejected: ['name', 'data', 'json', 'code', 'at'],
} as const;

function readExample(
  reader: RuleReader,
  node: Node,
  path: readonly PathStep[],
  kind: 'accepted' | 'rejected',
): readonly Example[] {
  const mapping = reader.mapping(node, path, `a mapping with ${EXAMPLE_KEYS[kind].join(', ')}`);
  if (mapping === null) return [];
  const of = (key: string): Node | undefined => mapping.entries.get(key)?.value;
  reader.knownKeys(mapping, path, EXAMPLE_KEYS[kind]);
  const name = reader.text(of('name'), [...path, 'name'], 'what it shows, in a few words');
  const [data, json] = [of('data'), of('json')];
  if ((data === undefined) === (json === undefined)) {
    reader.problem(path, 'needs data, or json where the data are written as JSON text');
    return [];
  }
  const text =
    data === undefined
      ? reader.text(json, [...path, 'json'], 'the data as JSON text')
      : JSON.stringify(jsonOf(data)).replaceAll('\n', ' ');
  const parts = { name, data: text, line: reader.line(path) };
  if (kind === 'accepted') {
    const result = of('result') ?? data;
    if (result === undefined) {
      reader.problem(path, 'needs the result, since its data are JSON text');
      return [];
    }
    return [{ ...parts, kind, result: jsonOf(result) }];
  }
  const code = reader.text(of('code'), [...path, 'code'], 'the code with which it is rejected');
  if (code !== '' && !rejectionCodes.includes(code as RejectionCode))
    reader.problem([...path, 'code'], `is no code of Bee${didYouMean(code, rejectionCodes)}`);
  const pointer = of('at');
  return [
    {
      ...parts,
      kind,
      code: code as RejectionCode,
      pointer: pointer === undefined ? null : reader.text(pointer, [...path, 'at'], 'a pointer such as /data/amount'),
    },
  ];
}
