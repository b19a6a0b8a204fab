// Fields of a rule file: each option is read as the table of field types says.
import { scalarValue, type MappingNode, type Node } from '#core/config/document.ts';
import { didYouMean, type PathStep } from '#core/config/problem.ts';
import { SANITIZERS, type Sanitizer } from '../verdict.ts';
import { objectPlan, Run } from './clean.ts';
import { compareDecimals, decimalPattern, isBetween, isDecimal } from './decimal.ts';
import {
  FIELD_NAME,
  FIELD_TYPES,
  isPrototypeName,
  typeNames,
  type FieldType,
  type Option,
  type TypeName,
} from './field-types.ts';
import { ASCII, isUrl, LOCALE, VERSION, WORD } from './formats.ts';
import type { Field, Fields } from './model.ts';
import type { RuleReader } from './read.ts';

type Path = readonly PathStep[];

const COMMON_KEYS = ['type', 'required', 'default', 'about', 'sanitize'] as const;
export const MAX_FIELDS = 300;
const SCALAR_TYPES: readonly TypeName[] = [
  'text', 'id', 'integer', 'decimal', 'boolean', 'timestamp', 'enum', 'email', 'phone', 'url', 'locale', 'version', 'ip',
]; // prettier-ignore

/** What the types of others are called here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  string: 'text',
  str: 'text',
  number: 'integer, or decimal where it has a point',
  int: 'integer',
  float: 'decimal',
  double: 'decimal',
  bool: 'boolean',
  date: 'timestamp',
  datetime: 'timestamp',
  uuid: 'id with form: uuid',
  array: 'list',
  object: 'nested, or map where its keys are the sender’s',
  oneof: 'one-of',
};

export function readFields(reader: RuleReader, node: Node | undefined, path: Path): Fields {
  const fields = new Map<string, Field>();
  if (node === undefined) {
    reader.problem(path, 'is missing (the fields of the data, by name)');
    return fields;
  }
  const mapping = reader.mapping(node, path, 'a mapping of names to fields');
  if (mapping === null) return fields;
  if (mapping.entries.size > MAX_FIELDS) reader.problem(path, `has more than ${MAX_FIELDS} fields`);
  for (const [name, { value }] of mapping.entries) {
    const at = [...path, name];
    checkName(reader, name, at);
    const field = readField(reader, value, at);
    if (field !== null) fields.set(name, field);
  }
  return fields;
}

function checkName(reader: RuleReader, name: string, path: Path): void {
  if (!FIELD_NAME.test(name))
    reader.problem(path, 'a name begins with a letter, and has letters, digits and _ (at most 64)', 'key');
  else if (isPrototypeName(name)) reader.problem(path, 'this name is one that every JavaScript object has', 'key');
}

/** `text`, `text!` (required), or a mapping with `type`. */
function readField(reader: RuleReader, node: Node, path: Path): Field | null {
  if (node.kind === 'list') {
    reader.problem(path, 'must be a field type such as text, or a mapping with type');
    return null;
  }
  const mapping = node.kind === 'mapping' ? node : null;
  const typePath = mapping === null ? path : [...path, 'type'];
  const text = reader.text(node.kind === 'scalar' ? node : node.entries.get('type')?.value, typePath, 'a field type');
  if (text === '') return null;
  const type = text.replace(/!$/, '') as TypeName;
  if (!typeNames.includes(type)) {
    const near = Object.hasOwn(ELSEWHERE, type.toLowerCase()) ? ELSEWHERE[type.toLowerCase()] : undefined;
    const hint = near === undefined ? didYouMean(type, typeNames) : `; here it is ${near}`;
    reader.problem(typePath, `is no field type${hint || `; there are ${typeNames.join(', ')}`}`);
    return null;
  }
  return readTyped(reader, type, mapping, path, text.endsWith('!'));
}

function readTyped(
  reader: RuleReader,
  type: TypeName,
  mapping: MappingNode | null,
  path: Path,
  marked: boolean,
): Field | null {
  const table = FIELD_TYPES[type];
  const of = (key: string): Node | undefined => mapping?.entries.get(key)?.value;
  if (mapping !== null) reader.knownKeys(mapping, path, [...COMMON_KEYS, ...Object.keys(table.options)]);
  const required = reader.flag(of('required'), [...path, 'required']) || marked;
  const options: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(table.options)) {
    const at = [...path, name];
    const node = of(name);
    options[name] = node === undefined ? option.default : readOption(reader, option, node, at);
    if (node === undefined && option.default === undefined) reader.problem(at, `is missing (${option.about})`);
  }
  const sanitize = readSanitizers(reader, table, type, of('sanitize'), [...path, 'sanitize']);
  if (required && sanitize.includes('drop')) reader.problem(path, 'a field that is dropped cannot be required');
  const about = of('about');
  const field = {
    type,
    ...options,
    required,
    about: about === undefined ? '' : reader.text(about, [...path, 'about'], 'a sentence about the field'),
    default: readDefault(reader, table, of('default'), [...path, 'default'], required),
    sanitize,
  } as Field;
  if (Object.values(options).includes(undefined)) return null;
  checkMeaning(reader, field, path);
  return field;
}

function readSanitizers(
  reader: RuleReader,
  table: FieldType,
  type: string,
  node: Node | undefined,
  path: Path,
): readonly Sanitizer[] {
  const asked = reader.names(node, path, SANITIZERS, 'a sanitizer');
  const may = [...table.always, ...table.may];
  for (const name of asked)
    if (!may.includes(name as Sanitizer))
      reader.problem(path, `${name} is not for ${type}; it may have ${may.join(', ')}`);
  if (asked.includes('mask') && asked.includes('hash')) reader.problem(path, 'mask or hash, not both');
  return SANITIZERS.filter((name) => table.always.includes(name) || asked.includes(name));
}

function readDefault(
  reader: RuleReader,
  table: FieldType,
  node: Node | undefined,
  path: Path,
  required: boolean,
): Field['default'] {
  if (node === undefined) return undefined;
  if (table.default === null) reader.problem(path, 'this type has no default');
  else if (required) reader.problem(path, 'a required field has no default');
  const value = node.kind === 'scalar' ? scalarValue(node) : null;
  const fits =
    table.default === 'text'
      ? typeof value === 'string'
      : table.default === 'integer'
        ? Number.isSafeInteger(value)
        : typeof value === 'boolean';
  if (fits && value !== null) return value;
  if (table.default !== null)
    reader.problem(
      path,
      `must be ${table.default === 'text' ? 'a text (put quotes around it)' : `a ${table.default}`}`,
    );
  return undefined;
}

/** Undefined where it is wrong, which was noted. */
function readOption(reader: RuleReader, { accepts, about }: Option, node: Node, path: Path): unknown {
  const value = node.kind === 'scalar' ? scalarValue(node) : undefined;
  const wrong = (expected: string): undefined => {
    reader.problem(path, `must be ${expected} (${about})`);
  };
  switch (accepts.kind) {
    case 'count': {
      const fits = Number.isInteger(value) && Number(value) >= accepts.from && Number(value) <= accepts.to;
      return fits ? value : wrong(`a whole number from ${accepts.from} to ${accepts.to}`);
    }
    case 'integer':
      return Number.isSafeInteger(value) ? value : wrong('a whole number');
    case 'decimal': {
      const text = node.kind === 'scalar' ? node.text : '';
      return isDecimal(text) ? text : wrong('a decimal number such as "0.50"');
    }
    case 'flag':
      return typeof value === 'boolean' ? value : wrong('true or false');
    case 'word':
      return accepts.words.includes(String(value)) ? value : wrong(accepts.words.join(', '));
    case 'texts': {
      const texts = node.kind === 'list' ? node.items.map((item) => (item.kind === 'scalar' ? item.text : '')) : [];
      if (texts.length === 0 || !texts.every((text) => accepts.each.test(text)))
        return wrong(`a list such as [${accepts.example}]`);
      return new Set(texts).size === texts.length ? texts : wrong('a list that names each once');
    }
    case 'name':
      return typeof value === 'string' && FIELD_NAME.test(value) && !isPrototypeName(value)
        ? value
        : wrong('the name of a field');
    case 'field':
      return readField(reader, node, path) ?? undefined;
    case 'fields':
      return readFields(reader, node, path);
    case 'kinds': {
      const mapping = reader.mapping(node, path, 'a mapping of values to fields');
      if (mapping === null) return undefined;
      return new Map(
        [...mapping.entries].map(([kind, { value: fields }]) => {
          checkName(reader, kind, [...path, kind]);
          return [kind, readFields(reader, fields, [...path, kind])];
        }),
      );
    }
    default:
      return accepts satisfies never;
  }
}

function checkMeaning(reader: RuleReader, field: Field, path: Path): void {
  switch (field.type) {
    case 'text':
    case 'integer':
    case 'list':
      if (field.min > field.max) reader.problem([...path, 'min'], 'must not be above max');
      break;
    case 'decimal':
    case 'money':
      if (compareDecimals(field.min, field.max) > 0) reader.problem([...path, 'min'], 'must not be above max');
      break;
    case 'one-of':
      for (const [kind, fields] of field.kinds)
        if (fields.has(field.by))
          reader.problem(
            [...path, 'kinds', kind, field.by],
            'is the field that decides; it is there without being named',
          );
      if (field.kinds.size === 0) reader.problem([...path, 'kinds'], 'must have one kind at least');
      break;
    default:
  }
  if (field.default !== undefined && !isOwnDefault(field))
    reader.problem([...path, 'default'], 'is no value that this field lets through as it is');
  if (field.type === 'list' && field.unique && !SCALAR_TYPES.includes(field.items.type))
    reader.problem(
      [...path, 'unique'],
      `is for lists of texts and numbers: to compare each ${field.items.type} with each takes too long`,
    );
  if (field.type === 'money') {
    const unknown = field.currencies.filter((code) => !Intl.supportedValuesOf('currency').includes(code));
    if (unknown.length > 0) reader.problem([...path, 'currencies'], `there is no currency ${unknown.join(', ')}`);
  }
  if (field.type === 'text' && field.characters === 'word' && field.sanitize.includes('mask'))
    reader.problem([...path, 'sanitize'], 'mask leaves stars, which are no characters of a word');
}

/** Whether what stands in for an absent field would go through it unchanged. */
function isOwnDefault(field: Field): boolean {
  const { default: value, sanitize } = field;
  if (sanitize.includes('drop')) return false;
  const plan = objectPlan(new Map([['v', { ...field, default: undefined }]]), 'drop');
  if (plan({ v: value }, new Run())['v'] !== value) return false;
  const text = String(value);
  const matches = (pattern: string): boolean => new RegExp(pattern).test(text);
  switch (field.type) {
    case 'integer':
      return Number(value) >= field.min && Number(value) <= field.max;
    case 'decimal':
      return matches(decimalPattern(field.scale)) && isBetween(text, field.min, field.max);
    case 'enum':
      return field.values.includes(text);
    case 'url':
      return text.length <= field.max && field.schemes.some((scheme) => text.startsWith(`${scheme}:`)) && isUrl(text);
    case 'locale':
      return matches(LOCALE);
    case 'version':
      return matches(VERSION);
    case 'text': {
      const length = Array.from(text).length;
      const pattern = field.characters === 'ascii' ? ASCII : field.characters === 'word' ? WORD : '';
      return length >= field.min && length <= field.max && matches(pattern);
    }
    default:
      return true;
  }
}
