// The sanitising plan of a rule in words, in the order in which it runs.
import { SANITIZERS } from '../verdict.ts';
import { conditionTexts } from './conditions.ts';
import { SANITIZER_TEXTS } from './field-types.ts';
import type { Field, Fields, Rule } from './model.ts';

export function planText(rule: Rule): readonly string[] {
  const others = { drop: 'left out, and told', keep: 'kept, cleaned, without secrets', reject: 'rejected' }[
    rule.unknown
  ];
  const lines = fieldLines(rule.fields, '/data');
  return [
    ...lines.filter(({ late }) => !late).map(({ text }) => text),
    `fields that the rule does not name: ${others}`,
    'the schema is validated',
    ...rule.conditions.flatMap(conditionTexts),
    ...lines.filter(({ late }) => late).map(({ text }) => text),
  ];
}

interface Line {
  readonly text: string;
  /** After the validation. */
  readonly late: boolean;
}

function fieldLines(fields: Fields, above: string): readonly Line[] {
  return [...fields].flatMap(([name, field]) => linesOf(field, `${above}/${name}`));
}

function linesOf(field: Field, path: string): readonly Line[] {
  if (field.sanitize.includes('drop')) return [{ text: `${path}: drop: ${SANITIZER_TEXTS.drop}`, late: false }];
  const cards =
    field.type === 'text' && field.cards === 'mask'
      ? [{ text: `${path}: card numbers in it are masked`, late: false }]
      : [];
  const own = SANITIZERS.filter((name) => field.sanitize.includes(name)).flatMap((name) => [
    { text: `${path}: ${name}: ${SANITIZER_TEXTS[name]}`, late: name === 'mask' || name === 'hash' },
    ...(name === 'trim' ? cards : []),
  ]);
  const byDefault =
    field.default === undefined
      ? []
      : [{ text: `${path}: ${JSON.stringify(field.default)} where it is absent`, late: false }];
  switch (field.type) {
    case 'list':
      return [...own, ...linesOf(field.items, `${path}/-`)];
    case 'map':
      return [...own, ...linesOf(field.values, `${path}/*`)];
    case 'nested':
      return [...own, ...fieldLines(field.fields, path)];
    case 'one-of':
      return [...own, ...[...field.kinds].flatMap(([kind, fields]) => fieldLines(fields, `${path}(${kind})`))];
    default:
      return [...own, ...byDefault];
  }
}
