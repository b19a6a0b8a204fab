// The schema as editors get it (waggle.schema.json): they see the text as written, so each value may also be a reference, whatever its type.
import type { JsonSchema } from './schema-parts.ts';
import { configSchema } from './schema.ts';

const reference = '\\$\\{|^file:';

export const editorSchema = admitReferences(configSchema) as JsonSchema;

function admitReferences(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(admitReferences);
  if (typeof schema !== 'object' || schema === null) return schema;
  // Formats and ranges of our own mean nothing to an editor; the pattern beside the format does.
  const {
    format: _format,
    'x-range': _range,
    default: byDefault,
    required,
    ...rest
  } = schema as Readonly<Record<string, unknown>>;
  const inner: Record<string, unknown> = Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [key, admitReferences(value)]),
  );
  if (required !== undefined) inner['required'] = required;
  if (byDefault !== undefined) inner['default'] = byDefault;
  const { type, pattern, description, ...limits } = inner;
  if (typeof pattern === 'string') return { ...inner, pattern: `${reference}|(?:${pattern})` };
  const isScalar = type === 'integer' || type === 'boolean' || 'enum' in limits;
  if (!isScalar) return inner;
  const { default: shown, ...checked } = limits;
  return {
    ...(description === undefined ? {} : { description }),
    ...(shown === undefined ? {} : { default: shown }),
    anyOf: [
      { type, ...checked },
      { type: 'string', pattern: reference },
    ],
  };
}
