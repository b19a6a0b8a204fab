// The schema applied: defaults filled in, and what ajv found said in words for people.
import { Ajv, type ErrorObject } from 'ajv';
import { parseDuration, parseSize } from '../units.ts';
import { didYouMean, type PathStep } from './problem.ts';
import type { JsonSchema } from './schema-parts.ts';
import { configSchema } from './schema.ts';
import { textKinds, type TextKind } from './texts.ts';

export interface Finding {
  readonly path: readonly PathStep[];
  /** Whether the finding is about the key or about its value. */
  readonly at: 'key' | 'value';
  readonly message: string;
}

/**
 * Fills `value` with defaults and answers what is wrong with it. Texts out of references (`isResolved`) become numbers and booleans where
 * the schema wants these, since an environment variable is always text; what is `isAbsent` is not missed.
 */
export function validate(
  value: unknown,
  isResolved: (path: readonly PathStep[]) => boolean,
  isAbsent: (path: readonly PathStep[]) => boolean,
): readonly Finding[] {
  const validator = (compiled ??= compile());
  if (validator(value)) return [];
  let errors = validator.errors ?? [];
  const coerced = errors.filter(
    (error) => error.keyword === 'type' && isResolved(pathOf(value, error)) && coerce(value, error),
  );
  if (coerced.length > 0) errors = validator(value) ? [] : (validator.errors ?? []);
  return errors.flatMap((error) => {
    const finding = findingOf(value, error, isResolved(pathOf(value, error)));
    if (finding === null) return [];
    if (error.keyword === 'required' && isAbsent(finding.path)) return [];
    if (error.keyword === 'minItems' && isAbsent([...finding.path, 0])) return [];
    return [finding];
  });
}

/** Compiled when it is first needed: `waggle --help` need not wait for it. */
let compiled: ReturnType<typeof compile> | undefined;

function compile() {
  // That the schema is a schema is for the tests to say, not for each start.
  const ajv = new Ajv({
    allErrors: true,
    useDefaults: true,
    verbose: true,
    strictTypes: false,
    strictRequired: false,
    validateSchema: false,
  });
  for (const [name, kind] of Object.entries<TextKind>(textKinds)) {
    ajv.addFormat(name, {
      type: 'string',
      validate: (text: string) => kind.pattern.test(text) && (kind.check?.(text) ?? true),
    });
  }
  ajv.addKeyword({
    keyword: 'x-range',
    type: 'string',
    schemaType: 'array',
    compile: ([min, max]: [string, string], parent) => {
      const parse = parent['format'] === 'size' ? parseSize : parseDuration;
      const [low, high] = [parse(min) ?? 0, parse(max) ?? 0];
      return (text: string) => {
        const parsed = parse(text);
        return parsed === null || (parsed >= low && parsed <= high); // the format tells what is no size at all
      };
    },
  });
  return ajv.compile(configSchema);
}

/** The steps of ajv's JSON pointer; numbers are list indexes only where there is a list. */
function pathOf(root: unknown, { instancePath }: ErrorObject): PathStep[] {
  let value = root;
  return instancePath
    .split('/')
    .slice(1)
    .map((encoded) => {
      const step = encoded.replaceAll('~1', '/').replaceAll('~0', '~');
      const key = Array.isArray(value) ? Number(step) : step;
      value = (value as Record<PathStep, unknown> | null | undefined)?.[key];
      return key;
    });
}

function coerce(root: unknown, error: ErrorObject): boolean {
  const text = String(error.data);
  const wanted: unknown = error.schema;
  let value: number | boolean;
  if (wanted === 'integer' && /^-?[0-9]{1,15}$/.test(text)) value = Number(text);
  else if (wanted === 'boolean' && /^(true|false)$/.test(text)) value = text === 'true';
  else return false;
  const path = pathOf(root, error);
  const parent = path.slice(0, -1).reduce<unknown>((inner, step) => (inner as Record<PathStep, unknown>)[step], root);
  (parent as Record<PathStep, unknown>)[path.at(-1) ?? ''] = value;
  return true;
}

// No message holds a value that was resolved, nor any text but a name that was to be out of a few.
function findingOf(root: unknown, error: ErrorObject, isResolved: boolean): Finding | null {
  const path = pathOf(root, error);
  const parent = (error.parentSchema ?? {}) as JsonSchema;
  const params = error.params as Readonly<Record<string, unknown>>;
  const at = (message: string): Finding => ({
    path,
    at: 'value',
    message: isResolved ? `${message} (its value comes from a reference)` : message,
  });
  if (error.propertyName !== undefined && error.keyword !== 'propertyNames') return null; // said by propertyNames
  switch (error.keyword) {
    case 'if': // said by what stands in `then`
      return null;
    case 'pattern':
      return parent['format'] === undefined ? at(`must match ${String(parent['pattern'])}`) : null; // said by format
    case 'required': {
      const name = String(params['missingProperty']);
      return { path: [...path, name], at: 'key', message: `is missing${describe(parent, name)}` };
    }
    case 'additionalProperties': {
      const name = String(params['additionalProperty']);
      const known = Object.keys(parent['properties'] ?? {});
      const near = didYouMean(name, known);
      return {
        path: [...path, name],
        at: 'key',
        message: `unknown key${near === '' ? `; known here: ${known.join(', ')}` : near}`,
      };
    }
    case 'propertyNames':
      return {
        path: [...path, String(params['propertyName'])],
        at: 'key',
        message: `must be ${(formatKind((error.schema as JsonSchema)['format']) ?? textKinds.name).expected}`,
      };
    case 'enum': {
      const allowed = (parent['enum'] as readonly unknown[]).map(String);
      const near = isResolved || typeof error.data !== 'string' ? '' : didYouMean(error.data, allowed);
      return at(`must be ${allowed.map((one) => JSON.stringify(one)).join(' or ')}${near}`);
    }
    case 'const':
      return at(`must be ${JSON.stringify(parent['const'])}`);
    case 'type':
      return at(typeMessage(error, parent));
    case 'format':
      return at(`must be ${formatKind(parent['format'])?.expected ?? 'of another form'}`);
    case 'x-range':
      return at(`must be from ${(parent['x-range'] as string[]).join(' to ')}`);
    case 'minimum':
    case 'maximum':
      return at(`must be from ${String(parent['minimum'])} to ${String(parent['maximum'])}`);
    case 'minLength':
    case 'minItems':
    case 'minProperties':
      return at('must not be empty');
    case 'maxLength':
      return at(`must be at most ${String(parent['maxLength'])} characters`);
    case 'uniqueItems':
      return at('holds the same entry twice');
    default:
      return at(error.message ?? 'is not valid');
  }
}

const formatKind = (name: unknown): TextKind | undefined =>
  typeof name === 'string' ? (textKinds as Readonly<Record<string, TextKind>>)[name] : undefined;

function describe(parent: JsonSchema, name: string): string {
  const properties = (parent['properties'] ?? {}) as Readonly<Record<string, JsonSchema | undefined>>;
  const description = properties[name]?.['description'];
  return typeof description === 'string' ? ` (${description.replace(/\.$/, '')})` : '';
}

const typeNames: Readonly<Record<string, string>> = {
  object: 'a mapping (key: value)',
  array: 'a list',
  integer: 'a whole number',
  boolean: 'true or false',
  string: 'a text',
};

function typeMessage(error: ErrorObject, parent: JsonSchema): string {
  const wanted = [error.schema].flat().map(String);
  const kind = formatKind(parent['format']);
  const expected = kind?.expected ?? wanted.map((type) => typeNames[type] ?? type).join(' or ');
  if (error.data === null) return `is empty; it must be ${expected}`;
  const isBare = typeof error.data === 'number' || typeof error.data === 'boolean';
  return `must be ${expected}${kind === undefined && isBare && wanted.includes('string') ? ': put quotes around it' : ''}`;
}
