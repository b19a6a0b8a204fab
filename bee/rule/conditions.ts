// Conditions between fields: read from the file, said in a sentence, compiled to JSON Schema; the order of values is compared here, since JSON
// Schema knows no comparison of two fields.
import type { MappingNode, Node } from '#core/config/document.ts';
import { scalarValue } from '#core/config/document.ts';
import type { PathStep } from '#core/config/problem.ts';
import type { JsonSchema } from '#core/config/schema-parts.ts';
import { parseTime } from '#core/time.ts';
import { compareDecimals } from './decimal.ts';
import type { Condition, Field, Fields } from './model.ts';
import type { RuleReader } from './read.ts';

export const CONDITION_KEYS = ['when', 'with', 'require', 'forbid', 'any', 'order'] as const;
const ORDERED: readonly Field['type'][] = ['integer', 'decimal', 'timestamp'];
const COMPARED: readonly Field['type'][] = ['enum', 'boolean', 'integer', 'text', 'id'];

export function readConditions(reader: RuleReader, node: Node | undefined, fields: Fields): readonly Condition[] {
  if (node === undefined) return [];
  if (node.kind !== 'list') {
    reader.problem(['conditions'], 'must be a list');
    return [];
  }
  return node.items.flatMap((item, index) => {
    const path = ['conditions', index];
    const mapping = reader.mapping(item, path, `a mapping with ${CONDITION_KEYS.join(', ')}`);
    return mapping === null ? [] : [readCondition(reader, mapping, path, fields)];
  });
}

function readCondition(reader: RuleReader, node: MappingNode, path: readonly PathStep[], fields: Fields): Condition {
  reader.knownKeys(node, path, CONDITION_KEYS);
  const names = [...fields.keys()];
  const list = (key: string): readonly string[] =>
    reader.names(node.entries.get(key)?.value, [...path, key], names, 'a field of this rule');
  const condition: Condition = {
    when: readWhen(reader, node.entries.get('when')?.value, [...path, 'when'], fields),
    with: list('with'),
    require: list('require'),
    forbid: list('forbid'),
    any: list('any'),
    order: list('order'),
  };
  const { require, forbid, any, order } = condition;
  if (require.length + forbid.length + any.length + order.length === 0)
    reader.problem(path, 'says nothing: it needs require, forbid, any or order');
  if (any.length === 1) reader.problem([...path, 'any'], 'needs two fields; for one write require');
  for (const name of forbid)
    if (fields.get(name)?.required === true || fields.get(name)?.default !== undefined)
      reader.problem([...path, 'forbid'], `"${name}" is always there: it is required or has a default`);
  const types = new Set(order.map((name) => fields.get(name)?.type));
  if (order.length === 1 || types.size > 1 || [...types].some((type) => type === undefined || !ORDERED.includes(type)))
    if (order.length > 0) reader.problem([...path, 'order'], `needs two fields of one type: ${ORDERED.join(', ')}`);
  return condition;
}

function readWhen(
  reader: RuleReader,
  node: Node | undefined,
  path: readonly PathStep[],
  fields: Fields,
): Condition['when'] {
  const when = new Map<string, readonly (string | number | boolean)[]>();
  if (node === undefined) return when;
  const mapping = reader.mapping(node, path, 'a mapping of fields to values');
  for (const [name, { value }] of mapping?.entries ?? []) {
    const field = fields.get(name);
    if (field === undefined || !COMPARED.includes(field.type)) {
      reader.problem([...path, name], `must be a field of this rule whose type is ${COMPARED.join(', ')}`, 'key');
      continue;
    }
    const values = (value.kind === 'list' ? value.items : [value]).map((item) =>
      item.kind === 'scalar'
        ? typeof scalarValue(item) === 'string' || field.type === 'enum'
          ? item.text
          : scalarValue(item)
        : null,
    );
    const wanted = field.type === 'integer' ? 'number' : field.type === 'boolean' ? 'boolean' : 'string';
    if (values.length === 0 || !values.every((each) => typeof each === wanted))
      reader.problem([...path, name], `must be a ${wanted === 'string' ? 'text' : wanted} or a list of them`);
    else if (field.type === 'enum' && !values.every((each) => field.values.includes(String(each))))
      reader.problem([...path, name], `must be one of ${field.values.join(', ')}`);
    else when.set(name, values as (string | number | boolean)[]);
  }
  return when;
}

/** ` where method is card or cash`, or nothing where the condition holds always. */
export function circumstance({ when, with: present }: Condition): string {
  const parts = [
    ...[...when].map(([name, values]) => `${name} is ${values.map(String).join(' or ')}`),
    ...present.map((name) => `${name} is there`),
  ];
  return parts.length === 0 ? '' : ` where ${parts.join(' and ')}`;
}

/** For people: `card_id must be there where method is card.` */
export function conditionTexts(condition: Condition): readonly string[] {
  const where = circumstance(condition);
  const { require, forbid, any, order } = condition;
  return [
    ...(require.length > 0 ? [`${require.join(' and ')} must be there${where}.`] : []),
    ...(forbid.length > 0 ? [`${forbid.join(' and ')} must not be there${where}.`] : []),
    ...(any.length > 0 ? [`One of ${any.join(', ')} must be there${where}.`] : []),
    ...(order.length > 0 ? [`${order.join(', ')} must not fall${where}.`] : []),
  ];
}

/** Null where the condition is one of order alone. */
export function conditionSchema({ when, with: present, require, forbid, any }: Condition): JsonSchema | null {
  const then: JsonSchema = {
    ...(require.length > 0 && { required: require }),
    ...(forbid.length > 0 && { properties: Object.fromEntries(forbid.map((name) => [name, false])) }),
    ...(any.length > 0 && { anyOf: any.map((name) => ({ required: [name] })) }),
  };
  if (Object.keys(then).length === 0) return null;
  const names = [...when.keys(), ...present];
  if (names.length === 0) return then;
  const properties = Object.fromEntries([...when].map(([name, values]) => [name, { enum: values }]));
  // oxlint-disable-next-line unicorn/no-thenable -- JSON Schema's own word
  return { if: { ...(when.size > 0 && { properties }), required: names }, then };
}

/** Whether when and with hold for validated data. */
function applies({ when, with: present }: Condition, data: Readonly<Record<string, unknown>>): boolean {
  for (const [name, values] of when) if (!values.includes(data[name] as string)) return false;
  return present.every((name) => data[name] !== undefined);
}

/** The first field whose value is below that of an earlier one, and that one; null where all is in order. */
export function disorder(
  condition: Condition,
  data: Readonly<Record<string, unknown>>,
): { readonly name: string; readonly before: string } | null {
  if (condition.order.length === 0 || !applies(condition, data)) return null;
  const there = condition.order.filter((name) => data[name] !== undefined);
  for (const [index, name] of there.entries()) {
    const before = there[index - 1];
    if (before !== undefined && isBelow(data[name], data[before])) return { name, before };
  }
  return null;
}

function isBelow(value: unknown, other: unknown): boolean {
  if (typeof value === 'number' && typeof other === 'number') return value < other;
  const [a, b] = [String(value), String(other)];
  const [timeA, timeB] = [parseTime(a), parseTime(b)];
  return timeA !== null && timeB !== null ? timeA < timeB : compareDecimals(a, b) < 0;
}
