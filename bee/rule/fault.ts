// What ajv found, as a code, a pointer and a sentence. One finding for an event: the first, so that no event costs more than one.
import type { ErrorObject } from 'ajv';
import { pointerStep } from '#core/json/pointer.ts';
import { type Rejection, type RejectionCode, rejection } from '../codes.ts';
import { stepBelow, tellablePointer } from '../strict-json.ts';
import { circumstance } from './conditions.ts';
import { acceptsText, kindText, rangeText } from './describe.ts';
import { isPlaceholder } from './formats.ts';
import type { Condition, Field, Rule } from './model.ts';

const JSON_KINDS: Readonly<Record<string, string>> = {
  string: 'a string',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
};

/** `errors` of a validation that failed; the schema's parts lead to their fields. */
export function faultOf(rule: Rule, fieldOf: ReadonlyMap<unknown, Field>, errors: readonly ErrorObject[]): Rejection {
  const error = errors[0];
  if (error === undefined) throw new TypeError('bee: a validation failed without an error');
  const at = tellablePointer(`/data${error.instancePath}`);
  const params = error.params as Readonly<Record<string, unknown>>;
  const field = fieldOf.get(error.parentSchema);
  const condition = conditionOf(rule, error.schemaPath);
  const make = (code: RejectionCode, detail: string | number = '', pointer = at): Rejection =>
    rejection(code, pointer, detail);
  switch (error.keyword) {
    case 'required': {
      const missing = stepBelow(at, String(params['missingProperty']));
      if (condition?.any !== undefined && error.schemaPath.includes('/anyOf/'))
        return make(
          'field-missing',
          `: one of ${condition.any.join(', ')} must be there${circumstance(condition)}`,
          '/data',
        );
      return make('field-missing', condition === null ? '' : circumstance(condition), missing);
    }
    case 'false schema':
      return make('field-forbidden', condition === null ? '' : circumstance(condition));
    case 'additionalProperties':
      return make('field-unknown', '', stepBelow(at, String(params['additionalProperty'])));
    case 'type': {
      const type = String(params['type']);
      return make('kind-wrong', field === undefined ? (JSON_KINDS[type] ?? type) : kindText(field.type));
    }
    case 'enum':
      return make('value-not-listed', (params['allowedValues'] as readonly unknown[]).join(', '));
    case 'discriminator': {
      const by = `${at}${pointerStep(String(params['tag']))}`;
      const kinds = field?.type === 'one-of' ? [...field.kinds.keys()].join(', ') : '';
      return params['tagValue'] === undefined ? make('field-missing', '', by) : make('value-not-listed', kinds, by);
    }
    case 'minLength':
      return make('text-too-short', Number(params['limit']));
    case 'maxLength':
      return make('text-too-long', Number(params['limit']));
    case 'minimum':
    case 'maximum':
      return make('number-out-of-range', field?.type === 'integer' ? rangeText(field.min, field.max) : degrees(error));
    case 'x-decimal':
      return make('number-out-of-range', rangeText(...(error.schema as [string, string])));
    case 'minItems':
      return make('list-too-short', Number(params['limit']));
    case 'maxItems':
      return make('list-too-long', Number(params['limit']));
    case 'uniqueItems':
      return make('list-repeats');
    case 'maxProperties':
      return make('map-too-large', Number(params['limit']));
    case 'propertyNames':
      return make('map-key-invalid');
    default:
      if (error.propertyName !== undefined) return make('map-key-invalid');
      if (field?.type === 'id' && isPlaceholder(String(error.data))) return make('value-placeholder');
      return make('value-invalid', field === undefined ? 'as the rule says' : acceptsText(field));
  }
}

function degrees({ parentSchema }: ErrorObject): string {
  const bounds = parentSchema as { readonly minimum?: number; readonly maximum?: number } | undefined;
  return rangeText(bounds?.minimum ?? '', bounds?.maximum ?? '');
}

/** The condition from which a part of the schema is: `#/allOf/2/then/required`. */
function conditionOf(rule: Rule, schemaPath: string): Condition | null {
  const [, index] = /^#\/allOf\/([0-9]+)\//.exec(schemaPath) ?? [];
  if (index === undefined) return null;
  const compiled = rule.conditions.filter(
    ({ require, forbid, any }) => require.length + forbid.length + any.length > 0,
  );
  return compiled[Number(index)] ?? null;
}
