// A rule compiled: the sanitising plan, the validator of its JSON Schema, and what is hidden at the end, as one function each.
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { JsonSchema } from '#core/config/schema-parts.ts';
import { type Rejection, rejection } from '../codes.ts';
import { type Run, objectPlan } from './clean.ts';
import { disorder } from './conditions.ts';
import { isBetween, isDecimal } from './decimal.ts';
import { faultOf } from './fault.ts';
import { FORMATS } from './formats.ts';
import type { Rule } from './model.ts';
import { type Hide, type ProtectAll, protectorOfFields } from './protect.ts';
import { ruleSchema } from './schema.ts';

type Values = Readonly<Record<string, unknown>>;

export interface CompiledRule {
  readonly rule: Rule;
  /** The published one. */
  readonly schema: JsonSchema;
  /** A new object of what the fields let through. */
  readonly clean: (data: Values, run: Run) => Values;
  /** Null where cleaned data are as the rule wants them. */
  readonly fault: (data: Values) => Rejection | null;
  /** Null where nothing is hidden. */
  readonly protect: ProtectAll | null;
}

/** Strict, without coercion, without defaults, and blind to what objects inherit. `strictTypes`: off for schemas that say no type, which no rule's does. */
export function createAjv(strictTypes = true): Ajv2020 {
  const ajv = new Ajv2020({
    strict: true,
    strictTypes,
    strictRequired: false, // a condition requires what the schema around it defines
    allErrors: false,
    unicodeRegExp: false, // our patterns are ASCII, and twice as fast so
    ownProperties: true,
    discriminator: true,
    verbose: true,
    meta: false,
    validateSchema: false, // that what ruleSchema writes is a schema is for the tests to say, not for each start
    addUsedSchema: false,
  });
  for (const [name, validate] of Object.entries(FORMATS)) ajv.addFormat(name, { type: 'string', validate });
  ajv.addKeyword({
    keyword: 'x-decimal',
    type: 'string',
    schemaType: 'array',
    compile:
      ([min, max]: [string, string]) =>
      (text: string) =>
        !isDecimal(text) || isBetween(text, min, max), // the pattern says what is none
  });
  return ajv;
}

/** Compiles rules of one set. `hash`: null where there is no key. */
export function ruleCompiler(hash: Hide | null): (rule: Rule) => CompiledRule {
  const ajv = createAjv();
  return (rule) => {
    const built = ruleSchema(rule, 'built');
    const validate = ajv.compile(built.schema);
    ajv.removeSchema(built.schema); // else it would be kept for as long as the compiler
    const ordered = rule.conditions.filter(({ order }) => order.length > 0);
    return {
      rule,
      schema: ruleSchema(rule, 'published').schema,
      clean: objectPlan(rule.fields, rule.unknown),
      fault: (data) => {
        if (!validate(data)) return faultOf(rule, built.fieldOf, validate.errors ?? []);
        for (const condition of ordered) {
          const wrong = disorder(condition, data);
          if (wrong !== null) return rejection('order-wrong', `/data/${wrong.name}`, wrong.before);
        }
        return null;
      },
      protect: protectorOfFields(rule.fields, hash),
    };
  };
}
