// The pieces that the schema of waggle.yaml is made of: draft-07 JSON Schema with our formats (texts.ts) and ranges.
import { textKinds, type TextKindName } from './texts.ts';

export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

export const text = (kind: TextKindName, description: string, more: JsonSchema = {}): JsonSchema => ({
  type: 'string',
  description,
  format: kind,
  pattern: textKinds[kind].pattern.source,
  ...more,
});
export const size = (description: string, byDefault: string, min: string, max: string): JsonSchema =>
  text('size', `${description} From ${min} to ${max}.`, { default: byDefault, 'x-range': [min, max] });
export const duration = (description: string, byDefault: string, min: string, max: string): JsonSchema =>
  text('duration', `${description} From ${min} to ${max}.`, { default: byDefault, 'x-range': [min, max] });
export const oneOf = (description: string, values: readonly string[], byDefault: string): JsonSchema => ({
  type: 'string',
  description,
  enum: values,
  default: byDefault,
});
export const whole = (description: string, minimum: number, maximum: number, byDefault: number): JsonSchema => ({
  type: 'integer',
  description,
  minimum,
  maximum,
  default: byDefault,
});
export const secret = (description: string): JsonSchema => ({ type: 'string', description, minLength: 1 });
export const list = (items: JsonSchema, description: string, more: JsonSchema = {}): JsonSchema => ({
  type: 'array',
  description,
  items,
  minItems: 1,
  uniqueItems: true,
  ...more,
});

interface ObjectOptions {
  readonly required?: readonly string[];
  /** Stands in where the whole mapping is left out. */
  readonly default?: object;
}
export const object = (
  description: string,
  properties: Readonly<Record<string, JsonSchema>>,
  options: ObjectOptions = {},
): JsonSchema => ({
  type: 'object',
  description,
  properties,
  additionalProperties: false,
  ...options,
});
export const byName = (description: string, value: JsonSchema, minProperties: number): JsonSchema => ({
  type: 'object',
  description,
  propertyNames: { format: 'name', pattern: textKinds.name.pattern.source },
  additionalProperties: value,
  minProperties,
});

/** Changes of an event's data (core/mapping.ts). */
export const mappingFields: Readonly<Record<string, JsonSchema>> = {
  drop: list(text('data-pointer', 'A path.'), 'What is left out.'),
  rename: {
    type: 'object',
    description: 'From path to path; what stands there is replaced.',
    propertyNames: { format: 'data-pointer' },
    additionalProperties: text('data-pointer', 'The new path.'),
  },
  set: {
    type: 'object',
    description: 'Path to a value.',
    propertyNames: { format: 'data-pointer' },
  },
};
