// The JSON Schema of rule files, for editors (bee/rule.schema.json; draft-07, the one that they know): out of the table of field types, so that
// it completes and marks what the reader takes and refuses. What only the reader knows (min above max, a `require` of no field) it lets pass.
import type { JsonSchema } from '#core/config/schema-parts.ts';
import { rejectionCodes } from '../codes.ts';
import { CONDITION_KEYS } from './conditions.ts';
import { DECIMAL } from './decimal.ts';
import { FIELD_NAME, FIELD_TYPES, typeNames, type FieldType, type OptionKind, type TypeName } from './field-types.ts';
import { MAX_FIELDS } from './read-field.ts';
import { RULE_NAME, UNKNOWN } from './read.ts';

const FIELD: JsonSchema = { $ref: '#/definitions/field' };
const FIELDS: JsonSchema = { $ref: '#/definitions/fields' };
const NAME: JsonSchema = { type: 'string', pattern: FIELD_NAME.source };
const sentence = (description: string): JsonSchema => ({ type: 'string', minLength: 1, description });
/** One alone needs no brackets. */
const oneOrMore = (items: JsonSchema, description: string): JsonSchema => ({
  description,
  anyOf: [items, { type: 'array', items }],
});
const closed = (properties: Readonly<Record<string, JsonSchema>>, required: readonly string[]): JsonSchema => ({
  type: 'object',
  properties,
  additionalProperties: false,
  ...(required.length === 0 ? {} : { required }),
});

function optionSchema(accepts: OptionKind): JsonSchema {
  switch (accepts.kind) {
    case 'count':
      return { type: 'integer', minimum: accepts.from, maximum: accepts.to };
    case 'integer':
      return { type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };
    case 'decimal':
      return { type: ['string', 'number'], pattern: DECIMAL.source };
    case 'flag':
      return { type: 'boolean' };
    case 'word':
      return { enum: accepts.words };
    case 'texts': {
      const items = { type: ['string', 'number', 'boolean', 'null'], pattern: accepts.each.source };
      return { type: 'array', minItems: 1, uniqueItems: true, items };
    }
    case 'name':
      return NAME;
    case 'field':
      return FIELD;
    case 'fields':
      return FIELDS;
    case 'kinds':
      return { type: 'object', minProperties: 1, propertyNames: NAME, additionalProperties: FIELDS };
    default:
      return accepts satisfies never;
  }
}

/** A field that is written as a mapping. */
function typeSchema(name: TypeName, { about, always, may, default: byDefault, options }: FieldType): JsonSchema {
  const own = Object.entries(options).map(([key, { accepts, about: description, default: value }]) => [
    key,
    { description, ...optionSchema(accepts), ...(value === undefined ? {} : { default: value }) },
  ]);
  const properties: Record<string, JsonSchema> = {
    type: { enum: [name, `${name}!`], description: about },
    required: {
      type: 'boolean',
      default: false,
      description: 'Without it the event is rejected; `TYPE!` says the same.',
    },
    about: sentence('What it is, for app developers.'),
    sanitize: oneOrMore({ enum: [...always, ...may] }, 'Sanitizers; they run in an order of their own.'),
    ...(byDefault === null
      ? {}
      : {
          default: { type: byDefault === 'text' ? 'string' : byDefault, description: 'Where the sender gives none.' },
        }),
    ...(Object.fromEntries(own) as Record<string, JsonSchema>),
  };
  const needed = Object.entries(options).flatMap(([key, option]) => (option.default === undefined ? [key] : []));
  return closed(properties, ['type', ...needed]);
}

function fieldSchema(): JsonSchema {
  const bare = typeNames.filter((name) =>
    Object.values(FIELD_TYPES[name].options).every((option) => option.default !== undefined),
  );
  return {
    description: 'A type, with ! where the field is required; or a mapping with `type` and options.',
    anyOf: [
      { enum: bare.flatMap((name) => [name, `${name}!`]) },
      ...typeNames.map((name) => typeSchema(name, FIELD_TYPES[name])),
    ],
  };
}

function exampleSchema(own: Readonly<Record<string, JsonSchema>>, required: readonly string[]): JsonSchema {
  const properties = {
    name: sentence('What it shows, in a few words.'),
    data: { description: 'The data.' },
    json: sentence('The data as JSON text: for what YAML cannot say.'),
    ...own,
  };
  return {
    type: 'array',
    minItems: 1,
    items: { ...closed(properties, ['name', ...required]), oneOf: [{ required: ['data'] }, { required: ['json'] }] },
  };
}

export function ruleFileSchema(): JsonSchema {
  const names = oneOrMore({ type: 'string' }, 'Fields of this rule.');
  const conditions: Record<string, JsonSchema> = Object.fromEntries(CONDITION_KEYS.map((key) => [key, names]));
  conditions['when'] = { type: 'object', description: 'Fields and a value, or a list of values, of each.' };
  const examples = {
    accepted: exampleSchema({ result: { description: 'What goes on; the data unless given.' } }, []),
    rejected: exampleSchema(
      { code: { enum: rejectionCodes }, at: sentence('The place: a JSON pointer such as /data/amount.') },
      ['code'],
    ),
  };
  const top = {
    type: { type: 'string', pattern: RULE_NAME.source, description: 'The event type, and the name of this file.' },
    about: sentence('What the event says, in a sentence.'),
    unknown: { enum: UNKNOWN, default: 'drop', description: 'What becomes of fields that are not named here.' },
    shadow: {
      type: 'boolean',
      default: false,
      description: 'It answers nobody, and is compared with the version before.',
    },
    fields: { description: 'The fields of `data`, by name.', ...FIELDS },
    conditions: { type: 'array', description: 'What must hold between fields.', items: closed(conditions, []) },
    examples: {
      description: 'Events that are tried before the rule serves.',
      ...closed(examples, ['accepted', 'rejected']),
    },
  };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'A rule of Bee: what an event of one type must be, and how it is cleaned (docs/bee-rules.md)',
    ...closed(top, ['type', 'about', 'fields', 'examples']),
    definitions: {
      field: fieldSchema(),
      fields: { type: 'object', maxProperties: MAX_FIELDS, propertyNames: NAME, additionalProperties: FIELD },
    },
  };
}
