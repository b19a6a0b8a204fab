// A rule as its documentation: what `/rules` shows to app developers, out of what is compiled, so that it is always true.
import type { FieldDocument, RuleDocument } from '../verdict.ts';
import type { CompiledRule } from './compile.ts';
import { conditionTexts } from './conditions.ts';
import { acceptsText } from './describe.ts';
import type { Field, Fields } from './model.ts';

export function documentOf({ rule, schema }: CompiledRule): RuleDocument {
  return {
    name: rule.name,
    type: rule.type,
    version: rule.version,
    about: rule.about,
    shadow: rule.shadow,
    unknown: rule.unknown,
    fields: fieldDocuments(rule.fields, ''),
    conditions: rule.conditions.flatMap(conditionTexts),
    examples: {
      accepted: rule.examples.flatMap(({ kind, name, data, ...rest }) =>
        kind === 'accepted' && 'result' in rest ? [{ name, data, result: JSON.stringify(rest.result) }] : [],
      ),
      rejected: rule.examples.flatMap(({ kind, name, data, ...rest }) =>
        kind === 'rejected' && 'code' in rest ? [{ name, data, code: rest.code }] : [],
      ),
    },
    schema,
  };
}

function fieldDocuments(fields: Fields, above: string): readonly FieldDocument[] {
  return [...fields].flatMap(([name, field]) => ownAndBelow(field, `${above}${name}`));
}

function ownAndBelow(field: Field, path: string): readonly FieldDocument[] {
  const own: FieldDocument = {
    path,
    type: field.type,
    required: field.required,
    about: field.about,
    accepts: acceptsText(field),
    byDefault: field.default === undefined ? null : JSON.stringify(field.default),
    sanitizers: field.sanitize,
  };
  return [own, ...below(field, path)];
}

function below(field: Field, path: string): readonly FieldDocument[] {
  switch (field.type) {
    case 'nested':
      return fieldDocuments(field.fields, `${path}.`);
    case 'one-of':
      return [...field.kinds].flatMap(([kind, fields]) => fieldDocuments(fields, `${path}(${kind}).`));
    case 'list':
      return below(field.items, `${path}[]`);
    case 'map':
      return below(field.values, `${path}.*`);
    default:
      return [];
  }
}
