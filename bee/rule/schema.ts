// A rule as plain JSON Schema 2020-12: what its sanitised data fulfil.
import type { JsonSchema } from '#core/config/schema-parts.ts';
import { conditionSchema } from './conditions.ts';
import { decimalPattern } from './decimal.ts';
import {
  ASCII,
  EMAIL,
  HASH,
  ID,
  LOCALE,
  MAP_KEY,
  MASKED_PHONE,
  PHONE,
  TIMESTAMP,
  UUID,
  VERSION,
  WORD,
} from './formats.ts';
import type { Field, FieldOf, Fields, Rule } from './model.ts';

export interface RuleSchema {
  readonly schema: JsonSchema;
  /** Which field a part of the schema is from. */
  readonly fieldOf: ReadonlyMap<unknown, Field>;
}

interface Build {
  readonly fieldOf: Map<unknown, Field>;
  /** Whether to say that an object has no members but those named. */
  readonly closed: boolean;
}

/** Digits behind the point. */
const currencyScale = (currency: string): number =>
  new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;

/**
 * `built`: for data that the rule's own plan has built, in which no member is that no field names; so nobody need look for one.
 */
export function ruleSchema(rule: Rule, purpose: 'published' | 'built'): RuleSchema {
  const conditions = rule.conditions.flatMap((condition) => conditionSchema(condition) ?? []);
  const build: Build = { fieldOf: new Map(), closed: purpose === 'published' && rule.unknown !== 'keep' };
  const schema: JsonSchema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: rule.name,
    description: rule.about,
    ...objectSchema(rule.fields, build),
    ...(conditions.length > 0 && { allOf: conditions }),
  };
  return { schema, fieldOf: build.fieldOf };
}

function objectSchema(fields: Fields, build: Build): JsonSchema {
  const required = [...fields].filter(([, { required: must }]) => must).map(([name]) => name);
  const kept = [...fields].filter(([, { sanitize }]) => !sanitize.includes('drop'));
  return {
    type: 'object',
    properties: Object.fromEntries(kept.map(([name, field]) => [name, fieldSchema(field, build)])),
    ...(required.length > 0 && { required }),
    ...(build.closed && { additionalProperties: false }),
  };
}

function fieldSchema(field: Field, build: Build): JsonSchema {
  const own = typeSchema(field, build);
  build.fieldOf.set(own, field);
  const about = field.about === '' ? {} : { description: field.about };
  const byDefault = field.default === undefined ? {} : { default: field.default };
  if (!field.sanitize.includes('hash')) return Object.assign(own, about, byDefault);
  return { ...about, ...byDefault, anyOf: [own, { type: 'string', pattern: HASH }] };
}

function typeSchema(field: Field, build: Build): JsonSchema {
  switch (field.type) {
    case 'text': {
      const pattern = field.characters === 'ascii' ? ASCII : field.characters === 'word' ? WORD : null;
      return {
        type: 'string',
        ...(field.min > 0 && { minLength: field.min }),
        maxLength: field.max,
        ...(pattern !== null && { pattern }),
      };
    }
    case 'id':
      return { type: 'string', maxLength: field.max, pattern: field.form === 'uuid' ? UUID : ID, format: 'id' };
    case 'integer':
      return { type: 'integer', minimum: field.min, maximum: field.max };
    case 'decimal':
      return decimalSchema(field.scale, field.min, field.max);
    case 'money':
      return moneySchema(field, build);
    case 'boolean':
      return { type: 'boolean' };
    case 'timestamp':
      return { type: 'string', pattern: TIMESTAMP, format: 'day' };
    case 'enum':
      return { type: 'string', enum: field.values };
    case 'email':
      return { type: 'string', maxLength: 254, pattern: EMAIL };
    case 'phone':
      return { type: 'string', pattern: field.sanitize.includes('mask') ? MASKED_PHONE : PHONE };
    case 'url':
      return {
        type: 'string',
        maxLength: field.max,
        pattern: `^(?:${field.schemes.map((scheme) => scheme.replace(/[.+]/g, String.raw`\$&`)).join('|')}):`,
        format: 'url',
      };
    case 'geo':
      return {
        type: 'object',
        properties: {
          lat: { type: 'number', minimum: -90, maximum: 90 },
          lon: { type: 'number', minimum: -180, maximum: 180 },
        },
        required: ['lat', 'lon'],
        additionalProperties: false,
      };
    case 'locale':
      return { type: 'string', pattern: LOCALE };
    case 'version':
      return { type: 'string', pattern: VERSION };
    case 'ip':
      return { type: 'string', format: 'ip' };
    case 'list':
      return {
        type: 'array',
        items: fieldSchema(field.items, build),
        ...(field.min > 0 && { minItems: field.min }),
        maxItems: field.max,
        ...(field.unique && { uniqueItems: true }),
      };
    case 'map':
      return {
        type: 'object',
        propertyNames: { type: 'string', pattern: MAP_KEY, format: 'map-key' },
        additionalProperties: fieldSchema(field.values, build),
        maxProperties: field.max,
      };
    case 'nested':
      return objectSchema(field.fields, build);
    case 'one-of':
      return {
        type: 'object',
        discriminator: { propertyName: field.by },
        required: [field.by],
        oneOf: [...field.kinds].map(([kind, fields]) => kindSchema(field.by, kind, fields, build)),
      };
    default:
      return field satisfies never;
  }
}

function kindSchema(by: string, kind: string, fields: Fields, build: Build): JsonSchema {
  const { properties, ...rest } = objectSchema(fields, build);
  return { ...rest, properties: { [by]: { const: kind }, ...(properties as JsonSchema) } };
}

/** `x-decimal` compares: JSON Schema has no bounds for numbers in strings. */
function decimalSchema(scale: number, min: string, max: string): JsonSchema {
  return { type: 'string', pattern: decimalPattern(scale), 'x-decimal': [min, max] };
}

function moneySchema({ currencies, min, max }: FieldOf<'money'>, build: Build): JsonSchema {
  const scales = Map.groupBy(currencies, currencyScale);
  const greatest = Math.max(...scales.keys());
  const amount = decimalSchema(greatest, min, max);
  build.fieldOf.set(amount, decimalField(greatest, min, max));
  const smaller = [...scales].filter(([scale]) => scale < greatest);
  return {
    type: 'object',
    properties: { amount, currency: { type: 'string', enum: currencies } },
    required: ['amount', 'currency'],
    additionalProperties: false,
    ...(smaller.length > 0 && {
      allOf: smaller.map(([scale, codes]) => {
        const narrower = { type: 'string', pattern: decimalPattern(scale) };
        build.fieldOf.set(narrower, decimalField(scale, min, max));
        // oxlint-disable-next-line unicorn/no-thenable -- JSON Schema's own word
        return { if: { properties: { currency: { enum: codes } } }, then: { properties: { amount: narrower } } };
      }),
    }),
  };
}

const decimalField = (scale: number, min: string, max: string): Field => ({
  type: 'decimal',
  required: true,
  about: '',
  default: undefined,
  sanitize: [],
  scale,
  min,
  max,
});
